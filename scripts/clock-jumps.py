#!/usr/bin/env python3
"""Sets the wall clock of the real binary, while it runs, by months in both directions: no verdict and no
expiry may follow it, only Hex's clock counts.

Needs libfaketime (Debian: faketime). Expects the binary in target/debug, or builds it.
"""

import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time
import urllib.request

from lib.stand import ROOT, free_address

BINARY = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "debug/hex-token-exporter"
LIBRARY = next(pathlib.Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"), None)

# Each is held for several probes.
JUMPS = ["+60d", "+4000d", "-400d", "-3h", "+0"]
HELD = 3


def page(address):
    with urllib.request.urlopen(f"http://{address}/metrics", timeout=10) as answer:
        return answer.read().decode()


def value(text, series):
    found = re.search(rf"^{re.escape(series)} (\S+)$", text, re.M)
    return float(found[1]) if found else None


def state(text, token):
    found = re.search(rf'^hex_token_state{{token="{token}",workspace="main",state="(\w+)"}} 1$', text, re.M)
    return found[1] if found else None


def until(what, holds, seconds=30):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if found := holds():
                return found
        except OSError:
            pass
        time.sleep(0.1)
    sys.exit(f"not within {seconds} s: {what}")


def main():
    if LIBRARY is None:
        sys.exit("missing: libfaketime; install the package faketime")
    subprocess.run(["cargo", "build", "--locked", "--quiet"], cwd=ROOT, check=True)
    with tempfile.TemporaryDirectory() as folder:
        run(pathlib.Path(folder))


def run(folder):
    hex_address, address = free_address(), free_address()
    (folder / "scenario.yaml").write_text(
        "stacks: [{name: main, limits: {user_per_minute: 100000, group_per_minute: 100000}, tokens: {"
        "lives: {kind: workspace, value: value-of-lives, expires_in: 20d}, "
        f"dies: {{kind: workspace, value: value-of-dies, expires_in: 20d, dies_after: {len(JUMPS) * HELD + 12}s}}}}}}]"
    )
    (folder / "config.yaml").write_text(
        "probe: {interval: 1s, timeout: 500ms, confirm_after: 1s, mass_rejection_hold: 1s}\n"
        f"workspaces: {{main: {{url: 'http://{hex_address}', requests_per_minute: 600}}}}\n"
        "tokens: {lives: {credentials_file: lives}, dies: {credentials_file: dies}}\n"
    )
    for name in ("lives", "dies"):
        (folder / name).write_text(f"value-of-{name}")
    offset = folder / "offset"
    offset.write_text("+0")
    log = open(folder / "log", "w")
    clock = {
        "LD_PRELOAD": str(LIBRARY),
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "FAKETIME_TIMESTAMP_FILE": str(offset),
        "FAKETIME_CACHE_DURATION": "1",
    }
    fake = subprocess.Popen(
        [BINARY, "fake-hex", "--listen-address", hex_address, "--scenario", folder / "scenario.yaml"], stderr=log
    )
    watch = subprocess.Popen(
        [BINARY, "run", "--config.file", folder / "config.yaml", "--web.listen-address", address],
        stderr=log, env=os.environ | clock,
    )
    try:
        until("both are valid", lambda: [state(page(address), name) for name in ("lives", "dies")] == ["valid"] * 2)
        skews = [jump(address, offset, by) for by in JUMPS]
        assert skews[0] < -59 * 86400 and skews[2] > 399 * 86400, f"the clock was not set: {skews}"
        # The clock is set once more, so that the death is seen under a wrong one.
        offset.write_text("+60d")
        until("the death", lambda: state(page(address), "dies") == "invalid", 60)
        assert state(page(address), "lives") == "valid"
    finally:
        for process in (watch, fake):
            process.terminate()
            process.wait()
    print(f"the clock was set to {', '.join(JUMPS)}: no verdict and no expiry followed it")


def jump(address, offset, by):
    offset.write_text(by)
    end = time.monotonic() + HELD
    while time.monotonic() < end:
        text = page(address)
        for name in ("lives", "dies"):
            labels = f'{{token="{name}",workspace="main"}}'
            shown, days = state(text, name), value(text, f"hex_token_days_until_expiry{labels}")
            assert shown == "valid", f"the clock was set by {by}, and {name} is {shown}"
            assert abs(days - 20) < 0.1, f"the clock was set by {by}, and {name} has {days} days"
        time.sleep(0.1)
    return value(text, 'hex_api_clock_skew_seconds{workspace="main"}')


main()
