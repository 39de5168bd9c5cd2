"""Cheap forecasters that every network is compared with, or whose residual it learns."""
