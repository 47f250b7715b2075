# Every task in a checkout; `make` alone lists them.

.DEFAULT_GOAL := help
.PHONY: help dev local compose down logs install nats scheduler coordinator frontend auditor link canary load \
        test check page workflows audit chart golden version format lock schema chaos bench same-instant screenshots

PYTHON ?= python3
BIN := .venv/bin
PACKAGES := libs/protocol libs/runtime libs/bus services/scheduler services/coordinator services/frontend \
	services/auditor
INSTALLED := .venv/.installed
FUZZING := .venv/fuzzing/.installed
AUDITING := .venv/auditing/.installed
VULNERABILITIES := https://api.osv.dev/v1/query
HELM := v3.22.0
KUBECONFORM := v0.8.0
CHART := .venv/tools/.helm-$(HELM)-kubeconform-$(KUBECONFORM)
BROWSERS := chromium chromium-browser google-chrome google-chrome-stable
FIREFOX := test_room.py test_hold.py test_status.py test_accessibility.py \
	test_board_controls.py::test_the_controls_of_a_card_are_for_its_room \
	test_board_controls.py::test_the_keys_act_on_the_card_that_has_the_focus \
	test_overlay.py::test_there_is_nothing_but_the_number_and_the_ring \
	test_overlay.py::test_a_message_is_large_on_a_stage_with_the_time_beside_it \
	test_planned_holds.py::test_a_near_and_a_far_screen_stand_at_planned_holds_and_go_on_at_the_same_instant \
	test_planned_holds.py::test_a_planned_hold_goes_on_at_the_same_instant_while_every_scheduler_is_dead \
	test_same_instant.py::test_a_near_and_a_far_screen_change_within_ten_milliseconds

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# The whole stack

dev: ## The whole stack: with Docker if an engine answers, else as local processes
	@if docker compose version >/dev/null 2>&1 && docker info >/dev/null 2>&1; \
	then $(MAKE) --no-print-directory compose; \
	else $(MAKE) --no-print-directory local; fi

local: $(INSTALLED) ## The whole stack as local processes, without Docker
	@$(BIN)/python dev/stack.py

compose: ## The whole stack in Docker, in the background
	@docker compose up --build --detach --wait
	@echo "Follow it with make logs, stop it with make down."
	@$(PYTHON) dev/addresses.py "$$(docker compose port edge 8080)"

down: ## Stop the Compose stack; its stream stays on its volume
	@docker compose down

logs: ## Follow the logs of the Compose stack
	@docker compose logs --follow

# One service a terminal, each restarted when its code changes

nats: $(INSTALLED) ## The bus, an embedded nats-server, in this terminal
	@$(BIN)/python dev/service.py nats

scheduler: $(INSTALLED) ## A scheduler in this terminal; a second one: PORT=8082
	@$(BIN)/python dev/service.py scheduler

coordinator: $(INSTALLED) ## A coordinator in this terminal; a second one: PORT=8788
	@$(BIN)/python dev/service.py coordinator

frontend: $(INSTALLED) ## The frontend in this terminal
	@$(BIN)/python dev/service.py frontend

auditor: $(INSTALLED) ## The auditor in this terminal
	@$(BIN)/python dev/service.py auditor

