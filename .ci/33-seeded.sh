#!/usr/bin/env bash
# Proves that the checks can fail: nine bugs, put in one at a time, are each caught by the test that is there for it.
set -eu
cd "$(dirname "$0")/.."
scripts/seeded
