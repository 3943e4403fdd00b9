# The commands of this repository. Needed: cargo, make and Python 3.11 or newer.
PYTHON ?= python3
LINTER := target/release/asyncbis-lint
# The build script includes the rule files by path, so `cargo fmt` does not see them.
RULE_FILES := $(wildcard crates/linter/src/rules/bis*.rs)
EDITION := 2024

.PHONY: help demo build test fmt lint corpus precision bench

help: ## List these commands
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

demo: build ## Check the programs of examples/ and show what is found
	@status=0; $(LINTER) check examples/ || status=$$?; \
	if [ $$status -gt 1 ]; then exit $$status; fi

build: ## Build the release linter, target/release/asyncbis-lint
	cargo build --release --locked

test: ## Build and run every test
	cargo test --workspace --locked
	$(PYTHON) -m unittest discover --start-directory tests/corpus
	$(PYTHON) -m unittest discover --start-directory tests/examples
	@echo "All tests passed."

fmt: ## Format the Rust code, rule files included
	cargo fmt --all
	rustfmt --edition $(EDITION) $(RULE_FILES)

lint: ## Clippy without warnings, and the format as `make fmt` leaves it
	cargo clippy --workspace --all-targets --locked -- -D warnings
	cargo fmt --all --check
	rustfmt --edition $(EDITION) --check $(RULE_FILES)

corpus: ## Download the pinned packages that the linter is measured on
	$(PYTHON) tests/corpus/fetch.py

precision: build corpus ## Compare the findings on the corpus with what is known about them
	$(PYTHON) tests/corpus/precision.py --stable
	$(PYTHON) tests/corpus/precision.py --references
	$(PYTHON) tests/corpus/precision.py

bench: build corpus ## Measure speed and memory against ruff on the corpus
	$(PYTHON) tests/bench/bench_lint.py
