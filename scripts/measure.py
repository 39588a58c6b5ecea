#!/usr/bin/env python3
"""Measures the release binary against the fake Hex: start, memory, cost of a scrape.

    scripts/measure.py        builds the release binary itself; needs nothing but Python and Rust

Prints figures and judges none: machines differ, and differ from minute to minute.
"""

import os
import pathlib
import socket
import statistics
import subprocess
import tempfile
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parent.parent
BINARY = ROOT / "target/release/hex-token-exporter"
TICK = os.sysconf("SC_CLK_TCK")


def free_address():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return "127.0.0.1:%d" % listener.getsockname()[1]


def get(url):
    with urllib.request.urlopen(url, timeout=30) as answer:
        return answer.read()


def wait_for(url):
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            return get(url)
        except OSError:
            time.sleep(0.001)
    raise SystemExit(f"{url} does not answer")


def status(process, key):
    for line in pathlib.Path(f"/proc/{process.pid}/status").read_text().splitlines():
        if line.startswith(key):
            return int(line.split()[1])


def cpu_seconds(process):
    fields = pathlib.Path(f"/proc/{process.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def measure(tokens):
    folder = pathlib.Path(tempfile.mkdtemp())
    hex_address, exporter = free_address(), free_address()
    names = [f"token-{index:05}" for index in range(tokens)]
    scenario = folder / "scenario.yaml"
    scenario.write_text(
        "stacks:\n  - name: main\n    limits: {user_per_minute: 100000, group_per_minute: 100000}\n    tokens:\n"
        + "".join(f"      {n}: {{kind: workspace, value: value-of-{n}, scopes: [projects_read]}}\n" for n in names)
    )
    config = folder / "config.yaml"
    config.write_text(
        f"workspaces: {{main: {{url: 'http://{hex_address}', requests_per_minute: 6000}}}}\n"
        "defaults: {required_scopes: [projects_read]}\ntokens:\n"
        + "".join(f"  {n}: {{credentials_file: {n}}}\n" for n in names)
    )
    for name in names:
        (folder / name).write_text(f"value-of-{name}")
    log = open(folder / "log", "w")
    fake = subprocess.Popen(
        [BINARY, "fake-hex", "--listen-address", hex_address, "--scenario", scenario], stderr=log
    )
    wait_for(f"http://{hex_address}/")
    began = time.monotonic()
    run = subprocess.Popen(
        [BINARY, "run", "--config.file", config, "--web.listen-address", exporter], stderr=log
    )
    page = wait_for(f"http://{exporter}/metrics")
    first = time.monotonic() - began
    deadline = time.monotonic() + 120
    while get(f"http://{exporter}/metrics").count(b'state="valid"} 1') < tokens:
        if time.monotonic() > deadline:
            raise SystemExit("not all tokens became valid")
        time.sleep(0.2)
    idle = status(run, "VmRSS:")
    before, walls = cpu_seconds(run), []
    scrapes = 50
    for _ in range(scrapes):
        start = time.monotonic()
        page = get(f"http://{exporter}/metrics")
        walls.append(time.monotonic() - start)
    cpu = (cpu_seconds(run) - before) / scrapes
    series = sum(not line.startswith(b"#") for line in page.splitlines())
    print(
        f"{tokens:>6} tokens: first /metrics after {first * 1000:.0f} ms; resident {idle / 1024:.1f} MiB, "
        f"{status(run, 'VmHWM:') / 1024:.1f} MiB at most; a scrape of {series} series costs "
        f"{cpu * 1000:.1f} ms of CPU, {statistics.median(walls) * 1000:.1f} ms in all"
    )
    for process in (run, fake):
        process.terminate()
        process.wait()


def main():
    subprocess.run(["cargo", "build", "--release", "--quiet"], cwd=ROOT, check=True)
    for tokens in (100, 1000):
        measure(tokens)


main()
