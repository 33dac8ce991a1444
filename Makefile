# The map of this repository: `make help` lists every target.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
LIBS := libs/common libs/client libs/fold
SERVICES := services/gateway services/auth services/rooms services/history services/standalone
DISTRIBUTIONS := $(LIBS) $(SERVICES)
EDITABLE := $(addprefix -e ./,$(DISTRIBUTIONS))
PROJECTS := $(addsuffix /pyproject.toml,$(DISTRIBUTIONS))
CODE := libs services tests stack bench contracts deploy conftest.py
# The packages by name and the tests by path: every distribution has a folder called tests.
PACKAGES := $(foreach dir,$(DISTRIBUTIONS),-p madang_$(notdir $(dir)))
TESTS := $(wildcard $(addsuffix /tests,$(DISTRIBUTIONS))) tests stack bench contracts deploy conftest.py

.PHONY: help
help: ## List every target.
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(BIN)/uv: constraints.txt
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt uv
	@touch $@

$(VENV)/.run: $(BIN)/uv constraints.txt $(PROJECTS)
	@VIRTUAL_ENV=$(VENV) $(BIN)/uv pip install --quiet --constraint constraints.txt $(EDITABLE)
	@touch $@

$(VENV)/.dev: $(VENV)/.run dev-requirements.txt
	@VIRTUAL_ENV=$(VENV) $(BIN)/uv pip install --quiet --constraint constraints.txt --requirement dev-requirements.txt
	@touch $@

NODE_MODULES := tests/e2e/node_modules/.installed bench/node_modules/.installed
WEB_CHECKS := web/node_modules/.installed
$(NODE_MODULES) $(WEB_CHECKS): %/node_modules/.installed: %/package.json %/package-lock.json
	@command -v npm >/dev/null || { echo "npm is missing (node 20.19 or later): it installs the checks of web/, the JavaScript clients of the tests and a chat server of the bench." >&2; exit 1; }
	@npm ci --prefix $* --omit=optional --silent --no-audit --no-fund
	@touch $@

.PHONY: chromium
chromium: ## Install the browser that the end-to-end tests drive.
	@stack/install.sh "the browser that the end-to-end tests drive" chromium=chromium

.PHONY: servers
servers: $(VENV)/.dev ## Install the servers that the tests and the stack start privately.
	@stack/install.sh "servers that the tests and the stack run" \
	  rabbitmq-server=rabbitmq-server mariadbd=mariadb-server redis-server=redis-server \
	  nginx=nginx prometheus=prometheus prometheus-alertmanager=prometheus-alertmanager \
	  docker-registry=docker-registry openssl=openssl mmdebstrap=mmdebstrap
	@$(BIN)/python -m stack check

# MySQL itself is no package of Debian's: where it cannot be built its tests say so and are skipped.
.PHONY: mysql
mysql: servers
	@$(BIN)/python -m stack mysql

.PHONY: install
install: $(VENV)/.dev ## Install everything for development into .venv.

.PHONY: run
run: $(VENV)/.run ## Start the embedded form: all services in one process (MADANG_PORT, MADANG_DATA_DIR).
	@exec $(BIN)/madang-standalone

.PHONY: up
up: certificate ## Build and start the product with Docker Compose; create .env and .secrets if missing.
	@deploy/compose/secrets.sh .secrets .env
	@deploy/compose/env.sh .env.example .env
	@docker compose build
	@docker compose up --detach --wait
	@echo "Madang is ready: https://localhost:$$(sed -n s/^HTTPS_PORT=//p .env)"

.PHONY: down
down: ## Stop what `make up` started; its data stays in the volumes.
	@docker compose down

.PHONY: certificate
certificate: FOLDER ?= .certificate
certificate: ## Create a CA and a certificate for localhost in .certificate/ (FOLDER, NAMES).
	@deploy/nginx/certificate.sh $(FOLDER) $(NAMES)

.PHONY: stack
stack: servers ## Start the product on real servers: https://localhost:8443 (MADANG_STACK_PORT).
	@$(BIN)/python -m stack up

.PHONY: stack-down
stack-down: $(VENV)/.dev ## Stop the stack; its data stays in .stack.
	@$(BIN)/python -m stack down

.PHONY: check
check: $(VENV)/.dev $(WEB_CHECKS) helm-check ## Check lint, format, types, import contracts, generated files, the chart and the browser client.
	$(BIN)/ruff check $(CODE)
	$(BIN)/ruff format --check $(CODE)
	$(BIN)/mypy $(PACKAGES)
	$(BIN)/mypy $(TESTS)
	$(BIN)/lint-imports
	$(BIN)/python -m contracts.generate --check
	$(BIN)/python -m contracts.graphs --check
	npm run check --prefix web --silent

# `make check` runs these tests, so `make test` leaves them out.
.PHONY: helm-check
helm-check: $(VENV)/.dev ## Check the chart and deploy/k8s without a cluster (helm 4 and kubectl are installed if missing).
	$(BIN)/python -m contracts.chart --check
	$(BIN)/pytest -q tests/helm

.PHONY: k8s
k8s: $(VENV)/.dev ## Render deploy/k8s, the manifests for kubectl, from the chart.
	$(BIN)/python -m contracts.chart

.PHONY: test
test: $(VENV)/.dev $(NODE_MODULES) chromium mysql ## Run every test: unit, contract, integration, end to end.
	$(BIN)/pytest -n 2 --dist worksteal --ignore tests/helm $(ARGS)

