#!/usr/bin/env bash
# Proves that the Go module does what it says: over the native library and over maps of Go, statically linked, dynamically, and
# vendored; with a collector that runs all the time, the race detector, and cgo's strict checks; that its README works.
set -eu
cd "$(dirname "$0")/.."
.ci/need pkg-config
make -s go-lib
library=$(cd "${CARGO_TARGET_DIR:-target}" && pwd)/go-lib
work=$(cd "${CARGO_TARGET_DIR:-target}" && pwd)/ci/go
module=$PWD/bindings/go
fail() { echo "$*" >&2; exit 1; }
rm -rf "$work" && mkdir -p "$work"
export GOFLAGS=-count=1

cd "$module"
echo "== form"
unformatted=$(gofmt -l .)
[ -z "$unformatted" ] || fail "gofmt would change: $unformatted"
go vet ./...
CGO_ENABLED=0 go vet ./...
# Another system and words of 32 bits at once: for each, Go compiles its library anew, here without care (`make deep` has more of them).
CGO_ENABLED=0 GOOS=windows GOARCH=386 go vet -gcflags='all=-N -l' . || fail "does not build for windows/386"

echo "== the native library"
go test ./...
# At once, because for each Go would compile its library anew.
GOEXPERIMENT=cgocheck2 go test -race .
go test -tags pinyon_gcstress .
go test -run '^$' -fuzz FuzzModel -fuzztime 3s -fuzzminimizetime 10x .
PKG_CONFIG_PATH=$library/lib/pkgconfig LD_LIBRARY_PATH=$library/lib go test -tags pinyon_dynamic .

echo "== without it"
CGO_ENABLED=0 go test ./...
GOEXPERIMENT=cgocheck2 go test -race -tags pinyon_purego .
go test -tags pinyon_purego -run '^$' -fuzz FuzzModel -fuzztime 3s -fuzzminimizetime 10x .

echo "== what is missing is said"
mkdir "$work/bare" && cp ./*.go go.mod shim.h "$work/bare"
(cd "$work/bare" && go build . 2>&1 || true) | grep -q 'run `make go-lib`' || fail "a build without the library does not say what to do"

echo "== the README, in an empty module, then vendored"
mkdir "$work/app"
awk '/^```go$/ { take = !done; next } /^```$/ { if (take) done = 1; take = 0 } take' README.md >"$work/app/main.go"
grep -q 'package main' "$work/app/main.go" || fail "the first Go program of the README is not a program"
cd "$work/app"
go mod init example.test/app 2>/dev/null
go mod edit -require pinyon@v0.1.0 -replace "pinyon=$module"
go mod tidy
go run .
go mod vendor
go run -mod=vendor .
CGO_ENABLED=0 go run -mod=vendor .

for nested in prometheus benches; do
    echo "== $nested"
    cd "$module/$nested"
    unformatted=$(gofmt -l .)
    [ -z "$unformatted" ] || fail "gofmt would change: $unformatted"
    go vet ./...
    go test -short ./...
done
