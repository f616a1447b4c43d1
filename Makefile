# Thin: each target is one or two `pptsn` calls.  Variables are set on the command line, e.g.
#   make classify SOURCE=clips/ MODEL=output/model.onnx
PYTHON ?= python3
VENV ?= .venv
VENV_FLAGS ?=
EXTRAS ?= cpu,openvino,train,tensorboard,convert,rtx,web,mqtt,webhook,parquet,bench,docs,dev
OUTPUT ?= output
# mine: a folder with one folder of clips a class, weights to begin from, and more options of `pptsn data folder` and
# of `pptsn train`.
CLIPS ?=
PRETRAINED ?=
DATA_FLAGS ?=
TRAIN_FLAGS ?=
CONFIG ?= demo
WEIGHTS ?= $(OUTPUT)/train/best.pdparams
MODEL ?= $(OUTPUT)/model.onnx
SOURCE ?=
# int8 and engine: real clips, as a training list, folder or pattern; a list with labels, for top-1 as well; and what
# INT8 is for, tensorrt or cpu.  Without LABELLED, `make engine` compares the models on LIMIT clips of CALIBRATION,
# which INT8 has seen; with it, on all of LABELLED.
CALIBRATION ?=
LABELLED ?=
LIMIT ?= 200
TARGET ?= tensorrt
# stream: where its web page is, and more options of `pptsn stream`.
HTTP ?= 127.0.0.1:8080
STREAM_FLAGS ?=
PRECISION ?= fp16
# bench: with MODEL, its INT8 form as well; more options of `pptsn bench run`.
INT8 ?=
BENCH_FLAGS ?=

READY = $(VENV)/.ready-$(subst $(comma),-,$(EXTRAS))
comma = ,
# For what needs no more than the runtime: any environment that there is, or the full one.
ANY_READY = $(or $(wildcard $(VENV)/.ready-*),$(READY))
BIN = $(VENV)/bin
PPTSN = $(BIN)/pptsn
# Where the recipe demo looks for its data.
DEMO = output/demo
BENCH = output/bench
# Without MODEL, `make bench` measures models that it makes.
ifeq ($(origin MODEL),file)
BENCH_MODELS = --model $(BENCH)/resnet50.onnx --int8 $(BENCH)/resnet50.int8-cpu.onnx \
  --sweep-model $(BENCH)/small.onnx --sweep-model $(BENCH)/small.int8-cpu.onnx --list $(DEMO)/data/test.txt
else
BENCH_MODELS = --model $(MODEL) $(if $(INT8),--int8 $(INT8)) $(if $(LABELLED),--list $(LABELLED))
endif

PATHS = VENV OUTPUT CLIPS PRETRAINED WEIGHTS MODEL INT8 CALIBRATION LABELLED
$(foreach name,$(PATHS),$(if $(word 2,$($(name))),$(error $(name) is '$($(name))': make takes a path with a blank for \
  several: name a link to it (ln -s), or call pptsn itself)))
ifeq ($(filter fp32 fp16 int8,$(PRECISION)),)
$(error PRECISION is '$(PRECISION)': choose fp32, fp16 or int8)
endif
# `make engine` without WEIGHTS is about the demo's model, which it trains if need be.
ifeq ($(origin WEIGHTS),file)
ENGINE = $(DEMO)
ENGINE_WEIGHTS = $(DEMO)/train/best.pdparams
ENGINE_CALIBRATION = $(or $(CALIBRATION),$(DEMO)/data/train.txt)
ENGINE_LABELLED = $(or $(LABELLED),$(DEMO)/data/test.txt)
ENGINE_PICTURES = --clips $(DEMO)/data/test
else
ENGINE = $(OUTPUT)/engine
ENGINE_WEIGHTS = $(WEIGHTS)
ENGINE_CALIBRATION = $(CALIBRATION)
ENGINE_LABELLED = $(LABELLED)
endif
ENGINE_MODEL = $(ENGINE)/model$(filter-out .fp32,.$(PRECISION))
# What the table compares, in the order of the conversions; the plan joins them where it was built.
CHAIN = $(ENGINE)/model.onnx $(if $(filter fp16 int8,$(PRECISION)),$(ENGINE)/model.fp16.onnx) \
  $(if $(filter int8,$(PRECISION)),$(ENGINE)/model.int8-cpu.onnx $(ENGINE)/model.int8.onnx)
# The clips of the table: those with labels, or else some of the calibration's, which may be a list with labels too
# (and a long one: the training list of Kinetics would take days).
CHAIN_CLIPS = $(if $(ENGINE_LABELLED),--labelled $(ENGINE_LABELLED),$(if $(filter %.txt %.list %.lst,\
  $(ENGINE_CALIBRATION)),--labelled,--clips) $(ENGINE_CALIBRATION) --limit $(LIMIT))
