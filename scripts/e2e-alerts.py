#!/usr/bin/env python3
"""Lets a real Prometheus and a real Alertmanager tell of a token that dies and a workspace that fails.

The shipped rules and the shipped Alertmanager configuration are used as they are, but for two things:

- An hour is a minute, and a minute a second: every duration in them is divided by 60 (see `hurried`), and
  Prometheus' lookback with them. The exporter's own minute of `hex_api_up` stays one.
- The receivers keep their names and post to this script.

Two exporters watch the same tokens, as a pair for availability, and must page as one.

Needs prometheus and prometheus-alertmanager on the PATH, and nothing but loopback. Takes a minute and a half.

    scripts/e2e-alerts.py [BINARY]      builds the debug binary itself where none is given
"""

import http.server
import json
import re
import signal
import sys
import threading

from lib.stand import ROOT, connects, free_address, get, hurried, run

# So many that one of them is asked every few seconds: the interval is long, so that none of them is
# overdue before hex_api_up tells of the outage.
NORTHERN = [f"north-{number}" for number in range(1, 9)]

MAIN = """
stacks:
  - name: main
    tokens:
      steady: {kind: workspace, value: the-steady-token-of-this-test, scopes: [projects_read]}
      doomed: {kind: workspace, value: the-doomed-token-of-this-test, scopes: [projects_read], dies_after: 20s}
      successor: {kind: workspace, value: the-successor-of-this-test, scopes: [projects_read]}
      dated: {kind: workspace, value: the-dated-token-of-this-test, scopes: [projects_read], expires_in: 35s}
    limits: {user_per_minute: 10000, group_per_minute: 10000}
"""

NORTH = """
stacks:
  - name: north
    tokens:
NORTHERN
    faults:
      - {do: {status: 503}, after: 10s, for: 74s}
"""

CONFIG = """
probe:
  interval: 30s
  scope_interval: 2s
  timeout: 1s
  confirm_after: 1s
  mass_rejection_hold: 10s
  rejected_interval: 5s
workspaces:
  main: {{url: "http://{main}", requests_per_minute: 600}}
  north: {{url: "http://{north}", requests_per_minute: 600}}
defaults: {{workspace: main, required_scopes: [projects_read]}}
tokens:
  steady: {{credentials_file: "{folder}/steady"}}
  dated: {{credentials_file: "{folder}/dated", token_owner: bi}}
  doomed:
    credentials_file: "{folder}/doomed"
    token_owner: data-platform
    rotate_url: https://wiki.example.com/rotate-hex
{northern}
"""

PROMETHEUS = """
global: {{scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}}
rule_files: [hurried.rules.yml]
alerting: {{alertmanagers: [{{static_configs: [{{targets: ["{alertmanager}"]}}]}}]}}
scrape_configs:
  - job_name: hex-token-exporter
    static_configs: [{{targets: ["{first}", "{second}"]}}]
"""


class Inbox:
    """Receives what Alertmanager sends, at a path for each receiver."""

    def __init__(self):
        self.letters = []
        inbox = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                letter = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                inbox.letters.append(letter)
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def told(self):
        return sorted(map(line, self.letters))

    def has(self, text):
        return text in self.told()

    def alert(self, text):
        """The first alert of the first message that reads so."""
        return next(letter for letter in self.letters if line(letter) == text)["alerts"][0]


def line(letter):
    """A message: to whom, and which alerts fire or are resolved in it."""
    alerts = [f"{it['status']} {it['labels']['alertname']} of {about(it)}" for it in letter["alerts"]]
    return f"{letter['receiver']}: {', '.join(alerts)}"


def about(alert):
    labels = alert["labels"]
    return labels.get("token") or labels.get("workspace") or labels["job"]


def prepare(stand, inbox, first, second, main, north, alertmanager):
    """Writes all files. The receivers of the shipped configuration keep their names."""
    for name in ["steady", "doomed", "dated", *NORTHERN]:
        stand.write(name, f"the-{name}-token-of-this-test\n")
    stand.write("main.yml", MAIN)
    token = "      {0}: {{kind: workspace, value: the-{0}-token-of-this-test, scopes: [projects_read]}}"
    stand.write("north.yml", NORTH.replace("NORTHERN", "\n".join(map(token.format, NORTHERN))))
    token = '  {0}: {{workspace: north, credentials_file: "{1}/{0}"}}'
    northern = "\n".join(token.format(name, stand.folder) for name in NORTHERN)
    stand.write(
        "config.yml", CONFIG.format(main=main, north=north, folder=stand.folder, northern=northern)
    )
    stand.write("prometheus.yml", PROMETHEUS.format(alertmanager=alertmanager, first=first, second=second))
    routes, receivers = (ROOT / "config/alertmanager/alertmanager.yml").read_text().split("\nreceivers:\n")
    names = re.findall(r"- name: (\S+)", receivers)
    receivers = "".join(f"  - {{name: {name}, webhook_configs: [{{url: '{inbox.url}/'}}]}}\n" for name in names)
    stand.write("alertmanager.yml", f"{hurried(routes)}\nreceivers:\n{receivers}")


