# Kontor. `make run` shows it, `make test` tests everything; the rest is for those who work on it.

CARGO ?= cargo
# Files of the build stay where cargo puts them unless CARGO_TARGET_DIR says otherwise.

.PHONY: run dev test check bench soak fuzz fmt clients release

run: release ## build and start the filled sample office; ends with Ctrl-C
	$${CARGO_TARGET_DIR:-target}/release/kontor demo

release:
	$(CARGO) build --release --locked

dev: ## the sample office from a quick build, again after each change
	tools/dev.sh

test: clients ## everything; says what was skipped and why
	$(CARGO) test --locked
	@tools/clients.sh --missing

check: ## what must be clean before a change lands
	$(CARGO) fmt --check
	$(CARGO) clippy --locked --all-targets -- -D warnings
	$(CARGO) test --locked --test kontor floors
	python3 tools/licences.py

bench: ## measured comparisons, mail and phones; BENCH=--small takes minutes; see bench/README.md
	tools/bench.sh $(BENCH)

MINUTES ?= 30
soak: release ## the crash tests, long: each MINUTES (30)
	PROGRAM_UNDER_TEST=$${CARGO_TARGET_DIR:-$(CURDIR)/target}/release/kontor \
	KONTOR_SOAK=$$(( $(MINUTES) * 60 )) $(CARGO) test --locked --test kontor -- --nocapture crash:: eas::converge::

fuzz: ## all fuzz targets, or TARGETS="ical wbxml", a minute each (FUZZ_SECONDS); needs cargo-fuzz
	tools/fuzz.sh $(TARGETS)

fmt:
	$(CARGO) fmt

clients: ## the mail programs that the tests drive
	@tools/clients.sh
