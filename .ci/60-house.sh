#!/usr/bin/env bash
# Proves what no compiler sees: nothing left behind in the text, a reason at every `unsafe`, a test for every
# guarantee, no test in docs/guarantees.md that does not exist, and no dependency under a licence of another kind.
set -eu
cd "$(dirname "$0")/.."
target=${CARGO_TARGET_DIR:-target}
mkdir -p "$target/ci"
bad=0
complain() { echo "$1"; sed 's/^/    /'; bad=1; }
files() { git ls-files --cached --others --exclude-standard -- "$@" | sort -u | while read -r f; do [ -f "$f" ] && echo "$f"; done; }
# The patterns are put together here so that this file does not contain what it forbids.
finds() { files ':!*Cargo.lock' ':!LICENSE-*' ':!fuzz/corpus' ':!.ci/60-house.sh' | xargs -d '\n' grep -nIE -- "$1" || true; }

left=$(finds '\b(TODO|FIXME|XXX)\b')
[ -z "$left" ] || complain "left behind:" <<<"$left"

hosts='crates io|pypi org|pythonhosted org|npmjs org|npmjs com|proxy golang org|maven apache org|maven org|deb debian org'
hosts=$(finds "(${hosts// /[.]})")
[ -z "$hosts" ] || complain "hosts of package registries:" <<<"$hosts"

# A path of the machine it was written on means nothing to a reader.
paths=$(finds '(^|[^A-Za-z0-9_.])(/work/|/root/|[.][.]/shared/|[.]library/)')
[ -z "$paths" ] || complain "paths of one machine:" <<<"$paths"

links=$(files '*.md' | while read -r page; do
    grep -oE '\]\([^)# ]+' "$page" | sed 's/^](//' | grep -vE '^[a-z]+:' | while read -r link; do
        [ -e "$(dirname "$page")/$link" ] || echo "$page: $link"
    done
done)
[ -z "$links" ] || complain "links to files that are not there:" <<<"$links"

# Clippy holds this in the ordinary build; here also in code that is compiled under other flags only.
unsafe=$(files '*.rs' ':!tests/layers/checker.rs' | xargs -d '\n' awk '
    FNR == 1 { split("", above) }
    /(^|[^[:alnum:]_])unsafe[[:space:]]*([{]|impl)/ && !/^[[:space:]]*\/\// {
        near = $0
        for (i = 1; i <= 6; i++) near = near above[FNR - i]
        if (near !~ /SAFETY/) print FILENAME ":" FNR ": " $0
    }
    { above[FNR] = $0 }')
[ -z "$unsafe" ] || complain "unsafe with no SAFETY reason in the six lines above:" <<<"$unsafe"

# Every test there is: those of the ordinary build as cargo lists them, the model checker's and the scheduler's by name.
cargo test --quiet --lib --tests --all-features -- --list 2>"$target/ci/list.err" >"$target/ci/list" ||
    complain "the tests do not build:" <"$target/ci/list.err"
models=$(files tests/loom.rs tests/shuttle.rs 'src/*models.rs' | xargs -r -d '\n' sed -nE 's/^ *fn (g[0-9]{2}_[a-z0-9_]+).*/\1/p')
{ sed -n 's/: test$//p' "$target/ci/list" | sed 's/.*:://'; echo "$models"; } | sort -u >"$target/ci/tests"

untested='' unlisted=''
for n in 0{1..9} {1,2}{0..9} 3{1..4}; do
    grep -q "^g${n}_" "$target/ci/tests" || untested+=" G$n"
    grep -qs "G$n\b" docs/guarantees.md || unlisted+=" G$n"
done
[ -z "$untested" ] || complain "no test is named after:" <<<"$untested"
[ -z "$unlisted" ] || complain "docs/guarantees.md does not have:" <<<"$unlisted"

gone=$(grep -osE '\bg[0-9]{2}_[a-z0-9_]+' docs/guarantees.md | sort -u | comm -23 - "$target/ci/tests")
[ -z "$gone" ] || complain "docs/guarantees.md names tests that do not exist:" <<<"$gone"

cargo metadata --locked --format-version 1 >/dev/null 2>"$target/ci/list.err" ||
    complain "Cargo.lock is missing or not up to date:" <"$target/ci/list.err"
foreign=$(grep -E '^source = ' Cargo.lock | grep -v 'registry+' || true)
[ -z "$foreign" ] || complain "dependencies from outside the registry:" <<<"$foreign"
allowed=$(sed -n 's/^allow = \[\(.*\)\]/\1/p' deny.toml | tr -d '" ' | tr ',' '|')
licences=$(cargo tree --locked -e normal,build,dev --target all --prefix none --format '{l} :: {p}' | sort -u |
    grep -vE "(^|[ (/])($allowed)([ )/]|$)" || true)
[ -z "$licences" ] || complain "licences that deny.toml does not allow:" <<<"$licences"

[ "$bad" -eq 0 ] && echo "$(wc -l <"$target/ci/tests") tests, $(files '*.rs' | wc -l) Rust files: the house is in order"
exit "$bad"
