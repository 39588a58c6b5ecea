"""The rules of Grafana's dashboard-linter, under their names, and some of our own. Each yields what is wrong."""

import re

from board import BUILT_IN, ROOT, VARIABLE

UNITS = {"short", "none", "s", "percentunit", "bytes", "dateTimeFromNow", "dateTimeAsIso"}

# state-timeline needs Grafana 8 and is used once; all others are drawn by 7.5 too.
PANELS = {"timeseries", "stat", "gauge", "bargauge", "table", "heatmap", "text", "row", "state-timeline"}

# Colours that Grafana names itself keep their contrast in light and dark; any other would be of one theme.
COLOUR = re.compile(
    r"(super-light-|light-|semi-dark-|dark-)?(green|yellow|orange|red|blue|purple)|text|transparent"
)

SELECTOR = re.compile(r"([a-zA-Z_:][\w:]*)\{([^}]*)\}")
MATCHER = re.compile(r"(\w+)\s*(=~|!~|!=|=)\s*\"([^\"]*)\"")
WORDS = set("and or unless on ignoring by without group_left group_right bool offset start end".split())

# What only all exporters of a job together tell: a query may leave the choice of one out.
OF_A_JOB = {"hex_token_exporter_shard", "hex_token_exporter_total_shards"}

# Of Prometheus itself, about every scrape.
OF_PROMETHEUS = {"up", "scrape_duration_seconds"}


def documented():
    """The metrics and label values of docs/METRICS.md."""
    text = (ROOT / "docs/METRICS.md").read_text()
    metrics = set(re.findall(r"^\| `(\w+)` \|", text.partition("<!-- /metrics -->")[0], re.M))
    below = text.partition("## Label values")[2]
    rows = re.findall(r"^\| `(\w+)` \| (.*) \|$", below, re.M)
    return metrics, {name: set(re.findall(r"`(\w+)`", values)) for name, values in rows}


def base(metric):
    return re.sub(r"_(bucket|sum|count)$", "", metric)


def all_rules(boards, served):
    """Everything that is wrong. `served`: the names of all metrics on a real page."""
    metrics, label_values = documented()
    for board in boards:
        for rule in (dashboard, variables, panels, layout, links):
            for wrong in rule(board, boards):
                yield f"{board.title}: {wrong}"
        for where, expression, _ in board.queries():
            for wrong in query(expression, metrics | served, label_values):
                yield f"{where}: {wrong}"
    used = [panel["type"] for board in boards for panel in board.json["panels"]]
    if used.count("state-timeline") > 1:
        yield "state-timeline is used more than once, and Grafana 7.5 cannot draw it"


def dashboard(board, boards):
    if board.json.get("editable") is not False:
        yield "uneditable: must not be editable where it is provisioned"
    if [other.json["uid"] for other in boards].count(board.json["uid"]) != 1:
        yield "its uid is not its own"
    if board.path.stem != board.json["uid"]:
        yield "its file is not named after its uid"
    if "id" in board.json or "__inputs" in board.json:
        yield "is an export of one Grafana rather than plain JSON"
    for annotation in board.annotations:
        if annotation["datasource"] != "${datasource}":
            yield f"annotation {annotation['name']} does not use the data source that is chosen"


def variables(board, _):
    sources = [one for one in board.variables.values() if one["type"] == "datasource"]
    if [(one["name"], one["label"], one["query"]) for one in sources] != [
        ("datasource", "Data source", "prometheus")
    ]:
        yield "template-datasource: one variable `datasource` for a Prometheus"
    # All jobs are those of exporters, or Prometheus' own series about everything else would be shown too. Within
    # them all instances are any: one that is long down is found no more, and is to be seen.
    for name, everything in (("job", None), ("instance", ".+")):
        one = board.variables.get(name, {})
        if (one.get("label"), one.get("multi"), one.get("includeAll")) != (name.title(), True, True):
            yield f"template-{name}: must be there, labelled, multi, with All"
        if one.get("allValue") != everything:
            yield f"template-{name}: All must be {everything or 'what is found'}"
    for name, one in board.variables.items():
        if one["type"] != "query":
            continue
        if one["datasource"] != "${datasource}":
            yield f"variable {name} does not use the data source that is chosen"
        if one["refresh"] != 2:
            yield f"template-on-time-change-reload: {name} must be refreshed when the time range changes"
        if not re.fullmatch(r"label_values\(\w+(\{.*\})?, \w+\)", one["query"]):
            yield f"template-label-promql: {name}"
    for where, expression, _ in board.queries():
        for sign, name in re.findall(r'(=~|=)\s*"\$(\w+)"', expression):
            # Grafana escapes the values of a variable for a regular expression only where it may have several.
            if (sign == "=~") != bool(board.variables.get(name, {}).get("multi")):
                yield f"{where}: ${name} after {sign}"
    used = {first or second for first, second in VARIABLE.findall(board.path.read_text())}
    for name in set(board.variables) - used:
        yield f"variable {name} is never used"
    for name in used - set(board.variables) - BUILT_IN:
        if not name.startswith(("__data", "__value", "__all")):
            yield f"${name} is no variable"


