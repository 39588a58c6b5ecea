#!/usr/bin/env python3
"""Lets a real Prometheus watch several exporters that share their tokens, and a pair that watches all twice.

- Two shards become three as a StatefulSet would do it, and one of the three is killed and replaced.
- A pair, each with half of the budget, watches a workspace whose plan is over it, through a door that notes
  when each request arrives.

The shipped rules are used as they are, but 60 times as fast (`hurried`).

Needs prometheus on the PATH, and nothing but loopback. Takes less than a minute.

    scripts/e2e-shards.py [BINARY]      builds the debug binary itself where none is given
"""

import http.client
import http.server
import signal
import sys
import threading
import time

from lib.stand import ROOT, connects, free_address, get, hurried, run

SHARED = [f"shared-{number:02}" for number in range(30)]
TWICE = [f"twice-{number:02}" for number in range(12)]
DOOMED = TWICE[5]

# Of both together, in any minute.
BUDGET = 120

CONFIG = """
probe: {{interval: {interval}, timeout: 1s, confirm_after: 1s, mass_rejection_hold: 10s}}
workspaces: {{{workspace}: {{url: "http://{hex}", requests_per_minute: {budget}}}}}
tokens:
{tokens}
"""

# `up` of the shards is what some rules ask for, so theirs is the usual job.
PROMETHEUS = """
global: {{scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}}
rule_files: [hurried.rules.yml]
scrape_configs:
  - job_name: hex-token-exporter
    static_configs: [{{targets: {shards}}}]
  - job_name: pair
    static_configs: [{{targets: {pair}}}]
"""

SHARDS, PAIR = 'job="hex-token-exporter"', 'job="pair"'

SHARDS_MISSING = f"""max(hex_token_exporter_total_shards{{{SHARDS}}})
    - count(count_values("shard", hex_token_exporter_shard{{{SHARDS}}}))"""

LIMITS = "    limits: {user_per_minute: 10000, group_per_minute: 10000}\n"


class Door:
    """Stands before a fake Hex and notes when each request comes."""

    def __init__(self, hex_address):
        self.times = []
        door = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                door.times.append(time.monotonic())
                inner = http.client.HTTPConnection(hex_address, timeout=5)
                inner.request("GET", self.path, headers=dict(self.headers))
                answer = inner.getresponse()
                body = answer.read()
                self.send_response_only(answer.status)
                for name, value in answer.getheaders():
                    if name.lower() not in ("connection", "content-length", "transfer-encoding"):
                        self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)
                inner.close()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def most_within(self, seconds):
        """The most requests in any such window."""
        times = sorted(self.times)
        return max(sum(begin <= it < begin + seconds for it in times) for begin in times)


class Shards:
    """Exporters that share the tokens, each at an address of its own."""

    def __init__(self, stand, binary, addresses):
        self.stand, self.binary, self.addresses = stand, binary, addresses
        self.running = {}

    def start(self, index, total):
        self.running[index] = self.stand.start(
            f"shard-{index}-of-{total}", self.binary, "run", "--config.file", "shared.yml",
            "--web.listen-address", self.addresses[index], "--shard", index, "--total-shards", total,
        )

    def end(self, index, how):
        process = self.running.pop(index)
        self.stand.processes.remove(process)
        process.child.send_signal(how)
        process.child.wait(20)

    def owners(self):
        """Which address watches which token, as Prometheus knows it."""
        series = self.stand.series(f"hex_token_info{{{SHARDS}}}")
        return {it["metric"]["token"]: it["metric"]["instance"] for it in series}

    def expect_each_watched_once(self, when):
        stand, many = self.stand, len(SHARED)
        for what, expression, wanted in [
            (f"{when}, all tokens are valid", f'count(hex_token_state{{{SHARDS},state="valid"}} == 1)', many),
            ("none is watched twice", f"max(count by (token) (hex_token_info{{{SHARDS}}}))", 1),
            ("the exporters count as many", f"sum(hex_token_exporter_tokens{{{SHARDS}}})", many),
            ("and as many shards as they are to be", SHARDS_MISSING, 0),
        ]:
            stand.until(what, lambda: stand.query(expression) == [wanted], 30)


