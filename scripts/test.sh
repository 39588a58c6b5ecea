#!/usr/bin/env bash
# Proves the whole project: format, lints, documentation, tests, and real clients and a real Prometheus
# against the real binary. Installs what it needs on Debian where it is missing and it may.
set -euo pipefail
cd "$(dirname "$0")/.."
start=$SECONDS

step() { printf '\n=== %s (after %ds)\n' "$1" $((SECONDS - start)); }

step 'tools'
missing=()
for pair in prometheus:prometheus promtool:prometheus curl:curl python3:python3; do
    command -v "${pair%%:*}" >/dev/null || missing+=("${pair##*:}")
done
python3 -c 'import ensurepip, venv' 2>/dev/null || missing+=(python3-venv)
if ((${#missing[@]})); then
    if ((EUID == 0)) && command -v apt-get >/dev/null; then
        export DEBIAN_FRONTEND=noninteractive
        apt-get update -qq
        apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
    else
        echo "please install: ${missing[*]}" >&2
        exit 1
    fi
fi

step 'format'
cargo fmt --check

step 'lints'
cargo clippy --all-targets --quiet -- -D warnings

step 'documentation'
RUSTDOCFLAGS=-Dwarnings cargo doc --no-deps --document-private-items --quiet

step 'dependencies'
for banned in ring openssl native-tls serde_yaml chrono lazy_static; do
    if cargo tree --edges normal --invert "$banned" --quiet >/dev/null 2>&1; then
        echo "$banned is in the tree, and banned in deny.toml" >&2
        exit 1
    fi
done
if cargo deny --version >/dev/null 2>&1; then
    cargo deny check bans licenses sources
else
    echo 'cargo-deny is not installed: licences and sources were NOT checked'
fi

step 'tests'
if cargo nextest --version >/dev/null 2>&1; then
    cargo nextest run
else
    cargo test --all-targets
fi
cargo test --doc --quiet

step 'real clients against the fake Hex'
scripts/test-clients.sh

step 'real Prometheus against the demo'
scripts/e2e-prometheus.py

step 'done'
