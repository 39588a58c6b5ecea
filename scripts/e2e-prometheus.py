#!/usr/bin/env python3
"""Lets a real Prometheus watch the real binary, while a token dies and a workspace fails.

Needs prometheus and promtool on the PATH, and nothing but loopback. Takes about two minutes: an outage
must last over one before `hex_api_up` tells of it.

    scripts/e2e-prometheus.py [BINARY]      builds the debug binary itself where none is given
"""

import re
import subprocess
import sys
import time
import urllib.error

from lib.stand import Failed, free_address, get, run

# Every metric that is promised. A list of its own: what the code says of itself proves nothing.
METRICS = """
hex_token_probe_success hex_token_probe_duration_seconds hex_token_probe_http_status_code
hex_token_probe_interval_seconds hex_token_days_until_expiry hex_token_expiry_timestamp_seconds
hex_token_expiry hex_token_expiry_warning_seconds hex_token_expiry_critical_seconds hex_token_state
hex_token_state_since_timestamp_seconds hex_token_rejection_pending hex_token_scope_granted
hex_token_scope_required hex_token_excess_read_scopes hex_token_project_visible
hex_token_project_runnable hex_token_last_probe_timestamp_seconds
hex_token_last_conclusive_timestamp_seconds hex_token_last_success_timestamp_seconds
hex_token_credential_loaded_timestamp_seconds hex_token_probes_total hex_token_probe_failures_total
hex_token_info
hex_api_up hex_api_rejects_all_tokens hex_api_dry_run_unsafe hex_api_requests_total
hex_api_request_duration_seconds hex_api_request_phase_duration_seconds
hex_api_budget_requests_per_minute hex_api_planned_requests_per_minute
hex_api_budget_wait_seconds_total hex_api_clock_skew_seconds
hex_token_exporter_build_info hex_token_exporter_config_last_reload_successful
hex_token_exporter_config_last_reload_success_timestamp_seconds hex_token_exporter_tokens
hex_token_exporter_schedule_lag_seconds hex_token_exporter_shard hex_token_exporter_total_shards
process_cpu_seconds_total process_open_fds process_max_fds process_virtual_memory_bytes
process_resident_memory_bytes process_start_time_seconds
""".split()

# Days are what people ask for; a linter wants seconds, which are there too.
LINT = "hex_token_days_until_expiry"

SCENARIO = """
stacks:
  - name: main
    tokens:
      steady: {kind: workspace, value: the-steady-token-of-this-test, scopes: [projects_read]}
      doomed: {kind: workspace, value: the-doomed-token-of-this-test, dies_after: 20s}
    limits: {user_per_minute: 10000, group_per_minute: 10000}
    faults:
      - {do: {status: 503}, after: 40s, for: 85s}
"""

CONFIG = """
probe:
  interval: 2s
  scope_interval: 5s
  timeout: 1s
  confirm_after: 2s
workspaces:
  fake: {{url: "{hex}", requests_per_minute: 600}}
tokens:
  steady: {{credentials_file: "{folder}/steady", required_scopes: [projects_read]}}
  doomed: {{credentials_file: "{folder}/doomed"}}
"""

PROMETHEUS = """
global: {{scrape_interval: 1s, scrape_timeout: 1s}}
scrape_configs:
  - job_name: exporter
    static_configs: [{{targets: ["{exporter}"]}}]
  - job_name: demo
    static_configs: [{{targets: ["{demo}"]}}]
  - job_name: probe
    metrics_path: /probe
    scrape_interval: 5s
    scrape_timeout: 4s
    static_configs: [{{targets: [steady, doomed]}}]
    relabel_configs:
      - {{source_labels: [__address__], target_label: __param_name}}
      - {{source_labels: [__param_name], target_label: instance}}
      - {{target_label: __address__, replacement: "{exporter}"}}
"""

DOOMED = 'job="exporter",token="doomed"'
STEADY = 'job="exporter",token="steady"'

def family_names(page):
    """The metrics that have a sample on the page."""
    found = set()
    for line in page.splitlines():
        if line and not line.startswith("#"):
            name = line.split("{")[0].split(" ")[0]
            found |= {name, name.removesuffix("_bucket")}
    return found


def lint(stand, what, page):
    ran = subprocess.run(
        ["promtool", "check", "metrics"], input=page, text=True, capture_output=True, check=False
    )
    said = [line.split(" ")[0] for line in (ran.stdout + ran.stderr).splitlines() if line.strip()]
    stand.expect(what, said, [LINT] if LINT in family_names(page) else [])


def watch_a_token_die(stand):
    stand.until_one("both tokens are valid", 'hex_token_state{job="exporter",state="valid"}', 60)
    stand.until_one("the doomed token is invalid", f'hex_token_state{{{DOOMED},state="invalid"}}', 60)
    seen_dead = time.time()
    invalid, valid = (
        f'on() (hex_token_state{{{DOOMED},state="{state}"}} == 1)' for state in ("invalid", "valid")
    )
    refused = f'hex_token_probe_failures_total{{{DOOMED},reason="unauthorized"}}'
    answered = 'hex_api_requests_total{job="exporter",check="identity",code="401"}'
    pending = f"hex_token_rejection_pending{{{DOOMED}}}"
    history = "[2m:1s]"
    for what, expression, wanted in [
        ("it was valid while its rejection was pending", f"max_over_time(({pending} and {valid}){history})", 1),
        ("two 401s had not changed its state", f"max_over_time(({refused} and {valid}){history})", 2),
        ("the third 401 did", f"min_over_time(({refused} and {invalid}){history})", 3),
        ("Hex had been asked that often", f"max_over_time(({answered} and {invalid}){history})", 3),
        ("nothing is pending any more", pending, 0),
    ]:
        # A subquery looks at whole seconds: the last one may not have seen the end yet.
        stand.until(what, lambda: stand.query(expression) == [wanted], 10)
    return seen_dead


