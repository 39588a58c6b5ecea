#!/usr/bin/env bash
# Lets clients that nobody here wrote (hex-toolkit and dagster-hex, from PyPI) work against the
# fake Hex API. Needs python3 with venv, and PyPI on the first run.
#
#   scripts/test-clients.sh              builds and starts the fake itself
#   FAKE_HEX_URL=... scripts/test-clients.sh    asks one that serves tests/clients/scenario.yaml
set -euo pipefail
cd "$(dirname "$0")/.."

clients=('hex-toolkit[cli]==0.6.0' dagster-hex==0.1.10)
target=${CARGO_TARGET_DIR:-target}
venv=$target/clients-venv
fake=
dagster_home=$(mktemp -d)

clean_up() {
    if [[ -n $fake ]]; then
        kill "$fake" 2>/dev/null || true
        wait "$fake" 2>/dev/null || true
    fi
    rm -rf "$dagster_home"
}
trap clean_up EXIT

# The list of clients stands for the whole environment: another list, another environment.
if [[ $(cat "$venv/clients" 2>/dev/null) != "${clients[*]}" ]]; then
    rm -rf "$venv"
    python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check "${clients[@]}"
    echo "${clients[*]}" >"$venv/clients"
fi
python=$venv/bin/python

if [[ -z ${FAKE_HEX_URL:-} ]]; then
    cargo build --quiet
    port=$("$python" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
    "$target/debug/hex-token-exporter" fake-hex \
        --listen-address "127.0.0.1:$port" --scenario tests/clients/scenario.yaml &
    fake=$!
    FAKE_HEX_URL=http://127.0.0.1:$port
    until curl --silent --noproxy '*' --output /dev/null "$FAKE_HEX_URL"; do
        kill -0 "$fake" # ends the script if the fake has ended
        sleep 0.1
    done
fi

export FAKE_HEX_URL
export FAKE_HEX_LIVE_TOKEN=live-token-of-the-client-tests
export FAKE_HEX_READER_TOKEN=reading-token-of-the-client-tests
export FAKE_HEX_REVOKED_TOKEN=revoked-token-of-the-client-tests
export NO_PROXY=127.0.0.1,localhost no_proxy=127.0.0.1,localhost
export DAGSTER_HOME=$dagster_home DAGSTER_DISABLE_TELEMETRY=1
export PYTHONDONTWRITEBYTECODE=1

"$python" -m unittest discover --start-directory tests/clients --verbose --buffer
