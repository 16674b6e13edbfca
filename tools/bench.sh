#!/usr/bin/env bash
# Builds the program and runs the measurements in bench/.
set -euo pipefail
cd "$(dirname "$0")/.."
cargo build --release --locked
exec python3 bench/bench.py --kontor "${CARGO_TARGET_DIR:-target}/release/kontor" "$@"
