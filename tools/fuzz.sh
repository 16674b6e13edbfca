#!/usr/bin/env bash
# Runs the fuzz targets, or those that are named, for FUZZ_SECONDS (60) each, and tells in a line
# what each came to. Ends with 1 if there was a finding: a crash, a leak, an input that takes
# longer than FUZZ_SLOW seconds (10) or more than 2 GB.
#
#   tools/fuzz.sh                      all, one after the other
#   FUZZ_SECONDS=600 tools/fuzz.sh ical wbxml
#
# What was learnt stays in fuzz/corpus, so that the next run begins there. A nightly compiler is
# used where there is one; with the stable one alone, the sanitizer's option is let through.
set -euo pipefail
cd "$(dirname "$0")/.."
seconds=${FUZZ_SECONDS:-60}
slow=${FUZZ_SLOW:-10}

if ! cargo fuzz --version >/dev/null 2>&1; then
    echo "cargo-fuzz is missing: cargo install --locked cargo-fuzz" >&2
    exit 2
fi
if cargo +nightly --version >/dev/null 2>&1; then
    cargo="cargo +nightly"
    fuzz() { cargo +nightly fuzz "$@"; }
else
    cargo="RUSTC_BOOTSTRAP=1 cargo"
    fuzz() { RUSTC_BOOTSTRAP=1 cargo fuzz "$@"; }
fi

# What a target begins with, beside its own corpus: what the tests read.
seeds() {
    case $1 in
        ical) echo tests/data/ics tests/data/itip ;;
        vcard) echo tests/data/vcf ;;
        mime_record) echo tests/data/mime ;;
    esac
}

number() { sed 's/[^0-9]//g; s/^$/0/'; }
# The last figure of that name in libFuzzer's own words.
stat() { grep -a "^stat::$1:" "$2" | tail -n 1 | cut -d: -f4 | number; }
coverage() { grep -aoE 'cov: [0-9]+' "$1" | tail -n 1 | number; }

known=$(fuzz list)
targets=${*:-$known}
for target in $targets; do
    if ! grep -qx "$target" <<<"$known"; then
        echo "there is no target $target; there are:" $known >&2
        exit 2
    fi
done

logs=fuzz/artifacts/logs
mkdir -p "$logs"
trap 'echo; echo "ended by hand; logs are in $logs"; exit 130' INT TERM
echo "building; the first time it takes longer than a release, and 6 GB of memory"
# With one target named, the others need not be built.
if [ $# -eq 1 ]; then fuzz build "$1"; else fuzz build; fi

findings=0
for target in $targets; do
    corpus=fuzz/corpus/$target kept=fuzz/artifacts/$target log=$logs/$target.log
    mkdir -p "$corpus" "$kept"
    options=(-max_total_time="$seconds" -timeout="$slow" -report_slow_units="$slow"
        -rss_limit_mb=2048 -max_len=16384 -print_final_stats=1 -verbosity=1)
    dictionary=fuzz/dictionaries/$target.dict
    [ ! -f "$dictionary" ] || options+=(-dict="$dictionary")
    started=$(mktemp "$kept/.started-XXXXXX")
    printf '%-14s %s s ... ' "$target" "$seconds"
    status=0
    # shellcheck disable=SC2046
    fuzz run "$target" "$corpus" $(seeds "$target") -- "${options[@]}" >"$log" 2>&1 || status=$?
    found=$(find "$kept" -type f -newer "$started" ! -name '.started-*')
    rm -f "$started"
    runs=$(stat number_of_executed_units "$log") memory=$(stat peak_rss_mb "$log")
    figures=$(printf '%s runs, coverage %s, slowest %s s, %s MB' "${runs:-0}" \
        "$(coverage "$log")" "$(stat slowest_unit_time_sec "$log")" "${memory:-0}")
    if [ "$status" -eq 0 ] && [ -z "$found" ]; then
        echo "ok: $figures"
        continue
    fi
    findings=$((findings + 1))
    echo "FOUND: $figures"
    # What went wrong, in the words of whoever noticed.
    { grep -a -m 1 -A 1 "panicked at" "$log"; grep -aE "ERROR: |^SUMMARY|^Slowest unit" "$log"; } |
        head -n 5 | sed 's/^/    /' || true
    for file in $found; do
        echo "    again: $cargo fuzz run $target $file"
    done
    echo "    all of it: $log"
done

if [ "$findings" -gt 0 ]; then
    echo "targets with a finding: $findings"
    exit 1
fi
echo "no findings"
