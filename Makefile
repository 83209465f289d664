# Everything sets itself up in .venv inside this checkout. ARGS are passed on: make demo ARGS="--port 9000 --no-browser"
.DEFAULT_GOAL := help
PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3; do command -v $$p >/dev/null 2>&1 && $$p -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
APP := .venv/.installed
STAMP := .venv/.ready
ARGS ?=
# Three at once: many tests wait for a process or a page. Whole files, in the order of tests/conftest.py.
FILES := --dist loadfile --no-loadscope-reorder
PARALLEL := -n 3 $(FILES)
# Compiled files are written, also where the environment says no: hundreds of processes start.
test test-fast test-all: export PYTHONDONTWRITEBYTECODE :=

.PHONY: help install demo run test test-fast test-all check format bench walk measure frozen page

help: ## Show what there is
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

# mlgov and what it needs to run; the development tools, which are larger, only where they are used.
$(APP): pyproject.toml
	@test -n "$(PYTHON)" || { echo "mlgov needs Python 3.11 or newer with venv. Install it, or say where it is: make PYTHON=/path/to/python3"; exit 1; }
	@if [ $(STAMP) -nt pyproject.toml ]; then touch $(APP); else $(MAKE) --no-print-directory install; fi

install:
	@echo "Setting up mlgov in .venv: about 550 MB, a minute or a few. This happens once; pip says how far it is."
	$(PYTHON) -m venv .venv
	$(PIP) install --quiet --upgrade pip
	$(PIP) install --editable .
	@touch $(APP)

$(STAMP): pyproject.toml | $(APP)
	@echo "Adding the development tools: about 700 MB more, a minute or a few. This happens once."
	$(PIP) install --editable '.[dev]'
	@touch $(STAMP)

HEAVY := .venv/.heavy

$(HEAVY): $(STAMP)
	@echo "Adding MLflow for the tests that start it: about 500 MB more. This happens once."
	$(PIP) install --editable '.[dev,heavy]'
	@touch $(HEAVY)

demo: $(APP) ## Open a local stand-in for Slack with mlgov in it, and a story to walk through
	$(BIN)/mlgov demo $(ARGS)

run: $(APP) ## Run mlgov against the Slack that the environment names
	$(BIN)/mlgov run $(ARGS)

test: $(STAMP) ## All tests that need nothing but this checkout (browser tests skip without Chromium)
	$(BIN)/python -m pytest $(PARALLEL) -m "not heavy" $(ARGS)

test-fast: $(STAMP) ## Rules, forms, words and whatever else needs no database, in two minutes
	$(BIN)/python -m pytest -n 2 $(FILES) -m "not heavy and not slow and not browser and not crash and not database" $(ARGS)

test-all: $(HEAVY) ## Every test in every way, also those that start heavy real servers or take long
	$(BIN)/python -m pytest --cache-clear $(PARALLEL) --at-length $(ARGS) || { test $$? -eq 1 && $(BIN)/python -m tests.alone; }

check: $(STAMP) ## Formatting, lint, types and import contracts
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(STAMP) ## Let ruff write the formatting
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(STAMP) ## Measure, as ratios within one run
	$(BIN)/python -m benchmarks $(ARGS)

walk: $(STAMP) ## Print the files that an act enters, in order: make walk ACTION=approve (job, import)
	$(BIN)/python -m tests.house.walk $(ACTION) $(ARGS)

measure: $(STAMP) ## Figures of how the code is to live in
	$(BIN)/python -m tests.house $(ARGS)

frozen: $(STAMP) ## Write anew what is persisted or published, after a change that is meant
	$(BIN)/python -m tests.frozen

page: $(STAMP) ## Write the parts of docs/architecture.md that come from the code anew
	$(BIN)/python -m tests.house.page
