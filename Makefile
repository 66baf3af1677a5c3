# The tasks of this repository. Each target creates the virtual environment if it is missing.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
export HF_HUB_OFFLINE := 1
export TOKENIZERS_PARALLELISM := false

.PHONY: setup check test demo bench nano results architecture clean

setup: $(VENV)/.ready

# torch first and by its exact version: a looser requirement would take a build with gigabytes of GPU libraries.
$(VENV)/.ready: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check "$$(grep '^torch==' constraints.txt)"
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[dev]"
	touch $@

check: setup  ## check style, types and the import contract
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test: check  ## run all tests on two cores, without GPU, network or token
	$(BIN)/python -m pytest -n 2

demo: setup  ## train nano on a bundled mini-corpus of synthetic voices, then show its answers on other voices
	$(BIN)/python -m demo

bench: setup  ## compare ours with the plain way, in at most a quarter of an hour on two cores
	$(BIN)/python -m bench --out bench/results $(if $(wildcard $(DATA)/manifest.csv),--data $(DATA))
	$(BIN)/python -m bench --write-docs

# The corpora that nano is trained on; emosllm/builtin/nano/README.md lists them with their sources.
DATA ?= ../shared/data
# The published weights that nano starts from: a folder with whisper-base in the layout of transformers.
MODELS ?= ../models
nano: setup  ## rebuild the builtin models from the speech and text under DATA and the weights under MODELS
	$(BIN)/python -m nano --data $(DATA) --models $(MODELS)

results: setup  ## write the tables of docs/results.md from the rows and results in docs/results
	$(BIN)/python -m papers

architecture: setup  ## write the graph of packages and the list of files of docs/architecture.md from the code
	$(BIN)/python docs/architecture.py

clean:  ## remove all generated files
	rm -rf $(VENV) runs build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
