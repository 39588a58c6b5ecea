#!/usr/bin/env python3
"""Runs the real binary for as long as asked, in a hurry, against a fake Hex that misbehaves, and tells
whether what it uses stays flat.

    scripts/soak.py --minutes 60 [--workspaces 20] [--tokens 40] [--prometheus]

Builds the release binary itself. Needs nothing but Python and Rust, and Prometheus where asked for. Prints
a line every few seconds: probes, resident memory, file descriptors, threads, the time of a scrape. Fails
where one of them grows, or where a token's state is not the true one at the end.
"""

import argparse
import os
import pathlib
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request

from lib.stand import ROOT, free_address

BINARY = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "release/hex-token-exporter"

# Every kind of trouble, for a part of every minute or for some requests, so that there is always some.
FAULTS = """
      - {do: {status: 503}, for: 10s, every: 60s}
      - {do: reset, one_in: 11}
      - {do: hang, one_in: 307}
      - {do: {latency: 300ms}, one_in: 7}
      - {do: {status: 429}, one_in: 997, headers: {Retry-After: "1"}}
      - {do: {status: 403}, body: html, one_in: 13}
      - {do: half_body, one_in: 17}
"""


def get(address, path="/metrics"):
    with urllib.request.urlopen(f"http://{address}{path}", timeout=30) as answer:
        return answer.read().decode()


def wait_for(address, path):
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            return get(address, path)
        except OSError:
            time.sleep(0.05)
    sys.exit(f"{address} does not answer")


def total(page, series):
    return sum(float(line.rsplit(" ", 1)[1]) for line in page.splitlines() if line.startswith(series + "{"))


def states(page):
    return dict(re.findall(r'^hex_token_state\{token="([^"]+)",workspace="[^"]+",state="(\w+)"\} 1$', page, re.M))


def uses(pid):
    """Resident KiB, file descriptors and threads of a process."""
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    number = lambda key: int(re.search(rf"^{key}:\s+(\d+)", status, re.M)[1])
    return number("VmRSS"), len(os.listdir(f"/proc/{pid}/fd")), number("Threads")


class Stand:
    """A fake Hex with many stacks, an exporter with a workspace for each, and perhaps a Prometheus."""

    def __init__(self, options, folder):
        self.folder, self.processes = folder, []
        base = self.free_ports(options.workspaces)
        names = [(w, f"t{w}-{t}") for w in range(options.workspaces) for t in range(options.tokens)]
        # Of each workspace one is dead, one dies while we watch.
        trouble = {0: ", revoked: true", 1: ", dies_after: 30s"}
        scenario = "stacks:\n"
        for w in range(options.workspaces):
            scenario += f"  - name: w{w}\n    limits: {{user_per_minute: 1000000, group_per_minute: 1000000}}\n    tokens:\n"
            for t in range(options.tokens):
                extra = trouble.get(t, "")
                scenario += f"      t{w}-{t}: {{kind: workspace, value: value-of-t{w}-{t}, scopes: [projects_read]{extra}}}\n"
            scenario += "    faults:" + FAULTS
        (folder / "scenario.yaml").write_text(scenario)
        config = "probe: {interval: 1s, scope_interval: 2s, timeout: 500ms, confirm_after: 1s, mass_rejection_hold: 5s, rejected_interval: 2s, max_concurrency: 256}\n"
        config += "state_file: state.json\ndefaults: {required_scopes: [projects_read]}\nworkspaces:\n"
        for w in range(options.workspaces):
            config += f"  w{w}: {{url: 'http://127.0.0.1:{base + w}', requests_per_minute: 6000}}\n"
        config += "tokens:\n"
        for w, name in names:
            config += f"  {name}: {{workspace: w{w}, credentials_file: {name}}}\n"
            (folder / name).write_text(f"value-of-{name}")
        (folder / "config.yaml").write_text(config)
        self.truth = {name: "invalid" if int(name.split("-")[1]) < 2 else "valid" for _, name in names}
        self.start("fake-hex", "--log.level", "error", "--listen-address", f"127.0.0.1:{base}", "--scenario", folder / "scenario.yaml")
        wait_for(f"127.0.0.1:{base + options.workspaces - 1}", "/")
        self.address = free_address()
        self.exporter = self.start("run", "--log.level", "error", "--config.file", folder / "config.yaml", "--web.listen-address", self.address)
        wait_for(self.address, "/-/healthy")

    @staticmethod
    def free_ports(count):
        """The first of so many ports in a row that are free."""
        for base in range(20000, 30000, 500):
            held = []
            try:
                for port in range(base, base + count):
                    held.append(socket.socket())
                    held[-1].setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                    held[-1].bind(("127.0.0.1", port))
                return base
            except OSError:
                continue
            finally:
                for listener in held:
                    listener.close()
        sys.exit("no ports are free")

    def start(self, *arguments, program=BINARY):
        log = open(self.folder / f"log-{len(self.processes)}", "w")
        process = subprocess.Popen([program, *arguments], stdout=log, stderr=log)
        self.processes.append(process)
        return process

    def start_prometheus(self):
        (self.folder / "prometheus.yml").write_text(
            "global: {scrape_interval: 1s}\nscrape_configs:\n  - job_name: hex\n"
            f"    static_configs: [{{targets: ['{self.address}']}}]\n"
        )
        self.start(
            f"--config.file={self.folder}/prometheus.yml", f"--storage.tsdb.path={self.folder}/data",
            f"--web.listen-address={free_address()}", program=shutil.which("prometheus") or sys.exit("no prometheus"),
        )

    def stop(self):
        for process in reversed(self.processes):
            process.send_signal(signal.SIGTERM)
        return [process.wait(30) for process in reversed(self.processes)]


