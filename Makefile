# Everything one does with this repository. Each target makes its own virtual environment when there is none.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
export HF_HUB_OFFLINE := 1
export TOKENIZERS_PARALLELISM := false

.PHONY: setup check test demo bench nano results clean

setup: $(VENV)/.ready

# torch first and by its exact version: a looser requirement would take a build with gigabytes of GPU libraries.
$(VENV)/.ready: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check "$$(grep '^torch==' constraints.txt)"
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[dev]"
	touch $@

check: setup  ## style, types, and the one direction of imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test: check  ## all tests, on two cores, without GPU, network or token
	$(BIN)/python -m pytest -n 2

demo: setup  ## train nano on a bundled mini-corpus of synthetic voices, then show its answers on other voices
	$(BIN)/python -m demo

bench: setup  ## ours beside the plain way, in at most a quarter of an hour on two cores
	$(BIN)/python -m bench --out bench/results $(if $(wildcard $(DATA)/manifest.csv),--data $(DATA))
	$(BIN)/python -m bench --write-docs

# The real speech nano learns from; see emosllm/builtin/nano/README.md for what it is and where it comes from.
DATA ?= ../shared/data
# The published weights it begins with: a folder that holds whisper-base as transformers lays it out.
MODELS ?= ../models
nano: setup  ## rebuild the builtin models from the speech and text under DATA and the weights under MODELS
	$(BIN)/python -m nano --data $(DATA) --models $(MODELS)

results: setup  ## the tables of docs/results.md, from the rows and results in docs/results
	$(BIN)/python -m papers

clean:  ## everything that was made here
	rm -rf $(VENV) runs build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
