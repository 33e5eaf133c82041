# The one door for commands; CI goes through it too.

CARGO ?= cargo
SOAK_ROUNDS ?= 20
TARGETS ?=
RUNS ?= 10000000
NAMES ?= imgate
TARGET := $(or $(CARGO_TARGET_DIR),target)
# Another binary to measure than the one of this tree.
IMGATE_BENCH_BINARY ?=

.DEFAULT_GOAL := help
.PHONY: help demo test k8s fmt lint doc deny conf-keys setup soak fuzz bench image clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: ## a chat backend, the gate before it, and the commands to try
	@scripts/setup.sh demo
	@scripts/conf-keys.sh
	$(CARGO) run --locked -- demo

test: setup conf-keys ## everything a change must pass
	$(CARGO) fmt --all --check
	@scripts/setup-k8s.sh short
	$(CARGO) clippy --locked --all-targets --features injector -- -D warnings
	CARGO=$(CARGO) scripts/test.sh --features injector

k8s: setup ## chart, injector and image with a real API server and real containers; half an hour to set up, once
	@scripts/setup-k8s.sh full
	@scripts/setup-image.sh
	scripts/image.sh --binary-only
	$(CARGO) test --locked --features injector --test k8s -- --include-ignored

fmt: ## formats the code
	$(CARGO) fmt --all

lint: ## clippy, warnings are errors
	$(CARGO) clippy --locked --all-targets --features injector -- -D warnings

doc: ## the API documentation, broken links are errors
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --locked --features injector --no-deps --document-private-items

deny: ## licences, advisories and sources of the dependencies (needs cargo-deny)
	$(CARGO) deny --locked check

conf-keys: ## random keys for conf/*.yaml, made once
	@scripts/conf-keys.sh

setup: ## installs what is missing
	@scripts/setup.sh

soak: setup conf-keys ## the black-box tests again and again: finds what fails one time in many
	scripts/soak.sh $(SOAK_ROUNDS)

fuzz: setup ## the parsers beside pingora's and Node's; TARGETS= and RUNS= choose (see tests/fuzz)
	RUNS=$(RUNS) scripts/fuzz.sh $(TARGETS)

bench: ## beside HAProxy and nginx, 15 minutes; takes ROUNDS=, SECONDS=, IDLE=, ONLY=cpu|memory|workers
	@scripts/setup.sh bench
ifeq ($(IMGATE_BENCH_BINARY),)
	$(CARGO) build --locked --release
endif
	$(CARGO) build --locked --release --manifest-path tests/bench/Cargo.toml --target-dir $(TARGET)
	PATH="$$PATH:/usr/sbin" IMGATE_BENCH_BINARY=$(or $(IMGATE_BENCH_BINARY),$(TARGET)/release/imgate) $(TARGET)/release/imgate-bench

image: ## the container image around a static binary, in buildah's storage; NAMES="imgate imgate-injector"
	@scripts/setup-image.sh
	scripts/image.sh $(NAMES)

clean: ## build products; conf/keys stays
	$(CARGO) clean
