.DEFAULT_GOAL := help
.PHONY: help install packages run up down status check test unit bench chaos chaos-long drill monitoring dashboards fuzz lock schemas clean simulate

MEMBERS := libs/common libs/client services/gateway services/scheduler services/worker services/notifier deploy/local
PYTHON := .venv/bin/python

##@ Try it
run: install ## The video example end to end; the stack stays up
	@$(PYTHON) -m filemill_local run

up: install ## Start the embedded stack; returns when all is ready
	@$(PYTHON) -m filemill_local up

down: ## Stop the embedded stack
	@if [ -x $(PYTHON) ]; then $(PYTHON) -m filemill_local down; else echo "Nothing is installed, so nothing runs."; fi

monitoring: ## Install Prometheus, which `make up` then starts with the stack
	@deploy/local/install-packages prometheus

status: ## What runs, where, and how it is
	@if [ -x $(PYTHON) ]; then $(PYTHON) -m filemill_local status; else echo "Nothing is installed yet: make up"; exit 1; fi

##@ Every day
help: ## Show this list
	@awk 'BEGIN {FS = ":.*## "} \
		/^##@ / {printf "\n%s\n", substr($$0, 5)} \
		/^[a-z-]+:.*## / {printf "  %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

check: .venv/installed ## Lint, types and import contracts; what CI runs first
	.venv/bin/ruff check && .venv/bin/ruff format --check && .venv/bin/mypy && .venv/bin/lint-imports

unit: .venv/installed monitoring ## The tests that need no server
	.venv/bin/pytest libs services deploy

test: install monitoring check ## Everything, on real servers of its own
	.venv/bin/pytest --numprocesses 2 --dist loadfile

bench: install ## Steps a second and what a step costs
	$(PYTHON) -m benchmarks

fuzz: install ## Every operation of the API, in more than 10,000 requests that nobody foresaw
	FILEMILL_FUZZ_CASES=550 .venv/bin/pytest tests/fuzz --capture no --timeout 3600

chaos: install ## Ten minutes of load and faults, and a verdict; SEED=7 replays one
	$(PYTHON) -m tests.chaos run $(if $(SEED),--seed $(SEED))

chaos-long: install ## The same with 10,000 workflows and 1,000 faults, for an hour
	$(PYTHON) -m tests.chaos run --size long $(if $(SEED),--seed $(SEED))

drill: install ## Ten faults, one by one: the alert that is expected and no other; at most 15 minutes
	$(PYTHON) -m deploy.observability drill

simulate: install ## Random worlds in virtual time, for 20 minutes (SECONDS=, SEED=)
	$(PYTHON) -m tests.simulation

##@ Now and then
lock: .venv/installed ## Resolve the requirements anew, with hashes
	requirements/lock

schemas: .venv/installed ## Write the JSON Schemas of all events and of workflow files, and the pages about them
	$(PYTHON) -m filemill_common.contract

dashboards: .venv/installed ## Write the rules and dashboards, and ask each panel of a real Prometheus
	$(PYTHON) -m deploy.observability write
	$(PYTHON) -m deploy.observability look

clean: down ## Remove what was installed and made here
	rm -rf .venv .filemill .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis

##@ Set up (the others call these)
install: packages .venv/installed ## Distribution packages and Python packages

packages:
	@deploy/local/install-packages

.venv/installed: requirements/dev.txt requirements/uv.txt $(MEMBERS:%=%/pyproject.toml) | packages
	python3 -m venv .venv
	.venv/bin/python -m pip install --quiet --require-hashes --requirement requirements/uv.txt
	.venv/bin/uv pip sync --quiet --require-hashes requirements/dev.txt
	.venv/bin/uv pip install --quiet --no-deps --no-build-isolation $(MEMBERS:%=--editable %)
	@touch $@
