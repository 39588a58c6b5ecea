"""Runs both programs and the bare client, and prints what they cost. See scripts/compare.sh."""

import argparse
import pathlib
import platform
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

import experiments as run
import tables
from experiments import OURS, PEER, Plan
from programs import CONCURRENCY
from stand import Failed, Stand
from upstream import WAYS, Upstream

FULL = Plan(ways=tuple(WAYS), rounds=3, seconds=4, rest=15, tokens=(100, 1_000, 10_000),
            full_speed_tokens=10_000, history=True, scrapes=100)
QUICK = Plan(ways=("http, a new connection each", "https, connections kept"), rounds=1, seconds=2, rest=3,
             tokens=(100, 1_000), full_speed_tokens=4_000, history=False, scrapes=30)

# What a day's tokens are asked in the paced rounds: 1,000 of them, every 2 s.
PACED_TOKENS, PACED_INTERVAL = 1_000, 2

# The default cadence, and the time from a token's death to a verdict of three 401s: an interval, then
# `confirm_after`, then twice that.
INTERVAL, CONFIRMED_WITHIN = 300, 300 + 30 + 60

WHAT_DIFFERS = """\
The two do different work. For a probe the exporter sends the request, reads the answer as JSON, classifies it
among 18 reasons, judges the token's state, keeps its expiry, scopes, phases, histograms and the last 50
probes; all tokens are then told by one scrape. blackbox_exporter opens a new connection each time, also
where the upstream would keep it, and shakes hands in full; it matches a regular expression
against the body, keeps the log of the last 100 probes of all modules, and renders a page for each token and
scrape. The bare client keeps nothing and looks at the status alone.
"""


@dataclass
class Tools:
    """The programs, by their paths."""

    exporter: pathlib.Path
    bare: pathlib.Path
    peer: str


class Quiet(Stand):
    """Standard output is for the tables."""

    def pass_(self, what):
        pass


def say(text):
    print(text, file=sys.stderr, flush=True)


def compare(stand, tools, plan):
    upstream = Upstream(stand)
    print(machine(tools), flush=True)
    print(WHAT_DIFFERS, flush=True)

    rests, full = {}, {}
    for tokens in plan.tokens:
        say(f"at rest: {tokens} tokens")
        rests[tokens] = [run.resting(stand, tools, upstream, plan, name, tokens) for name in (OURS, PEER)]
    if plan.history:
        say("filling histories")
        full = run.remembering(stand, tools, upstream, plan.tokens)
    print("### Memory\n")
    print(tables.memory(rests, full))
    sizes = {tokens: (full[tokens][0] if full else rests[tokens][0].later) for tokens in rests}
    print(f"A token more takes {tables.growth(sizes):.1f} KiB.\n")
    print("### Scrapes\n")
    print(tables.scrapes(rests))
    print("### A day's work: every token asked each five minutes\n")
    print(tables.sizing(rests, full), flush=True)

    rate = PACED_TOKENS / PACED_INTERVAL
    readings = run.probing(stand, tools, upstream, plan, PACED_TOKENS, PACED_INTERVAL, rate, say)
    print(f"### At the same pace: {PACED_TOKENS:,} tokens, {rate:.0f} probes a second\n")
    print(tables.costs(readings))
    print(tables.connections(readings), flush=True)

    readings = run.probing(stand, tools, upstream, plan, plan.full_speed_tokens, 1, None, say)
    print(f"### At full speed: {plan.full_speed_tokens:,} tokens, {CONCURRENCY} probes at once\n")
    print(tables.costs(readings))
    print(tables.rates(readings), flush=True)

    requests(stand, tools, upstream, plan)


def requests(stand, tools, upstream, plan):
    """Requests for the same detection time, reckoned and counted with all times 30 times shorter."""
    print("### Requests to Hex, a token and hour\n")
    ours, once, thrice = 3600 / INTERVAL, 3600 / CONFIRMED_WITHIN, 3 * 3600 / CONFIRMED_WITHIN
    print(tables.table(
        ["a dead token is told within 6.5 minutes", "requests a token and hour"],
        [
            ["exporter: asks every 5 min; three 401s in a row, of which two are asked for at once", f"{ours:.1f}"],
            ["blackbox_exporter, told on one failure of any cause: asks every 6.5 min", f"{once:.1f}"],
            ["blackbox_exporter, told on three failures in a row: asks every 130 s", f"{thrice:.1f}"],
            ["the same under a pair of Prometheus servers, each of which scrapes", f"{2 * thrice:.1f}"],
        ],
    ))
    shorter = 30
    seconds = 30 if plan.rounds > 1 else 10
    found = run.counted(
        stand, tools, upstream, 500, seconds, INTERVAL // shorter, CONFIRMED_WITHIN / 3 / shorter
    )
    scale = 3600 / seconds / shorter
    print(
        f"Counted by nginx, 500 tokens, all times {shorter} times shorter: exporter "
        f"{found[OURS] * scale:.1f}, blackbox_exporter at the third line's cadence {found[PEER] * scale:.1f}."
    )


def machine(tools):
    """What ran where."""
    version = subprocess.run([tools.peer, "--version"], capture_output=True, text=True, check=False)
    peer = (version.stdout + version.stderr).split("(")[0].strip()
    ours = subprocess.run([tools.exporter, "--version"], capture_output=True, text=True, check=True).stdout
    cpu = [line.split(":")[1] for line in open("/proc/cpuinfo") if line.startswith("model name")]
    load = open("/proc/loadavg").read().split()[0]
    return (
        f"{ours.strip()}; {peer}; {len(cpu)} x{cpu[0].rstrip()}, Linux {platform.release().split('-')[0]}; "
        f"load when it began: {load}.\n"
    )


def main():
    parser = argparse.ArgumentParser(prog="scripts/compare.sh", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="two minutes, and smaller counts")
    parser.add_argument("--exporter", type=pathlib.Path, required=True, help=argparse.SUPPRESS)
    parser.add_argument("--bare-client", type=pathlib.Path, required=True, help=argparse.SUPPRESS)
    words = parser.parse_args()
    tools = Tools(words.exporter.resolve(), words.bare_client.resolve(), shutil.which("prometheus-blackbox-exporter"))
    with tempfile.TemporaryDirectory(prefix="hex-token-exporter-compare-") as folder:
        stand = Quiet(pathlib.Path(folder))
        try:
            compare(stand, tools, QUICK if words.quick else FULL)
        except Failed as failure:
            say(f"FAILED  {failure}")
            return 1
        finally:
            for process in reversed(stand.processes):
                process.stop()
    return 0


sys.exit(main())
