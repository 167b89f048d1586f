# All that is needed beforehand is Python 3.11 or newer with pip, and make. Everything else goes into .venv.

VENV := .venv
PY := $(VENV)/bin/python
INSTALL := -m pip install --quiet --disable-pip-version-check --require-hashes -r
PROJECT := -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
SOURCES := src simulators tests bench
ARGS ?=
# Two workers at least: half of a test run waits for the database or for a program to start.
WORKERS ?= $(shell n=$$(nproc 2>/dev/null || echo 2); [ $$n -gt 2 ] && echo $$n || echo 2)

.PHONY: help demo sandbox test check lint format docs mutants certify fuzz torture crash-points bench lock clean
.DEFAULT_GOAL := help

help:
	@echo 'make demo      the whole road at the counter, played by the simulators (ARGS=--once: play and end)'
	@echo 'make sandbox   a gateway, ECMS and a database to develop against (ARGS=--json: one line of JSON)'
	@echo 'make test      every test (ARGS: further options for pytest)'
	@echo 'make check     lint, types, import direction and every test'
	@echo 'make lint      lint, types and import direction alone'
	@echo 'make format    put the code into its standard form'
	@echo 'make docs      bring the generated parts of the documents up to date'
	@echo 'make mutants   break the gateway and the till in one place after another: each defect must be caught'
	@echo 'make certify   judge the simulated till (ARGS: options, or -- and another till)'
	@echo 'make fuzz      tills, kiosks, ECMS and bytes that nobody expects, for 10 minutes (ARGS: --minutes, --seed)'
	@echo 'make torture   everything breaks at random while people shop, for 10 minutes (ARGS: --minutes, --seed)'
	@echo 'make crash-points  die at every named point of every kind of work; writes the table in ARCHITECTURE.md'
	@echo 'make bench     measure against peers and against PostgreSQL alone (QUICK=1: under 5 minutes)'
	@echo 'make lock      pin the newest dependencies that fit'
	@echo 'make clean     remove what these commands made'

demo: $(VENV)/.runtime
	$(PY) -m connect_simulators.demo $(ARGS)

sandbox: $(VENV)/.runtime
	$(PY) -m connect_gateway sandbox $(ARGS)

test: $(VENV)/.dev $(VENV)/.browser
	$(PY) -m pytest -n $(WORKERS) --dist worksteal $(ARGS)

check: lint test

lint: $(VENV)/.dev
	$(PY) -m ruff check $(SOURCES)
	$(PY) -m ruff format --check $(SOURCES)
	$(PY) -m mypy
	$(VENV)/bin/lint-imports

format: $(VENV)/.dev
	$(PY) -m ruff check --fix-only --quiet $(SOURCES)
	$(PY) -m ruff format $(SOURCES)

docs: $(VENV)/.dev
	$(PY) -m connect_gateway.reference_docs --write
	$(PY) -m connect_gateway.openapi --write

certify: $(VENV)/.runtime
	$(PY) -m connect_gateway certify-till $(ARGS)

mutants: $(VENV)/.dev
	cd tests && ../$(PY) -m mutants.run --write
	cd tests && ../$(PY) -m mutants.till_run --write

fuzz: $(VENV)/.dev
	cd tests && ../$(PY) -m fuzz $(ARGS)

torture: $(VENV)/.dev
	cd tests && ../$(PY) -m torture $(ARGS)

crash-points: $(VENV)/.dev
	cd tests && ../$(PY) -m torture.crashtable --write

bench: $(VENV)/.bench
	$(PY) -m bench $(if $(QUICK),--quick) $(ARGS)

# The stamps say what the environment was made from; a change of the pins brings it up to date.
$(VENV)/.dev: requirements-dev.txt $(VENV)/.runtime
	@echo 'Installing what the tests need ...'
	@$(PY) $(INSTALL) requirements-dev.txt
	@touch $@

# The tests click through the pages in Debian's Chromium, and read barcodes back with Debian's zbar as well.
$(VENV)/.browser: | $(PY)
	@set -e; missing=; \
	command -v chromium >/dev/null 2>&1 || missing="$$missing chromium"; \
	ldconfig -p 2>/dev/null | grep -q libzbar || missing="$$missing libzbar0"; \
	if [ -n "$$missing" ]; then \
		echo "Installing$$missing ..."; \
		as_root=; [ "$$(id -u)" = 0 ] || as_root=sudo; \
		$$as_root apt-get update -qq; \
		DEBIAN_FRONTEND=noninteractive $$as_root apt-get install -y -qq --no-install-recommends $$missing >/dev/null; \
	fi
	@touch $@

$(VENV)/.bench: requirements-bench.txt $(VENV)/.runtime
	@echo 'Installing what the measurements need ...'
	@$(PY) $(INSTALL) requirements-bench.txt
	@touch $@

$(VENV)/.runtime: requirements.txt pyproject.toml | $(PY)
	@echo 'Installing the dependencies ...'
	@$(PY) $(INSTALL) requirements.txt
	@$(PY) $(PROJECT)
	@touch $@

# The first Python that is new enough and really runs: a name on the PATH may be a shim for one that is not there.
# Debian keeps ensurepip in a package of its own; without it, the system's pip puts one into the environment.
$(PY):
	@set -e; \
	for python in "$${PYTHON:-python3}" python3 python3.14 python3.13 python3.12 python3.11; do \
		if "$$python" -c 'import sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
			echo "Making $(VENV) with $$("$$python" --version) ..."; \
			"$$python" -m venv $(VENV) >/dev/null 2>&1 || { \
				"$$python" -m venv --clear --without-pip $(VENV); \
				"$$python" -m pip --python $(PY) install --quiet pip; \
			}; \
			exit 0; \
		fi; \
	done; \
	echo 'Python 3.11 or newer is needed; PYTHON=... says where it is.' >&2; exit 1

# setuptools is pinned with the rest, since the project is installed with it and without isolation.
lock: | $(PY)
	$(PY) -m pip install --quiet --disable-pip-version-check uv
	$(call compile,requirements.txt,)
	$(call compile,requirements-dev.txt,--extra dev)
	$(call compile,requirements-bench.txt,--constraint requirements-dev.txt bench/requirements.in)

define compile
echo 'setuptools>=77' | $(VENV)/bin/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes \
	--no-config --no-header --no-annotate --no-emit-index-url --no-emit-find-links $(2) pyproject.toml - -o $(1)
endef

clean:
	rm -rf $(VENV) build dist src/*.egg-info .hypothesis .mypy_cache .pytest_cache .ruff_cache .import_linter_cache
	find $(SOURCES) protocol -name __pycache__ -type d -prune -exec rm -rf {} +
