# make demo   install the program, then watch a face with three known micro-expressions being read
# make test   install training and test tools too, then check style, types and every test
# make docs   install, then build the documentation site into build/site/, without a network
# make bench  install, then measure: ratios to peers and floors, into bench/; BENCH='--quick --only pair' for a part
PYTHON ?= $(firstword $(foreach p,python3.11 python3.12 python3.13 python3.14 python3.10 python3,$(shell command -v $(p) 2>/dev/null)))
VENV := .venv
BIN := $(VENV)/bin
DEMO := .demo/demo.mp4

.PHONY: demo test lint install docs picture bench clean

install: $(VENV)/.tested

# The program alone, which is what make demo needs.
# Native libraries are asked for before anything is downloaded: one clear line beats a stack of tracebacks.
$(VENV)/.installed: pyproject.toml
	@test -n "$(PYTHON)" || { echo "Python 3.10 or later is needed: apt install python3.11 python3.11-venv"; exit 2; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' \
	  || { echo "$(PYTHON) is older than Python 3.10: make PYTHON=python3.11 $(MAKECMDGOALS)"; exit 2; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null \
	  || { echo "Python's venv is missing: apt install python3-venv"; exit 2; }
	@$(PYTHON) -c 'import ctypes.util, sys; \
	  sys.exit(sys.platform == "linux" and not ctypes.util.find_library("GL"))' \
	  || { echo "libGL is missing, OpenCV needs it: apt install libgl1"; exit 2; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing into $(VENV) (some minutes the first time)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -e .
	@$(BIN)/atme setup
	@touch $@

# Training and what the tests need beside it.
$(VENV)/.tested: $(VENV)/.installed
	@echo "Installing what training and the tests need"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	@touch $@

demo: $(VENV)/.installed
	@$(BIN)/atme-train synthesize-clip $(DEMO)
	@$(BIN)/atme demo --clip $(DEMO)

lint: install
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/mypy

test: lint
	@$(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadfile

$(VENV)/.docs-installed: $(VENV)/.installed
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[docs]'
	@touch $@

docs: $(VENV)/.docs-installed
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict
	@echo "build/site/index.html; for the search: $(BIN)/mkdocs serve"

bench: install
	@$(BIN)/python -m benchmarks $(BENCH)

# The pictures of the overlay, the report and the review page in the README, from real replays.
picture: install
	@$(BIN)/python docs/overlay_picture.py
	@$(BIN)/python docs/report_picture.py
	@$(BIN)/python docs/review_picture.py

clean:
	rm -rf $(VENV) .demo build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