GATE ?= --min-agreement 0.98 $(if $(filter --labelled,$(CHAIN_CLIPS)),--max-drop 1)
# $(call convert_int8,MODEL,TARGET,CALIBRATION): MODEL.onnx to MODEL.int8.onnx or MODEL.int8-cpu.onnx
convert_int8 = $(PPTSN) convert int8 $(1).onnx -o $(1).int8$(filter -cpu,-$(2)).onnx --target $(2) --calibration $(3)
# $(call build,BUILDER,PLAN)
build = $(PPTSN) convert engine $(ENGINE_MODEL).onnx -o $(2) --builder $(1) --rebuild-if-needed

# What a target cannot do without is asked for before anything is installed.
# $(call needs,TARGETS,VALUES,WHAT TO SAY)
needs = $(if $(filter $(1),$(MAKECMDGOALS)),$(if $(2),,$(error $(3))))
$(call needs,classify,$(SOURCE),name what to classify: SOURCE=clip.mp4)
$(call needs,stream,$(SOURCE),name what to look at: SOURCE=rtsp://cam/1 or SOURCE=0)
$(call needs,mine,$(CLIPS),name the folder of your classes: CLIPS=clips/)
$(call needs,int8,$(CALIBRATION),name real clips: CALIBRATION=clips/ or a list)
$(call needs,engine,$(ENGINE_CALIBRATION)$(ENGINE_LABELLED),name real clips: CALIBRATION=clips/ or LABELLED=list.txt)
$(call needs,engine,$(filter-out int8,$(PRECISION))$(ENGINE_CALIBRATION),INT8 needs CALIBRATION=clips/ or a list)

.PHONY: help setup demo demo-weights train mine onnx int8 engine classify stream bench bench-models device-report test
.PHONY: test-slow test-gpu test-servers test-matrix lint format docs constraints clean

help:  ## Show this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## /{printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV_FLAGS) $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade 'pip>=25.3'  # older ones unpack carelessly
	PYTHONWARNINGS='ignore:Editable installation' \
	  $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[$(EXTRAS)]'
	@touch $@

setup: $(READY)  ## Create .venv and install everything (EXTRAS=cpu for a device)

# Both commands leave finished work as it is, and go on where they were stopped.
demo-weights: $(READY)
	$(PPTSN) synthesize $(DEMO)/data
	$(PPTSN) train demo --output $(DEMO)/train --resume

demo: demo-weights  ## Train, export, convert, verify and classify on real video files, in minutes
	$(PPTSN) evaluate demo --weights $(DEMO)/train/best.pdparams
	$(PPTSN) export --weights $(DEMO)/train/best.pdparams --output $(DEMO)/export --clips $(DEMO)/data/test
	$(PPTSN) convert onnx $(DEMO)/export -o $(DEMO)/model.onnx
	$(PPTSN) verify $(DEMO)/model.onnx --reference $(DEMO)/export
	$(PPTSN) evaluate demo --weights $(DEMO)/model.onnx
	$(PPTSN) classify '$(DEMO)/data/test/0000*.mp4' --model $(DEMO)/model.onnx --top 1 \
	  --output $(DEMO)/answers.jsonl
	@echo "Each file is named after what it shows.  The answers are in $(DEMO)/answers.jsonl,"
	@echo "the training plot is $(DEMO)/train/metrics.png."

train: $(READY)  ## Train (CONFIG=demo, or a recipe of your own)
	$(PPTSN) train $(CONFIG) --output $(OUTPUT)/train --resume

MINE = $(OUTPUT)/mine
# Of a test list of ten clips one is 10 %: a limit of 2 % would ask for luck rather than for a right conversion.
MINE_GATE = $(if $(filter file,$(origin GATE)),--min-agreement 0.98 --max-drop 1 --spare-clips 1,$(GATE))
# A cross-validation has no test list.
MINE_LABELLED = $(if $(findstring --folds,$(DATA_FLAGS)),,LABELLED=$(MINE)/test.txt)
# Lists and training leave finished work as it is, and go on where they were stopped.  The report comes before the
# export, whose scores are at the temperature that it finds.
mine: $(READY)  ## A model of your own, from clips in one folder a class (CLIPS=clips/ PRETRAINED=x.pdparams PRECISION=int8)
	$(PPTSN) data folder $(CLIPS) -o $(MINE) $(if $(PRETRAINED),--weights $(PRETRAINED)) $(DATA_FLAGS)
	$(PPTSN) train $(MINE)/recipe.yaml --output $(MINE)/train --resume $(TRAIN_FLAGS)
	$(PPTSN) report $(MINE)/train -o $(MINE)/report
	$(MAKE) engine WEIGHTS=$(MINE)/train/best.pdparams CALIBRATION=$(MINE)/train.txt $(MINE_LABELLED) \
	  OUTPUT=$(MINE) PRECISION=$(PRECISION) GATE='$(MINE_GATE)'

onnx: $(READY)  ## Export and convert a checkpoint (WEIGHTS=x.pdparams MODEL=output/model.onnx)
	$(PPTSN) export --weights $(WEIGHTS) --output $(OUTPUT)/export
	$(PPTSN) convert onnx $(OUTPUT)/export -o $(MODEL)

int8: $(READY)  ## Quantize (MODEL=output/model.onnx CALIBRATION=clips/ TARGET=tensorrt|cpu)
	$(call convert_int8,$(MODEL:.onnx=),$(TARGET),$(CALIBRATION))

engine: $(READY) $(if $(filter $(DEMO),$(ENGINE)),demo-weights)  ## From weights to a plan (PRECISION=int8 WEIGHTS= CALIBRATION=; proven on LABELLED=, else on LIMIT=200 clips of CALIBRATION)
	$(PPTSN) export --weights $(ENGINE_WEIGHTS) --output $(ENGINE)/export $(ENGINE_PICTURES)
	$(PPTSN) convert onnx $(ENGINE)/export -o $(ENGINE)/model.onnx
	$(if $(filter fp16 int8,$(PRECISION)),$(PPTSN) convert fp16 $(ENGINE)/model.onnx -o $(ENGINE)/model.fp16.onnx \
	  --clips $(or $(ENGINE_CALIBRATION),$(ENGINE_LABELLED)))
	$(if $(filter int8,$(PRECISION)),$(call convert_int8,$(ENGINE)/model,cpu,$(ENGINE_CALIBRATION)))
	$(if $(filter int8,$(PRECISION)),$(call convert_int8,$(ENGINE)/model,tensorrt,$(ENGINE_CALIBRATION)))
	$(PPTSN) convert check $(ENGINE_MODEL).onnx
	@$(prove_and_tell)

# Code 3 says that a builder, or the GPU it needs, is missing here: that is told at the end, and is no failure.
define prove_and_tell
rtx=0; $(call build,tensorrt-rtx,$(ENGINE_MODEL).rtx.engine) || rtx=$$?; \
plan=0; $(call build,tensorrt,$(ENGINE_MODEL).engine) || plan=$$?; \
case $$rtx,$$plan in 0,0|0,3|3,0|3,3) ;; *) exit 1;; esac; \
built=; test $$plan = 3 || built=$(ENGINE_MODEL).engine; \
$(PPTSN) verify $(ENGINE)/export $(CHAIN) $$built $(CHAIN_CLIPS) $(GATE) || exit 1; \
echo "Made: $(CHAIN)"; \
if test $$plan = 0; then echo "Built, and run for the table: $(ENGINE_MODEL).engine"; else \
  echo "Not built: $(ENGINE_MODEL).engine, a TensorRT plan, which is built on the GPU that runs it. What is missing here:"; \
  $(call build,tensorrt,$(ENGINE_MODEL).engine); \
  echo "On the device, with $(ENGINE_MODEL).onnx copied there:"; \
  echo "  pptsn convert engine $(notdir $(ENGINE_MODEL)).onnx -o $(notdir $(ENGINE_MODEL)).engine"; fi; \
