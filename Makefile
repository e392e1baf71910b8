# Two commands do everything: `make serve` and `make test`. Both set up .venv first.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Set on the command line, as in `make serve PORT=9000`. Not taken from the environment: some shells export HOST.
HOST = 127.0.0.1
PORT = 8000
DOCUMENTS = documents
INDEX = var
TRIALS = 1000

.PHONY: serve test crash-test venv lint screenshots lock clean
.DEFAULT_GOAL := serve

serve: venv  ## index the documents and serve them (HOST, PORT, DOCUMENTS and INDEX may be set)
	$(BIN)/python serve.py --documents "$(DOCUMENTS)" --index "$(INDEX)" --host "$(HOST)" --port "$(PORT)"

test: lint  ## format check, lint, types and every test
	$(BIN)/pytest

crash-test: venv  ## kill 1,000 writers and look at the indexes that they leave (some minutes; TRIALS may be set)
	$(BIN)/python -m tests.crash --trials $(TRIALS)
	MALLOC_ARENA_MAX=1 $(BIN)/python -m tests.crash.memory

lint: venv
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

venv: $(VENV)/.installed  ## the set-up alone

$(VENV)/.installed: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Citespan needs Python 3.11 or newer: name one, as in 'make venv PYTHON=python3.12'." >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || \
	  { echo "Python cannot make virtual environments here; on Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }
	@echo "Installing what requirements.lock names into $(VENV), once (about 2 GB)"
	@$(BIN)/pip install --requirement requirements.lock
	@$(BIN)/pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

lock:  ## pin anew what pyproject.toml asks for (needs uv)
	uv pip compile pyproject.toml --extra dev --extra eval --universal --python-version 3.11 \
	  --no-emit-index-url --no-annotate --upgrade --output-file requirements.lock

screenshots: venv  ## take the pictures in docs/ anew (needs Chromium)
	$(BIN)/python docs/take_screenshots.py

clean:  ## remove the environment and the index
	rm -rf $(VENV) var build dist *.egg-info
