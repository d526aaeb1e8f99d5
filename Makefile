# What CI runs, a person can run. `make demo` and `make test` each set up everything they need.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.mlopt
RUST_SOURCES := $(shell find engine -name '*.rs' -o -name Cargo.toml) Cargo.toml Cargo.lock
# Paths of the environment never reach the build: an editable install must load the module built here.
export PYTHONNOUSERSITE := 1

.PHONY: demo test check bench bench-recipes docs clean build system format

demo: build
	$(BIN)/mlopt demo

test: build
	cargo test --release --quiet --workspace
	$(BIN)/python -m pytest -q

check: build
	cargo fmt --all --check
	cargo clippy --quiet --workspace --all-targets -- -D warnings
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m numpydoc.hooks.validate_docstrings $$(git ls-files 'mlopt_cli/*.py' 'traces/*.py' 'recipes/*.py' 'learner/*.py' 'simulator/*.py' 'runtime/*.py' 'mlopt_engine/*.py')
	$(BIN)/python -m recipes.json_schema --check
	$(BIN)/mlopt recipe fmt --check recipes/library
	$(BIN)/python -m docs.compatibility --check
	$(BIN)/python -m docs.generate --check

bench: build
	$(BIN)/python -m benchmarks.run

# each recipe that ships on a recorded job of its kind: about 10 minutes
bench-recipes: build
	$(BIN)/python -m benchmarks.recipes
	$(BIN)/python -m benchmarks.run --table

docs: build
	$(BIN)/python -m recipes.json_schema
	$(BIN)/python -m docs.generate
	$(BIN)/python -m docs.compatibility

format: build
	cargo fmt --all
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .
	$(BIN)/mlopt recipe fmt recipes/library

build: system $(STAMP)-engine

$(STAMP)-environment: requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "mlopt needs Python >= 3.11, $(PYTHON) is %d.%d; set PYTHON=" % sys.version_info[:2])'
	@command -v cargo >/dev/null || { echo "mlopt needs a Rust toolchain (cargo); install one with rustup" >&2; exit 3; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.lock
	touch $@

$(STAMP)-engine: $(STAMP)-environment pyproject.toml $(RUST_SOURCES)
	PATH=$(abspath $(BIN)):$$PATH $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch $@

system:
	@./.ci/system-packages

clean:
	rm -rf $(VENV) target build dist mlopt_engine/*.so demo-output
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
