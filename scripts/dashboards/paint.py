"""Draws panels as HTML and SVG: enough of Grafana's look to judge a dashboard by, and no more.

This is not Grafana. It reads the dashboards' own JSON and Prometheus' own answers, and leaves out what they do
not use.
"""

import html
import re
import time

COLOURS = {
    "green": "#73bf69",
    "yellow": "#f2cc0c",
    "orange": "#ff9830",
    "red": "#f2495c",
    "blue": "#5794f2",
    "purple": "#b877d9",
    "dark-red": "#c4162a",
    "dark-orange": "#fa6400",
    "dark-blue": "#1f60c4",
    "light-blue": "#8ab8ff",
    "transparent": "transparent",
    "text": "var(--text)",
}
CLASSIC = (
    "#7eb26d #eab839 #6ed0e0 #ef843c #e24d42 #1f78c1 #ba43a9 #705da0 #508642 #cca300 #447ebc #c15c17".split()
)

PAGE = """<!doctype html><meta charset="utf-8"><title>{title}</title><style>
:root {{ --page: {page}; --panel: {panel}; --edge: {edge}; --text: {text}; --dim: {dim}; }}
* {{ box-sizing: border-box; }}
body {{ margin: 0; padding: 16px; background: var(--page); color: var(--text); font: 13px Inter, sans-serif; }}
h1 {{ font-size: 20px; font-weight: 500; margin: 0 0 4px; }} h1 + p {{ margin: 0 0 14px; color: var(--dim); }}
.grid {{ display: grid; grid-template-columns: repeat(24, 1fr); grid-auto-rows: 30px; gap: 8px; }}
.panel {{ background: var(--panel); border: 1px solid var(--edge); border-radius: 3px; padding: 6px 8px;
  overflow: hidden; display: flex; flex-direction: column; min-width: 0; }}
.panel > h3 {{ font-size: 13px; font-weight: 500; margin: 0 0 6px; }}
.row {{ font-size: 16px; font-weight: 500; align-self: end; }}
.fill {{ flex: 1; min-height: 0; display: flex; }}
.stat {{ flex: 1; display: flex; flex-direction: column; justify-content: center; align-items: center;
  border-radius: 3px; margin: 0 2px; }}
.stat b {{ font-weight: 500; }} .stat span {{ color: var(--dim); }}
.on b, .on span {{ color: #fff; }}
table {{ border-collapse: collapse; width: 100%; align-self: start; }}
th {{ text-align: left; color: #5794f2; font-weight: 500; padding: 4px 8px; white-space: nowrap; }}
td {{ padding: 4px 8px; border-top: 1px solid var(--edge); white-space: nowrap; }}
td.words {{ white-space: normal; }} td.on {{ color: #fff; font-weight: 500; }}
td.dark {{ color: #111; font-weight: 500; }} a {{ color: inherit; }}
.bars {{ flex: 1; display: grid; grid-template-columns: max-content 1fr max-content; gap: 4px 10px; }}
.bars > * {{ display: flex; align-items: center; }}
.within {{ display: flex; gap: 8px; }} .within .track {{ flex: 1; display: flex; }}
.track {{ background: var(--page); }} .track i {{ height: 100%; }}
.legend {{ display: flex; flex-wrap: wrap; gap: 2px 12px; font-size: 12px; padding-top: 4px; }}
.legend i {{ display: inline-block; width: 14px; height: 4px; border-radius: 2px; margin-right: 5px;
  vertical-align: middle; }}
svg text {{ font: 11px Inter, sans-serif; fill: var(--dim); }}
svg {{ display: block; }} .none {{ margin: auto; color: var(--dim); }}
</style><h1>{title}</h1><p>{note}</p><div class="grid">{panels}</div>
"""
THEMES = {
    "dark": dict(page="#111217", panel="#181b1f", edge="#2b2e34", text="#ccccdc", dim="#9a9aab"),
    "light": dict(page="#f4f5f5", panel="#ffffff", edge="#e0e1e4", text="#24292e", dim="#5f6670"),
}
COLUMN, ROW = 59.0, 38

# The moment that the picture is of: what is so long ago was so long ago then.
PAINTED_AT = time.time()


