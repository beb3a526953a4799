# Every target works alone in a fresh clone. What CI runs is .ci/run.

.PHONY: help test demo hit-ratios deep tools

# The replay of the trace that comes with the repository.
TRACE    ?= examples/traces/source-tree.u64.zst
CAPACITY ?= 5%
CHART    ?= target/replay.svg
REPLAY    = cargo run --quiet --release --example replay --

# How deep `make deep` digs: preemptions of the model checker, random cases of each property, seconds of each
# stress test.
PREEMPTIONS ?= 5
CASES       ?= 200000
SECONDS     ?= 60

# Where cargo builds; the model checker's build has other flags, so it has its own folder.
TARGET = $${CARGO_TARGET_DIR:-target}

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 20

test: tools ## the tests: debug build with all its assertions, every target, then the examples in the docs
	cargo test --all-targets --no-fail-fast
	cargo test --doc

demo: tools ## replay a recorded trace through a cache, then draw its hit ratios at a ladder of capacities
	$(REPLAY) --trace $(TRACE) --capacity $(CAPACITY)
	@mkdir -p $(dir $(CHART))
	$(REPLAY) --trace $(TRACE) --sweep $(CHART)

hit-ratios: tools ## the hit ratios of docs, measured again
	scripts/hit-ratios

deep: tools ## longer checks (an hour and more): the model checker with more preemptions, many random cases
	RUSTFLAGS="--cfg loom" LOOM_MAX_PREEMPTIONS=$(PREEMPTIONS) CARGO_TARGET_DIR=$(TARGET)/loom \
		cargo test --release --lib --test loom
	PROPTEST_CASES=$(CASES) cargo test --release --lib --test model
	STRESS_SECONDS=$(SECONDS) cargo test --release --test stress

tools:
	@command -v cargo >/dev/null || { echo "make: cargo is missing: install Rust 1.88 or newer (rustup, or your system's packages)" >&2; exit 1; }
	@command -v cc >/dev/null || { echo "make: cc is missing: install a C compiler (on Debian: apt-get install gcc libc6-dev); a test dependency compiles C" >&2; exit 1; }