def watch_an_outage(stand, seen_dead):
    up = 'hex_api_up{job="exporter"}'
    failing = f"hex_token_probe_success{{{STEADY}}}"
    stand.until("the outage begins", lambda: stand.query(failing) == [0], 60)
    stand.until("hex_api_up is 0", lambda: stand.query(up) == [0], 90)
    stand.until("hex_api_up is 1 again", lambda: stand.query(up) == [1], 90)
    stand.until("the steady token is probed with success again", lambda: stand.query(failing) == [1], 60)
    window = f"[{int(time.time() - seen_dead)}s]"
    states = f'hex_token_state{{job="exporter"}}{window}'
    stand.expect("no state has changed meanwhile", set(stand.query(f"changes({states})")), {0})
    for token, state in [(STEADY, "valid"), (DOOMED, "invalid")]:
        kept = f'min_over_time(hex_token_state{{{token},state="{state}"}}{window})'
        stand.expect(f"{state} all the time: {token}", stand.query(kept), [1])
    failures = f'hex_token_probe_failures_total{{{STEADY},reason="server_error"}}{window}'
    stand.expect("its failures were counted", stand.query(f"increase({failures}) > bool 0"), [1])
    refused = f'hex_token_probe_failures_total{{{STEADY},reason="unauthorized"}}'
    stand.expect("the steady token was never refused", stand.query(refused), [0])


def watch_probes(stand, exporter):
    for token, state in [("steady", "valid"), ("doomed", "invalid")]:
        series = f'hex_token_state{{job="probe",token="{token}",state="{state}"}}'
        stand.until_one(f"/probe?name={token} tells {state}", series, 30)
    page = get(f"http://{exporter}/probe?name=doomed")
    stand.expect("a page of /probe is about its token alone", set(re.findall(r'[{,]token="(.*?)"', page)), {"doomed"})
    lint(stand, "promtool has no other complaint about /probe", page)
    try:
        get(f"http://{exporter}/probe?name=nobody")
        status = 200
    except urllib.error.HTTPError as refusal:
        status = refusal.code
    stand.expect("/probe knows no token that is not configured", status, 404)


def watch_the_demo(stand, demo):
    missing = lambda: sorted(set(METRICS) - family_names(get(f"http://{demo}/metrics")))
    try:
        stand.until("the demo has every metric", lambda: not missing(), 120)
    except Failed as failure:
        raise Failed(f"{failure}, without {' '.join(missing())}") from None
    lint(stand, f"promtool has no complaint about it but {LINT}", get(f"http://{demo}/metrics"))
    dead = 'hex_token_state{job="demo",token="metabase-dies-soon",state="%s"}'
    stand.until_one("a token of the demo has died", dead % "invalid", 180)
    stand.expect("it had lived", stand.query(f'max_over_time({dead % "valid"}[10m])'), [1])


def watch(stand, binary):
    exporter, demo, fake, stand.prometheus = (free_address() for _ in range(4))
    stand.start(
        "prometheus", "prometheus", "--log.level=warn",
        f"--config.file={stand.write('prometheus.yml', PROMETHEUS.format(exporter=exporter, demo=demo))}",
        f"--storage.tsdb.path={stand.folder / 'tsdb'}", f"--web.listen-address={stand.prometheus}",
    )
    stand.until("Prometheus is ready", lambda: get(f"http://{stand.prometheus}/-/ready"), 60)
    stand.write("steady", "the-steady-token-of-this-test\n")
    stand.write("doomed", "the-doomed-token-of-this-test\n")
    config = stand.write("config.yml", CONFIG.format(hex=f"http://{fake}", folder=stand.folder))
    stand.start(
        "fake-hex", binary, "fake-hex", "--listen-address", fake,
        "--scenario", stand.write("scenario.yml", SCENARIO),
    )
    monitor = stand.start("run", binary, "run", "--config.file", config, "--web.listen-address", exporter)
    stand.start("demo", binary, "demo", "--web.listen-address", demo)
    seen_dead = watch_a_token_die(stand)
    watch_probes(stand, exporter)
    watch_an_outage(stand, seen_dead)
    lint(stand, "promtool has no other complaint about /metrics", get(f"http://{exporter}/metrics"))
    watch_the_demo(stand, demo)
    scrapes = 'avg_over_time(up{job=~"exporter|probe"}[90s]) > bool 0.9'
    stand.expect("scrapes succeed, whatever Hex does", set(stand.query(scrapes)), {1})
    stand.expect("the exporter ends well when told to", monitor.stop(), 0)


if __name__ == "__main__":
    sys.exit(run(watch))
