"""Holds the dashboards to the types of @grafana/schema, those of each panel's options and custom fields too.

The dashboards are written in the form of Grafana 7.5 (schemaVersion 27), which every later Grafana brings up
to date as it loads them. What it would rewrite is rewritten here first, so that the types of today apply.
"""

import json
import os
import re
import subprocess

from stand import Failed, target_folder

PACKAGES = ["typescript@7.0.2", "@grafana/schema@12.4.11"]

# Where each panel's types are.
PANELS = {
    "timeseries": "timeseries/panelcfg/x/TimeSeriesPanelCfg",
    "stat": "stat/panelcfg/x/StatPanelCfg",
    "gauge": "gauge/panelcfg/x/GaugePanelCfg",
    "bargauge": "bargauge/panelcfg/x/BarGaugePanelCfg",
    "table": "table/panelcfg/x/TablePanelCfg",
    "heatmap": "heatmap/panelcfg/x/HeatmapPanelCfg",
    "state-timeline": "statetimeline/panelcfg/x/StateTimelinePanelCfg",
    "text": "text/panelcfg/x/TextPanelCfg",
}

# Cells of tables, as schemaVersion 38 has them.
CELLS = {
    "auto": {"type": "auto"},
    "color-background": {"type": "color-background"},
    "color-text": {"type": "color-text"},
    "basic": {"type": "gauge", "mode": "basic"},
}

# What Grafana knows of a query variable and of a Prometheus annotation, and the schema does not.
UNKNOWN_TO_THE_SCHEMA = {
    "definition",
    "expr",
    "step",
    "titleFormat",
    "textFormat",
    "tagKeys",
    "useValueForTime",
}

HEAD = """import type { Dashboard } from '@grafana/schema';
// Enumerations of the schema are written as their strings in JSON, and every key may be left to its default.
type Plain<T> = T extends string ? `${T}` : T extends (infer U)[] ? Plain<U>[]
  : T extends object ? { [K in keyof T]?: Plain<T[K]> } : T;
type Field = NonNullable<NonNullable<Dashboard['panels']>[number] extends infer P
  ? P extends { fieldConfig?: infer F } ? F : never : never>['defaults'];
"""


def problems(boards):
    folder = target_folder() / "dashboards-types"
    folder.mkdir(parents=True, exist_ok=True)
    compiler = install(folder)
    wheres = []
    text = HEAD
    for kind, place in PANELS.items():
        words = kind.replace("-", "_")
        has_fields = kind not in ("gauge", "text", "stat", "bargauge")
        names = f"Options as O_{words}" + (f", FieldConfig as F_{words}" if has_fields else "")
        text += f"import type {{ {names} }} from '@grafana/schema/dist/esm/raw/composable/{place}_types.gen';\n"
    for board in boards:
        for where, kind, value in parts(board):
            wheres.append((text.count("\n") + 1, where))
            text += (
                f"const c{len(wheres)}: Plain<{kind}> = {json.dumps(value, indent=1, ensure_ascii=False)};\n"
            )
    (folder / "check.ts").write_text(text + "export {};\n")
    ran = subprocess.run(
        [
            compiler,
            "--noEmit",
            "--strict",
            "--skipLibCheck",
            "--ignoreConfig",
            "--target",
            "es2022",
            "--module",
            "nodenext",
            "--moduleResolution",
            "nodenext",
            "check.ts",
        ],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    for line in (ran.stdout + ran.stderr).splitlines():
        if found := re.match(r"check\.ts\((\d+),\d+\): (.*)", line):
            at = int(found[1])
            where = next((where for start, where in reversed(wheres) if start <= at), "check.ts")
            said = text.splitlines()[at - 1].strip()
            yield f"{where}: {found[2]} (at {said})"
        elif not line.startswith(" "):
            yield line


def install(folder):
    """The compiler. Where a registry is, is nobody's business: npm's output goes to a file."""
    compiler = folder / "node_modules/.bin/tsc"
    mark = folder / "installed"
    if not (compiler.exists() and mark.exists() and mark.read_text() == " ".join(PACKAGES)):
        with (folder / "npm.log").open("w") as log:
            ran = subprocess.run(
                ["npm", "install", "--no-save", "--ignore-scripts", "--no-audit", "--no-fund", *PACKAGES],
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                check=False,
                env={**os.environ, "npm_config_update_notifier": "false"},
            )
        if ran.returncode:
            raise Failed(f"npm cannot install {' '.join(PACKAGES)} (its output is in {folder / 'npm.log'})")
        mark.write_text(" ".join(PACKAGES))
    return str(compiler)


def parts(board):
    """What is checked on its own: the whole, and of each panel what the whole has no types for."""
    yield board.title, "Dashboard", today(board.json)
    for panel in board.json["panels"]:
        kind = panel["type"]
        if kind == "row":
            continue
        where = f"{board.title} / {panel['title']}"
        words = kind.replace("-", "_")
        options = {name: value for name, value in panel["options"].items() if name != "tooltipOptions"}
        yield where, f"O_{words}", options
        config = today(panel.get("fieldConfig", {"defaults": {}, "overrides": []}))
        if custom := config["defaults"].get("custom"):
            yield f"{where}, custom fields", f"F_{words}", cell(custom)
        for override in config["overrides"]:
            about = f"{where}, override of {override['matcher']['options']}"
            said = {one["id"]: one["value"] for one in override["properties"]}
            custom = {
                name.removeprefix("custom."): value
                for name, value in said.items()
                if name.startswith("custom.")
            }
            if custom:
                yield about, f"F_{words}", cell(custom)
            yield (
                about,
                "Field",
                {name: value for name, value in said.items() if not name.startswith("custom.")},
            )


def cell(custom):
    custom = dict(custom)
    if mode := custom.pop("displayMode", None):
        custom["cellOptions"] = CELLS[mode]
    return custom


def today(value, key=""):
    """As Grafana brings schemaVersion 27 up to date."""
    if isinstance(value, list):
        if key == "mappings" or (value and isinstance(value[0], dict) and value[0].get("type") == 1):
            words = {one["value"]: {"text": one["text"], "index": one["id"]} for one in value}
            return [{"type": "value", "options": words}]
        return [today(one) for one in value]
    if isinstance(value, dict):
        made = {}
        for name, inner in value.items():
            if name in UNKNOWN_TO_THE_SCHEMA or (name == "current" and inner == {}):
                continue
            if name == "datasource" and isinstance(inner, str):
                made[name] = {"type": "prometheus", "uid": inner}
            else:
                made[name] = today(inner, name)
        if "targets" in value:
            made["targets"] = value["targets"]
        return made
    return value
