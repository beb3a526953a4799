#!/usr/bin/env bash
# Proves that docs/guarantees.md lists the tests that carry the numbers of the promises, and only those.
set -eu
cd "$(dirname "$0")/.."
scripts/guarantees --check