def watch(stand, binary):
    inbox = Inbox()
    first, second, main, north, alertmanager, stand.prometheus = (free_address() for _ in range(6))
    prepare(stand, inbox, first, second, main, north, alertmanager)
    stand.start(
        "alertmanager", "prometheus-alertmanager", "--config.file=alertmanager.yml",
        "--storage.path=alertmanager", f"--web.listen-address={alertmanager}", "--cluster.listen-address=",
    )
    for name, address in [("main", main), ("north", north)]:
        stand.start(
            f"fake-hex-{name}", binary, "fake-hex", "--listen-address", address, "--scenario", f"{name}.yml"
        )
        stand.until(f"the fake Hex of {name} listens", lambda: connects(address), 20)
    for name, address in [("first", first), ("second", second)]:
        stand.start(name, binary, "run", "--config.file", "config.yml", "--web.listen-address", address)
        stand.until(f"the {name} exporter is ready", lambda: get(f"http://{address}/-/ready"), 20)
    prometheus = stand.start(
        "prometheus", "prometheus", "--log.level=warn", "--config.file=prometheus.yml",
        "--storage.tsdb.path=tsdb", f"--web.listen-address={stand.prometheus}",
        "--query.lookback-delta=5s",
    )
    everyone = 'count(hex_token_state{state="valid"} == 1) == bool 22'
    stand.until_one("both see all eleven tokens valid", everyone, 30)
    # Not before: it starts to scrape after five seconds, which to hurried rules would be an outage.
    rules = (ROOT / "config/prometheus/rules/hex-token.rules.yml").read_text()
    stand.write("hurried.rules.yml", hurried(rules))
    prometheus.child.send_signal(signal.SIGHUP)
    expect_a_death(stand, inbox)
    expect_an_expiry(stand, inbox, alertmanager)
    expect_an_outage(stand, inbox)
    expect_nothing_else(stand, inbox)


def expect_a_death(stand, inbox):
    death = "data-platform-page: firing HexTokenRejected of doomed"
    stand.until("its owner is paged for the token that died", lambda: inbox.has(death), 40)
    alert = inbox.alert(death)
    stand.expect(
        "the page has its labels",
        alert["labels"],
        {
            "alertname": "HexTokenRejected",
            "job": "hex-token-exporter",
            "workspace": "main",
            "token": "doomed",
            "token_owner": "data-platform",
            "rotate_url": "https://wiki.example.com/rotate-hex",
            "severity": "critical",
        },
    )
    said = alert["annotations"]
    stand.expect("the page says what", said["summary"], "Hex rejects the token doomed of workspace main")
    stand.expect(
        "the page says since when, why and what to do",
        re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d+)? \+0000 UTC", "THEN", said["description"]),
        "Hex answers 401 to the token doomed (workspace main, owner data-platform) since THEN: it was "
        "revoked, regenerated or mistyped, or its user was deactivated. Everything that uses it fails. Make "
        "a new token at https://wiki.example.com/rotate-hex, and put it where the exporter and the jobs read it. "
        "The exporter notices a changed file; with a variable or a systemd credential, restart it.",
    )
    stand.expect("the page links to its section", said["runbook_url"].split("#")[-1], "hextokenrejected")


def expect_an_expiry(stand, inbox, alertmanager):
    warned = "platform-page: firing HexTokenExpiresCritical of dated"
    stand.until("the token about to expire was told of before", lambda: inbox.has(warned), 20)
    dead = "platform-page: firing HexTokenRejected of dated"
    stand.until("and is told of when it has expired", lambda: inbox.has(dead), 50)
    stand.expect("as expired", "has expired, by its last known date" in inbox.alert(dead)["annotations"]["description"], True)

    def held_back():
        alerts = json.loads(get(f"http://{alertmanager}/api/v2/alerts"))
        of_dated = [it for it in alerts if it["labels"].get("token") == "dated"]
        return {it["labels"]["alertname"] for it in of_dated if it["status"]["inhibitedBy"]}

    expiring = {"HexTokenExpiresCritical", "HexTokenExpiresSoon"}
    stand.until("the warnings of its expiry fire on, held back", lambda: held_back() == expiring, 10)


def expect_an_outage(stand, inbox):
    down = "platform-page: firing HexWorkspaceDown of north"
    stand.until("the outage of a workspace is a page", lambda: inbox.has(down), 90)
    said = inbox.alert(down)["annotations"]["description"]
    stand.expect("which says what came in place of answers", "in the last 10 minutes: 503." in said, True)
    stand.write("doomed", "the-successor-of-this-test\n")
    up = "platform-page: resolved HexWorkspaceDown of north"
    stand.until("its end resolves the page", lambda: inbox.has(up), 60)
    replaced = "data-platform-page: resolved HexTokenRejected of doomed"
    stand.until("a new credential resolves that of the dead token", lambda: inbox.has(replaced), 30)


def expect_nothing_else(stand, inbox):
    stand.expect(
        "nobody was told anything else, or twice",
        inbox.told(),
        [
            "data-platform-page: firing HexTokenRejected of doomed",
            "data-platform-page: resolved HexTokenRejected of doomed",
            "platform-page: firing HexTokenExpiresCritical of dated",
            "platform-page: firing HexTokenRejected of dated",
            "platform-page: firing HexWorkspaceDown of north",
            "platform-page: resolved HexWorkspaceDown of north",
        ],
    )


if __name__ == "__main__":
    sys.exit(run(watch))
