# `make run` and `make test` need Python 3.11 or newer and nothing else; both set everything up on first use.
PYTHON ?= python3
VENV := .venv
SAM_VENV := .venv-sam
CHECKOV_VENV := .venv-checkov
BIN := $(VENV)/bin

# Development tools that the environments above cannot hold.
CHECKOV := checkov==3.3.30
ASL_VALIDATOR := asl-validator@4.0.0

.PHONY: help run test lint console layers kernel clean setup tools

help:  ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-12s %s\n", $$1, $$2}' Makefile | sort

run: setup  ## simulate a portfolio on the embedded AWS: LOANS= SCENARIOS= PORTFOLIO= MAPPING= OUT=
	@$(BIN)/montecarlo run \
	  $(if $(LOANS),--loans $(LOANS)) $(if $(SCENARIOS),--scenarios $(SCENARIOS)) \
	  $(if $(PORTFOLIO),--portfolio "$(PORTFOLIO)") $(if $(MAPPING),--mapping "$(MAPPING)") $(if $(OUT),--out "$(OUT)")

test: setup $(VENV)/.test tools lint  ## everything that CI checks
	$(BIN)/pytest

lint: $(VENV)/.test  ## style, types, and who may import whom
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache --no-logo

console: $(VENV)/.local  ## write cloudformation/<stack>/main.yml anew, the files to upload in the CloudFormation console
	$(BIN)/python -m publishing.console

layers: $(VENV)/.local  ## compare the pinned layer with the newest release; asks the package index
	@$(BIN)/python -m publishing.layers

kernel: setup  ## build the compiled kernel for Lambda to run; for another processor: MACHINE=aarch64 CC=<its compiler>
	@$(BIN)/python -m montecarlo.simulation.compiled $(if $(MACHINE),--machine $(MACHINE)) $(if $(SYSTEM),--system $(SYSTEM))

setup: $(VENV)/.local $(SAM_VENV)/.sam  ## what `make run` needs: .venv and .venv-sam

$(VENV)/.local: pyproject.toml
	@echo "Setting up $(VENV) (first use only) ..."
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; set PYTHON=python3.x")'
	@test -d $(VENV) || $(PYTHON) -m venv $(VENV)
	@$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[local]'
	@touch $@

$(VENV)/.test: $(VENV)/.local
	@$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[local,test]'
	@touch $@

tools: $(CHECKOV_VENV)/.checkov node_modules/.asl-validator  ## what `make test` needs beside: checkov, asl-validator

$(CHECKOV_VENV)/.checkov: Makefile
	@echo "Setting up $(CHECKOV_VENV) (first use only) ..."
	@test -d $(CHECKOV_VENV) || $(PYTHON) -m venv $(CHECKOV_VENV)
	@$(CHECKOV_VENV)/bin/pip install --quiet --disable-pip-version-check '$(CHECKOV)'
	@touch $@

node_modules/.asl-validator: Makefile
	@mkdir -p node_modules
	@if command -v npm > /dev/null; then npm install --silent --no-save --no-package-lock --no-audit --no-fund '$(ASL_VALIDATOR)'; \
	  else echo "npm is missing: the tests of the state machines' syntax will be skipped"; fi
	@touch $@

$(SAM_VENV)/.sam: cli/sam-requirements.txt
	@echo "Setting up $(SAM_VENV) (first use only) ..."
	@test -d $(SAM_VENV) || $(PYTHON) -m venv $(SAM_VENV)
	@$(SAM_VENV)/bin/pip install --quiet --disable-pip-version-check --requirement cli/sam-requirements.txt
	@touch $@

clean:  ## remove every environment and what runs left
	rm -rf $(VENV) $(SAM_VENV) $(CHECKOV_VENV) node_modules .montecarlo build