def page(board, theme, note, panels):
    return PAGE.format(
        title=html.escape(board.title), note=html.escape(note), panels="".join(panels), **THEMES[theme]
    )


def framed(panel, inside, title):
    at = panel["gridPos"]
    place = f"grid-area:{at['y'] + 1}/{at['x'] + 1}/span {at['h']}/span {at['w']}"
    if panel["type"] == "row":
        return f'<div class="row" style="{place}">{html.escape(title)}</div>'
    inside = inside or '<div class="fill"><span class="none">No data</span></div>'
    return f'<div class="panel" style="{place}"><h3>{html.escape(title)}</h3>{inside}</div>'


def number(value, decimals):
    if decimals is None:
        decimals = 0 if value == int(value) else 1 if abs(value) >= 10 else 2
    return f"{value:.{decimals}f}"


def words(value, config):
    """A value as people read it: mapped, or in its unit."""
    for one in config.get("mappings", []):
        if float(one["value"]) == value:
            return one["text"]
    unit, decimals = config.get("unit", "short"), config.get("decimals")
    if unit == "percentunit":
        return f"{100 * value:.{decimals if decimals is not None else 1}f}%"
    if unit == "bytes":
        return f"{value / 2**20:.1f} MiB"
    if unit == "s":
        for size, name in [(86400, "days"), (3600, "hours"), (60, "min"), (1, "s"), (1e-3, "ms"), (1e-6, "µs")]:
            if abs(value) >= size:
                return f"{number(value / size, decimals)} {name}"
        return "0 s"
    if unit == "dateTimeFromNow":
        ago = max(PAINTED_AT - value / 1000, 0)
        for size, name in [(86400, "day"), (3600, "hour"), (60, "minute"), (1, "second")]:
            if ago >= size:
                return f"{ago / size:.0f} {name}{'s' if round(ago / size) != 1 else ''} ago"
        return "now"
    if unit == "dateTimeAsIso":
        return time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(value / 1000))
    return number(value, decimals) + (unit.removeprefix("suffix:") if unit.startswith("suffix:") else "")


def threshold(value, config):
    name = "text"
    for step in config.get("thresholds", {}).get("steps", []):
        if step["value"] is None or value >= step["value"]:
            name = step["color"]
    return name


def field(panel, name, ref):
    """The settings of one field: the panel's, and the overrides that are meant for it."""
    config = dict(panel["fieldConfig"]["defaults"])
    config["custom"] = dict(config.get("custom", {}))
    for override in panel["fieldConfig"]["overrides"]:
        kind, wanted = override["matcher"]["id"], override["matcher"]["options"]
        if (
            (kind == "byName" and wanted == name)
            or (kind == "byFrameRefID" and wanted == ref)
            or (kind == "byRegexp" and re.search(wanted, name))
        ):
            for one in override["properties"]:
                into = config["custom"] if one["id"].startswith("custom.") else config
                into[one["id"].removeprefix("custom.")] = one["value"]
    return config


def legend(target, metric):
    text = target.get("legendFormat", "")
    return re.sub(r"\{\{(\w+)\}\}", lambda found: metric.get(found[1], ""), text)


def fields(panel, answers):
    """Each series of each query, with its name and settings."""
    found = []
    for target in panel["targets"]:
        for one in answers[target["refId"]]:
            name = legend(target, one["metric"])
            found.append((name, field(panel, name, target["refId"]), one))
    return found


def stat(panel, answers, _):
    cells = []
    found = fields(panel, answers)
    for name, config, one in found:
        value = float(one["value"][1])
        colour = COLOURS[threshold(value, config)]
        back = panel["options"]["colorMode"] == "background"
        style = f"background:{colour}" if back else ""
        text = words(value, config)
        size = 34 if len(text) < 6 else 26 if len(text) < 15 else 21
        named = len(found) > 1
        cells.append(
            f'<div class="stat{" on" if back else ""}" style="{style}">'
            + (f"<span>{html.escape(config.get('displayName', name))}</span>" if named else "")
            + f'<b style="font-size:{size}px;{"" if back else f"color:{colour}"}">{html.escape(text)}</b></div>'
        )
    if not cells and (text := panel["fieldConfig"]["defaults"].get("noValue")):
        cells = [f'<div class="stat"><b style="font-size:26px">{text}</b></div>']
    return cells and f'<div class="fill">{"".join(cells)}</div>'


