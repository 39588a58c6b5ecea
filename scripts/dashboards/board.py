"""What is in dashboards/: their panels, queries and variables, and what Grafana puts in place of $variables."""

import json
import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
FOLDER = ROOT / "dashboards"

# What Grafana brings itself.
BUILT_IN = {"__rate_interval", "__range", "__interval", "__url_time_range"}
VARIABLE = re.compile(r"\$\{(\w+)[^}]*\}|\$(\w+)")


class Board:
    """One dashboard, as Grafana reads it."""

    def __init__(self, path):
        self.path = path
        self.json = json.loads(path.read_text())
        self.title = self.json["title"]
        self.panels = [panel for panel in self.json["panels"] if panel["type"] != "row"]
        self.rows = [panel for panel in self.json["panels"] if panel["type"] == "row"]
        self.variables = {one["name"]: one for one in self.json["templating"]["list"]}
        self.annotations = self.json["annotations"]["list"]
        self.found = {}

    def queries(self):
        """Every query of the dashboard: where it stands, its expression, and how it is asked."""
        for panel in self.panels:
            for target in panel.get("targets", []):
                where = f"{self.title} / {panel['title']} / {target['refId']}"
                yield where, target["expr"], bool(target.get("instant"))
        for annotation in self.annotations:
            yield f"{self.title} / annotation {annotation['name']}", annotation["expr"], False

    def look_up(self, label_values):
        """Asks for the values of every variable, each as Grafana asks for it."""
        for name, variable in self.variables.items():
            if variable["type"] == "query":
                self.found[name] = label_values(self.fill(variable["query"]))
        return self.found

    def fill(self, text, chosen=None, interval="20s", time_range="2m"):
        """Puts values in place of variables: those chosen (one, or a list), else All."""
        values = {"__rate_interval": interval, "__range": time_range, "__interval": "2s"}
        for name, variable in self.variables.items():
            if variable.get("includeAll"):
                values[name] = variable.get("allValue") or any_of(self.found.get(name, []))
        for name, value in (chosen or {}).items():
            # Grafana escapes what may be several values for `=~`, and leaves what is always one for `=`.
            values[name] = any_of(value) if isinstance(value, list) else value
        return VARIABLE.sub(lambda found: values[found[1] or found[2]], text)


def any_of(values):
    return f"({'|'.join(map(escape, values))})"


def escape(value):
    """As Grafana's Prometheus source does: for a regular expression within a PromQL string."""
    return re.sub(r"([\\^$.*+?()[\]{}|])", r"\\\\\1", value)


def boards():
    return [Board(path) for path in sorted(FOLDER.glob("*.json"))]


def table(panel, answers):
    """The rows of a table panel, from the answers to its queries by refId: `merge`, `filterByValue` and
    `organize` as Grafana does them, as far as these dashboards use them."""
    series = [set(one["metric"]) for answer in answers.values() for one in answer]
    keys = set.intersection(*series) if series else set()
    rows = {}
    columns = []
    for ref, answer in answers.items():
        for one in answer:
            key = tuple(one["metric"].get(name) for name in sorted(keys))
            columns += [name for name in one["metric"] if name not in columns]
            same = rows.setdefault(key, [])
            row = next((row for row in same if all(row.get(k, v) == v for k, v in one["metric"].items())), None)
            if row is None:
                same.append(row := {})
            row.update(one["metric"])
            row[f"Value #{ref}"] = float(one["value"][1])
        columns.append(f"Value #{ref}")
    merged = [row for same in rows.values() for row in same]
    for step in panel.get("transformations", []):
        options = step["options"]
        if step["id"] == "filterByValue":
            wanted = [one["fieldName"] for one in options["filters"]]
            merged = [row for row in merged if all(name in row for name in wanted)]
        elif step["id"] == "organize":
            columns = [name for name in columns if not options["excludeByName"].get(name)]
            columns.sort(key=lambda name: options["indexByName"].get(name, len(columns)))
    return columns, merged