if test $$rtx = 0; then echo "Built, but not run: $(ENGINE_MODEL).rtx.engine, for RTX GPUs. To prove it on one:"; \
  echo "  pptsn verify $(ENGINE_MODEL).onnx $(ENGINE_MODEL).rtx.engine $(CHAIN_CLIPS)"; \
else echo "Not built: $(ENGINE_MODEL).rtx.engine, for RTX GPUs. What is missing here:"; \
  $(call build,tensorrt-rtx,$(ENGINE_MODEL).rtx.engine); true; fi
endef

classify: $(ANY_READY)  ## Name the action in videos (SOURCE=clip.mp4 MODEL=output/model.onnx)
	$(PPTSN) classify $(SOURCE) --model $(MODEL)

stream: $(ANY_READY)  ## Name the action live, on a web page (SOURCE='rtsp://cam/1 0' MODEL=output/model.onnx HTTP=127.0.0.1:8080 STREAM_FLAGS=)
	$(PPTSN) stream $(SOURCE) --model $(MODEL) --http $(HTTP) $(STREAM_FLAGS)

# Speed depends on a network's shape, not on what it has learnt: a full-sized one with weights as before training.
# Accuracy needs a trained one: small, and trained for so short a time that segments and views make a difference.
bench-models: $(READY)
	$(PPTSN) synthesize $(DEMO)/data
	$(PPTSN) train demo --set optimizer.epochs=2 --output $(BENCH)/train --resume
	$(call bench_model,small,--weights $(BENCH)/train/best.pdparams)
	$(call bench_model,resnet50,--untrained 0)

