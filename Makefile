# Thin: each target is one or two `pptsn` calls.  Variables are set on the command line, e.g.
#   make classify SOURCE=clips/ MODEL=output/model.onnx
PYTHON ?= python3
VENV ?= .venv
VENV_FLAGS ?=
EXTRAS ?= cpu,train,convert,dev
OUTPUT ?= output
CONFIG ?= configs/demo.yaml
WEIGHTS ?= $(OUTPUT)/train/best.pdparams
MODEL ?= $(OUTPUT)/model.onnx
SOURCE ?=

READY = $(VENV)/.ready-$(subst $(comma),-,$(EXTRAS))
comma = ,
# For what needs no more than the runtime: any environment that there is, or the full one.
ANY_READY = $(or $(wildcard $(VENV)/.ready-*),$(READY))
BIN = $(VENV)/bin
PPTSN = $(BIN)/pptsn
# Where configs/demo.yaml looks for its data.
DEMO = output/demo

.PHONY: help setup demo train onnx classify test test-slow test-matrix lint format constraints clean

help:  ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV_FLAGS) $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[$(EXTRAS)]'
	@touch $@

setup: $(READY)  ## Create .venv and install everything (EXTRAS=cpu for a device)

demo: $(READY)  ## Train, export, convert, verify and classify on real video files, in minutes
	$(PPTSN) synthesize $(DEMO)/data
	$(PPTSN) train configs/demo.yaml --output $(DEMO)/train --resume
	$(PPTSN) evaluate configs/demo.yaml --weights $(DEMO)/train/best.pdparams
	$(PPTSN) export --weights $(DEMO)/train/best.pdparams --output $(DEMO)/export --clips $(DEMO)/data/test
	$(PPTSN) convert onnx $(DEMO)/export -o $(DEMO)/model.onnx
	$(PPTSN) verify $(DEMO)/model.onnx --reference $(DEMO)/export
	$(PPTSN) evaluate configs/demo.yaml --weights $(DEMO)/model.onnx
	$(PPTSN) classify '$(DEMO)/data/test/0000*.mp4' --model $(DEMO)/model.onnx --segments 3 --top 1 \
	  --output $(DEMO)/answers.jsonl
	@echo "Each file is named after what it shows.  The answers are in $(DEMO)/answers.jsonl,"
	@echo "the training plot is $(DEMO)/train/metrics.png."

train: $(READY)  ## Train (CONFIG=configs/demo.yaml)
	$(PPTSN) train $(CONFIG) --output $(OUTPUT)/train --resume

onnx: $(READY)  ## Export and convert a checkpoint (WEIGHTS=x.pdparams MODEL=output/model.onnx)
	$(PPTSN) export --weights $(WEIGHTS) --output $(OUTPUT)/export
	$(PPTSN) convert onnx $(OUTPUT)/export -o $(MODEL)

classify: $(ANY_READY)  ## Name the action in videos (SOURCE=clip.mp4 MODEL=output/model.onnx)
	$(PPTSN) classify $(SOURCE) --model $(MODEL)

test: $(READY)  ## Run the tests, with coverage
	$(BIN)/python -m pytest --cov --cov-report=
	$(BIN)/python -m coverage report --include='runtime/*' --skip-covered --fail-under=90
	$(BIN)/python -m coverage report --include='convert/*' --skip-covered --fail-under=90

test-slow: $(READY)  ## Run the tests that take minutes
	$(BIN)/python -m pytest -m "slow and not gpu"

test-matrix:  ## Run the runtime's tests under each of Python 3.10, 3.11 and 3.12 that this machine has
	$(PYTHON) tests/matrix.py

lint: $(READY)  ## Check format, lint and types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

format: $(READY)  ## Format the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

constraints:  ## Pin the newest versions again, for all Pythons at once (needs uv)
	uv pip compile --universal --python-version 3.10 pyproject.toml --extra cpu --extra train --extra convert \
	  --extra dev --extra rtx --extra bench --no-emit-index-url --no-header --no-annotate --upgrade -o constraints.txt

clean:  ## Remove environments, caches and everything under output/
	rm -rf $(VENV) .venvs $(OUTPUT) build *.egg-info .coverage .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
