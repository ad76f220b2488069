# strongroom: `make` alone lists what can be done.
# Needs Python 3.11 or newer and make; everything else is installed into .venv from
# requirements-dev.lock, where each file is pinned by its hash.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
JOBS   ?= auto
ARGS   ?=

CODE   := src tests tools bench fuzz
LOCKED := $(VENV)/.locked
READY  := $(VENV)/.ready

.DEFAULT_GOAL := help
.PHONY: help install demo run test test-all check format lock bench fuzz docs clean

help: ## List the targets
	@printf '\n  \033[1mstrongroom\033[0m  make TARGET [ARGS="..."]\n\n'
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  \033[36m%-10s\033[0m %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@printf '\n'

install: $(READY) ## Install into .venv what the other targets need (they do it themselves)

demo: $(READY) ## Play a small company's quarter, write the evidence pack and verify it
	@$(BIN)/strongroom demo $(ARGS)

run: $(READY) ## Start a development server: unsealed, never for production
	@$(BIN)/strongroom server --dev $(ARGS)

test: $(READY) ## Run the tests, less the slow ones
	@$(BIN)/python -m pytest -n $(JOBS) --maxprocesses 8 --dist worksteal $(ARGS)

test-all: $(READY) ## Run all tests, the slow ones too
	@$(BIN)/python -m pytest -n $(JOBS) --maxprocesses 8 --dist worksteal -m "" $(ARGS)

check: $(READY) ## Check format, lint, types, documents, house rules and lock files
	@$(BIN)/ruff format --check $(CODE)
	@$(BIN)/ruff check $(CODE)
	@$(BIN)/mypy
	@$(BIN)/python -m tools.lock check
	@$(BIN)/python -m pytest -q tests/docs tests/architecture

format: $(READY) ## Format the code and apply the safe fixes
	@$(BIN)/ruff format $(CODE)
	@$(BIN)/ruff check --fix $(CODE)

lock: $(READY) ## Resolve the lock files anew (ARGS=--upgrade takes newer versions)
	@$(BIN)/python -m tools.lock write $(ARGS)

bench: $(READY) ## Compare with OpenBao on this machine (ARGS="--quick --format json")
	@$(BIN)/python -m bench $(ARGS)

fuzz: $(READY) ## Fuzz each decoder for a while (ARGS="--seconds 60 NAME")
	@$(BIN)/python -c 'import atheris' 2>/dev/null || \
		$(BIN)/python -m pip install --quiet --require-hashes -r requirements-fuzz.lock || \
		echo 'atheris cannot be installed here: inputs are mutated without coverage'
	@$(BIN)/python -m tools.fuzz $(ARGS)

docs: $(READY) ## Write the parts of the documents that the code says, and build site/
	@$(BIN)/python -m tests.docs.generated
	@$(BIN)/python -m tools.docs site site

clean: ## Remove what was built (.venv stays)
	@rm -rf build dist site demo .pytest_cache .mypy_cache .ruff_cache .hypothesis
	@find $(CODE) -name __pycache__ -type d -prune -exec rm -rf {} +

# The stamps: .locked is as new as the lock file, .ready as new as the project's metadata.

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo 'strongroom needs Python 3.11 or newer; name one: make PYTHON=python3.12'; exit 1; }
	@echo 'Creating $(VENV)'
	@$(PYTHON) -m venv $(VENV)

$(LOCKED): requirements-dev.lock | $(BIN)/python
	@echo 'Installing what requirements-dev.lock pins'
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@touch $@

$(READY): $(LOCKED) pyproject.toml
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@$(BIN)/python -m compileall -q src
	@touch $@