def scrape(stand):
    began = time.monotonic()
    page = get(stand.address)
    return page, (time.monotonic() - began) * 1000


def is_flat(name, samples, slack):
    """Compares the last quarter with the second: the first is for warming up."""
    quarter = max(1, len(samples) // 4)
    early, late = statistics.median(samples[quarter : 2 * quarter]), statistics.median(samples[-quarter:])
    flat = late <= early * 1.1 + slack
    print(f"{name}: {early:.1f} -> {late:.1f}: {'flat' if flat else 'GROWS'}")
    return flat


def soak(stand, options):
    rows, began, every = [], time.monotonic(), options.every
    print("seconds   probes  probes/s  RSS KiB  fds  threads  scrape ms")
    while (elapsed := time.monotonic() - began) < options.minutes * 60:
        time.sleep(every)
        page, latency = scrape(stand)
        rss, fds, threads = uses(stand.exporter.pid)
        probes = total(page, "hex_token_probes_total")
        rate = (probes - rows[-1][1]) / (time.monotonic() - began - rows[-1][0]) if rows else 0
        rows.append((time.monotonic() - began, probes, rss, fds, threads, latency))
        print(f"{elapsed + every:7.0f} {probes:8.0f} {rate:9.0f} {rss:8} {fds:4} {threads:8} {latency:10.1f}", flush=True)
        if stand.exporter.poll() is not None:
            sys.exit("the exporter has ended")
    return rows


def settled(stand):
    """Whether every token is shown as what it is, within a minute."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        shown = states(get(stand.address))
        wrong = {name: shown.get(name) for name, truth in stand.truth.items() if shown.get(name) != truth}
        if not wrong:
            return True
        time.sleep(0.5)
    print(f"shown wrong: {wrong}")
    return False


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=5)
    parser.add_argument("--workspaces", type=int, default=20)
    parser.add_argument("--tokens", type=int, default=40, help="of each workspace")
    parser.add_argument("--every", type=float, default=10, help="seconds between two lines")
    parser.add_argument("--prometheus", action="store_true", help="a real Prometheus scrapes every second")
    options = parser.parse_args()
    subprocess.run(["cargo", "build", "--release", "--locked", "--quiet"], cwd=ROOT, check=True)
    with tempfile.TemporaryDirectory() as folder:
        stand = Stand(options, pathlib.Path(folder))
        if options.prometheus:
            stand.start_prometheus()
        try:
            rows = soak(stand, options)
            good = settled(stand)
        finally:
            codes = stand.stop()
    seconds, probes, *_ = rows[-1]
    print(f"\n{probes:.0f} probes in {seconds:.0f} s: {probes / seconds:.0f} a second")
    columns = list(zip(*rows))
    good &= is_flat("resident memory, KiB", columns[2], 2048)
    good &= is_flat("file descriptors", columns[3], 16)
    good &= is_flat("threads", columns[4], 4)
    good &= is_flat("scrape, ms", columns[5], 20)
    good &= codes[-2] == 0  # the exporter's own
    sys.exit(0 if good else 1)


main()