def bargauge(panel, answers, _):
    found = fields(panel, answers)
    top = max(
        [panel["fieldConfig"]["defaults"].get("max", 0)] + [float(one["value"][1]) for _, _, one in found]
    )
    cells = ""
    for name, config, one in found:
        value = float(one["value"][1])
        colour, share = COLOURS[threshold(value, config)], 100 * max(value, 0) / (top or 1)
        cells += (
            f"<span>{html.escape(name)}</span>"
            f'<span class="track"><i style="width:{share:.1f}%;background:{colour}"></i></span>'
            f'<b style="color:{colour}">{words(value, config)}</b>'
        )
    return cells and f'<div class="bars">{cells}</div>'


def gauge(panel, answers, _):
    cells = ""
    for name, config, one in fields(panel, answers):
        value = float(one["value"][1])
        share = min(max(value / config["max"], 0), 1)
        arc = lambda part, colour: (
            f'<circle cx="60" cy="60" r="44" fill="none" stroke="{colour}" stroke-width="14" '
            f'stroke-dasharray="{part * 207.3:.1f} 999" transform="rotate(135 60 60)"/>'
        )
        colour = COLOURS[threshold(value, config)]
        cells += (
            f'<div class="stat"><svg width="130" viewBox="0 0 120 110">{arc(1, "var(--page)")}{arc(share, colour)}'
            f'<text x="60" y="66" text-anchor="middle" style="font-size:20px;fill:{colour}">'
            f"{words(value, config)}</text></svg>"
            f"<span>{html.escape(name)}</span></div>"
        )
    return cells and f'<div class="fill">{cells}</div>'


def table(panel, columns, rows):
    configs = {name: field(panel, name, None) for name in columns}
    for sort in panel["options"].get("sortBy", []):
        by = next(name for name in columns if configs[name].get("displayName") == sort["displayName"])
        rows = sorted(rows, key=lambda row: row.get(by, -1e18), reverse=sort["desc"])
    size = lambda name: f"width:{w}px" if (w := configs[name]["custom"].get("width")) else ""
    head = "".join(
        f'<th style="{size(name)}">{configs[name].get("displayName", name)}</th>' for name in columns
    )
    body = ""
    for row in rows:
        body += "<tr>"
        for name in columns:
            body += cell(row[name], configs[name]) if name in row else "<td></td>"
        body += "</tr>"
    return rows and f'<div class="fill"><table><tr>{head}</tr>{body}</table></div>'


def cell(value, config):
    if isinstance(value, str):
        text = html.escape(value)
        return f"<td>{'<a href=#>' + text + '</a>' if config.get('links') else text}</td>"
    name, mode = threshold(value, config), config["custom"].get("displayMode")
    text = html.escape(words(value, config))
    if mode == "color-background" and name != "transparent":
        ink = "dark" if name in ("yellow", "green", "orange") else "on"
        return f'<td class="{ink}" style="background:{COLOURS[name]}">{text}</td>'
    if mode == "basic":
        fill = f'<i style="background:{COLOURS[name]};width:{100 * min(value, 1):.0f}%"></i>'
        return f'<td><span class="within"><span class="track">{fill}</span>{text}</span></td>'
    return f'<td style="{"color:" + COLOURS[name] if mode == "color-text" else ""}">{text}</td>'


def text(panel, *_):
    """Markdown, as far as a table of ours goes."""
    content = html.escape(panel["options"]["content"], quote=False)
    content = re.sub(r"`(.*?)`", r"<code>\1</code>", re.sub(r"\*\*(.*?)\*\*", r"<b>\1</b>", content))
    rows = [line.strip("|").split("|") for line in content.splitlines()]
    cells = ["".join(f'<td class="words">{one.strip()}</td>' for one in row) for row in rows[:1] + rows[2:]]
    made = "".join(f"<tr>{row}</tr>" for row in cells)
    return f'<div class="fill"><table>{made}</table></div>'
