# Every target makes its own virtual environment from python3 and a package index; a second run is instant.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
LOCKER := build/locker
# Without a NAME all of them but the longest, which has a target of its own.
BENCHMARKS := $(filter-out $(if $(NAME),,benchmarks/serve.py),$(sort $(wildcard benchmarks/$(or $(NAME),*).py)))

.PHONY: help demo test lint bench bench-serve lock clean

help:  ## print this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))
	@echo "  PYTHON=python3.12 chooses the interpreter (3.11 to 3.13), VENV=folder the environment."

demo: $(INSTALLED)  ## build a world, train, serve, open a page (SMOKE=1: drive it over HTTP and exit; PORT=8001)
	@$(BIN)/shortlist demo $(if $(filter-out 0,$(SMOKE)),--smoke) $(if $(PORT),--port $(PORT))

test: $(INSTALLED)  ## run the tests on all cores, warnings are errors (ARGS="tests/log -x" narrows)
	@$(BIN)/python -m pytest $(or $(ARGS),--numprocesses auto --dist loadfile)

lint: $(INSTALLED)  ## check style, types, the layers, and that no file names a machine or a registry
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy --strict src
	$(BIN)/lint-imports
	$(BIN)/python .ci/portable.py

bench: $(INSTALLED)  ## run the benchmarks (NAME=install_size runs one)
	@test -n "$(BENCHMARKS)" || { echo "No benchmarks/$(NAME).py; there are:" benchmarks/*.py; exit 1; }
	@echo "To run:"; for script in $(BENCHMARKS); do echo "  $$script  $$(head -n 1 $$script | tr -d '\"')"; done
	@for script in $(BENCHMARKS); do echo; echo "== $$script"; $(BIN)/python $$script; done

bench-serve: $(INSTALLED)  ## measure the served funnel at a million items (ITEMS=100000, ONLY=1,3 shorten it)
	@$(BIN)/python benchmarks/serve.py --items $(or $(ITEMS),1000000) $(if $(ONLY),--only $(ONLY))

lock:  ## choose the newest allowed versions again and write requirements.lock
	@$(PYTHON) -m venv $(LOCKER)
	@$(LOCKER)/bin/pip install --quiet --disable-pip-version-check uv
	@$(LOCKER)/bin/uv pip compile --quiet --upgrade --universal --python-version 3.11 --extra dev \
	  --no-emit-index-url --no-emit-find-links --no-annotate --no-header \
	  pyproject.toml --output-file requirements.lock
	@echo "requirements.lock: $$(wc -l < requirements.lock) pins"

clean:  ## remove the environment and everything that was built
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find src tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	@command -v $(PYTHON) > /dev/null || { echo "$(PYTHON) is not on the PATH; name one: make PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if (3, 11) <= v < (3, 14) else \
	  "Shortlist needs Python 3.11, 3.12 or 3.13, and $(PYTHON) is %d.%d; name another: make PYTHON=python3.12" % v)'
	@echo "Making $(VENV) with $$($(PYTHON) --version)"
	@$(PYTHON) -m venv --clear $(VENV)

# hatchling is pinned like the rest, so nothing is fetched outside the lock.
$(INSTALLED): requirements.lock pyproject.toml | $(BIN)/python
	@echo "Installing $$(grep -c == requirements.lock) pinned packages into $(VENV) (about a minute the first time)"
	@$(BIN)/python -m pip install --disable-pip-version-check --no-input -r requirements.lock \
	  | awk '/^ *(Downloading|Using cached) / && !/metadata/ { print "  " $$(/Using/ ? 3 : 2); fflush() }'
	@$(BIN)/python -m pip install --disable-pip-version-check --quiet --no-deps --no-build-isolation -e .
	@touch $@
