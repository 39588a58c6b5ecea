#!/usr/bin/env python3
"""Draws the dashboards from the running demo and a real Prometheus into docs/images, for people to look at.

Not Grafana's own drawing: see paint.py. Needs prometheus, chromium and pngquant. Takes MINUTES (6 where not
given) of demo, so that there is something to see.

    scripts/dashboards/draw.py [BINARY [MINUTES]]
"""

import pathlib
import subprocess
import sys
import tempfile
import time

import graphs
import paint
from board import ROOT, boards, table
from stand import Stand, build

STEP = 2
NOTE = "Drawn by scripts/dashboards/draw.py from the demo's own numbers. Grafana draws it a little differently."

PAINTERS = {
    "stat": paint.stat,
    "gauge": paint.gauge,
    "bargauge": paint.bargauge,
    "text": paint.text,
    "timeseries": graphs.timeseries,
    "state-timeline": graphs.state_timeline,
    "heatmap": graphs.heatmap,
}

# Which token the dashboard of one token shows.
CHOSEN = {"hex-token-detail": {"token": "kpis-missing-run-scope"}}
THEMES = {"hex-tokens": ["dark", "light"], "hex-token-detail": ["dark"], "hex-token-exporter": ["light"]}


def draw(stand, board, theme, now):
    chosen = CHOSEN.get(board.json["uid"], {})
    board.look_up(stand.label_values)
    window = f"{int(now - stand.began)}s"
    span = (stand.began, now)
    ask = lambda expression: board.fill(expression, chosen, interval="30s", time_range=window)
    events = []
    for annotation in board.annotations:
        for one in stand.query_range(ask(annotation["expr"]), *span, 10):
            events += {(float(value) / 1000, annotation["iconColor"]) for _, value in one["values"]}
    scene = {"span": span, "step": STEP, "events": events}
    panels = []
    for panel in board.json["panels"]:
        title = panel["title"].replace("$token", chosen.get("token", ""))
        if panel["type"] == "row":
            panels.append(paint.framed(panel, "", title))
            continue
        answers = {
            one["refId"]: stand.query(ask(one["expr"]), now)
            if one["instant"]
            else stand.query_range(ask(one["expr"]), *span, STEP)
            for one in panel.get("targets", [])
        }
        if panel["type"] == "table":
            inside = paint.table(panel, *table(panel, answers))
        else:
            inside = PAINTERS[panel["type"]](panel, answers, scene)
        panels.append(paint.framed(panel, inside, title))
    return paint.page(board, theme, NOTE, panels)


def photograph(folder, name, text, board):
    height = (
        80 + max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in board.json["panels"]) * paint.ROW
    )
    page = folder / f"{name}.html"
    page.write_text(text)
    picture = ROOT / "docs/images" / f"{name}.png"
    picture.parent.mkdir(exist_ok=True)
    subprocess.run(
        [
            "chromium",
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--no-first-run",
            "--hide-scrollbars",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            f"--user-data-dir={folder / 'chromium'}",
            f"--window-size=1448,{height}",
            f"--screenshot={picture}",
            page.as_uri(),
        ],
        check=True,
        capture_output=True,
        timeout=60,
    )
    subprocess.run(["pngquant", "--force", "--ext", ".png", "--speed", "1", "128", picture], check=True)
    print(f"{picture.relative_to(ROOT)}  {picture.stat().st_size // 1000} kB")


def main():
    binary = sys.argv[1] if len(sys.argv) > 1 else build()
    minutes = float(sys.argv[2]) if len(sys.argv) > 2 else 6
    with tempfile.TemporaryDirectory(prefix="hex-token-dashboards-") as folder, Stand(binary, folder) as stand:
        print(f"watching the demo for {minutes:g} minutes", flush=True)
        time.sleep(max(stand.began + 60 * minutes - time.time(), 0))
        now = paint.PAINTED_AT = time.time()
        for board in boards():
            for theme in THEMES[board.json["uid"]]:
                name = f"dashboards-{board.json['uid']}-{theme}"
                photograph(pathlib.Path(folder), name, draw(stand, board, theme, now), board)


if __name__ == "__main__":
    main()
