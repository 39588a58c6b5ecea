"""What the end-to-end scripts share: programs on loopback, and waiting for what they do."""

import json
import os
import pathlib
import re
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]

SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}

# Where a duration stands in a rule or in a route.
DURATION = re.compile(r"((?:for|interval|wait): |\[|offset )(\d+)([smhd])\b")

opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class Failed(Exception):
    """What was promised did not happen."""


class Process:
    """A program of this test, with its output in a file."""

    def __init__(self, folder, name, command, environment=None):
        self.name = name
        self.log = folder / f"{name}.log"
        with self.log.open("w") as log:
            self.child = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=folder, env=environment
            )

    def stop(self):
        """Asks it to end, and tells its exit code."""
        if self.child.poll() is None:
            self.child.terminate()
            try:
                self.child.wait(20)
            except subprocess.TimeoutExpired:
                self.child.kill()
                self.child.wait()
        return self.child.returncode


class Stand:
    """All programs, and the ways to ask them."""

    def __init__(self, folder):
        self.folder = folder
        self.processes = []
        self.passed = 0

    def start(self, name, *command, environment=None):
        process = Process(self.folder, name, [str(word) for word in command], environment)
        self.processes.append(process)
        return process

    def write(self, name, text):
        path = self.folder / name
        path.write_text(text)
        path.chmod(0o600)
        return path

    def query(self, expression):
        """The values that Prometheus has for it now."""
        return [float(series["value"][1]) for series in self.series(expression)]

    def series(self, expression):
        """The same, with their labels (`metric`)."""
        words = urllib.parse.urlencode({"query": expression})
        answer = json.loads(get(f"http://{self.prometheus}/api/v1/query?{words}"))
        return answer["data"]["result"]

    def until(self, what, look, seconds):
        """Looks until it is so. A program that has ended meanwhile will not make it so."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                if look():
                    break
            except (OSError, urllib.error.URLError):
                pass
            for process in self.processes:
                if process.child.poll() is not None:
                    raise Failed(f"{what}: {process.name} has ended with {process.child.returncode}")
            if time.monotonic() > deadline:
                raise Failed(f"{what}: not within {seconds}s")
            time.sleep(0.25)
        self.pass_(what)

    def until_one(self, what, expression, seconds):
        """Waits until the expression has a series, and each one is 1."""
        self.until(what, lambda: set(self.query(expression)) == {1}, seconds)

    def expect(self, what, found, wanted):
        if found != wanted:
            raise Failed(f"{what}: found {found}, not {wanted}")
        self.pass_(what)

    def pass_(self, what):
        self.passed += 1
        print(f"ok  {what}", flush=True)


def get(url):
    with opener.open(url, timeout=10) as answer:
        return answer.read().decode()


def connects(address):
    host, port = address.split(":")
    socket.create_connection((host, int(port)), timeout=1).close()
    return True


def hurried(text):
    """The same rules or routes, 60 times as fast: an hour is a minute, and a minute a second."""

    def divided(match):
        before, number, unit = match.groups()
        return f"{before}{int(number) * SECONDS[unit] * 1000 // 60}ms"

    return DURATION.sub(divided, text)


def free_address():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{found.getsockname()[1]}"


def build():
    subprocess.run(["cargo", "build", "--quiet", "--locked"], cwd=ROOT, check=True)
    target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    return target.resolve() / "debug" / "hex-token-exporter"


def run(watch):
    """Lets `watch(stand, binary)` look at the binary of the command line, or one built here."""
    binary = pathlib.Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else build()
    with tempfile.TemporaryDirectory(prefix="hex-token-exporter-e2e-") as folder:
        stand = Stand(pathlib.Path(folder))
        try:
            watch(stand, binary)
        except Failed as failure:
            for process in stand.processes:
                print(f"--- {process.name}", *process.log.read_text().splitlines()[-30:], sep="\n")
            print(f"FAILED  {failure}")
            return 1
        finally:
            for process in reversed(stand.processes):
                process.stop()
    print(f"{stand.passed} checks passed")
    return 0
