# `make help` lists the targets. They need Python 3.11+ only; `up`, `down` and the container tests need Docker, too.

UV := $(or $(shell command -v uv),.uv/bin/uv)
export UV_PYTHON_DOWNLOADS := never
# Where no bytecode is kept, as in many containers, each process that a test starts compiles all its libraries: twice the time.
export PYTHONDONTWRITEBYTECODE :=
RUN := $(UV) run --no-sync

# Each process begins with tests that stand together, so that what a file or a folder starts is mostly started once.
SPREAD := --dist worksteal
# A whole command or a browser waits as long as it computes: with two such tests for each processor, none is idle.
TWICE := -n $(shell echo $$((2 * $$(getconf _NPROCESSORS_ONLN))))

# Where all tests with these marks are: to load all the others takes every process ten seconds.
E2E := tests/e2e
PROOFS := tests/contract

# ARGS may select tests of one part only; finding none in another part is fine.
NONE_IS_FINE := || [ $$? -eq 5 ]

.DEFAULT_GOAL := help

.PHONY: help
help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

.PHONY: demo
demo: sync ## run the example scenario with local processes and show the results
	@$(RUN) python examples/demo.py

.PHONY: test
test: sync-dev ## run all tests; those with containers need a Docker engine
	$(RUN) pytest $(TWICE) $(SPREAD) -m "not e2e and not proof and not reliability and not soak" $(COVERAGE) $(ARGS) $(NONE_IS_FINE)
	$(RUN) pytest -n 3 --dist loadfile -m "e2e and not proof" $(COVERAGE) $(or $(ARGS),$(E2E)) $(NONE_IS_FINE)
	$(RUN) pytest -n 3 --dist loadfile --no-loadscope-reorder -m proof $(COVERAGE) $(or $(ARGS),$(PROOFS)) $(NONE_IS_FINE)

.PHONY: collect
collect: sync-dev ## load all tests and run none: compiled once, they start faster
	@found=$$($(RUN) pytest -n 0 --collect-only -qq) || { echo "$$found"; exit 1; }

.PHONY: coverage
coverage: sync-dev ## run all tests and show which lines they leave out; takes twice as long
	$(RUN) coverage erase
	$(MAKE) test COVERAGE="--cov --cov-append --cov-report="
	$(RUN) coverage report

.PHONY: test-fast
test-fast: sync-dev ## run the tests that need no container, browser or whole command, in less than two minutes
	$(RUN) pytest -n auto $(SPREAD) -m "not e2e and not proof and not slow and not reliability and not soak" $(ARGS)

.PHONY: bench
bench: sync ## measure throughput, in a short form, and what adapters, HTTP libraries, large answers, pages and many runs at once cost
	@$(RUN) python benchmarks/adapters.py
	@$(RUN) python benchmarks/http_client.py
	@$(RUN) python benchmarks/answer_memory.py
	@$(RUN) python benchmarks/pages.py --short
	@$(RUN) python benchmarks/crowd.py --short
	@$(RUN) python benchmarks/throughput.py --short

.PHONY: bench-against
bench-against: sync ## measure what a run costs beside the version REV=COMMIT, in turns
	@$(RUN) python benchmarks/against.py $(REV) $(ARGS)

.PHONY: performance
performance: sync ## measure throughput, large stores, many runs at once and pages, and write docs/performance.md again; takes 30 minutes on an idle machine
	@$(RUN) python benchmarks/throughput.py --write
	@$(RUN) python benchmarks/throughput.py --write --memory
	@$(RUN) python benchmarks/store_scale.py --write
	@$(RUN) python benchmarks/crowd.py --write
	@$(RUN) python benchmarks/pages.py --write

.PHONY: bench-cluster
bench-cluster: sync-dev ## measure runs with 1, 2 and 3 workers beside one process, and write docs/scale.md again; needs PostgreSQL
	@PYTHONPATH=tests $(RUN) python benchmarks/cluster.py --write
	@$(RUN) python benchmarks/simulation.py --write

.PHONY: check
check: sync-dev ## check lint, types, import rules, and that the schemas are up to date
	$(RUN) ruff check
	$(RUN) ruff format --check
	$(RUN) mypy
	$(RUN) lint-imports
	$(RUN) python -m ops_contract.schemas contract/schemas --check
	$(RUN) python harness/compose_file.py --check

