#!/usr/bin/env python3
"""Proves the dashboards: their rules, their types, and every query of every panel, variable and annotation on
a real Prometheus that scrapes the real demo, twice, as if it were a highly available pair.

Needs prometheus, npm and nothing else beyond loopback (npm: its registry, the first time). About a minute
and a half: a token of the demo dies after 75 seconds, and the dashboards must show it.

    scripts/dashboards/check.py [BINARY]      builds the debug binary itself where none is given
"""

import sys
import tempfile
import time

import rules
import schema
from board import boards, table
from stand import Failed, Stand, build, get

# Queries that the demo may leave empty, and why.
MAY_BE_EMPTY = {
    "Hex tokens / Rate-limited probes / A": "the exporter heeds the limits that Hex tells, so that no 429 comes",
}

DEAD = 'hex_token_state{token="metabase-dies-soon",state="invalid"} == 1'
TOKENS_OF_THE_DEMO = 16


class Checks:
    def __init__(self):
        self.passed = 0
        self.failed = []

    def expect(self, what, found, wanted):
        if found == wanted:
            self.passed += 1
        else:
            self.failed.append(f"{what}: found {found}, not {wanted}")

    def none(self, what, problems):
        problems = list(problems)
        self.failed += problems
        if not problems:
            self.passed += 1
            print(f"ok  {what}", flush=True)


def run(stand, board, expression, instant, chosen, now):
    filled = board.fill(expression, chosen, time_range=f"{int(now - stand.began)}s")
    if instant:
        return stand.query(filled, now)
    return stand.query_range(filled, stand.began, now, 2)


def every_query_answers(stand, board, values, now):
    """Runs every query, with All and with one value of each variable, and tells which have no data."""
    single = not board.variables.get("token", {"multi": True})["multi"]
    choices = [{"token": token} for token in values["token"]] if single else [{}]
    for where, expression, instant in board.queries():
        stand.ask("format_query", query=board.fill(expression, choices[0]))
        try:
            answers = [run(stand, board, expression, instant, chosen, now) for chosen in choices]
            one_each = {name: found[:1] for name, found in values.items() if found}
            run(stand, board, expression, instant, one_each | choices[0], now)
        except Failed as failure:
            yield f"{where}: {failure}"
            continue
        if not any(answers) and where not in MAY_BE_EMPTY:
            yield f"{where}: no data"


def overrides_meet_columns(stand, board, values, now):
    """An override or a hidden column that is named after nothing is a typing mistake, or a query's label lost."""
    for panel in board.panels:
        if panel["type"] != "table":
            continue
        columns = set()
        for token in values.get("token", [None]):
            chosen = {"token": token} if token and not board.variables["token"]["multi"] else {}
            columns |= set(rows_of(stand, board, panel, chosen, now)[0])
        steps = [step["options"] for step in panel["transformations"]]
        hidden = {name for step in steps for name in step.get("excludeByName", {})}
        named = {one["matcher"]["options"] for one in panel["fieldConfig"]["overrides"]}
        asked = {"Time", "kind"} | {f"Value #{target['refId']}" for target in panel["targets"]}
        for name in (named - columns - hidden) | (hidden - asked):
            yield f"{board.title} / {panel['title']}: there is no column {name}"
        for name in columns - named:
            yield f"{board.title} / {panel['title']}: the column {name} has no name for people"


def rows_of(stand, board, panel, chosen, now):
    answers = {one["refId"]: run(stand, board, one["expr"], True, chosen, now) for one in panel["targets"]}
    return table(panel, answers)


def panel_of(board, title):
    return next(panel for panel in board.panels if panel["title"] == title)


