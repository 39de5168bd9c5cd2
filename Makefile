# `make demo` and `make test` need nothing but a Python 3.11.5 or newer (or uv, which fetches one) and
# the package registry.
.DEFAULT_GOAL := help
.PHONY: help setup demo demo-data test mutants lint verify docs bench compare options lock clean

BIN := .venv/bin
# The first Python that runs, to start the installer with; it picks the best one for .venv, or takes
# the one that is named: `make setup PYTHON=python3.13`.
PYTHON ?= $(or $(shell for p in python3 python3.12 python3.13 python3.14 python3.11; do \
	if $$p -c 'import sys; sys.exit(sys.version_info < (3, 9))' >/dev/null 2>&1; then echo $$p; break; fi; done),python3)
# `make setup EXTRAS=cuda,tracking` adds extras of pyproject.toml, and they stay; EXTRAS= drops them.
CHOICE := $(if $(filter undefined,$(origin EXTRAS)),,"$(EXTRAS)")

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "%-11s%s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## make .venv (nothing where it is up to date) and warm the kernels; EXTRAS=cuda for a GPU
	@$(PYTHON) mlxts/workspace/install.py $(CHOICE)

demo: setup ## train a 2M PatchTST on real S&P 500 bars and compare it with HAR and linear
	@$(BIN)/mlxts demo

demo-data: setup ## train on 1, 2 and 6 real assets, and draw the loss over their number (minutes)
	@$(BIN)/mlxts demo --data

test: setup ## run every test, one run at a time
	@OMP_NUM_THREADS=1 $(BIN)/python -m mlxts.workspace.run_tests

lint: setup ## style and types
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/ty check

verify: setup ## environment, hash of every registered file, documents, workspace
	@$(BIN)/mlxts check

docs: setup ## the documentation as a site (outputs/docs/index.html); every warning is an error
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet

bench: setup ## every benchmark, its table and picture (outputs/results/benchmarks)
	@$(BIN)/python benchmarks/run.py

compare: setup ## train small configurations here and at REV=<commit>; equal bits or what differs
	@$(BIN)/python benchmarks/compare_revisions.py $(REV)

mutants: setup ## change the rules of the science one by one; list what no test notices (slow, goes on)
	@OMP_NUM_THREADS=1 MLXTS_THREADS=1 $(BIN)/mutmut run
	@$(BIN)/mutmut results

options: setup ## write down the commands and options that there are (tests/cli/options.txt)
	@$(BIN)/python -m tests.cli.test_options

# Not after setup, which installs by the very pins that this mends; so uv is the one on PATH, or its own.
UV := $(or $(shell which uv 2>/dev/null),.uv/bin/uv)

lock: $(UV) ## pin all that pyproject.toml leads to (constraints.txt); UPGRADE=1 takes the newest
	@UV_CUSTOM_COMPILE_COMMAND="make lock" $(UV) pip compile --quiet --universal --all-extras \
		--python-version $$(sed -n 's/^requires-python = ">=\(.*\)"/\1/p' pyproject.toml) \
		--annotation-style line --no-emit-index-url $(if $(UPGRADE),--upgrade) \
		--output-file constraints.txt pyproject.toml

.uv/bin/uv:
	@$(PYTHON) -m venv .uv
	@.uv/bin/pip install --quiet uv

clean: ## remove caches and .venv; data and outputs stay
	rm -rf .venv .venv.lock .uv .pytest_cache .ruff_cache .hypothesis mutants
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
