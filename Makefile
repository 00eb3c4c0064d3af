# Every target installs what it needs; only Python 3.11 or newer (with venv) and make are required.
# PYTHON=/path/to/python3.12 chooses the interpreter; ARGS='…' goes to the demo or to pytest.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

# Versions that the tests run on come first.
PYTHON ?= $(shell for candidate in python3.11 python3.12 python3.13 python3.14 python3; do \
	"$$candidate" -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	&& { echo "$$candidate"; break; }; done)

VENV := .venv
UV := .tools/bin/uv
BIN := $(VENV)/bin
RUN := $(BIN)/python
DEMO := $(VENV)/.installed-demo
DEV := $(VENV)/.installed-dev
COLLECTOR := .tools/collector/otelcol-dspy
S3 := .tools/go/versitygw
KAFKA := .tools/kafka/SHA256SUMS
PHOENIX := .tools/phoenix/.installed
AUDIT := .tools/audit/.installed
MUTANTS := .tools/mutants/.installed

# No target accesses the network except for packages.
export LITELLM_LOCAL_MODEL_COST_MAP := True
export HF_HUB_OFFLINE := 1
export MLFLOW_DISABLE_TELEMETRY := true
export NO_MKDOCS_2_WARNING := 1
export UV_PYTHON_DOWNLOADS := never
# Ignore the caller's virtual environment and Python path.
unexport VIRTUAL_ENV PYTHONPATH PYTHONHOME
# The tests start hundreds of Python processes; compiling all imports in each would double their time.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help demo check unit test test-all test-matrix test-matrix-short canary collector kafka phoenix lint format semconv \
	docs bench pins sbom audit mutants clean

help: ## List the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1	\2/' | expand -t 20

demo: $(DEMO) ## Run the demo: optimize a program on a local model and record it in MLflow
	$(BIN)/otel-dspy demo $(ARGS)

# Side by side, each with its output in one piece (GNU make 4 or newer).
check: $(DEV) ## Run lint, the unit tests and the documentation's build side by side: for everyday work
	@$(MAKE) --no-print-directory --jobs=3 --keep-going $(if $(filter output-sync,$(.FEATURES)),--output-sync=target) \
		unit lint docs

# No fixture is shared between tests of a file: worksteal balances better than loadfile.
unit: $(DEV) ## Run the unit tests except slow ones
	$(RUN) -m pytest -m 'not slow' -n 2 --dist worksteal tests/unit $(ARGS)

# In the order of the folders: the last files, unit and versions, are short, so that all processes end together.
# Six processes keep two cores busy: most of the time a test waits for a server, a retry or a deadline.
test: $(DEV) parts-by-go parts-by-java other-backends ## Run all tests except slow ones; the summary lists skipped parts
	$(RUN) -m pytest -m 'not slow' -n 6 --dist loadfile --no-loadscope-reorder $(ARGS)

test-all: $(DEV) parts-by-go parts-by-java other-backends ## Run every test
	$(RUN) -m pytest $(ARGS)

