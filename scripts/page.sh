#!/usr/bin/env bash
# Shows the status page to a real Chromium and the calendar to a parser that nobody here wrote: the demo,
# and a thousand tokens. Needs chromium, python3 with venv, and PyPI on the first run. About a minute.
#
#   scripts/page.sh               judges them
#   scripts/page.sh --pictures    takes the pictures in docs/images instead (in Inter, where fonts-inter is)
#
# EXPORTER=... names a binary; without it the debug one is built.
set -euo pipefail
cd "$(dirname "$0")/.."

tools=(playwright==1.65.2 axe-playwright-python==0.1.8 icalendar==7.3.0)
venv=${CARGO_TARGET_DIR:-target}/page-venv

CHROMIUM=${CHROMIUM:-$(command -v chromium || command -v chromium-browser || true)}
[[ -n $CHROMIUM ]] || { echo 'missing: chromium' >&2; exit 1; }

# The list of tools stands for the whole environment: another list, another environment.
if [[ $(cat "$venv/tools" 2>/dev/null) != "${tools[*]}" ]]; then
    rm -rf "$venv"
    python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check "${tools[@]}"
    echo "${tools[*]}" >"$venv/tools"
fi

if [[ -z ${EXPORTER:-} ]]; then
    cargo build --quiet --locked
    EXPORTER=${CARGO_TARGET_DIR:-$PWD/target}/debug/hex-token-exporter
fi

export CHROMIUM EXPORTER PYTHONDONTWRITEBYTECODE=1
export NO_PROXY=127.0.0.1,localhost no_proxy=127.0.0.1,localhost

if [[ ${1:-} == --pictures ]]; then
    "$venv/bin/python" tests/page/browser/pictures.py docs/images
else
    # The demo first: the crowd settles meanwhile.
    PYTHONPATH=tests/page/browser "$venv/bin/python" -m unittest --verbose \
        test_demo test_calendar test_crowd test_everybody
fi