load: $(INSTALLED) ## Let many viewers count, through the front door: URL=http://localhost:8080 VIEWERS=1000 RATE=200
	@$(BIN)/python -m auditor.load $(or $(URL),http://localhost:8080) $(VIEWERS:%=--viewers %) $(RATE:%=--rate %)

canary: $(INSTALLED) ## Count once as a viewer, through the front door: URL=http://localhost:8080
	@$(BIN)/python -m auditor.canary $(or $(URL),http://localhost:8080)

link: $(INSTALLED) ## Print a link that carries a right: ROOM=quiz RIGHT=control HOURS=12 BASE=https://example.org
	@$(BIN)/python dev/link.py $(ROOM:%=--room %) $(RIGHT:%=--right %) $(HOURS:%=--hours %) $(BASE:%=--base %)

# The environment

install: $(INSTALLED) ## The virtual environment .venv: locked requirements and our packages

$(INSTALLED): requirements/services.txt requirements/dev.txt $(PACKAGES:%=%/pyproject.toml)
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("tminus needs Python 3.11 or later, and $(PYTHON) is " + sys.version.split()[0] + ": make PYTHON=python3.13")'
	@echo "Installing into .venv"
	@$(PYTHON) -m venv .venv
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes \
		-r requirements/services.txt -r requirements/dev.txt
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation \
		$(PACKAGES:%=--editable %)
	@touch $@

# In this order: each constrains the next.
LOCKS := services dev audit fuzzing chart bench

lock: ## Pin requirements/*.in again, each in its .txt; needs uv
	for lock in $(LOCKS); do \
		uv pip compile --quiet --generate-hashes --universal --python-version 3.11 --upgrade \
			--no-emit-index-url --no-emit-find-links requirements/$$lock.in -o requirements/$$lock.txt || exit; \
	done

schema: $(INSTALLED) ## The JSON Schema of every event, request and frame, from their types
	$(BIN)/python -m protocol.schema > docs/schema.json
	$(BIN)/python services/frontend/types/generate.py

# Quality

check: $(INSTALLED) ## What CI runs: format, lint, types and every test
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy libs services deploy dev tests bench
	@$(MAKE) --no-print-directory workflows audit page test

workflows: $(INSTALLED) ## Lint the workflows of .github and the Dockerfile
	$(BIN)/zizmor --quiet --offline .github
	$(BIN)/hadolint Dockerfile

audit: ## Look for known vulnerabilities in the locks, if their database can be asked
	@if $(PYTHON) dev/reachable.py $(VULNERABILITIES); then \
		$(MAKE) --no-print-directory $(AUDITING) || exit; \
		for lock in $(LOCKS); do \
			echo "pip-audit $$lock"; \
			.venv/auditing/bin/pip-audit --progress-spinner off --require-hashes --disable-pip \
				--vulnerability-service osv --osv-url $(VULNERABILITIES) -r requirements/$$lock.txt || failed=1; \
		done; \
		[ -z "$$failed" ]; \
	else echo "nobody answers at $(VULNERABILITIES): the locks are not audited"; fi

$(AUDITING): requirements/audit.txt
	@$(PYTHON) -m venv .venv/auditing
	@.venv/auditing/bin/pip install --quiet --disable-pip-version-check --require-hashes -r $<
	@touch $@

page: $(INSTALLED) ## Types and unit tests of the page's script, if node is installed
	$(BIN)/python services/frontend/types/generate.py --check
	@if command -v npm >/dev/null; then \
		cd services/frontend && npm ci --silent --no-audit --no-fund && npm run types && npm test; \
	else echo "no node here: the page's script is not checked"; fi

chart: $(INSTALLED) $(CHART) ## Check the Helm chart: lint, schemas, what it renders, its NATS on real servers
	$(BIN)/pytest tests/chart

golden: $(INSTALLED) $(CHART) ## Record again what the chart renders, after an intended change
	PYTHONPATH=tests $(BIN)/python -m chart.golden

# Helm and kubeconform, if Go is installed, and the schemas of Kubernetes.
$(CHART): requirements/chart.txt tests/chart/schemas.py | $(INSTALLED)
	@if command -v go >/dev/null; then \
		echo "Building Helm and kubeconform into .venv/tools" && mkdir -p .venv/tools && \
		GOBIN=$(CURDIR)/.venv/tools go install helm.sh/helm/v3/cmd/helm@$(HELM) && \
		GOBIN=$(CURDIR)/.venv/tools go install github.com/yannh/kubeconform/cmd/kubeconform@$(KUBECONFORM) && \
		rm -rf .venv/tools/python && $(BIN)/pip install --quiet --disable-pip-version-check --require-hashes \
			--no-deps --no-compile --target .venv/tools/python -r $< && \
		PYTHONPATH=tests $(BIN)/python -m chart.schemas && \
		touch $@; \
	else echo "no Go here: the chart is not checked"; fi

format: $(INSTALLED) ## Format the code
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

# Browser tests are synchronous and the Compose tests need a Docker engine to themselves, so each kind is
# a pytest run of its own. All of them run, and any failure fails the whole.
test: $(INSTALLED) $(FUZZING) $(CHART) ## Every test: rules, services, failures, browser, Compose
	@for browser in $(BROWSERS); do command -v $$browser; done | grep -q . || $(BIN)/playwright install chromium || true
	@failed=; \
	for suite in "tests/unit tests/integration tests/chart" tests/chaos tests/browser \
		"--browser firefox $(FIREFOX:%=tests/browser/%)" tests/compose; do \
		echo "pytest $$suite"; \
		$(BIN)/pytest $$suite || failed="$$failed $$suite"; \
	done; \
	if [ -n "$$failed" ]; then echo "failed:$$failed"; exit 1; fi

# The fuzzing of the JSON API has many requirements of its own, so it has its own environment.
$(FUZZING): requirements/fuzzing.txt | $(INSTALLED)
	@$(PYTHON) -m venv .venv/fuzzing
	@.venv/fuzzing/bin/pip install --quiet --disable-pip-version-check --require-hashes -r $<
	@touch $@

version: ## Print the version, or set it everywhere: NEW=1.2.3
	@$(PYTHON) dev/version.py $(NEW)

chaos: $(INSTALLED) $(FUZZING) ## The failure table: kill every part, count the ticks; ROUNDS=n SEED=s SCENARIO=name SOAK=1
	@PYTHONPATH=tests $(BIN)/python -m chaos $(ROUNDS:%=--rounds %) $(SEED:%=--seed %) $(SCENARIO:%=--scenario %) $(SOAK:%=--soak)

bench: $(INSTALLED) ## The performance table (QUICK=1: in three minutes; SERVERS=bun,picows)
	PYTHONPATH=tests QUICK=$(QUICK) $(BIN)/python -m bench

same-instant: $(INSTALLED) ## How far apart screens change, as in docs/same-instant.md; BROWSER=firefox or webkit
	@PYTHONPATH=tests $(BIN)/python -m browser.same_instant_report $(BROWSER)

screenshots: $(INSTALLED) ## The pictures in docs/screenshots
	@PYTHONPATH=tests $(BIN)/python -m browser.screenshots
