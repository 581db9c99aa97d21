.DEFAULT_GOAL := help
.PHONY: help install packages run up down status compose-up compose-run compose-down check test unit bench chaos \
	chaos-long fuzz properties lint-k8s lock schemas clean simulate images images-local test-containers browser pictures \
	drill monitoring dashboards upgrade

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

compose-up: install ## The same stack in containers, on the same ports; returns when all is ready
	@deploy/images/with deploy/local/compose up --detach
	@$(PYTHON) -m filemill_local wait

compose-run: compose-up ## The video example on it
	@$(PYTHON) -m filemill_local sample

compose-down: ## Remove the containers; what they stored stays (docker volume ls)
	@deploy/local/compose down

##@ Every day
help: ## Show this list
	@awk 'BEGIN {FS = ":.*## "} \
		/^##@ / {printf "\n%s\n", substr($$0, 5)} \
		/^[a-z-]+:.*## / {printf "  %-15s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

check: .venv/installed ## Lint, types and import contracts; what CI runs first
	.venv/bin/ruff check && .venv/bin/ruff format --check && .venv/bin/mypy && .venv/bin/lint-imports

unit: .venv/installed monitoring ## The tests that need no server
	.venv/bin/pytest libs services deploy

test: install browser monitoring check ## Everything, on real servers of its own
	.venv/bin/pytest --numprocesses 2 --dist loadfile

test-containers: install monitoring ## The stories with all in containers, and each image confined; needs a Docker engine
	TESTCONTAINERS_RYUK_DISABLED=true FILEMILL_TEST_CONTAINERS=1 \
		deploy/images/with .venv/bin/pytest tests/containers deploy/local/tests/test_fixtures.py tests/integration

bench: install ## Steps a second and what a step costs
	$(PYTHON) -m benchmarks

fuzz: install ## Every operation of the API, in more than 10,000 requests that nobody foresaw
	FILEMILL_FUZZ_CASES=550 .venv/bin/pytest tests/fuzz --capture no --timeout 3600

properties: .venv/installed ## Random workflows in every order: 100,000 for each property, or 10 minutes (SECONDS=)
	HYPOTHESIS_PROFILE=thorough FILEMILL_PROPERTY_SECONDS=$(or $(SECONDS),600) \
		.venv/bin/pytest services/scheduler/tests/core/test_properties.py -rs --timeout 36000

chaos: install ## Ten minutes of load and faults, and a verdict; SEED=7 replays one
	$(PYTHON) -m tests.chaos run $(if $(SEED),--seed $(SEED))

chaos-long: install ## The same with 10,000 workflows and 1,000 faults, for an hour
	$(PYTHON) -m tests.chaos run --size long $(if $(SEED),--seed $(SEED))

upgrade: install ## Services of the last release beside those of now, under load and faults (FROM=another version)
	$(PYTHON) -m tests.chaos run --size short --beside $(or $(FROM),last)

drill: install ## Ten faults, one by one: the alert that is expected and no other; at most 15 minutes
	$(PYTHON) -m deploy.observability drill

simulate: install ## Random worlds in virtual time, for 20 minutes (SECONDS=, SEED=)
	$(PYTHON) -m tests.simulation

lint-k8s: .venv/installed .venv-k8s/installed ## What kustomize makes of deploy/k8s, against schemas, checkov and our own rules
	.venv/bin/pytest deploy/k8s
	.venv-k8s/bin/python deploy/k8s/lint.py .venv/bin/kubectl

##@ Now and then
images: .venv/installed ## An image of each service on Python's official one (BASE=), and an SBOM in build/sbom
	deploy/images/make

images-local: .venv/installed ## All images, RabbitMQ's and MongoDB's too, from this machine's Debian packages
	deploy/images/make --local

lock: .venv/installed ## Resolve the requirements anew, with hashes
	requirements/lock

schemas: .venv/installed ## Write the JSON Schemas of all events and of workflow files, and the pages about them
	$(PYTHON) -m filemill_common.contract

pictures: install ## Take the pictures of the page in docs/pictures anew
	@deploy/local/install-packages pictures
	@$(PYTHON) -m tests.browser.pictures

dashboards: .venv/installed ## Write the rules and dashboards, and ask each panel of a real Prometheus
	$(PYTHON) -m deploy.observability write
	$(PYTHON) -m deploy.observability look

clean: down ## Remove what was installed and made here
	rm -rf .venv .venv-k8s .filemill build .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis

##@ Set up (the others call these)
install: packages .venv/installed ## Distribution packages and Python packages

packages:
	@deploy/local/install-packages

browser: packages
	@deploy/local/install-packages browser

.venv/installed: requirements/dev.txt requirements/uv.txt $(MEMBERS:%=%/pyproject.toml) | packages
	python3 -m venv .venv
	.venv/bin/python -m pip install --quiet --require-hashes --requirement requirements/uv.txt
	.venv/bin/uv pip sync --quiet --require-hashes requirements/dev.txt
	.venv/bin/uv pip install --quiet --no-deps --no-build-isolation $(MEMBERS:%=--editable %)
	@touch $@

.venv-k8s/installed: requirements/k8s.txt | .venv/installed
	.venv/bin/uv venv --quiet --clear .venv-k8s
	.venv/bin/uv pip sync --quiet --require-hashes --python .venv-k8s requirements/k8s.txt
	@touch $@
