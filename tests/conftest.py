"""Imported before any test module: MLX must find the fast BLAS that mlxts loads."""

import mlxts.backend  # noqa: F401
