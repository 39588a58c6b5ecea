#!/usr/bin/env python3
"""Asks a running stack, at its usual ports, whether its parts have found each other."""

import json
import sys
import time
import urllib.parse
import urllib.request

# Longer than an alert has to hold before it is one.
PATIENCE = 600.0

EXPECTED = {
    "airflow-healthy": "valid",
    "dbt-expires-in-10d": "valid",
    "looker-expired": "expired",
    "intern-revoked": "invalid",
    "kpis-missing-run-scope": "under_scoped",
    "board-unpublished-project": "project_unavailable",
    "merger-wrong-workspace": "wrong_workspace",
    "hightouch-not-mounted": "unknown",
    "eu-behind-slow-upstream": "valid",
}

# Only loopback: no proxy, whatever the environment says.
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))
EXPORTER, PROMETHEUS, ALERTMANAGER = (f"http://127.0.0.1:{port}" for port in (9847, 9090, 9093))


def ask(url, **query):
    with OPENER.open(url + ("?" + urllib.parse.urlencode(query) if query else ""), timeout=10) as answer:
        return json.load(answer)


def wait_for(what, attempt):
    """Waits until `attempt` gives something to tell."""
    began = time.monotonic()
    while True:
        try:
            found, trouble = attempt(), None
        except (OSError, KeyError, IndexError, ValueError) as error:
            found, trouble = None, error
        if found:
            print(f"   {time.monotonic() - began:4.0f}s  {what}: {found}", flush=True)
            return
        if time.monotonic() - began > PATIENCE:
            sys.exit(f"after {PATIENCE:.0f}s there is still no: {what} ({trouble or 'nothing came'})")
        time.sleep(0.5)


def verdicts():
    states = {token["name"]: token["state"] for token in ask(f"{EXPORTER}/api/v1/tokens")["tokens"]}
    return EXPECTED.items() <= states.items() and f"{len(EXPECTED)} of {len(states)} tokens are as they should be"


def scraped():
    targets = ask(f"{PROMETHEUS}/api/v1/targets", state="active")["data"]["activeTargets"]
    well = [target["scrapeUrl"] for target in targets if target["health"] == "up"]
    return len(well) == len(targets) and ", ".join(well)


def stored():
    query = ask(f"{PROMETHEUS}/api/v1/query", query="count(hex_token_state == 1)")["data"]["result"]
    return f"the state of {query[0]['value'][1]} tokens"


def rules():
    groups = ask(f"{PROMETHEUS}/api/v1/rules")["data"]["groups"]
    all_rules = [rule for group in groups for rule in group["rules"]]
    for rule in all_rules:
        if rule["health"] == "err":
            sys.exit(f"the rule {rule['name']} fails: {rule['lastError']}")
    return all_rules and all(rule["health"] == "ok" for rule in all_rules) and f"{len(all_rules)}, all evaluated"


def alertmanager_found():
    managers = ask(f"{PROMETHEUS}/api/v1/alertmanagers")["data"]["activeAlertmanagers"]
    return ", ".join(manager["url"] for manager in managers)


def alerted():
    alerts = [alert["labels"] for alert in ask(f"{ALERTMANAGER}/api/v2/alerts") if "token" in alert["labels"]]
    return ", ".join(sorted({f"{labels['alertname']} for {labels['token']}" for labels in alerts}))


wait_for("exporter, probing the fake Hex by its name", verdicts)
wait_for("Prometheus scrapes", scraped)
wait_for("Prometheus keeps", stored)
wait_for("rules", rules)
wait_for("Prometheus has found its Alertmanager", alertmanager_found)
wait_for("alerts in Alertmanager", alerted)
