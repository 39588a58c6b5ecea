"""What is measured, and how: one program at a time, in rounds, each against the others in turn."""

import gzip
import http.client
import statistics
import time
from collections import defaultdict
from dataclasses import dataclass

from programs import Bare, Exporter, Peer
from stand import get

OURS, PEER, BARE = "exporter", "peer", "bare client"

# The probes of a token that are kept, and the seconds from one to the next while they are filled: any faster, and
# the budgets' memory of the last minute, which no fleet at the default cadence has, would weigh more.
HISTORY, FILLED_EVERY = 50, 3

# Long enough for connections, caches and heaps to be as they stay.
WARM_UP = 1


@dataclass
class Plan:
    """How long and how often."""

    ways: tuple  # of asking
    rounds: int
    seconds: int  # of each reading
    rest: int  # seconds of each reading at rest
    tokens: tuple  # the sizes of the fleet
    full_speed_tokens: int
    history: bool  # whether histories are filled before memory is read
    scrapes: int


@dataclass
class Reading:
    """What happened in one window."""

    seconds: float
    requests: int
    connections: int
    cpu: float

    @property
    def rate(self):
        return self.requests / self.seconds

    @property
    def cost(self):
        """Microseconds of CPU a request."""
        return self.cpu / self.requests * 1e6


def read(program, upstream, seconds, per_second):
    """Lets a program probe, and reads a window in the middle of it."""
    program.begin(seconds + 2 * WARM_UP, per_second)
    time.sleep(WARM_UP)
    connections, requests = upstream.counts()
    cpu, began = program.cpu(), time.monotonic()
    time.sleep(seconds)
    cpu, ended = program.cpu() - cpu, time.monotonic()
    now_connections, now_requests = upstream.counts()
    program.end()
    # The second reading of the counts is a request and a connection itself.
    return Reading(ended - began, now_requests - requests - 1, now_connections - connections - 1, cpu)


def start(name, stand, tools, upstream, way, tokens, interval):
    match name:
        case "exporter":
            return Exporter(stand, tools, upstream, way, tokens, interval)
        case "peer":
            return Peer(stand, tools, upstream, way, tokens)
        case _:
            return Bare(stand, tools, upstream, way, tokens)


def probing(stand, tools, upstream, plan, tokens, interval, per_second, say):
    """Readings by way and program: the rounds go through the ways, and through the programs within one."""
    readings = defaultdict(list)
    for number in range(plan.rounds):
        for way in plan.ways:
            order = (PEER, OURS, BARE) if number % 2 == 0 else (BARE, OURS, PEER)
            for name in order:
                program = start(name, stand, tools, upstream, way, tokens, interval)
                reading = read(program, upstream, plan.seconds, per_second)
                program.stop()
                readings[way, name].append(reading)
                say(f"round {number + 1}, {way}, {name}: {reading.cost:.0f} us, {reading.rate:.0f}/s")
    return readings


@dataclass
class Rest:
    """A program that does what it does all day."""

    started: int  # bytes in memory when it has seen every token once
    later: int  # and after it has been scraped
    peak: int
    cpu: float  # seconds of CPU a second
    latencies: list  # of /metrics, in seconds
    sweep: int  # bytes to see every token once
    zipped: int
    series: int


def resting(stand, tools, upstream, plan, name, tokens):
    """Every token asked every five minutes, and nothing else; then scraped."""
    interval = 300
    program = start(name, stand, tools, upstream, "https, connections kept", tokens, interval)
    if name == PEER:
        # It has seen nothing yet.
        once = max(2, round(tokens / 1000))
        program.begin(once, tokens // once)
        program.end()
    time.sleep(WARM_UP)
    started = program.resident()
    reading = read_rest(program, plan.rest, tokens, interval)
    client = http.client.HTTPConnection(program.address, timeout=30)
    latencies = []
    for _ in range(plan.scrapes):
        began = time.monotonic()
        answer(client, "/metrics")
        latencies.append(time.monotonic() - began)
    paths = program.sweep()
    page, zipped = answer(client, paths[-1]), answer(client, paths[-1], "gzip")
    assert gzip.decompress(zipped).startswith(b"# HELP")
    rest = Rest(
        started, program.resident(), program.peak(), reading, latencies,
        len(page) * len(paths), len(zipped) * len(paths),
        sum(not line.startswith(b"#") for line in page.splitlines()) * len(paths),
    )
    program.stop()
    return rest


def read_rest(program, seconds, tokens, interval):
    program.begin(seconds + 2, tokens / interval)
    cpu = program.cpu()
    time.sleep(seconds)
    cpu = program.cpu() - cpu
    program.end()
    return cpu / seconds


def answer(client, path, encoding="identity"):
    client.request("GET", path, headers={"Accept-Encoding": encoding})
    return client.getresponse().read()


def remembering(stand, tools, upstream, sizes):
    """Bytes in memory by size of the fleet, with every token's history full: now, and at most."""
    way = "http, connections kept"
    programs = [Exporter(stand, tools, upstream, way, tokens, FILLED_EVERY) for tokens in sizes]
    found = {}
    for program in programs:
        stand.until("its histories are full", lambda: least_probes(program) > HISTORY, 300)
        found[program.tokens] = program.resident(), program.peak()
        program.stop()
    return found


def least_probes(program):
    """How often the token was probed that was probed least."""
    page = get(f"http://{program.address}/metrics")
    lines = [line for line in page.splitlines() if line.startswith("hex_token_probes_total{")]
    return min(float(line.rsplit(" ", 1)[1]) for line in lines)


def counted(stand, tools, upstream, tokens, seconds, interval, scrape_interval):
    """Requests a token in so many seconds, of both, by the upstream's count."""
    found = {}
    for name, per_second in ((OURS, None), (PEER, tokens / scrape_interval)):
        program = start(name, stand, tools, upstream, "http, connections kept", tokens, interval)
        time.sleep(interval)  # past the first round, which comes at once
        found[name] = read(program, upstream, seconds, per_second).requests / tokens
        program.stop()
    return found


def middle(values):
    return statistics.median(values)
