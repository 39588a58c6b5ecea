#!/usr/bin/env bash
# Measures what a probe, a token and a scrape cost, beside blackbox_exporter and a bare HTTP client, on one
# upstream, and prints the tables of docs/PERFORMANCE.md.
#
#     scripts/compare.sh            about twenty minutes
#     scripts/compare.sh --quick    about two minutes: smaller counts, and less to rely on
#
# Needs Rust, Python, openssl, nginx and Debian's prometheus-blackbox-exporter; installs what is missing where
# it is run as root. Judges nothing but prints what is promised beside what it finds: machines differ, and
# differ from minute to minute, so only ratios of one run are to be compared.
set -euo pipefail
cd "$(dirname "$0")/.."

has() { command -v "$1" >/dev/null 2>&1; }

missing=()
{ has nginx || [[ -x /usr/sbin/nginx ]]; } || missing+=(nginx-light)
has prometheus-blackbox-exporter || missing+=(prometheus-blackbox-exporter)
has openssl || missing+=(openssl)
has python3 || missing+=(python3)
if ((${#missing[@]} > 0)); then
    if ((EUID != 0)); then
        echo "missing; install as root: apt-get install ${missing[*]}" >&2
        exit 1
    fi
    echo "installing ${missing[*]}" >&2
    export DEBIAN_FRONTEND=noninteractive
    {
        apt-get update
        apt-get install --yes --no-install-recommends "${missing[@]}"
    } >/dev/null 2>&1 </dev/null || { echo "cannot install ${missing[*]}" >&2; exit 1; }
fi

# One after the other: built together, the exporter would get what the tests alone ask of its crates.
cargo build --release --quiet --locked --bin hex-token-exporter
cargo build --release --quiet --locked --example bare_client

built=${CARGO_TARGET_DIR:-target}/release
exec python3 scripts/lib/compare "$@" --exporter "$built/hex-token-exporter" --bare-client "$built/examples/bare_client"
