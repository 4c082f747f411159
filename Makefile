# A fresh clone needs Python 3.11 or newer, git and make; everything else is installed into .venv.
#   make demo   a real repository, real runs, a model fetched back without gittrack, reruns and a gate
#   make test   the test suite
#   make test-hostile  the same where variables, signals, umask and paths are against it
#   make lint   ruff and mypy
#   make bench  measurements beside peers and the bare limits (peers are installed; most of an hour)
#   make torture  many writers at once, kill -9 at any moment, faults of every write, many drawn examples (an hour)
PYTHON ?= python3
# Tests that share something which takes long to make are of one group, and run by one process.
PYTEST_ARGS ?= -n auto --dist loadgroup

# Builds of PyTorch without CUDA, a tenth of the size; where they are not to be had, PyPI's is taken.
TORCH_INDEX ?= https://download.pytorch.org/whl/cpu

VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test test-hostile lint bench torture clean

demo: $(VENV)/.demo $(VENV)/.torch
	@PATH="$(CURDIR)/$(BIN):$$PATH" sh demo/demo.sh

test: $(VENV)/.dev
	$(BIN)/python -m pytest $(PYTEST_ARGS)

test-hostile: $(VENV)/.dev
	$(BIN)/python -m tests.hostile $(PYTEST_ARGS)

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(VENV)/.dev
	$(BIN)/python -m benchmarks --write

torture: $(VENV)/.dev
	$(BIN)/python -m tests.torture
	$(BIN)/python -m tests.faults 3
	$(BIN)/python -m tests.verify.mutation
	PYTEST_EXAMPLES=10 $(BIN)/python -m pytest $(PYTEST_ARGS) -o timeout=3600 \
	    $$(grep -rlE 'from hypothesis|machine.EXAMPLES' tests --include='test_*.py')

clean:
	rm -rf $(VENV) build dist *.egg-info

# A stamp per extra, so that a second call installs nothing.
$(VENV)/.demo $(VENV)/.dev $(VENV)/.interop: $(VENV)/.%: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --use-pep517 -e '.[$*]'
	@touch $@

# The demo says so, and goes on, where PyTorch cannot be installed.
$(VENV)/.torch: $(VENV)/.demo
	-$(BIN)/python -m pip install --quiet --disable-pip-version-check --retries 1 \
	    $(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX)) torch==2.13.0 && touch $@

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "gittrack needs Python 3.11 or newer: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv $(VENV)
