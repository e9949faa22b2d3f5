# `make train` and `make test` work from nothing: they make .venv and install into it.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
INPUTS := pyproject.toml constraints.txt

# What check-install takes: the newest versions of everything, the oldest that pyproject.toml allows, or both. Of PyTorch
# this one, because plain `torch` brings gigabytes of CUDA libraries; make TORCH=torch check-install takes the newest.
VERSIONS ?= newest oldest
TORCH ?= torch==2.13.0

.PHONY: help train test test-slow fuzz check check-install docs hearth gemma pages clean

help: ## list the targets
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 14

train: $(VENV)/.installed ## train the embedded model on TomatoSalad and show what it learned
	$(BIN)/twosome train

# Two processes, for tests of one thread each; a file stays whole, so that its runs and models are made once, and files
# come in their order, the quick ones last.
test: $(VENV)/.installed-dev ## run the whole default test suite
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

test-slow: $(VENV)/.installed-dev ## run the tests that are too slow for every day
	$(BIN)/python -m pytest -m slow

# Other inputs each time, about 20,000; a failure says how to repeat it, and the next call begins with it.
fuzz: $(VENV)/.installed-dev ## throw thousands of hostile inputs at everything that reads what others wrote
	$(BIN)/python -m pytest tests/fuzz --hypothesis-profile=long --hypothesis-show-statistics -n 2 --dist load

check: $(VENV)/.installed-dev ## lint, formatting and types
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

check-install: ## install the wheel without constraints.txt, newest and oldest versions, and run it
	TORCH=$(TORCH) $(PYTHON) tests/check_install.py $(VERSIONS)

# Whatever is wrong with a page is an error: a link that leads nowhere, a name that is not there, a script from elsewhere.
docs: $(VENV)/.installed-docs ## build the documentation into build/site, to be opened from disk
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build
	$(BIN)/python -m pytest -m slow tests/website

hearth: $(VENV)/.installed-dev ## rebuild the embedded model from its corpus
	$(BIN)/python -m hearth.build

pages: $(VENV)/.installed ## fill the tables of README.md and docs/, and draw their pictures, from benchmarks/results
	$(BIN)/python -m benchmarks.pages
	$(BIN)/python -m benchmarks.pictures

# ACCEPT_TERMS=1 asks nothing; FOLDER=... puts it elsewhere. No part of the repository, and no test needs it.
gemma: $(VENV)/.installed-dev ## fetch Gemma 3 270M, a real language model, into ~/.cache/twosome
	$(BIN)/python -m benchmarks.gemma $(if $(ACCEPT_TERMS),--accept-terms) $(if $(FOLDER),--folder "$(FOLDER)")

clean: ## remove what the targets above made, but not runs/
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2])' || \
		{ echo "twosome needs Python 3.10 or later, but $(PYTHON) is $$($(PYTHON) --version 2>&1). Try: make PYTHON=python3.12 train" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: $(VENV)/bin/python $(INPUTS)
	@echo "Installing twosome and what it needs into $(VENV) (once; PyTorch is large) ..."
	$(PIP) install -c constraints.txt -e .
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	@echo "Installing the tools for development ..."
	$(PIP) install -c constraints.txt -e '.[dev]'
	$(PIP) install --no-deps virtualhome==2.3.0
	@touch $@

$(VENV)/.installed-docs: $(VENV)/.installed-dev
	@echo "Installing what the documentation is built with ..."
	$(PIP) install -c constraints.txt -e '.[docs]'
	@touch $@
