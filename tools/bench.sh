#!/usr/bin/env bash
# Builds the program and runs the measurements in bench/: mail beside Dovecot, mail by itself,
# then phones. `--small` is a look at everything that ends within five minutes; its figures are
# none to be quoted. Other options go to bench/bench.py. Rows are also kept as JSON in
# target/bench.
set -euo pipefail
cd "$(dirname "$0")/.."
command -v python3 >/dev/null || { echo "python3 is missing" >&2; exit 1; }
compared=() small=()
for word in "$@"; do
    case $word in
        --small) compared+=(--small) small=(--small) ;;
        *) compared+=("$word") ;;
    esac
done
cargo build --release --locked
target=${CARGO_TARGET_DIR:-target}
kontor=$target/release/kontor
mkdir -p "$target/bench"

run() {
    local title=$1 name=$2 start=$SECONDS
    shift 2
    printf '\n== %s (bench/%s.py)\n' "$title" "$name"
    "bench/$name.py" --kontor "$kontor" --json "$target/bench/$name.json" "$@"
    echo "== took $(((SECONDS - start) / 60)) min $(((SECONDS - start) % 60)) s; load $(cut -d' ' -f1 /proc/loadavg)"
}

run "mail, compared" bench "${compared[@]}"
run "mail, by itself" mail_bench "${small[@]}"
run "phones" eas_bench "${small[@]}"
echo
echo "rows: $target/bench/*.json"