# nox finds uv on the PATH; uv finds all Python versions, including those of pyenv.
empty :=
PYENV = $(subst $(empty) $(empty),:,$(wildcard $(HOME)/.pyenv/versions/*/bin))
MATRIX = PATH="$(CURDIR)/.tools/bin:$$PATH:$(PYENV)" $(BIN)/nox

test-matrix: $(DEV) ## Run tests/versions on other versions of DSPy, OpenTelemetry, MLflow and Python (ARGS='-s dspy-3.0.4')
	$(MATRIX) $(ARGS)

test-matrix-short: $(DEV) ## Run tests/versions on the oldest versions and one in between
	$(MATRIX) --tags short

canary: $(DEV) ## Run tests/versions on the newest releases and pre-releases, and report failures
	$(MATRIX) --sessions canary $(ARGS)

collector: has-go $(COLLECTOR) ## Build the small OpenTelemetry Collector of collector/ (Go; minutes, once)
	@echo "$(COLLECTOR)"

kafka: has-java $(KAFKA) ## Fetch a Kafka broker for its tests (Java and Maven; 46 MB, once)
	@echo "$(dir $(KAFKA))"

phoenix: $(PHOENIX) ## Install Phoenix for its tests (in a separate environment, 630 MB)
	@echo ".tools/phoenix/bin/phoenix"

lint: $(DEV) ## Check style, format, spelling, types, imports and generated files
	@status=0; \
	for check in "$(BIN)/ruff check" "$(BIN)/ruff format --check" "$(BIN)/codespell" \
		"$(BIN)/pyright --pythonpath $(RUN)" "$(BIN)/lint-imports" \
		"$(RUN) -m tools.generate_semconv --check"; do \
		echo "$$check"; $$check || status=1; \
	done; exit $$status

format: $(DEV) ## Fix style and format
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

semconv: $(DEV) ## Generate the attribute names and the reference page from semconv/
	$(RUN) -m tools.generate_semconv

docs: $(DEV) ## Build the documentation into site/
	$(RUN) -m mkdocs build --strict --quiet
	@echo "open site/index.html"

bench: $(DEV) ## Run all benchmarks and save results and plots (hours; uses PostgreSQL if installed)
	$(RUN) -m benchmarks.overhead --keep
	$(RUN) -m benchmarks.mlflow_delivery --keep
	$(RUN) -m benchmarks.latency --keep
	$(RUN) -m benchmarks.memory --keep
	$(RUN) -m benchmarks.service --keep
	$(RUN) -m benchmarks.report --keep
	$(RUN) -m benchmarks.report_peers --keep
	$(RUN) -m benchmarks.bridge --keep
	$(RUN) -m benchmarks.bridge_exporters --keep
	$(RUN) -m benchmarks.bridge_memory --keep
	$(RUN) -m benchmarks.kafka --keep
	$(RUN) -m benchmarks.kafka_outage --keep
	$(RUN) -m benchmarks.plots
	$(RUN) -m benchmarks.page

# Names and hashes only: pins contain no host and no local path.
COMPILE = $(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
	--no-emit-index-url --prerelease if-necessary --python $(PYTHON)
RESOLVE = $(COMPILE) --overrides requirements/overrides.txt pyproject.toml --extra demo --group build

pins: $(UV) ## Update requirements/ to the newest versions
	rm -f requirements/dev.txt requirements/demo.txt requirements/others.txt
	$(RESOLVE) --extra bridge --extra otlp --group dev --constraints requirements/constraints.txt --output-file requirements/dev.txt
	$(RESOLVE) --constraints requirements/dev.txt --output-file requirements/demo.txt
	$(COMPILE) requirements/others.in --overrides requirements/others-overrides.txt --constraints requirements/dev.txt --output-file requirements/others.txt
	echo uv | $(COMPILE) - --output-file requirements/uv.txt
	echo arize-phoenix | $(COMPILE) - --output-file requirements/phoenix.txt
	printf 'cyclonedx-bom\npip-audit\n' | $(COMPILE) - --output-file requirements/audit.txt
	echo mutmut | $(COMPILE) - --constraints requirements/dev.txt --output-file requirements/mutants.txt

sbom: $(AUDIT) ## Write build/sbom.cdx.json, a CycloneDX SBOM of the package with its extras, and list the licenses
	mkdir -p build
	$(UV) venv --quiet --clear --python "$(PYTHON)" .tools/shipped
	$(UV) pip install --quiet --python .tools/shipped/bin/python --constraint requirements/dev.txt \
		'.[instruments,mlflow,otlp,bridge,report]'
	.tools/audit/bin/cyclonedx-py environment .tools/shipped/bin/python --pyproject pyproject.toml --mc-type library \
		--output-reproducible --of JSON --output-file build/sbom.cdx.json
	$(PYTHON) -m tools.licenses build/sbom.cdx.json

audit: $(AUDIT) ## Check the pinned versions against the advisory database (needs network access)
	.tools/audit/bin/pip-audit --strict --disable-pip --require-hashes --requirement requirements/dev.txt

mutants: $(MUTANTS) ## Run the tests on mutated code and list the mutants that survive (ARGS='otel_dspy.mlflow.mapping*')
	.tools/mutants/bin/mutmut run --max-children 2 $(ARGS)
	.tools/mutants/bin/mutmut results | sed '/: not checked$$/d'

clean: ## Remove the environments and everything built
	rm -rf $(VENV) .tools .nox site build dist mutants .pytest_cache .ruff_cache .hypothesis

# dev.txt contains all of demo.txt in the same versions, so both share one environment.
# The pins are complete: --no-deps skips dependencies that requirements/overrides.txt excludes.
INSTALL = $(UV) pip install --quiet --no-deps --python $(RUN)
PINNED = $(INSTALL) --require-hashes --requirements
EDITABLE = $(INSTALL) --no-build-isolation --editable .

$(DEMO): requirements/demo.txt pyproject.toml $(UV) | $(RUN)
	$(PINNED) requirements/demo.txt
	$(EDITABLE)
	@touch $@

$(DEV): requirements/dev.txt pyproject.toml $(UV) | $(RUN)
	$(PINNED) requirements/dev.txt
	$(EDITABLE)
	@touch $@ $(DEMO)

# A backend for tests, in a separate environment as its users install it.
$(PHOENIX): requirements/phoenix.txt $(UV)
	$(UV) venv --quiet --clear --python "$(PYTHON)" .tools/phoenix
	$(UV) pip install --quiet --no-deps --python .tools/phoenix/bin/python --require-hashes --requirements requirements/phoenix.txt
	@touch $@

# Audit tools, in a separate environment.
$(AUDIT): requirements/audit.txt $(UV)
	$(UV) venv --quiet --clear --python "$(PYTHON)" .tools/audit
	$(UV) pip install --quiet --no-deps --python .tools/audit/bin/python --require-hashes --requirements requirements/audit.txt
	@touch $@

# mutmut imports the tests, so it shares an environment with what they need.
$(MUTANTS): requirements/mutants.txt requirements/dev.txt pyproject.toml $(UV)
	$(UV) venv --quiet --clear --python "$(PYTHON)" .tools/mutants
	$(UV) pip install --quiet --no-deps --python .tools/mutants/bin/python --require-hashes \
		--requirements requirements/dev.txt --requirements requirements/mutants.txt
	$(UV) pip install --quiet --no-deps --no-build-isolation --python .tools/mutants/bin/python --editable .
	@touch $@

# Built from Go modules. -s -w: no symbols, half the size.
BUILDER := .tools/go/builder-0.159.0

$(COLLECTOR): collector/builder.yaml $(wildcard collector/without-azure/*) $(BUILDER)
	@echo "building the Collector: minutes, once"
	CGO_ENABLED=0 $(BUILDER) --config collector/builder.yaml --ldflags='-s -w' >.tools/collector.log 2>&1 \
		|| { tail -n 5 .tools/collector.log >&2; exit 1; }
	@touch $@

$(BUILDER):
	mkdir -p .tools/go
	GOBIN="$(CURDIR)/.tools/go" go install go.opentelemetry.io/collector/cmd/builder@v0.159.0
	mv .tools/go/builder $@

# An S3 server that keeps objects as files.
$(S3):
	@echo "building an S3 server for the tests: a minute or two, once"
	mkdir -p .tools/go
	CGO_ENABLED=0 GOBIN="$(CURDIR)/.tools/go" go install github.com/versity/versitygw/cmd/versitygw@v1.8.0

# A Kafka broker of Maven artifacts, each with the pinned checksum. `sha256sum` prints the same as the file, or it fails.
$(KAFKA): requirements/kafka/pom.xml requirements/kafka/SHA256SUMS
	@echo "fetching a Kafka broker with Maven: once"
	rm -rf $(dir $@)
	mkdir -p $(dir $@)
	mvn --batch-mode --quiet --strict-checksums --file requirements/kafka/pom.xml dependency:copy-dependencies \
		-DincludeScope=runtime -DoutputDirectory="$(CURDIR)/$(dir $@)" >.tools/kafka.log 2>&1 \
		|| { tail -n 5 .tools/kafka.log >&2; exit 1; }
	cd $(dir $@) && LC_ALL=C sha256sum *.jar | diff "$(CURDIR)/requirements/kafka/SHA256SUMS" - >&2
	@cp requirements/kafka/SHA256SUMS $@

# Tests that need these are skipped on a machine without Go or its modules, and listed in the summary.
.PHONY: parts-by-go has-go
parts-by-go:
	@if ! command -v go >/dev/null; then echo "Go is not installed: tests that need a Collector are skipped"; \
	else $(MAKE) -s $(COLLECTOR) || echo "the Collector could not be built: its tests are skipped"; \
		$(MAKE) -s $(S3) || echo "the S3 server could not be built: its tests are skipped"; fi

.PHONY: parts-by-java has-java
parts-by-java:
	@if ! command -v java >/dev/null || ! command -v mvn >/dev/null; then \
		echo "Java or Maven is not installed: tests that need Kafka are skipped"; \
	else $(MAKE) -s $(KAFKA) || echo "the Kafka broker could not be fetched: its tests are skipped"; fi

has-java:
	@{ command -v java && command -v mvn; } >/dev/null \
		|| { echo "Java 17 and Maven are needed for a Kafka broker: install the packages openjdk-17-jre-headless and maven" >&2; exit 1; }

.PHONY: other-backends
other-backends:
	@$(MAKE) -s $(PHOENIX) || echo "Phoenix could not be installed: its tests are skipped"

has-go:
	@command -v go >/dev/null || { printf '%s\n' "Go 1.25 or newer is needed to build the Collector: https://go.dev/dl/" \
		"Without it the official contrib distribution 0.159.0 runs the same configurations, as a binary or as the image" \
		"otel/opentelemetry-collector-contrib:0.159.0. OTELCOL=/path/to/otelcol-contrib runs the tests on it." >&2; exit 1; }

$(RUN): | has-python
	"$(PYTHON)" -m venv --without-pip $(VENV)

$(UV): requirements/uv.txt | has-python
	"$(PYTHON)" -m venv .tools
	.tools/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements/uv.txt
	@touch $@

.PHONY: has-python
has-python:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer with venv is needed: make PYTHON=/path/to/python3.11" >&2; exit 1; }