.PHONY: attacks
attacks: $(VENV)/.dev ## Attack the product; print how long unrelated users wait (ATTACK_SECONDS).
	ATTACK_SECONDS=$${ATTACK_SECONDS:-10} $(BIN)/pytest -q -rP tests/attacks $(ARGS)

.PHONY: fuzz
fuzz: SEED := $(or $(FUZZ_SEED),$(shell echo $$RANDOM))
fuzz: $(VENV)/.dev ## Fuzz frames, REST, event lines and positions (FUZZ_SEED, FUZZ_SECONDS).
	FUZZ_SEED=$(SEED) FUZZ_SECONDS=$${FUZZ_SECONDS:-300} $(BIN)/pytest -q --hypothesis-seed=$(SEED) \
	  tests/fuzz services/gateway/tests/test_stomp_fuzz.py services/gateway/tests/test_hostile_input.py $(ARGS)

.PHONY: chaos-rolling
chaos-rolling: $(VENV)/.dev ## Restart the gateways one by one under 1,000 resuming clients; print the longest silence.
	ROLLING_LISTENERS=1000 $(BIN)/pytest -q -rP tests/chaos/test_rolling.py $(ARGS)

.PHONY: chaos-storm
chaos-storm: $(VENV)/.dev ## Drop 10,000 clients of one gateway at once; print how long their reconnects take.
	STORM_LISTENERS=10000 $(BIN)/pytest -q -rP tests/chaos/test_storm.py $(ARGS)

.PHONY: soak-memory
soak-memory: $(VENV)/.dev ## Send a million messages through one gateway; print its memory.
	SOAK_MESSAGES=1000000 $(BIN)/pytest -q -rP tests/chaos/test_soak.py $(ARGS)

.PHONY: test-compose
test-compose: $(VENV)/.dev tests/e2e/node_modules/.installed chromium ## Run the end-to-end tests on docker-compose.yml, on a private engine (root, Debian).
	@VIRTUAL_ENV=$(VENV) $(BIN)/uv pip install --quiet --requirement tests/compose/requirements.txt
	@$(BIN)/hadolint services/*/Dockerfile
	@$(BIN)/python -m tests.compose test $(ARGS)

.PHONY: test-k8s
test-k8s: $(VENV)/.dev tests/e2e/node_modules/.installed chromium ## Run the chart and the manifests on the cluster of KUBECONFIG (tests/k8s/README.md).
	@$(BIN)/python -m tests.k8s $(ARGS)

.PHONY: cover
cover: $(VENV)/.dev $(NODE_MODULES) chromium mysql ## Run the tests with branch coverage.
	$(BIN)/pytest -n 2 --dist worksteal --ignore tests/helm --cov --cov-branch --cov-report=term $(ARGS)

.PHONY: bench
bench: servers bench/node_modules/.installed ## Measure Madang and other chat servers side by side; print the ratios.
	$(BIN)/python -m bench $(ARGS)

.PHONY: bench-page
bench-page: servers bench/node_modules/.installed ## Measure all figures and write them into docs/performance.md.
	$(BIN)/python -m bench --into docs/performance.md $(ARGS)

.PHONY: bench-short
bench-short: servers bench/node_modules/.installed ## Run every figure for seconds, to check that the bench works.
	$(BIN)/python -m bench --short $(ARGS)

.PHONY: contracts
contracts: $(VENV)/.dev ## Generate contracts/, docs/settings.md, the chart's README and the pins of images.
	$(BIN)/python -m contracts.generate

.PHONY: images
images: $(VENV)/.dev ## Ask the registries for the digests of third-party images; pin them (REGISTRY).
	$(BIN)/python -m contracts.images --registry "$(REGISTRY)"

.PHONY: graphs
graphs: $(VENV)/.dev ## Generate the import graphs in docs/architecture.md from the code.
	$(BIN)/python -m contracts.graphs

# Its npm package as it is, without the scripts that an installation would run.
.PHONY: swagger-ui
swagger-ui: VERSION := 5.35.0
swagger-ui: ## Update Swagger UI, the page at /docs, in web/public/docs/swagger-ui.
	@folder=$$(mktemp -d) && trap 'rm -r "$$folder"' EXIT \
	  && npm pack --silent --pack-destination "$$folder" swagger-ui-dist@$(VERSION) >/dev/null \
	  && tar -xzf "$$folder"/*.tgz --strip-components=1 -C web/public/docs/swagger-ui \
	    package/LICENSE package/NOTICE package/swagger-ui.css package/swagger-ui-bundle.js

.PHONY: constraints
constraints: $(BIN)/uv ## Upgrade and pin every dependency in constraints.txt.
	@printf -- '-e ./%s\n' $(DISTRIBUTIONS) \
	  | $(BIN)/uv pip compile --quiet --upgrade --no-emit-index-url --no-annotate --no-header \
	    $(addprefix --no-emit-package madang-,$(notdir $(DISTRIBUTIONS))) \
	    - dev-requirements.txt -o constraints.txt

.PHONY: fmt
fmt: $(VENV)/.dev ## Format the code and apply automatic fixes.
	$(BIN)/ruff check --fix $(CODE)
	$(BIN)/ruff format $(CODE)

.PHONY: clean
clean: ## Remove installed packages and caches; keep the data.
	rm -rf $(VENV) web/node_modules tests/e2e/node_modules bench/node_modules .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
