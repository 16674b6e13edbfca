#!/usr/bin/env bash
# The sample office from a debug build, built and started again whenever a source file changes.
# Its data live in target/demo, so that log-ins and mail survive the restarts.
set -euo pipefail
cd "$(dirname "$0")/.."

target=${CARGO_TARGET_DIR:-target}
server=""

stamp() { find src web Cargo.toml Cargo.lock -type f -printf '%T@ %p\n' | sort | cksum; }
stop() {
    if [ -n "$server" ]; then
        kill -TERM "$server" 2>/dev/null || true
        wait "$server" 2>/dev/null || true
        server=""
    fi
}
trap 'stop; exit 0' INT TERM

last=""
while true; do
    now=$(stamp)
    if [ "$now" != "$last" ]; then
        last=$now
        if cargo build; then
            stop
            "$target/debug/kontor" demo --data "$target/demo" &
            server=$!
        fi
    fi
    sleep 1
done
