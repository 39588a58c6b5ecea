"""The programs that are compared: the exporter, blackbox_exporter, and the bare client as the floor.

Each is started with so many tokens against one way of the upstream, and probes through the concurrency that
it is given. The exporter probes by itself; the peer when it is scraped, which the bare client does here, whose
cost is not counted.
"""

import json
import math
import os
import pathlib
import time

from stand import Failed, free_address, get
from upstream import PATH

CONCURRENCY = 16

# What the shipped systemd unit and container image set.
AS_SHIPPED = {"MALLOC_ARENA_MAX": "2"}

# What a workspace may be given at most, and tokens in one that ask once a second without coming near it.
REQUESTS_PER_MINUTE = 6000
TOKENS_A_WORKSPACE = 80


def names(tokens):
    return [f"token-{number:05}" for number in range(tokens)]


def secret(name):
    return f"value-of-the-made-up-{name}-0123456789abcdef"


class Program:
    """A process that is measured."""

    def __init__(self, stand, process):
        self.stand = stand
        self.process = process
        pid = process.child.pid
        self.clock = (~pid << 3) | 2  # the CPU clock of that process: user and system time, in nanoseconds
        self.status = pathlib.Path(f"/proc/{pid}/status")

    def cpu(self):
        return time.clock_gettime(self.clock)

    def resident(self):
        """Bytes in memory now."""
        return self.memory("VmRSS:")

    def peak(self):
        """The most that it ever was."""
        return self.memory("VmHWM:")

    def memory(self, key):
        for line in self.status.read_text().splitlines():
            if line.startswith(key):
                return int(line.split()[1]) * 1024
        raise Failed(f"{self.process.name} tells no {key}")

    def stop(self):
        self.process.stop()
        self.stand.processes.remove(self.process)


class Exporter(Program):
    """This project."""

    def __init__(self, stand, tools, upstream, way, tokens, interval):
        self.address = free_address()
        self.tokens = tokens
        process = stand.start(
            f"exporter-{tokens}", tools.exporter, "run", "--config.file", self.config(stand, upstream, way, interval),
            "--web.listen-address", self.address,
            environment=os.environ | AS_SHIPPED | {variable(name): secret(name) for name in names(tokens)},
        )
        super().__init__(stand, process)
        stand.until("every token is valid", self.all_valid, 120)

    def config(self, stand, upstream, way, interval):
        ca = upstream.ca_of(way)
        lines = [
            f"probe: {{interval: {interval}s, timeout: {min(interval * 900, 10000)}ms, "
            f"max_concurrency: {CONCURRENCY}}}",
            "workspaces:",
        ]
        terms = f"url: '{upstream.url(way)}', requests_per_minute: {REQUESTS_PER_MINUTE}"
        if ca:
            terms += f", ca_file: '{ca}'"
        workspaces = math.ceil(self.tokens / TOKENS_A_WORKSPACE)
        lines += [f"  workspace-{number}: {{{terms}}}" for number in range(workspaces)]
        lines.append("tokens:")
        for number, name in enumerate(names(self.tokens)):
            workspace = f"workspace-{number % workspaces}"
            lines.append(f"  {name}: {{credentials_env: {variable(name)}, workspace: {workspace}}}")
        return stand.write(f"exporter-{self.tokens}.yaml", "\n".join(lines) + "\n")

    def all_valid(self):
        return get(f"http://{self.address}/metrics").count('state="valid"} 1\n') == self.tokens

    def begin(self, _seconds, _per_second):
        """It probes already."""

    def end(self):
        if not self.all_valid():
            raise Failed("the exporter holds a token for something else than valid")

    def sweep(self):
        """The paths that show every token once."""
        return ["/metrics"]


class Peer(Program):
    """blackbox_exporter with a module a token."""

    def __init__(self, stand, tools, upstream, way, tokens):
        self.address = free_address()
        self.tokens = tokens
        self.tools = tools
        self.target = f"{upstream.url(way)}{PATH}"
        process = stand.start(
            "peer", tools.peer, f"--config.file={self.config(stand, upstream, way)}",
            f"--web.listen-address={self.address}", "--log.level=error",
        )
        super().__init__(stand, process)
        stand.until("the peer answers", lambda: get(f"http://{self.address}/-/healthy"), 60)
        self.requests = stand.write("probes", "\n".join(self.sweep()) + "\n")
        self.expect_success()

    def config(self, stand, upstream, way):
        ca = upstream.ca_of(way)
        tls = f", tls_config: {{ca_file: '{ca}'}}" if ca else ""
        lines = ["modules:"]
        for name in names(self.tokens):
            lines.append(
                f"  {name}: {{prober: http, timeout: 5s, http: {{preferred_ip_protocol: ip4, "
                f"""fail_if_body_not_matches_regexp: ['"org":'], bearer_token: {secret(name)}{tls}}}}}"""
            )
        return stand.write("peer.yaml", "\n".join(lines) + "\n")

    def expect_success(self):
        if "\nprobe_success 1\n" not in get(f"http://{self.address}{self.sweep()[-1]}"):
            raise Failed("the peer's probe failed")

    def begin(self, seconds, per_second):
        self.driver = drive(self.stand, self.tools, self.address, self.requests, None, seconds, per_second)

    def end(self):
        finish(self.stand, self.driver)
        self.expect_success()

    def sweep(self):
        return [f"/probe?module={name}&target={self.target}" for name in names(self.tokens)]


class Bare(Program):
    """The bare client, which asks the upstream itself."""

    def __init__(self, stand, tools, upstream, way, tokens):
        self.tools = tools
        self.address = upstream.addresses[way]
        self.ca = upstream.ca_of(way)
        self.stand = stand
        self.requests = stand.write("asked", "".join(f"{PATH} {secret(name)}\n" for name in names(tokens)))

    def begin(self, seconds, per_second):
        process = drive(self.stand, self.tools, self.address, self.requests, self.ca, seconds, per_second)
        super().__init__(self.stand, process)

    def end(self):
        finish(self.stand, self.process)

    def stop(self):
        """It has ended."""


def variable(name):
    return name.upper().replace("-", "_")


def drive(stand, tools, address, requests, ca, seconds, per_second):
    words = [tools.bare, address, requests, "--duration", f"{seconds}s", "--concurrency", CONCURRENCY]
    if ca:
        words += ["--ca", ca]
    if per_second:
        words += ["--per-second", per_second]
    return stand.start("client", *words)


def finish(stand, driver):
    """Waits for its end, and tells what it measured."""
    code = driver.child.wait(60)
    stand.processes.remove(driver)
    text = driver.log.read_text()
    if code != os.EX_OK:
        raise Failed(f"the client failed: {text}")
    return json.loads(text)
