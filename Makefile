# `make run` and `make test` need Python 3.11 or newer and nothing else; both set everything up on first use.
PYTHON ?= python3
VENV := .venv
SAM_VENV := .venv-sam
CHECKOV_VENV := .venv-checkov
AUDIT_VENV := .venv-audit
LAMBDA_VENV := .venv-lambda
ZIG_VENV := .venv-zig
NODE := requirements/node_modules
BIN := $(VENV)/bin

.PHONY: help run test lint console layers kernel notebook setup tools compiler lock licences audit test-lambda-runtime soak image clean

help:  ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-20s %s\n", $$1, $$2}' Makefile | sort

run: setup  ## simulate a portfolio on the embedded AWS: LOANS= SCENARIOS= PORTFOLIO= MAPPING= OUT=
	@$(BIN)/montecarlo run \
	  $(if $(LOANS),--loans $(LOANS)) $(if $(SCENARIOS),--scenarios $(SCENARIOS)) \
	  $(if $(PORTFOLIO),--portfolio "$(PORTFOLIO)") $(if $(MAPPING),--mapping "$(MAPPING)") $(if $(OUT),--out "$(OUT)")

# One more than there are CPUs, as tests often wait for an embedded AWS; each may take 2 GB.
TEST_PROCESSES ?= $(shell $(PYTHON) -c 'import os; print(min((os.cpu_count() or 1) + 1, 4))')

test: setup $(VENV)/.test tools lint test-lambda-runtime  ## everything that CI checks
	$(BIN)/pytest --numprocesses $(TEST_PROCESSES) --dist loadfile

soak: setup $(VENV)/.test tools  ## all tests with 20 times the examples and SOAK= (100) random kills
	SOAK=$(or $(SOAK),100) $(BIN)/pytest -s

image: setup $(VENV)/.test  ## the worker's image, built with podman and tried: IMAGE_BASE= for another base image
	IMAGE=1 $(if $(IMAGE_BASE),IMAGE_BASE=$(IMAGE_BASE)) $(BIN)/pytest -s tests/host/test_image.py

# Lambda's Python, where this computer has it.
LAMBDA_PYTHON ?= $(shell for each in python3.13 $$HOME/.pyenv/versions/3.13*/bin/python; do \
  "$$each" -c '' 2> /dev/null && echo "$$each" && break; done)

test-lambda-runtime:  ## the tests of the steps and their rooms with Lambda's Python and its layer's libraries
	@if [ -n "$(LAMBDA_PYTHON)" ]; then $(MAKE) --no-print-directory $(LAMBDA_VENV)/.lambda && \
	  PYTHONPATH=functions $(LAMBDA_VENV)/bin/python -m pytest -p no:tests.deployed -p tests.lambda_runtime.layer \
	    --numprocesses $(TEST_PROCESSES) --dist loadfile \
	    $(foreach room,lambda_runtime steps run storage portfolio simulation,tests/$(room)); \
	  else echo "There is no Python 3.13 here: the tests with Lambda's Python and libraries are SKIPPED."; fi

lint: $(VENV)/.test  ## style, types, and who may import whom
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache --no-logo

console: $(VENV)/.local  ## write anew what is made from other templates: those with workers, cloudformation/<stack>/main.yml
	$(BIN)/python -m publishing.workers
	$(BIN)/python -m publishing.console

layers: $(VENV)/.local  ## compare the pinned layer with the newest release; asks the package index
	@$(BIN)/python -m publishing.layers

notebook: setup $(VENV)/.notebook  ## ask results five questions and more in a notebook: RESULTS= the folder of a run
	@$(BIN)/marimo edit examples/notebook/results.py -- $(or $(RESULTS),out)

kernel: $(VENV)/.local compiler  ## write the kernel's machine code for Lambda anew, functions/montecarlo/simulation/kernel-*.b64
	@$(BIN)/python -m publishing.kernel

# ----------------------------------------------------------------------------------------------------------------------
# Environments, each installed from a file in requirements/, with hashes. Where uv cannot reach the package index, as
# when only pip was told of a mirror, pip does the same.

define install
@echo "$(1): installing $(2) ..."
@$(BIN)/uv pip install --quiet --python $(1)/bin/python --no-deps --require-hashes --requirement $(2) \
  || $(BIN)/pip --python $(1)/bin/python install --quiet --no-deps --require-hashes --requirement $(2)
endef

setup: $(VENV)/.local $(SAM_VENV)/.sam  ## what `make run` needs: .venv and .venv-sam

