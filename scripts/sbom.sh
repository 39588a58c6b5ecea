#!/usr/bin/env bash
# Writes the software bill of materials of the binary: every crate in it, with version, licence and checksum,
# as CycloneDX 1.5, to target/hex-token-exporter.cdx.json. Installs cargo-cyclonedx into target/tools on the
# first run, which takes some minutes.
set -euo pipefail
cd "$(dirname "$0")/.."

version=0.5.9
target=${CARGO_TARGET_DIR:-target}
host=$(rustc -vV | sed -n 's/^host: //p')
bill=$target/hex-token-exporter.cdx.json

if [[ ! -x $target/tools/bin/cargo-cyclonedx ]]; then
    cargo install --quiet --locked --root "$target/tools" --version "$version" cargo-cyclonedx
fi

trap 'rm -f hex-token-exporter_bin.cdx.json' EXIT
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct) "$target/tools/bin/cargo-cyclonedx" cyclonedx --quiet \
    --format json --spec-version 1.5 --describe binaries --no-build-deps --target "$host"

# It lists optional crates too that no feature asks for, such as ring. What is built in, cargo knows.
cargo tree --locked --edges normal --no-dedupe --prefix none --format '{p}' --target "$host" |
    python3 scripts/lib/sbom.py hex-token-exporter_bin.cdx.json >"$bill"
echo "$bill: $(grep -c '"purl": "pkg:cargo/' "$bill") crates"