.PHONY: format
format: sync-dev ## fix the layout, and whatever else ruff can fix
	$(RUN) ruff check --fix
	$(RUN) ruff format

.PHONY: schemas
schemas: sync-dev ## write what is made of other files again: the contract's schemas, the harness's Compose file
	$(RUN) python -m ops_contract.schemas contract/schemas
	$(RUN) python harness/compose_file.py

.PHONY: reliability
reliability: sync-dev ## run hostile modules, kills, power losses and full disks, and write docs/reliability.md again
	OPS_WRITE_PAGES=1 $(RUN) pytest -n 0 tests/orchestrator/service/test_hostile_modules.py tests/reliability

.PHONY: soak
soak: sync-dev ## load the service for ten minutes while everything breaks, and write docs/reliability.md again; needs Docker
	OPS_WRITE_PAGES=1 $(RUN) pytest -n 0 -m soak tests/reliability/test_soak.py $(ARGS)

.PHONY: soak-cluster
soak-cluster: sync-dev ## have three workers execute 3,000 runs while they are killed, the database restarts and the bucket refuses
	$(RUN) pytest -n 0 -m soak tests/reliability/test_cluster_soak.py $(ARGS)

.PHONY: images
images: sync-dev ## make the pictures of the README again, from a run of the example
	@PYTHONPATH=tests $(RUN) python docs/images/make.py

.PHONY: shots
shots: sync-dev ## make the pictures of all pages again; needs Debian's chromium
	@PYTHONPATH=tests $(RUN) python docs/images/pages.py

.PHONY: wheels
wheels: $(filter .uv/bin/uv,$(UV)) ## build the packages in build/dist; every build of a commit gives the same bytes
	@rm -rf build/dist
	@$(UV) build --quiet --all-packages --out-dir build/dist
	@rm -f build/dist/.gitignore
	@ls build/dist

.PHONY: sbom
sbom: sync-dev ## write a bill of materials of each package to build/sbom; IMAGES="NAME:TAG ..." for images, too
	@$(RUN) python release/sbom.py build/sbom $(IMAGES)

.PHONY: licences
licences: sync-dev ## list the licences of all dependencies, and check that they are allowed
	@$(RUN) python release/licences.py

.PHONY: audit
audit: sync-dev ## ask for known vulnerabilities of what is shipped; needs the internet
	@$(RUN) python release/audit.py

.PHONY: version
version: sync ## print the version; V=1.2.3 writes it everywhere, and DATE=2026-01-09 makes a release of it in the changelog
	@$(RUN) python release/version.py $(V) $(if $(DATE),--date $(DATE))

.PHONY: release-notes
release-notes: sync ## print what the changelog says of the version V, or of what is not released
	@$(RUN) python release/changelog.py $(V)

.PHONY: up
up: ## build and start the whole stack with Docker, and wait until it is ready
	@arguments=$$(release/build-arguments) && eval "$$arguments" && docker compose build
	@digests=$$(orchestrator/image-digests) && eval "$$digests" && docker compose up --detach --wait
	@echo "The orchestrator is ready at http://$$(docker compose port orchestrator 8000 | sed 's/^0\.0\.0\.0:/127.0.0.1:/; s/^\[::\]:/[::1]:/')"

.PHONY: down
down: ## stop the stack and remove its containers; ./runs stays
	docker compose down --remove-orphans

.PHONY: sync
sync: $(filter .uv/bin/uv,$(UV))
	@$(UV) sync --quiet --locked --all-packages --inexact --no-default-groups

.PHONY: sync-dev
sync-dev: $(filter .uv/bin/uv,$(UV))
	@$(UV) sync --quiet --locked --all-packages

# uv is installed beside the project, not into the user's Python, which on Debian refuses that.
.uv/bin/uv:
	@echo "Installing uv into .uv ..." >&2
	@python3 -m pip install --quiet --disable-pip-version-check --root-user-action=ignore --target .uv uv==0.13.9 \
	|| { python3 -m venv .uv && .uv/bin/pip install --quiet --disable-pip-version-check uv==0.13.9; } \
	|| { echo "make: uv is missing and Python can install nothing here; install uv, pip or venv and run again" >&2; exit 1; }
