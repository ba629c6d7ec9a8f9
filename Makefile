# Two commands do everything: `make demo` and `make test`. Both keep their environment in .venv/.
# ARGS is passed on:  make demo ARGS='--duration 20 --json'
# Set-up speaks on stderr, so that stdout holds only what the command itself prints.

.SILENT:
MAKEFLAGS += --no-print-directory
SHELL := /bin/bash

ARGS ?=
VENV := .venv
BIN := $(VENV)/bin
PYTHON ?= $(firstword $(foreach p,python3 python3.14 python3.13 python3.12 python3.11,$(shell \
	$(p) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $(p))))

.PHONY: help demo bench evaluate test check format train train-ecg clean
.DEFAULT_GOAL := help

help:
	echo 'make demo     three daemons find each other and watch over an ECG'
	echo 'make test     the whole test suite'
	echo 'make check    ruff, mypy, import rules'
	echo 'make format   let ruff rewrite what it can'
	echo 'make bench    the figures of the README, measured on this machine'
	echo 'make evaluate the scheduler against every rule, on worlds it never saw: a table and a page, in minutes'
	echo 'make train    rebuild the policy of the scheduler; goes on where it was interrupted'
	echo "make train-ecg   rebuild the models: make train-ecg ARGS='--data mitdb_ds1.npz'"
	echo 'make clean    remove .venv and caches'

demo: $(VENV)/.demo
	exec $(BIN)/meshd demo $(ARGS)

bench: $(VENV)/.bench
	exec $(BIN)/meshd bench $(ARGS)

evaluate: $(VENV)/.convert
	exec $(BIN)/python -m policies.evaluate $(ARGS)

test: $(VENV)/.dev
	exec $(BIN)/python -m pytest $(ARGS)

check: $(VENV)/.dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/.dev
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

train: $(VENV)/.train
	exec $(BIN)/python -m policies.train --out build/policy $(ARGS)

train-ecg: $(VENV)/.train
	exec $(BIN)/python -m model_registry.zoo.ecg.train $(ARGS)

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache dist

# One stamp for each set of extras: a demo installs no linters, a test no torch.
# silero-vad is a model that benchmarks cut: its package asks for torch, its ONNX file does not.
$(VENV)/.demo $(VENV)/.bench $(VENV)/.convert $(VENV)/.dev $(VENV)/.ray $(VENV)/.train: $(VENV)/.%: pyproject.toml constraints.txt | $(BIN)/python
	echo 'meshd: installing into $(VENV) ($*), once; this takes a minute or two' >&2
	$(BIN)/python -m pip install -qq --disable-pip-version-check -c constraints.txt -e '.[$*]' >&2
	if [[ '$*' =~ ^(bench|dev)$$ ]]; then \
	    $(BIN)/python -m pip install -qq --disable-pip-version-check --no-deps -c constraints.txt silero-vad >&2; \
	fi
	touch $@

$(BIN)/python:
	if [ -z '$(PYTHON)' ]; then \
	    echo 'meshd: needs Python 3.11 or newer and found none on PATH.' >&2; \
	    echo 'Install one (Debian: apt install python3 python3-venv) or name it: make PYTHON=/path/to/python3.11' >&2; \
	    exit 1; \
	fi
	'$(PYTHON)' -m venv $(VENV) >&2 || { rm -rf $(VENV); \
	    echo 'meshd: could not make $(VENV); on Debian the venv module is a package: apt install python3-venv' >&2; exit 1; }
