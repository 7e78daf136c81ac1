# `make run` and `make test` each do all their own set-up; their second run starts in seconds.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
UV := $(BIN)/uv pip
SOURCES := pyproject.toml models/epiluma-model-ham10000/pyproject.toml
SYNC = $(UV) install -q --require-hashes -r $(1) && \
	$(UV) install -q --no-deps --build-constraints requirements/build.lock -e . -e models/epiluma-model-ham10000
HOST ?= 127.0.0.1
PORT ?= 8000

.PHONY: run test test-full check format lock clean

run: .make/run  ## the web page at http://127.0.0.1:8000, with a demo account and examples
	$(BIN)/epiluma serve --demo --host $(HOST) --port $(PORT) --data-dir var

# One thread a process: two test processes would otherwise fight over two cores.
test test-full: export OMP_NUM_THREADS = 1

test: .make/dev  ## the whole suite in its short form
	$(BIN)/python -m pytest -n 2 -m "not slow" $(ARGS)

test-full: .make/dev  ## the whole suite with its long forms
	$(BIN)/python -m pytest -n 2 $(ARGS)

check: .make/dev  ## style, types, layers, security
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/bandit -q -c pyproject.toml -r src models
	$(BIN)/python scripts/audit.py requirements/run.lock requirements/dev.lock

format: .make/dev
	$(BIN)/ruff check --fix-only
	$(BIN)/ruff format

lock: .make/uv  ## pin the newest versions that pyproject.toml allows
	$(UV) compile -q pyproject.toml --extra service $(LOCK) -o requirements/run.lock
	$(UV) compile -q pyproject.toml --extra dev $(LOCK) -o requirements/dev.lock
	echo "hatchling" | $(UV) compile -q - $(LOCK) -o requirements/build.lock
	for python in 3.11 3.12 3.13; do $(UV) compile -q pyproject.toml $(EDGE) --python-version $$python \
		-o src/epiluma/edge/locks/$$python.lock || exit 1; done
EDGE := --constraints requirements/run.lock --python-platform x86_64-manylinux_2_28 --only-binary :all: \
	--generate-hashes --no-emit-index-url --no-header --no-annotate
LOCK := --upgrade --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header

clean:
	rm -rf .venv .make build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

.make/uv: requirements/uv.lock
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Epiluma needs Python 3.11 or newer")'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements/uv.lock
	mkdir -p .make && touch $@

.make/run: .make/uv requirements/run.lock requirements/build.lock $(SOURCES)
	test -e .make/dev || { $(call SYNC,requirements/run.lock); }
	touch $@

.make/dev: .make/uv requirements/dev.lock requirements/build.lock $(SOURCES)
	$(call SYNC,requirements/dev.lock)
	touch $@
