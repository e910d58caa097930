# Every target makes the environment from the lock when it is missing.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready

.PHONY: help install demo postgres test test-slow mutations check bench pin pictures serve ui lock clean

help:                ## what can be made
	@grep -hE '^[a-z-]+: .*##' $(MAKEFILE_LIST) | sed -E 's/:.*##/\t/' | expand -t 14

$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "tieline needs Python 3.11 or newer; say which with make PYTHON=...")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $(READY)

install: $(READY)    ## the environment, from the lock file

demo: $(READY)       ## the whole way on a simulated operator, in a few minutes
	$(BIN)/tieline demo

postgres:            ## a PostgreSQL server for the tests, where it may be installed (root, apt); without one they are skipped
	@command -v initdb >/dev/null || ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || sh tests/serving/live/install_postgres.sh \
	  || echo "no PostgreSQL server can be installed here: the tests over one are skipped"

test: $(READY) postgres  ## all tests but the slow ones
	$(BIN)/python -m pytest -m "not slow and not compiling" -n 2 --dist worksteal

test-slow: $(READY) postgres  ## the slow tests: kills, mutations, statistics (what `make bench` measures apart)
	$(BIN)/python -m pytest -m slow -n 2 --dist worksteal --ignore=tests/benchmarks

mutations: $(READY)  ## break each rule of the kernel, compile it anew and see the tests fail (a quarter of an hour)
	$(BIN)/python -m pytest tests/features/test_mutations.py -m compiling -n 2 --dist worksteal

check: $(READY)      ## style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(READY)      ## the figures the project promises, as ratios against peers
	$(BIN)/python -m pytest tests/benchmarks -m "slow or not slow" -q -s

soak: $(READY)       ## half an hour of live traffic at half of what the service can do (MINUTES=5 for less)
	$(BIN)/python -m tests.benchmarks.soak --minutes $(or $(MINUTES),30)

pin: $(READY)        ## fit the visible-information reference and measure what the simulator is pinned to (an hour)
	$(BIN)/python -m tests.reference --out tests/data/reference --observed .tieline/reference
	$(BIN)/python -m tests.pins --reference tests/data/reference --observed .tieline/reference --save

pictures: $(READY)   ## the pictures and the table of rates in docs/simulator.md, from one simulation (minutes)
	$(BIN)/python docs/simulator/pictures.py

serve: $(READY)      ## real-time answers on http://127.0.0.1:8000
	$(BIN)/tieline serve

ui: $(READY)         ## the MLflow UI on http://127.0.0.1:5000
	$(BIN)/tieline ui

lock:                ## resolve the lock file anew (needs uv)
	uv pip compile pyproject.toml --extra dev --universal --python-version 3.11 --generate-hashes \
	  --no-emit-index-url --no-annotate --no-header --output-file requirements.lock

clean:               ## remove the environment, the state and every cache
	rm -rf .venv .tieline build *.egg-info .pytest_cache .mypy_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
