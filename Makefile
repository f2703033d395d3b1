# Each target makes .venv when it is missing, and again when pyproject.toml has changed. PYTHON chooses the interpreter for it.
.DEFAULT_GOAL := help
.PHONY: help run test torture check bench docs settings picture clean

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check

help: ## what there is to make
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: $(VENV)/stamp-run ## the edge before ORIGIN=http://localhost:3000, or the demo without one; more flags in ARGS
	$(BIN)/edgecache $(if $(ORIGIN),run $(ORIGIN),demo) $(ARGS)

test: $(VENV)/stamp-dev ## the tests; TESTS=tests/http1 for some of them, more flags for pytest in ARGS
	$(BIN)/python -m pytest $(TESTS) $(ARGS)

torture: $(VENV)/stamp-dev ## 200,000 reads among invalidations and 50 kills, judged: some minutes; READS=n KILLS=n SEED=n
	$(BIN)/python -m tests.history $(if $(READS),--reads $(READS)) $(if $(KILLS),--kills $(KILLS)) $(if $(SEED),--seed $(SEED)) $(ARGS)

check: $(VENV)/stamp-dev ## style, format, types, and who imports whom
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy --strict edgecache
	$(BIN)/lint-imports --no-logo

bench: $(VENV)/stamp-dev ## measurements; CASE=name for one of them (or invalidation-cost), ROUNDS=n rounds
	$(BIN)/python -m $(if $(filter invalidation-cost,$(CASE)),bench.invalidation_cost,bench $(if $(CASE),--case $(CASE))) \
		$(if $(ROUNDS),--rounds $(ROUNDS)) $(ARGS)

docs: $(VENV)/stamp-run ## the files that are made from the code: conf/edgecache.toml, and pages in docs/
	$(BIN)/python -m edgecache.docs

settings: docs

picture: $(VENV)/stamp-run ## docs/picture.svg, recorded from the demo; ports 8080 and 8081 have to be free
	$(BIN)/python docs/picture.py

clean: ## remove what the other targets left behind, .venv too
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name node_modules -prune -o -name __pycache__ -type d -prune -exec rm -rf {} +

# Running needs less than developing; who only runs does not wait for the rest.
$(VENV)/stamp-run: pyproject.toml | $(BIN)/python
	$(PIP) --editable .
	@touch $@

$(VENV)/stamp-dev: pyproject.toml | $(BIN)/python
	$(PIP) --editable '.[tls,test,dev]'
	@touch $@ $(VENV)/stamp-run

$(BIN)/python:
	@command -v $(PYTHON) > /dev/null || { echo "edgecache needs Python 3.11 or newer, and $(PYTHON) was not found: make PYTHON=/path/to/python3"; exit 1; } >&2
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "edgecache needs Python 3.11 or newer, and $(PYTHON) is $$($(PYTHON) --version): make PYTHON=/path/to/python3"; exit 1; } >&2
	$(PYTHON) -m venv $(VENV)