def the_fleet_tells_the_truth(stand, board, checks, now):
    every = panel_of(board, "All tokens")
    _, rows = rows_of(stand, board, every, {}, now)
    checks.expect("a line a token, though two exporters tell of it", len(rows), TOKENS_OF_THE_DEMO)
    states = panel_of(board, "How many tokens are in which state?")
    counts = {
        target["legendFormat"]: float(run(stand, board, target["expr"], True, {}, now)[0]["value"][1])
        for target in states["targets"]
    }
    checks.expect("every token is counted once", sum(counts.values()), TOKENS_OF_THE_DEMO)
    for state in ("expired", "under scoped", "project unavailable", "wrong workspace", "unknown"):
        checks.expect(f"one is {state}", counts[state], 1)
    for chosen, name, wanted in [
        ({"owner": ["bi"]}, "token", {"looker-expired", "intern-revoked", "metabase-dies-soon"}),
        ({"owner": ["bi"], "token": ["looker-expired", "airflow-healthy"]}, "token", {"looker-expired"}),
        ({"workspace": ["flaky"]}, "token", {"eu-behind-flaky-upstream", "eu-behind-slow-upstream"}),
        ({"instance": ["exporter-b:9847"]}, "workspace", {"main", "flaky"}),
    ]:
        _, rows = rows_of(stand, board, every, chosen, now)
        checks.expect(f"only those of {chosen}", {row[name] for row in rows}, wanted)
    urgent = panel_of(board, "Tokens to act on, the most urgent first")
    _, rows = rows_of(stand, board, urgent, {}, now)
    problems = {row["token"]: words(urgent)[str(int(row["Value #A"]))] for row in rows}
    for token, wanted in [
        ("looker-expired", "expired"),
        ("intern-revoked", "invalid"),
        ("metabase-dies-soon", "invalid"),
        ("merger-wrong-workspace", "wrong workspace"),
        ("kpis-missing-run-scope", "under scoped"),
        ("board-unpublished-project", "project unavailable"),
        ("dagster-expires-in-2d", "expires: critical"),
        ("dbt-expires-in-10d", "expires soon"),
        ("terraform-over-scoped", "may read more than it must"),
        ("airflow-healthy", None),
        ("ada-personal", None),
    ]:
        checks.expect(f"what is urgent about {token}", problems.get(token), wanted)
    missing = {row["token"]: row["scope"] for row in rows if "scope" in row}
    checks.expect("the missing scope is named", missing, {"kpis-missing-run-scope": "projects_run"})


def only_exporters_are_shown(stand, board, checks, now):
    for title in ("Exporters that answer", "Memory", "Scrapes"):
        target = panel_of(board, title)["targets"][0]
        found = run(stand, board, target["expr"], True, {}, now)
        number = float(found[0]["value"][1]) if title == "Exporters that answer" else len(found)
        checks.expect(f"{title}: those of the two exporters, and of nothing else", number, 2)


def words(panel):
    """What the numbers of a table's first value are called."""
    first = next(one for one in panel["fieldConfig"]["overrides"] if one["matcher"]["options"] == "Value #A")
    mappings = next(one["value"] for one in first["properties"] if one["id"] == "mappings")
    return {one["value"]: one["text"] for one in mappings}


def served_names(page):
    lines = (line for line in page.splitlines() if line and not line.startswith("#"))
    return {line.split("{")[0].split(" ")[0] for line in lines}


def watch(stand, all_boards, checks):
    checks.none(
        "every metric, label value and colour exists; the linter's rules hold",
        rules.all_rules(all_boards, served_names(get(f"{stand.demo}/metrics"))),
    )
    checks.none("the types are those of @grafana/schema", schema.problems(all_boards))
    stand.until("a token of the demo has died", lambda: stand.query(DEAD), 150)
    # Rates want a while after the last change, and what is rare may not have happened yet.
    deadline = time.monotonic() + 60
    for board in all_boards:
        while True:
            now = time.time()
            values = board.look_up(stand.label_values)
            problems = list(every_query_answers(stand, board, values, now))
            if not problems or time.monotonic() > deadline:
                break
            time.sleep(2)
        checks.none(f"{board.title}: every query of {len(list(board.queries()))} answers", problems)
        checks.none(
            f"{board.title}: every variable has values",
            [f"{board.title}: ${name} has none" for name, found in values.items() if not found],
        )
        checks.none(
            f"{board.title}: its tables have the columns they speak of",
            overrides_meet_columns(stand, board, values, now),
        )
        if board.json["uid"] == "hex-tokens":
            the_fleet_tells_the_truth(stand, board, checks, now)
        if board.json["uid"] == "hex-token-exporter":
            only_exporters_are_shown(stand, board, checks, now)


def main():
    binary = sys.argv[1] if len(sys.argv) > 1 else build()
    checks = Checks()
    with tempfile.TemporaryDirectory(prefix="hex-token-dashboards-") as folder:
        try:
            with Stand(binary, folder) as stand:
                watch(stand, boards(), checks)
        except Failed as failure:
            checks.failed.append(str(failure))
    for failure in checks.failed:
        print(f"FAILED  {failure}")
    print(f"{checks.passed} checks passed, {len(checks.failed)} failed")
    return 1 if checks.failed else 0


if __name__ == "__main__":
    sys.exit(main())
