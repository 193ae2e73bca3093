# mailbell's tasks. Needed beforehand: Rust (the version is in Cargo.toml), make and a C compiler, on Debian 12 or 13.

CARGO ?= cargo

.PHONY: help demo test soak deb test-deb bench bench-check bench-store fmt lint tools dovecot

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' $(firstword $(MAKEFILE_LIST)) | expand -t 20

demo: dovecot ## a mailbox, a WeCom and mailbell between them, all on this machine; see it in the browser
	$(CARGO) run --release --locked -- demo

test: tools lint ## everything that must hold before a change goes in
	$(CARGO) test --locked

soak: tools ## the long tests, one after the other; MAILBELL_SEEDS=n simulates so many seeds
	$(CARGO) test --release --locked -- --ignored --test-threads 1 --nocapture
	tests/plant/run
	@if $(CARGO) deb --version >/dev/null 2>&1; then \
	  $(MAKE) test-deb; \
	else \
	  echo 'NOT RUN: the Debian package in a clean root. cargo-deb is not installed'; \
	fi
	$(MAKE) bench-check

deb: ## a Debian package in target/debian; needs cargo-deb (cargo install cargo-deb --locked)
	$(CARGO) build --release --locked
	packaging/prepare target/release/mailbell
	$(CARGO) deb --no-build --locked

test-deb: deb ## installs the package in clean Debian roots and tries it there; as root, with debootstrap
	tests/deb/run

bench: ## the benchmarks; benches/README.md says how to read them
	$(CARGO) bench --locked

bench-check: ## instructions counted under valgrind against benches/counts.toml; installs valgrind if it is missing
	@.ci/install-valgrind
	@if command -v valgrind >/dev/null; then \
	  $(CARGO) bench --locked --bench count -- check; \
	else \
	  echo 'NOT RUN: the counts of instructions. valgrind is not installed'; \
	fi

bench-store: ## counts the same and stores it in benches/counts.toml
	@.ci/install-valgrind
	@command -v valgrind >/dev/null || { echo 'Nothing is stored: valgrind is not installed' >&2; exit 1; }
	$(CARGO) bench --locked --bench count -- store

fmt: ## formats the code
	$(CARGO) fmt

lint: ## format and clippy; licenses and sources of dependencies where cargo-deny is installed
	$(CARGO) fmt --check
	$(CARGO) clippy --locked --all-targets -- -D warnings
	@if $(CARGO) deny --version >/dev/null 2>&1; then \
	  set -x; $(CARGO) deny --locked check bans licenses sources; \
	else \
	  echo 'cargo-deny is not installed: licenses and sources of dependencies are not checked'; \
	fi

tools: dovecot ## installs Dovecot, strace and Chromium and fetches Cyrus, for the tests, if they are missing
	@.ci/fetch-cyrus
	@.ci/install-strace
	@.ci/install-chromium

dovecot: ## installs Dovecot, which the demo needs too, if it is missing
	@.ci/install-dovecot
