# On a fresh machine with Python and make, start with `make try` and `make test`.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
unexport PYTHONDONTWRITEBYTECODE PYTHONPATH

.PHONY: try test lint unit engines lab mutate simulate binary binary-test requirements

# `try` installs what a user gets: the package without the development tools. Removing .venv/dev makes the next
# `make test` install those again. The state directory lies in .venv and is removed with it.
TRY := CRONGUARD_STATE_DIR=$(VENV)/try CRONGUARD_BACKEND=local $(BIN)/cronguard
TICK := --tick 2026-01-01T05:30Z
try: $(BIN)/python
	$(BIN)/pip install --quiet .
	rm -f $(VENV)/dev
	rm -rf $(VENV)/try
	$(TRY) run --ns demo --name hello $(TICK) --verbose -- echo "this ran once"
	@echo "--- the same tick on another node is skipped, with status 75:"
	CRONGUARD_NODE=other $(TRY) run --ns demo --name hello $(TICK) --verbose -- echo "this does not run"; test $$? = 75
	$(TRY) locks --all

test: lint unit

lint: $(VENV)/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# Four processes, even on two cores: many tests mostly wait for real processes.
unit: $(VENV)/dev
	$(BIN)/pytest -n 4 --dist worksteal -m 'not engine'

# Test the backends on real etcd, PostgreSQL and Redis servers, which the tests start. This takes some minutes.
engines: $(VENV)/dev
	$(BIN)/pytest -n 4 --dist worksteal -m engine

# Test a cluster of real NFS nodes, as root, in about fifteen minutes. For one scenario:
# make lab SCENARIO=a-dead-node-is-followed
lab: $(VENV)/dev
	$(BIN)/python tests/lab $(SCENARIO)

# Switch off one rule of the code at a time: a test must notice. For every seventh mutant from the third on:
# make mutate EVERY=7 OFFSET=2
EVERY ?= 1
OFFSET ?= 0
mutate: $(VENV)/dev
	$(BIN)/python tests/mutate.py --every $(EVERY) --offset $(OFFSET)

# Simulate a range of seeds on all cores and add the result to the totals in docs/proof.md.
FROM ?= 0
TO ?= 9999
simulate: $(VENV)/dev
	$(BIN)/python -m tests.simulation $(FROM) $(TO)

# Make `dist/cronguard` and the Debian package; docs/binary.md explains how they are built and why.
INTERPRETER ?= /usr/bin/python3
binary: $(VENV)/dev
	$(BIN)/python packaging/single_file.py $(INTERPRETER)
	$(BIN)/python packaging/deb.py

# Test the Debian package and the single file, which must also pass some of the tests of `make unit`.
binary-test: $(VENV)/dev
	CRONGUARD_PROGRAM=dist/cronguard $(BIN)/pytest -n 4 --dist worksteal tests/binary \
		$(addprefix tests/run/test_,$(addsuffix .py,manners inheritance signals tree death terminal))

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/dev: $(BIN)/python requirements-dev.txt pyproject.toml
	$(BIN)/pip install --quiet --require-hashes -r requirements-dev.txt
	$(BIN)/pip install --quiet --no-deps --no-build-isolation --editable .
	touch $@

# Needed only to choose newer versions: resolve the dependencies again, with hashes.
requirements: $(VENV)/dev
	$(BIN)/pip install --quiet pip-tools
	$(BIN)/python -c 'import tomllib; t = tomllib.load(open("pyproject.toml", "rb")); \
		print(*t["project"]["dependencies"], *t["dependency-groups"]["dev"], sep="\n")' > $(VENV)/dev.in
	$(BIN)/pip-compile --quiet --upgrade --generate-hashes --strip-extras --allow-unsafe \
		--no-emit-index-url --no-emit-find-links --no-emit-trusted-host --no-header --no-annotate \
		--output-file=requirements-dev.txt $(VENV)/dev.in
