# Two commands do all the set-up on a fresh machine: make demo, make test.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
OPENCHRONIC_HOME ?= $(CURDIR)/data
export OPENCHRONIC_HOME
export DO_NOT_TRACK := 1

.DEFAULT_GOAL := help

help: ## Show the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 22

java:
	@deploy/check-java

# The environment is built from the lock file, and again when the lock or the package changes.
$(VENV)/.installed: requirements.lock pyproject.toml
	@deploy/install "$(PYTHON)" "$(VENV)"
	@touch $@

setup: $(VENV)/.installed ## Build the environment from the lock file

demo: java setup ## Run the main job on a generated extract, to a published release
	@$(BIN)/openchronic demo

# Two workers; each takes whole files, or groups of files (tests/conftest.py).
PYTEST := $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

test: java setup ## Pass the tests (slow suites left out)
	@$(PYTEST) -m "not slow and not long"

test-long: java setup ## Pass the suites of minutes each: kills, sensors, other DuckDB versions
	@$(PYTEST) -m "long and not slow"

test-all: java setup ## Pass every suite
	@$(PYTEST)

lint: setup ## Check style and types
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy

ui: setup ## Open Dagster: asset graph, runs, checks
	@$(BIN)/openchronic ui

docs: setup ## Build and open the documentation of the tables
	@$(BIN)/openchronic docs

atlas: setup ## Build and open the atlas of the newest release
	@$(BIN)/openchronic atlas

bench: java setup ## Measure the main job on this machine
	@$(BIN)/openchronic bench demo

bench-check: java setup ## Run every benchmark, and fail where a ratio is a fifth above the baseline
	@$(BIN)/openchronic bench all --check --out build/bench

clean: ## Remove the environment and caches; data stay
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache build *.egg-info

.PHONY: help java setup demo test test-long test-all lint ui docs atlas bench bench-check clean
