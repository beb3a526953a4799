# Every target works alone in a fresh clone. What CI runs is .ci/run.

.PHONY: help test demo hit-ratios bench bench-quick deep capi header install go-lib tools python go

# The replay of the trace that comes with the repository.
TRACE    ?= examples/traces/source-tree.u64.zst
CAPACITY ?= 5%
CHART    ?= target/replay.svg
REPLAY    = cargo run --quiet --release --example replay --

# How deep `make deep` digs: preemptions of the model checker, random schedules of each scene, random cases of each
# property, seconds of each stress test, seconds of each target of the fuzzer with and without a sanitizer.
PREEMPTIONS  ?= 5
SCHEDULES    ?= 100000
CASES        ?= 200000
SECONDS      ?= 60
FUZZ_SECONDS ?= 300

# What `make bench` runs; with names of workloads only these. Its peers are built in a folder of their own.
BENCH ?=
PEERS  = CARGO_TARGET_DIR=$(TARGET)/peers cargo run --release --manifest-path benches/peers/Cargo.toml --

# Where `make install` puts things. The ABI's version, which is in the name that programs ask for: the major number, and while that
# is 0 the minor one too.
PREFIX ?= /usr/local
ABI    := $(shell sed -n 's/^version = "\(0\.[0-9]*\)\..*/\1/p; s/^version = "\([1-9][0-9]*\)\..*/\1/p' Cargo.toml)
# A cdylib of cargo has no name of its own; and threads that used the library call it when they end, so it stays loaded. Flags of ELF.
SONAME  = $(if $(filter Darwin Windows% MINGW% MSYS% CYGWIN%,$(SYSTEM)),,-C link-arg=-Wl$(comma)-soname$(comma)libpinyon.so.$(ABI)$(comma)-z$(comma)nodelete)
SYSTEM := $(shell uname)
comma  := ,

# Where cargo builds; the model checker's build has other flags, so it has its own folder.
TARGET = $${CARGO_TARGET_DIR:-target}

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 20

test: tools ## the tests: debug build with all its assertions, every target, then the examples in the docs
	cargo test --all-targets --all-features --no-fail-fast
	cargo test --doc --all-features

demo: tools ## replay a recorded trace through a cache, then draw its hit ratios at a ladder of capacities
	$(REPLAY) --trace $(TRACE) --capacity $(CAPACITY)
	@mkdir -p $(dir $(CHART))
	$(REPLAY) --trace $(TRACE) --sweep $(CHART)

hit-ratios: tools ## the hit ratios of docs, measured again
	scripts/hit-ratios

bench: tools python ## Pinyon beside its peers (20 minutes on a quiet machine), then write docs/performance.md
	@mkdir -p $(TARGET)/peers
	$(PEERS) $(BENCH) --json $(TARGET)/peers/results.jsonl
	scripts/performance $(TARGET)/peers/results.jsonl

bench-quick: tools python ## the same with small sizes: does it work? (a minute; its figures mean nothing)
	@mkdir -p $(TARGET)/peers
	$(PEERS) $(BENCH) --quick --json $(TARGET)/peers/quick.jsonl
	scripts/performance --to $(TARGET)/peers/performance.md $(TARGET)/peers/quick.jsonl

deep: tools go ## longer checks (many hours): the model checker with more preemptions, many random schedules and cases, mutants
	LOOM_MAX_PREEMPTIONS=$(PREEMPTIONS) .ci/30-loom.sh
	SHUTTLE_ITERS=$(SCHEDULES) .ci/31-shuttle.sh
	PROPTEST_CASES=$(CASES) cargo test --release --lib --test model
	ASAN_LATER= .ci/40-asan.sh
	STRESS_SECONDS=$(SECONDS) cargo test --release --test stress
	scripts/fuzz $(FUZZ_SECONDS)
	HISTORY_SECONDS=$(SECONDS) cargo test --release --test history
	cd bindings/go && for system in darwin/arm64 windows/amd64 linux/386; do \
	    CGO_ENABLED=0 GOOS=$${system%/*} GOARCH=$${system#*/} go vet ./... || exit 1; done
	scripts/mutants

capi: tools ## the C ABI as libraries: libpinyon.so and libpinyon.a in target/capi
	cargo rustc --lib --profile capi --features capi --crate-type cdylib,staticlib -- $(SONAME)
	@ln -sf libpinyon.so $(TARGET)/capi/libpinyon.so.$(ABI)

header: tools ## include/pinyon.h, from src/ffi
	CARGO_TARGET_DIR=$(TARGET)/header cargo run --quiet --manifest-path bindings/c/header/Cargo.toml

install: capi ## header, libraries, pkg-config and CMake files below PREFIX (and DESTDIR)
	bindings/c/install $(PREFIX)

go-lib: capi go ## the static library where the Go module finds it: bindings/go
	bindings/c/install "$$(cd $(TARGET) && pwd)/go-lib"
	bindings/go/make-library "$$(cd $(TARGET) && pwd)/go-lib"

tools:
	@command -v cargo >/dev/null || { echo "make: cargo is missing: install Rust 1.88 or newer (rustup, or your system's packages)" >&2; exit 1; }
	@command -v cc >/dev/null || { echo "make: cc is missing: install a C compiler (on Debian: apt-get install gcc libc6-dev); a test dependency compiles C" >&2; exit 1; }

python:
	@command -v python3 >/dev/null || { echo "make: python3 is missing: install Python 3.9 or newer (on Debian: apt-get install python3)" >&2; exit 1; }

go:
	@command -v go >/dev/null || { echo "make: go is missing: install Go 1.24 or newer (your system's packages, or the archive of the Go project)" >&2; exit 1; }