def panels(board, _):
    for panel in board.json["panels"]:
        name = panel["title"]
        if panel["type"] not in PANELS:
            yield f"{name}: a panel of type {panel['type']}"
        if panel["type"] == "row":
            if not name.endswith("?"):
                yield f"{name}: a row asks the question that its panels answer"
            continue
        if not name or not panel.get("description"):
            yield f"panel-title-description: {name or panel['id']}"
        if panel["type"] == "text":
            continue
        if not panel.get("targets"):
            yield f"panel-no-targets: {name}"
        if panel.get("datasource") != "${datasource}":
            yield f"panel-datasource: {name}"
        config = panel["fieldConfig"]
        units = [config["defaults"].get("unit", "")]
        for override in config["overrides"]:
            units += [one["value"] for one in override["properties"] if one["id"] == "unit"]
        for unit in units:
            if unit not in UNITS and not (panel["type"] == "bargauge" and unit.startswith("suffix:")):
                yield f"panel-units: {name}: {unit!r}"
        for colour in colours(panel):
            if not COLOUR.fullmatch(colour):
                yield f"{name}: the colour {colour} is not one of Grafana's names"


def colours(value):
    """Every colour that is said anywhere below."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if key in ("color", "fixedColor") and isinstance(inner, str):
                yield inner
            else:
                yield from colours(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from colours(inner)


def layout(board, _):
    taken = {}
    ids = [panel["id"] for panel in board.json["panels"]]
    if len(set(ids)) != len(ids):
        yield "two panels have the same id"
    for panel in board.json["panels"]:
        at = panel["gridPos"]
        if at["x"] + at["w"] > 24:
            yield f"{panel['title']}: wider than the page"
        for cell in (
            (x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])
        ):
            if cell in taken:
                yield f"{panel['title']}: lies over {taken[cell]}"
                break
            taken[cell] = panel["title"]


def links(board, boards):
    """Links lead to dashboards that are there, and set variables that these have."""
    known = {other.json["uid"]: other for other in boards}
    for uid, query_string in re.findall(r'"/d/([\w-]+)\?([^"]*)"', board.path.read_text()):
        if uid not in known:
            yield f"a link to {uid}, which is not there"
            continue
        for name in re.findall(r"var-(\w+)=", query_string):
            if name not in known[uid].variables:
                yield f"a link sets {name}, which {uid} does not have"
    linked = {link["url"].split("?")[0] for link in board.json["links"]}
    for uid in set(known) - {board.json["uid"]}:
        if f"/d/{uid}" not in linked:
            yield f"has no link to {uid}"


def query(expression, metrics, label_values):
    for metric, inside in SELECTOR.findall(expression):
        if base(metric) not in metrics | OF_PROMETHEUS and metric not in metrics:
            yield f"there is no metric {metric}"
        matchers = {name: (sign, value) for name, sign, value in MATCHER.findall(inside)}
        for name in ("job", "instance"):
            if name == "instance" and name not in matchers and metric in OF_A_JOB:
                continue
            if matchers.get(name) != ("=~", f"${name}"):
                yield f'target-{name}: {metric} must be matched with {name}=~"${name}"'
        for name, (_, value) in matchers.items():
            if name in label_values and "$" not in value and value not in label_values[name]:
                yield f"{name} is never {value}"
    yield from bare_names(expression)
    for found in re.finditer(r"(\w+)\{[^}]*\}(\[[^\]]*\])?", expression):
        before = re.search(r"(\w*)\s*\(\s*$", expression[: found.start()])
        function = before[1] if before else ""
        if re.search(r"_(total|bucket|sum|count)$", found[1]) and function not in ("rate", "irate", "increase"):
            yield f"target-counter-agg: {found[1]} without rate or increase"
        if function in ("rate", "irate", "increase") and found[2] != "[$__rate_interval]":
            yield f"target-rate-interval: {found[1]}{found[2]}"


def bare_names(expression):
    """Metrics without any matcher, which the rules above would not see."""
    text = re.sub(r'"[^"]*"', "", SELECTOR.sub(" ", expression))
    text = re.sub(r"\[[^\]]*\]", " ", text)
    text = re.sub(r"\b(by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)", " ", text)
    for found in re.finditer(r"[a-zA-Z_:][\w:]*", text):
        if found[0] not in WORDS and not text[found.end() :].lstrip().startswith("("):
            yield f"target-job: {found[0]} has no matcher"
