# The two commands of the README are `make demo` and `make test`; both need only Python (3.11 to 3.13) and make.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
TESTS ?=

.PHONY: help install demo test check docs bench fuzz clean

help:
	@echo 'make install   make .venv and install everything in it by pip'
	@echo 'make demo      bring up a grid, run a job on it, show its output, leave nothing running'
	@echo 'make test      run the tests (some of them: make test TESTS=tests/jdl)'
	@echo 'make check     ruff, mypy and the import contract'
	@echo 'make docs      make the documents that are made from the code'
	@echo 'make bench     measure, and print tables'
	@echo 'make fuzz      fuzz the SOAP door, the WMProxy port and the JDL for a minute, guided by coverage'
	@echo 'make clean     remove .venv and what the tools left'

install: $(STAMP)

$(STAMP): setup.cfg pyproject.toml constraints.txt
	@command -v $(PYTHON) >/dev/null || { echo "There is no $(PYTHON); install Python 3.11, 3.12 or 3.13, or say make PYTHON=/path/to/python3." >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' || { echo "$$($(PYTHON) --version) is not supported; use Python 3.11, 3.12 or 3.13: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || { echo "This Python cannot make virtual environments (ensurepip is missing); on Debian: apt-get install python3-venv" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --use-pep517 --constraint constraints.txt --editable '.[postgresql,check]'
	@touch $(STAMP)

demo: install
	@$(BIN)/wms demo

test: install
	$(BIN)/python -m pytest $(TESTS)

check: install
	$(BIN)/ruff check .
	$(BIN)/mypy $(foreach room,grid jdl gsi storage web wsdl lb infosys delegation ce broker wmproxy clients node,-p $(room))
	$(BIN)/lint-imports

docs: install
	$(BIN)/python -m wmproxy.operations > docs/operations.md.new && mv docs/operations.md.new docs/operations.md
	$(BIN)/python -m jdl.document > docs/jdl.md.new && mv docs/jdl.md.new docs/jdl.md

bench: install
	$(BIN)/python -m benchmarks

fuzz: install
	PYTHONPATH=. $(BIN)/python tests/fuzz/soapdoor.py --seconds 60

clean:
	rm -rf $(VENV) *.egg-info build .mypy_cache .ruff_cache .import_linter_cache .hypothesis .grimp_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
