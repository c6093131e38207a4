# The two commands of the README, and the checks.
#
#   make raise    set up .venv, then raise a first life in lives/first   (make raise LIFE=lives/mine ARGS="--minutes 5")
#   make test     set up .venv with what the tests need, then run them   (make test ARGS="-k tokenizer")
#   make check    ruff, mypy and the order of the floors
#   make format   let ruff lay out the code
#   make clean    remove .venv and caches (never lives/)

PYTHON ?= python3
LIFE   ?= lives/first
BIN    := .venv/bin
EXTRAS := dev,data,oracles,browser,postgres

.PHONY: raise test check format programs clients clean

raise: .venv/ready
	$(BIN)/eyas raise $(LIFE) $(ARGS)

test: .venv/ready-for-tests programs clients
	$(BIN)/python -m pytest --numprocesses auto --dist loadfile $(ARGS)

check: .venv/ready-for-tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python tools/floors.py

format: .venv/ready-for-tests
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# The set-up is told once: a stamp file remembers it until pyproject.toml changes.
.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "eyas needs Python 3.11 or newer and $(PYTHON) is older; try: make $(MAKECMDGOALS) PYTHON=python3.12"; exit 1; }
	@echo "Making a Python environment in .venv ..."
	@$(PYTHON) -m venv .venv || \
	  { rm -rf .venv; echo "Python cannot make environments here; on Debian or Ubuntu: apt install python3-venv"; exit 1; }

.venv/ready: pyproject.toml | .venv/bin/python
	@echo "Installing eyas and what it stands on (PyTorch is the large one; once only) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	@touch $@

.venv/ready-for-tests: pyproject.toml | .venv/bin/python
	@echo "Installing eyas and what its tests need (once only) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[$(EXTRAS)]'
	@touch .venv/ready $@

# Some tests need a Chromium or a PostgreSQL; without them they are skipped, and say so.
programs:
	@sh tools/debian.sh

# The server is tested with the real clients of its interfaces; those that cannot be had are skipped, and say so.
clients: .venv/ready-for-tests
	@sh tools/clients.sh

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis dist build
	find src tests tools benchmarks -name __pycache__ -type d -exec rm -rf {} +