tools: $(CHECKOV_VENV)/.checkov $(NODE)/.asl-validator  ## what `make test` needs beside: checkov, asl-validator, axe-core

compiler: $(ZIG_VENV)/.zig  ## what `make kernel` needs, and the test that makes the same bytes: Zig's C compiler, 440 MB

$(VENV)/.setup: requirements/setup.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; set PYTHON=python3.x")'
	@echo "$(VENV): making it, with $$($(PYTHON) --version), for the first use ..."
	@test -d $(VENV) || $(PYTHON) -m venv $(VENV)
	@echo "$(VENV): installing $< with pip ..."
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --require-hashes --requirement $<
	@touch $@

$(VENV)/.local: requirements/local.txt pyproject.toml $(VENV)/.setup
	$(call install,$(VENV),$<)
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.notebook: requirements/notebook.txt $(VENV)/.local
	$(call install,$(VENV),$<)
	@touch $@

$(VENV)/.test: requirements/test.txt $(VENV)/.local
	$(call install,$(VENV),$<)
	@touch $@

$(SAM_VENV)/.sam $(CHECKOV_VENV)/.checkov $(AUDIT_VENV)/.audit $(ZIG_VENV)/.zig: $(VENV)/.setup
	@test -d $(@D) || $(PYTHON) -m venv --without-pip $(@D)
	$(call install,$(@D),$(filter requirements/%,$^))
	@touch $@

$(LAMBDA_VENV)/.lambda: requirements/lambda.txt $(VENV)/.setup
	@$(LAMBDA_PYTHON) -m venv --without-pip --clear $(LAMBDA_VENV)
	$(call install,$(LAMBDA_VENV),$<)
	@touch $@

$(SAM_VENV)/.sam: requirements/sam.txt
$(CHECKOV_VENV)/.checkov: requirements/checkov.txt
$(AUDIT_VENV)/.audit: requirements/audit.txt
$(ZIG_VENV)/.zig: requirements/zig.txt

$(NODE)/.asl-validator: requirements/package-lock.json
	@mkdir -p $(@D)
	@if command -v npm > /dev/null; then \
	  echo "$(@D): installing $< ..." && npm ci --prefix requirements --silent --no-audit --no-fund; \
	  else echo "npm is missing: the tests of the state machines' syntax and of the report for all readers will be skipped"; fi
	@touch $@

# ----------------------------------------------------------------------------------------------------------------------
# The files in requirements/; the same versions for every Python

LOCK := $(BIN)/uv pip compile --quiet --universal --fork-strategy fewest --python-version 3.11 --generate-hashes --custom-compile-command "make lock"

lock: $(VENV)/.setup  ## make requirements/ anew after a change of what is needed; other versions stay
	$(LOCK) pyproject.toml --extra local --extra analysis --extra calibration --extra notebook --extra test --extra bench --output-file requirements/test.txt
	$(LOCK) pyproject.toml --extra local --extra analysis --extra calibration --constraint requirements/test.txt --output-file requirements/local.txt
	$(LOCK) pyproject.toml --extra notebook --constraint requirements/test.txt --output-file requirements/notebook.txt
	for name in setup sam checkov audit zig; do $(LOCK) requirements/$$name.in --output-file requirements/$$name.txt; done
	$(LOCK:3.11=3.13) requirements/lambda.in --output-file requirements/lambda.txt
	$(LOCK:3.11=3.13) requirements/worker.in --constraint requirements/lambda.txt --output-file requirements/worker.txt
	npm install --prefix requirements --package-lock-only --omit-lockfile-registry-resolved --silent --no-audit --no-fund

licences: setup $(VENV)/.test tools $(AUDIT_VENV)/.audit compiler  ## write docs/licences.md anew, the licence of every package
	$(BIN)/python -m tests.docs.licences

audit: $(AUDIT_VENV)/.audit  ## ask a service on the network for known weaknesses of all packages
	for name in test sam checkov setup lambda worker zig; do \
	  $(AUDIT_VENV)/bin/pip-audit --strict --disable-pip --require-hashes --requirement requirements/$$name.txt || exit 1; done
	npm audit --prefix requirements

clean:  ## remove every environment and what runs left
	rm -rf $(VENV) $(SAM_VENV) $(CHECKOV_VENV) $(AUDIT_VENV) $(LAMBDA_VENV) $(ZIG_VENV) $(NODE) .montecarlo build
