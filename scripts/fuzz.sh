#!/usr/bin/env bash
# Lets libFuzzer look for what breaks a promise: every target of fuzz/, or those named, for so many seconds
# each, one after the other.
#
#     scripts/fuzz.sh [SECONDS] [TARGET...]
#
# Starts from fuzz/corpus and fuzz/regressions, and from what earlier runs found (target/fuzz-found). An
# input that breaks something is left in target/fuzz-broken: mend what it broke, and keep the input in
# fuzz/regressions/TARGET, where tests/fuzz/ replays it on every toolchain.
#
# Needs a nightly toolchain of Rust, and installs cargo-fuzz where it is missing.
set -euo pipefail
cd "$(dirname "$0")/.."

seconds=${1:-60}
shift || true
targets=("$@")
if ((${#targets[@]} == 0)); then
    mapfile -t targets < <(sed -n 's/^path = "fuzz_targets\/\(.*\)\.rs"$/\1/p' fuzz/Cargo.toml)
fi

rustc +nightly --version >/dev/null 2>&1 ||
    { echo 'missing; install: rustup toolchain install nightly' >&2; exit 1; }
command -v cargo-fuzz >/dev/null 2>&1 || cargo install --quiet --locked cargo-fuzz

# Nothing here is unsafe, so there is nothing for a sanitizer to see, and it would halve the speed.
# Overflows and debug assertions are on.
mkdir -p target/fuzz
cargo +nightly fuzz build --sanitizer none --target-dir target/fuzz >target/fuzz/build.log 2>&1 ||
    { tail -n 20 target/fuzz/build.log >&2; exit 1; }
host=$(rustc +nightly -vV | sed -n 's/^host: //p')

# Targets write files, and the folder does not end with them.
scratch=$(mktemp -d -p "$([[ -w /dev/shm ]] && echo /dev/shm || echo /tmp)")
trap 'rm -rf "$scratch"' EXIT

failed=0
printf '%-12s %12s %8s %6s > %6s %8s %6s\n' target runs a-second edges edges inputs RSS
for target in "${targets[@]}"; do
    found=target/fuzz-found/$target
    broken=target/fuzz-broken/$target
    log=target/fuzz/$target.log
    mkdir -p "$found" "$broken" "fuzz/regressions/$target"
    if ! TMPDIR=$scratch "target/fuzz/$host/release/$target" \
        "$found" "fuzz/corpus/$target" "fuzz/regressions/$target" \
        -max_total_time="$seconds" -max_len=8192 -timeout=5 -rss_limit_mb=1024 \
        -dict="fuzz/dictionaries/$target.dict" -artifact_prefix="$broken/" -print_final_stats=1 \
        >"$log" 2>&1 </dev/null; then
        failed=1
        echo "$target fails; the end of $log:" >&2
        grep -aE -A2 'panicked at|ERROR: libFuzzer|Test unit written' "$log" >&2 || tail -n 20 "$log" >&2
    fi
    edges() { grep -aE "$1" "$log" | sed -n 's/.* cov: \([0-9]*\) .*/\1/p'; }
    stat() { sed -n "s/^stat::$1: *//p" "$log"; }
    printf '%-12s %12s %8s %6s > %6s %8s %6s\n' "$target" "$(stat number_of_executed_units)" \
        "$(stat average_exec_per_sec)" "$(edges INITED | head -n 1)" "$(edges cov: | tail -n 1)" \
        "$(stat new_units_added)" "$(stat peak_rss_mb)"
    rm -rf "${scratch:?}"/*
done
exit "$failed"
