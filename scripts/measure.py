#!/usr/bin/env python3
"""Measures the release binary against the fake Hex: start, memory, scrapes, and a reload.

    scripts/measure.py [TOKENS...]     builds the release binary itself; needs nothing but Python and Rust
    BINARY=PATH scripts/measure.py     measures another one

Each token is asked for its identity and one scope. Prints figures and judges none: machines differ, and
differ from minute to minute.
"""

import os
import pathlib
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

from lib.stand import ROOT, free_address

BINARY = os.environ.get("BINARY", ROOT / "target/release/hex-token-exporter")
TICK = os.sysconf("SC_CLK_TCK")
SCRAPERS = 8


def get(url):
    with urllib.request.urlopen(url, timeout=30) as answer:
        return answer.read()


def wait_for(address, ask):
    """The first answer that comes."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            return ask()
        except OSError:
            time.sleep(0.001)
    raise SystemExit(f"{address} does not answer")


def status(process, key):
    for line in pathlib.Path(f"/proc/{process.pid}/status").read_text().splitlines():
        if line.startswith(key):
            return int(line.split()[1]) / 1024


def cpu_seconds(process):
    fields = pathlib.Path(f"/proc/{process.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def value(page, metric):
    for line in page.decode().splitlines():
        if line.startswith(metric + " "):
            return float(line.rsplit(" ", 1)[1])


def scrape(address, gzip=False):
    """Reads a page and keeps none of it. Times to the first byte and to the last, and the bytes."""
    host, port = address.split(":")
    with socket.create_connection((host, int(port))) as connection:
        packed = "Accept-Encoding: gzip\r\n" if gzip else ""
        began = time.monotonic()
        connection.sendall(f"GET /metrics HTTP/1.1\r\nHost: {address}\r\n{packed}Connection: close\r\n\r\n".encode())
        room, read, first = memoryview(bytearray(1 << 20)), 0, None
        while length := connection.recv_into(room):
            first = first or time.monotonic() - began
            read += length
        return first, time.monotonic() - began, read


def scrape_side_by_side(address, gzip, seconds):
    """All scrapers without a pause: the times of all scrapes."""
    times, end = [], time.monotonic() + seconds

    def scraper():
        while time.monotonic() < end:
            times.append(scrape(address, gzip)[1])

    threads = [threading.Thread(target=scraper) for _ in range(SCRAPERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sorted(times)


def quantile(times, part):
    return times[min(len(times) - 1, int(len(times) * part))] * 1000


def config(hex_address, names, owner):
    """A workspace for each thousand tokens: one alone may not ask fast enough to measure in a minute."""
    spread = max(1, len(names) // 1000)
    workspace = f"{{url: 'http://{hex_address}', requests_per_minute: 6000}}"
    return (
        # Often enough that there are wake-ups to be late for.
        "probe: {interval: 1m}\nworkspaces:\n"
        + "".join(f"  w{index}: {workspace}\n" for index in range(spread))
        + "defaults: {required_scopes: [projects_read]}\ntokens:\n"
        + f"  {names[0]}: {{credentials_file: {names[0]}, workspace: w0, token_owner: {owner}}}\n"
        + "".join(
            f"  {name}: {{credentials_file: {name}, workspace: w{index % spread}}}\n"
            for index, name in enumerate(names[1:])
        )
    )


def reload(run, exporter):
    """From the request to its answer, which comes once all is in force."""
    before = cpu_seconds(run)
    began = time.monotonic()
    request = urllib.request.Request(f"http://{exporter}/-/reload", method="POST")
    with urllib.request.urlopen(request, timeout=30) as answer:
        answer.read()
    return time.monotonic() - began, cpu_seconds(run) - before


def measure(tokens, folder):
    os.umask(0o077)  # a credential that every user can read is a warning, and ten thousand of them a cost
    hex_address, exporter = free_address(), free_address()
    names = [f"token-{index:05}" for index in range(tokens)]
    scenario = folder / "scenario.yaml"
    scenario.write_text(
        "stacks:\n  - name: main\n    limits: {user_per_minute: 100000, group_per_minute: 100000}\n    tokens:\n"
        + "".join(f"      {n}: {{kind: workspace, value: value-of-{n}, scopes: [projects_read]}}\n" for n in names)
    )
    file = folder / "config.yaml"
    file.write_text(config(hex_address, names, "nobody"))
    for name in names:
        (folder / name).write_text(f"value-of-{name}")
    log = open(folder / "log", "w")
    fake = subprocess.Popen(
        [BINARY, "fake-hex", "--listen-address", hex_address, "--scenario", scenario], stderr=log
    )
    wait_for(hex_address, lambda: get(f"http://{hex_address}/"))
    began = time.monotonic()
    run = subprocess.Popen(
        [BINARY, "run", "--config.file", file, "--web.listen-address", exporter, "--web.enable-lifecycle"],
        stderr=log,
    )
    try:
        wait_for(exporter, lambda: scrape(exporter))
        first = time.monotonic() - began
        deadline = time.monotonic() + 180
        while (page := get(f"http://{exporter}/metrics")).count(b'state="valid"} 1') < tokens:
            if time.monotonic() > deadline:
                raise SystemExit("not all tokens became valid")
            time.sleep(1)
        series = sum(not line.startswith(b"#") for line in page.splitlines())
        print(
            f"{tokens} tokens, {series} series, {len(page) / 1e6:.1f} MB: first page {first * 1000:.0f} ms after"
            f" the start; resident {status(run, 'VmRSS:'):.1f} MiB, {status(run, 'VmHWM:'):.1f} at most"
        )
        for gzip in (False, True):
            before, rounds = cpu_seconds(run), 20
            firsts, walls, sizes = zip(*(scrape(exporter, gzip) for _ in range(rounds)))
            cpu = (cpu_seconds(run) - before) / rounds
            print(
                f"  {'gzip' if gzip else 'plain'}: CPU {cpu * 1000:.1f} ms a scrape, {sizes[0] / 1e6:.2f} MB;"
                f" first byte {quantile(sorted(firsts), 0.5):.1f} ms (p99 {quantile(sorted(firsts), 0.99):.1f}),"
                f" last {quantile(sorted(walls), 0.5):.1f} ms"
            )
            times = scrape_side_by_side(exporter, gzip, 8)
            lag = value(get(f"http://{exporter}/metrics"), "hex_token_exporter_schedule_lag_seconds")
            print(
                f"  {'gzip' if gzip else 'plain'}, {SCRAPERS} side by side without a pause: p50"
                f" {quantile(times, 0.5):.0f} ms, p99 {quantile(times, 0.99):.0f} ms of {len(times)};"
                f" worst lag of the schedule {lag * 1000:.1f} ms"
            )
        print(f"  after that: resident {status(run, 'VmRSS:'):.1f} MiB, {status(run, 'VmHWM:'):.1f} at most")
        changes = {
            "one line of the configuration": lambda i: file.write_text(config(hex_address, names, f"o{i}")),
            "one credential": lambda i: (folder / names[0]).write_text(f"another-value-{i}"),
        }
        for what, change in changes.items():
            reloads = []
            for number in range(5):
                change(number)
                reloads.append(reload(run, exporter))
            wall, cpu = sorted(reloads)[2]
            print(f"  {what} changed: in force {wall * 1000:.0f} ms after a reload, CPU {cpu * 1000:.0f} ms")
    finally:
        for process in (run, fake):
            process.terminate()
            process.wait()


def main():
    if "BINARY" not in os.environ:
        subprocess.run(["cargo", "build", "--release", "--quiet"], cwd=ROOT, check=True)
    for tokens in [int(argument) for argument in sys.argv[1:]] or [100, 1000, 10000]:
        with tempfile.TemporaryDirectory(prefix="hex-token-exporter-measure-") as folder:
            measure(tokens, pathlib.Path(folder))


main()
