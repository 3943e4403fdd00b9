# The commands of this repository. Needed: cargo, make and Python 3.11 or newer.

# The Python of .venv, which every command uses that needs only one.
PYTHON ?= python3
# The Pythons that the runtime is tested on and that wheels are built for, as paths or commands:
# by default one of each minor version that is found on the machine.
PYTHONS ?=

LINTER := target/release/asyncbis-lint
ENVIRONMENTS = $(PYTHON) tools/environments.py --python "$(PYTHON)" --pythons "$(PYTHONS)"
VENV_PYTHON := .venv/bin/python
# The build script includes the rule files by path, so `cargo fmt` does not see them.
RULE_FILES := $(wildcard crates/linter/src/rules/bis*.rs)
EDITION := 2024
PYTEST := -m pytest --quiet -rfEs
# What depends on the Python, and what one Python is enough for.
# What takes long and what needs libraries and servers have commands of their own.
EVERYWHERE := --ignore=tests/runtime/stress --ignore=tests/runtime/libs tests/runtime tests/plugin
ONCE := tests/docs tests/bench tests/packaging tests/migration tests/other_libraries

.PHONY: help demo build venv test test-lint test-runtime test-once \
	typing stress conformance migration pre-commit-test wheels fmt lint corpus corpus-fix precision bench bench-lint bench-runtime

help: ## List these commands
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 17

demo: $(LINTER) ## Check the programs of examples/ and show what is found
	@status=0; $(LINTER) check examples/ || status=$$?; \
	if [ $$status -gt 1 ]; then exit $$status; fi

build: $(LINTER) venv ## Build both halves: target/release/asyncbis-lint, and asyncbis in .venv

# Cargo knows what is up to date.
.PHONY: $(LINTER)
$(LINTER):
	cargo build --release --locked

venv:
	$(ENVIRONMENTS) prepare

test: test-lint test-runtime test-once typing ## Build and run every test, those of the runtime on all of PYTHONS
	@echo "All tests passed."

test-lint: ## Only the tests of the Rust crates and of the linter
	cargo test --workspace --locked
	$(PYTHON) -m unittest discover --start-directory tests/corpus
	$(PYTHON) -m unittest discover --start-directory tests/examples

test-runtime: ## Only the tests of the runtime, on all of PYTHONS
	$(ENVIRONMENTS) each -- "$(PYTEST) $(EVERYWHERE)"

test-once: venv ## Only the programs of the pages, those of the benchmarks, and the packaging
	$(VENV_PYTHON) $(PYTEST) $(ONCE)

typing: ## Check the types of the package, of its users and of the stub
	$(ENVIRONMENTS) prepare --requirements tests/typing/requirements.txt
	$(VENV_PYTHON) -m mypy
	$(VENV_PYTHON) -m mypy.stubtest asyncbis._core --mypy-config-file pyproject.toml
	$(VENV_PYTHON) -m pyright --pythonpath $(VENV_PYTHON)

stress: ## Millions of tasks, trees of them cancelled at random, also with the kernel's oracle on; random programs
	$(ENVIRONMENTS) each -- "$(PYTEST) -s tests/runtime/stress"
	ASYNCBIS_MONKEY_EXAMPLES=2000 $(ENVIRONMENTS) each -- "$(PYTEST) tests/runtime/test_never_crashes.py"
	$(ENVIRONMENTS) each --features oracle -- \
		"$(PYTEST) -s --ignore=tests/runtime/stress/test_leaks.py tests/runtime/stress"

conformance: ## Run libraries on asyncbis, on all of PYTHONS
	$(ENVIRONMENTS) each --requirements tests/conformance/requirements.txt -- \
		"$(PYTEST) tests/conformance" "$(PYTEST) tests/runtime/libs" "$(PYTEST) tests/other_libraries"

migration: $(LINTER) venv ## Migrate published packages, run their own tests before and after, write docs/migration.md
	$(PYTHON) tests/migration/migrate.py --python "$(PYTHON)"

pre-commit-test: ## Install the hooks of the last commit as pre-commit does, and run them on a small project
	$(ENVIRONMENTS) prepare --requirements tests/pre_commit/requirements.txt
	$(VENV_PYTHON) $(PYTEST) tests/pre_commit

wheels: ## Build the wheels of both halves, for each of PYTHONS, and the source distributions, in target/wheels
	$(ENVIRONMENTS) wheels

fmt: ## Format the Rust code, rule files included
	cargo fmt --all
	rustfmt --edition $(EDITION) $(RULE_FILES)

lint: ## Clippy without warnings, and the format as `make fmt` leaves it
	cargo clippy --workspace --all-targets --locked -- -D warnings
	cargo fmt --all --check
	rustfmt --edition $(EDITION) --check $(RULE_FILES)

corpus: ## Download the pinned packages that the linter is measured on
	$(PYTHON) tests/corpus/fetch.py

precision: $(LINTER) corpus ## Compare the findings on the corpus with what is known about them
	$(PYTHON) tests/corpus/precision.py --stable
	$(PYTHON) tests/corpus/precision.py --references
	$(PYTHON) tests/corpus/precision.py

corpus-fix: $(LINTER) corpus ## Fix copies of the corpus in every way, and see that the laws of fixes hold
	$(PYTHON) tests/corpus/fix_laws.py

bench: bench-lint bench-runtime ## Measure both halves

bench-lint: $(LINTER) corpus ## Measure speed and memory of the linter against ruff on the corpus
	$(PYTHON) tests/bench/bench_lint.py

bench-runtime: venv ## Measure the runtime against asyncio, uvloop, Trio and AnyIO
	$(VENV_PYTHON) tests/bench/bench_runtime.py