# $(call bench_model,NAME,WEIGHTS): in FP32 and in INT8 for the CPU, unless they are there
define bench_model
test -f $(BENCH)/$(1).int8-cpu.onnx || { \
  $(PPTSN) export $(2) -o $(BENCH)/$(1)-export && \
  $(PPTSN) convert onnx $(BENCH)/$(1)-export -o $(BENCH)/$(1).onnx --tolerance 0.01 && \
  $(PPTSN) convert int8 $(BENCH)/$(1).onnx -o $(BENCH)/$(1).int8-cpu.onnx --target cpu \
    --calibration $(DEMO)/data/train.txt --method min-max --no-compensate --frames 24 --min-agreement 0; }
endef

bench: $(READY) $(if $(filter file,$(origin MODEL)),bench-models)  ## Measure this machine, with a report in output/bench (MODEL=, INT8=, LABELLED= for your own models; BENCH_FLAGS=)
	@mkdir -p $(BENCH)
	$(PPTSN) bench run $(BENCH_MODELS) --folder $(BENCH) $(BENCH_FLAGS) \
	  -o $(BENCH)/report.json -o $(BENCH)/report.md -o $(BENCH)/report.html

define covered
$(BIN)/python -m coverage report --include='$(1)/*' --skip-covered --fail-under=90

endef
test: $(READY)  ## Run the tests, with coverage
	$(BIN)/python -m pytest --cov --cov-report=
	$(foreach folder,runtime convert training benchmarks pptsn/cli,$(call covered,$(folder)))

test-slow: $(READY)  ## Run the tests that take minutes
	$(BIN)/python -m pytest -m "slow and not gpu and not servers"

# What these need besides is installed by .ci/install-servers, from Debian's packages.
test-servers: $(READY)  ## Run the tests with a real RTSP server, browser and MQTT broker
	$(BIN)/python -m pytest -m servers

test-gpu: $(ANY_READY)  ## Run the tests that need a GPU; whatever is missing for one is a failure
	REQUIRE_GPU=1 $(BIN)/python -m pytest -m gpu tests/gpu

# A Jetson need not train: copy model*.onnx and data/ from the folder of a PC where `make engine PRECISION=int8` ran.
device-report: $(ANY_READY)  ## Measure the demo's models on this device, in one JSON file to send back
	@test -f $(DEMO)/model.int8.onnx || { echo "$(DEMO) has no models: make them by: make engine PRECISION=int8;" \
	  "or do that on a PC, and copy $(DEMO)/model*.onnx and $(DEMO)/data here"; exit 1; }
	for model in model model.fp16 model.int8; do \
	  $(PPTSN) convert engine $(DEMO)/$$model.onnx -o $(DEMO)/$$model.engine --rebuild-if-needed || true; done
	$(BIN)/python -m tools.device.report --demo $(DEMO) -o $(DEMO)/device-report.json

test-matrix:  ## Run the runtime's tests under each of Python 3.10, 3.11 and 3.12 that this machine has
	$(PYTHON) tests/matrix.py

lint: $(READY)  ## Check format, lint and types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

format: $(READY)  ## Format the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# MkDocs imports the hooks by their path: PYTHONPATH lets them find the rest of tools/, which is not installed.
docs: $(READY)  ## Make the documentation site in output/docs
	PYTHONPATH=. NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --quiet --strict

# What a wheel may be installed with from the ordinary index, and what a checkout needs besides.
LOCKED = cpu openvino gpu tensorrt rtx onnxruntime-tensorrt-rtx lean recipes train tensorboard convert web mqtt webhook parquet bench
COMPILE = uv pip compile --universal --python-version 3.10 --no-emit-index-url --no-header --no-annotate pyproject.toml

constraints:  ## Pin the newest versions again, for all Pythons at once, with hashes for wheels (needs uv)
	$(COMPILE) $(addprefix --extra ,$(LOCKED) dev docs) --quiet --upgrade -o constraints.txt
	@mkdir -p locks
	@$(foreach extra,$(LOCKED),$(COMPILE) --quiet --extra $(extra) --generate-hashes -c constraints.txt -o locks/$(extra).txt &&) true

clean:  ## Remove environments, caches and everything under output/
	rm -rf $(VENV) .venvs $(OUTPUT) build *.egg-info .coverage .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
