#!/usr/bin/env bash
# Builds the program and runs the measurements in bench/, mail first, then phones. `--small` is a
# look at everything that ends within minutes; its figures are none to be quoted.
set -euo pipefail
cd "$(dirname "$0")/.."
mail=() phones=()
for word in "$@"; do
    case $word in
        --small) mail+=(--messages 400 --rounds 1) phones+=(--small) ;;
        *) mail+=("$word") ;;
    esac
done
cargo build --release --locked
kontor=${CARGO_TARGET_DIR:-target}/release/kontor
python3 bench/bench.py --kontor "$kontor" "${mail[@]}"
python3 bench/eas_bench.py --kontor "$kontor" "${phones[@]}"