def write_files(stand, door, main, shards, pair):
    scenario = "stacks:\n  - name: {}\n    tokens:\n"
    token = "      {0}: {{kind: workspace, value: the-token-{0}-of-this-test{1}}}\n"
    mortal = {DOOMED: ", dies_after: 15s"}
    for name, tokens, hex_address, interval, budget in [
        ("shared", SHARED, main, "2s", 6000),
        ("twice", TWICE, door.address, "5s", BUDGET // 2),
    ]:
        played = scenario.format(name) + "".join(token.format(it, mortal.get(it, "")) for it in tokens)
        stand.write(f"{name}.scenario.yml", played + LIMITS)
        for it in tokens:
            stand.write(it, f"the-token-{it}-of-this-test\n")
        listed = "\n".join(f'  {it}: {{credentials_file: "{stand.folder}/{it}"}}' for it in tokens)
        stand.write(
            f"{name}.yml",
            CONFIG.format(interval=interval, workspace=name, hex=hex_address, budget=budget, tokens=listed),
        )
    stand.write("prometheus.yml", PROMETHEUS.format(shards=shards, pair=pair))


def firing(stand, labels):
    """The alerts that fire now, with a token where they are about one."""
    series = stand.series(f'ALERTS{{alertstate="firing",severity!="info",{labels}}}')
    return sorted((it["metric"]["alertname"], it["metric"].get("token", "")) for it in series)


def two_become_three(stand, shards):
    shards.expect_each_watched_once("with two shards")
    before, began = shards.owners(), time.time()
    # The new one first, then the others, one at a time.
    shards.start(2, 3)
    owned = f"count(hex_token_info{{{SHARDS},instance='{shards.addresses[2]}'}}) > bool 0"
    stand.until("the new shard has tokens", lambda: stand.query(owned) == [1], 20)
    for index in (1, 0):
        shards.end(index, signal.SIGTERM)
        shards.start(index, 3)
        stand.until(f"shard {index} is ready", lambda: get(f"http://{shards.addresses[index]}/-/ready"), 20)
    shards.expect_each_watched_once("with three shards")
    after = shards.owners()
    moved = {token for token in after if after[token] != before[token]}
    stand.expect("tokens moved to the new shard alone", {after[it] for it in moved}, {shards.addresses[2]})
    stand.expect("and few did", 0 < len(moved) < len(SHARED) / 2, True)
    seconds = int(time.time() - began) + 1
    told = f'count(max_over_time(ALERTS{{alertstate="firing",severity!="info",{SHARDS}}}[{seconds}s])) or vector(0)'
    stand.expect("nobody was told anything meanwhile", stand.query(told), [0])


def one_is_killed_and_replaced(stand, shards):
    before = shards.owners()
    shards.end(1, signal.SIGKILL)
    missing = ("HexTokenExporterShardMissing", "")
    stand.until("the killed shard is missed", lambda: missing in firing(stand, SHARDS), 30)
    others = {name for name, _ in firing(stand, SHARDS)} - {missing[0], "HexTokenExporterReplicaDown"}
    stand.expect("and nothing else is told of it", others, set())
    shards.start(1, 3)
    shards.expect_each_watched_once("once it is replaced")
    stand.expect("each by the one as before", shards.owners(), before)


def watch(stand, binary):
    main, inner, stand.prometheus = (free_address() for _ in range(3))
    addresses, pair = [free_address() for _ in range(3)], [free_address() for _ in range(2)]
    door, shards = Door(inner), Shards(stand, binary, addresses)
    write_files(stand, door, main, addresses, pair)
    for name, address in [("shared", main), ("twice", inner)]:
        stand.start(
            f"fake-hex-{name}", binary, "fake-hex", "--listen-address", address,
            "--scenario", f"{name}.scenario.yml",
        )
        stand.until(f"the fake Hex of {name} listens", lambda: connects(address), 20)
    for number, address in enumerate(pair):
        stand.start(
            f"pair-{number}", binary, "run", "--config.file", "twice.yml", "--web.listen-address", address
        )
    for index in (0, 1):
        shards.start(index, 2)
    prometheus = stand.start(
        "prometheus", "prometheus", "--log.level=warn", "--config.file=prometheus.yml",
        "--storage.tsdb.path=tsdb", f"--web.listen-address={stand.prometheus}", "--query.lookback-delta=5s",
    )
    stand.until("Prometheus is ready", lambda: get(f"http://{stand.prometheus}/-/ready"), 30)
    shards.expect_each_watched_once("at first")
    # Not before: to hurried rules, a start would be an outage.
    rules = (ROOT / "config/prometheus/rules/hex-token.rules.yml").read_text()
    stand.write("hurried.rules.yml", hurried(rules))
    prometheus.child.send_signal(signal.SIGHUP)
    two_become_three(stand, shards)
    one_is_killed_and_replaced(stand, shards)

    dead = f'count(hex_token_state{{{PAIR},token="{DOOMED}",state="invalid"}} == 1)'
    stand.until("both of the pair see a token die", lambda: stand.query(dead) == [2], 30)
    page = ("HexTokenRejected", DOOMED)
    stand.until("one page tells of it", lambda: firing(stand, PAIR).count(page) == 1, 30)
    over = ("HexWorkspaceBudgetExceeded", "")
    stand.expect("and nothing but it, and that the budget is small", {*firing(stand, PAIR)}, {page, over})
    stand.until("the killed shard is missed no more", lambda: not firing(stand, SHARDS), 30)
    pair_kept_to_its_budget(stand, door)


def pair_kept_to_its_budget(stand, door):
    seconds = time.monotonic() - door.times[0]
    arrived = len(door.times)
    # All of it took less than a minute.
    stand.expect(f"the pair made {arrived} requests of {BUDGET} in {seconds:.0f}s", arrived <= BUDGET, True)
    stand.expect("of which it has use", arrived > 0.8 * BUDGET * seconds / 60, True)
    # Evenly spread, but for a tenth of its budget that each may make at once, and for some on their way.
    most = door.most_within(10)
    stand.expect(f"and at most {most} in ten seconds", most <= BUDGET / 6 + BUDGET / 10 + 6, True)


if __name__ == "__main__":
    sys.exit(run(watch))
