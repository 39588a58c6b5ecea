"""Draws panels as HTML and SVG: enough of Grafana's look to judge a dashboard by, and no more.

This is not Grafana. It reads the dashboards' own JSON and Prometheus' own answers, and leaves out what they do
not use.
"""

import html
import math
import re
import time

COLOURS = {
    "green": "#73bf69", "yellow": "#f2cc0c", "orange": "#ff9830", "red": "#f2495c", "blue": "#5794f2",
    "purple": "#b877d9", "dark-red": "#c4162a", "dark-orange": "#fa6400", "dark-blue": "#1f60c4",
    "light-blue": "#8ab8ff", "transparent": "transparent", "text": "var(--text)",
}
CLASSIC = "#7eb26d #eab839 #6ed0e0 #ef843c #e24d42 #1f78c1 #ba43a9 #705da0 #508642 #cca300 #447ebc #c15c17".split()

PAGE = """<!doctype html><meta charset="utf-8"><title>{title}</title><style>
:root {{ --page: {page}; --panel: {panel}; --edge: {edge}; --text: {text}; --dim: {dim}; }}
* {{ box-sizing: border-box; }}
body {{ margin: 0; padding: 16px; background: var(--page); color: var(--text); font: 13px Inter, sans-serif; }}
h1 {{ font-size: 20px; font-weight: 500; margin: 0 0 4px; }} h1 + p {{ margin: 0 0 14px; color: var(--dim); }}
.grid {{ display: grid; grid-template-columns: repeat(24, 1fr); grid-auto-rows: 30px; gap: 8px; }}
.panel {{ background: var(--panel); border: 1px solid var(--edge); border-radius: 3px; padding: 6px 8px; overflow: hidden;
  display: flex; flex-direction: column; min-width: 0; }}
.panel > h3 {{ font-size: 13px; font-weight: 500; margin: 0 0 6px; }}
.row {{ font-size: 16px; font-weight: 500; align-self: end; }}
.fill {{ flex: 1; min-height: 0; display: flex; }}
.stat {{ flex: 1; display: flex; flex-direction: column; justify-content: center; align-items: center; border-radius: 3px; margin: 0 2px; }}
.stat b {{ font-weight: 500; }} .stat span {{ color: var(--dim); }}
.on b, .on span {{ color: #fff; }}
table {{ border-collapse: collapse; width: 100%; align-self: start; }}
th {{ text-align: left; color: #5794f2; font-weight: 500; padding: 4px 8px; white-space: nowrap; }}
td {{ padding: 4px 8px; border-top: 1px solid var(--edge); white-space: nowrap; }}
td.words {{ white-space: normal; }} td.on {{ color: #fff; font-weight: 500; }} td.dark {{ color: #111; font-weight: 500; }} a {{ color: inherit; }}
.bars {{ flex: 1; display: grid; grid-template-columns: max-content 1fr max-content; gap: 4px 10px; align-items: stretch; }}
.bars > * {{ display: flex; align-items: center; }} .track {{ background: var(--page); }} .track i {{ height: 100%; }}
.legend {{ display: flex; flex-wrap: wrap; gap: 2px 12px; font-size: 12px; padding-top: 4px; }}
.legend i {{ display: inline-block; width: 14px; height: 4px; border-radius: 2px; margin-right: 5px; vertical-align: middle; }}
svg text {{ font: 11px Inter, sans-serif; fill: var(--dim); }} svg {{ display: block; }} .none {{ margin: auto; color: var(--dim); }}
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
    return PAGE.format(title=html.escape(board.title), note=html.escape(note), panels="".join(panels), **THEMES[theme])


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
        if (kind == "byName" and wanted == name) or (kind == "byFrameRefID" and wanted == ref) or (
            kind == "byRegexp" and re.search(wanted, name)):
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
            + f'<b style="font-size:{size}px;{"" if back else f"color:{colour}"}">{html.escape(text)}</b></div>')
    if not cells and (text := panel["fieldConfig"]["defaults"].get("noValue")):
        cells = [f'<div class="stat"><b style="font-size:26px">{text}</b></div>']
    return cells and f'<div class="fill">{"".join(cells)}</div>'


def bargauge(panel, answers, _):
    found = fields(panel, answers)
    top = max([panel["fieldConfig"]["defaults"].get("max", 0)] + [float(one["value"][1]) for _, _, one in found])
    cells = ""
    for name, config, one in found:
        value = float(one["value"][1])
        colour, share = COLOURS[threshold(value, config)], 100 * max(value, 0) / (top or 1)
        cells += (f'<span>{html.escape(name)}</span><span class="track"><i style="width:{share:.1f}%;background:{colour}"></i></span>'
                  f'<b style="color:{colour}">{words(value, config)}</b>')
    return cells and f'<div class="bars">{cells}</div>'


def gauge(panel, answers, _):
    cells = ""
    for name, config, one in fields(panel, answers):
        value = float(one["value"][1])
        share = min(max(value / config["max"], 0), 1)
        arc = lambda part, colour: (f'<circle cx="60" cy="60" r="44" fill="none" stroke="{colour}" stroke-width="14" '
            f'stroke-dasharray="{part * 207.3:.1f} 999" transform="rotate(135 60 60)"/>')
        colour = COLOURS[threshold(value, config)]
        cells += (f'<div class="stat"><svg width="130" viewBox="0 0 120 110">{arc(1, "var(--page)")}{arc(share, colour)}'
                  f'<text x="60" y="66" text-anchor="middle" style="font-size:20px;fill:{colour}">{words(value, config)}</text></svg>'
                  f'<span>{html.escape(name)}</span></div>')
    return cells and f'<div class="fill">{cells}</div>'


def table(panel, columns, rows):
    configs = {name: field(panel, name, None) for name in columns}
    for sort in panel["options"].get("sortBy", []):
        by = next(name for name in columns if configs[name].get("displayName") == sort["displayName"])
        rows = sorted(rows, key=lambda row: row.get(by, -1e18), reverse=sort["desc"])
    size = lambda name: f"width:{w}px" if (w := configs[name]["custom"].get("width")) else ""
    head = "".join(f'<th style="{size(name)}">{configs[name].get("displayName", name)}</th>' for name in columns)
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
        return f'<td>{"<a href=#>" + text + "</a>" if config.get("links") else text}</td>'
    name, mode, text = threshold(value, config), config["custom"].get("displayMode"), html.escape(words(value, config))
    if mode == "color-background" and name != "transparent":
        return f'<td class="{"dark" if name in ("yellow", "green", "orange") else "on"}" style="background:{COLOURS[name]}">{text}</td>'
    if mode == "basic":
        return (f'<td><span style="display:flex;gap:8px"><span class="track" style="flex:1"><i style="display:block;height:14px;background:{COLOURS[name]};'
                f'width:{100 * min(value, 1):.0f}%"></i></span>{text}</span></td>')
    return f'<td style="{"color:" + COLOURS[name] if mode == "color-text" else ""}">{text}</td>'


class Axes:
    """A panel's drawing surface: time to the right, values upwards."""

    def __init__(self, panel, span, low, high, left, below):
        at = panel["gridPos"]
        self.width = at["w"] * COLUMN - 26
        self.height = at["h"] * ROW - 8 - 34 - below
        self.left, self.bottom = left, self.height - 18
        self.span, self.low, self.high = span, low, high if high > low else low + 1

    def x(self, at):
        start, end = self.span
        return self.left + (at - start) / (end - start) * (self.width - self.left - 4)

    def y(self, value):
        return self.bottom - (value - self.low) / (self.high - self.low) * (self.bottom - 6)

    def svg(self, inside):
        start, end = self.span
        step = next(size for size in (30, 60, 120, 300, 600, 1800, 3600, 1e9) if (end - start) / size <= self.width / 80)
        times = ""
        for at in range(int(start // step + 1) * int(step), int(end) + 1, int(step)):
            times += f'<text x="{self.x(at):.0f}" y="{self.height - 3}" text-anchor="middle">{time.strftime("%H:%M" if step >= 60 else "%H:%M:%S", time.gmtime(at))}</text>'
        return f'<svg width="{self.width:.0f}" height="{self.height:.0f}">{inside}{times}</svg>'

    def values(self, config):
        rough = (self.high - self.low) / max(self.bottom // 40, 2)
        power = 10 ** math.floor(math.log10(rough))
        step = next(power * n for n in (1, 2, 5, 10) if power * n >= rough)
        lines, value = "", math.ceil(self.low / step) * step
        while value <= self.high + step * 1e-6:
            y = self.y(value)
            shown = {**config, "mappings": [], "decimals": None}
            lines += (f'<line x1="{self.left}" x2="{self.width - 4}" y1="{y:.1f}" y2="{y:.1f}" stroke="var(--edge)"/>'
                      f'<text x="{self.left - 6}" y="{y + 4:.1f}" text-anchor="end">{words(round(value, 9), shown)}</text>')
            value += step
        return lines

    def marks(self, events):
        return "".join(f'<line x1="{self.x(at):.1f}" x2="{self.x(at):.1f}" y1="6" y2="{self.bottom}" stroke="{COLOURS[colour]}" stroke-dasharray="4 3"/>'
                       for at, colour in events if self.span[0] <= at <= self.span[1])


def names(entries):
    return '<div class="legend">' + "".join(f'<span><i style="background:{c}"></i>{html.escape(n)}</span>' for n, c in entries) + "</div>"


def timeseries(panel, answers, scene):
    found = fields(panel, answers)
    if not found:
        return None
    step = scene["step"]
    drawn, entries, ground = [], [], {}
    for index, (name, config, one) in enumerate(found):
        colour = COLOURS[config["color"]["fixedColor"]] if config["color"]["mode"] == "fixed" else CLASSIC[index % len(CLASSIC)]
        points = [(float(at), float(value)) for at, value in one["values"] if value not in ("NaN", "+Inf")]
        stacked = config["custom"]["stacking"]["mode"] == "normal"
        lines = [(at, ground.get(at, 0) if stacked else 0, value + (ground.get(at, 0) if stacked else 0)) for at, value in points]
        if stacked:
            ground.update({at: high for at, _, high in lines})
        drawn.append((lines, colour, config["custom"]))
        entries.append((config.get("displayName", name), colour))
    below = 22 * math.ceil(sum(len(name) * 7 + 32 for name, _ in entries) / (panel["gridPos"]["w"] * COLUMN - 26)) + 4
    defaults = panel["fieldConfig"]["defaults"]
    tops = [high for lines, _, _ in drawn for _, _, high in lines]
    axes = Axes(panel, scene["span"], min(0, *tops), defaults.get("max", max(tops) * 1.05), 62, below)
    inside = axes.values(defaults)
    for lines, colour, custom in drawn:
        for run in runs(lines, step):
            inside += shape(axes, run, colour, custom, step)
    inside += axes.marks(scene["events"])
    return axes.svg(inside) + names(entries)


def runs(lines, step):
    """Where a series is absent, its line breaks."""
    run = []
    for point in lines:
        if run and point[0] - run[-1][0] > 1.5 * step:
            yield run
            run = []
        run.append(point)
    if run:
        yield run


def shape(axes, run, colour, custom, step):
    if custom["drawStyle"] == "bars":
        wide = max(axes.x(step) - axes.x(0) - 1, 1)
        return "".join(f'<rect x="{axes.x(at):.1f}" y="{axes.y(high):.1f}" width="{wide:.1f}" height="{axes.y(low) - axes.y(high):.1f}" fill="{colour}"/>'
                       for at, low, high in run if high > low)
    if custom["lineInterpolation"] == "stepAfter":
        run = [(at + shift, low, high) for at, low, high in run for shift in (0, step - 1e-3)]
    over = " ".join(f"{axes.x(at):.1f},{axes.y(high):.1f}" for at, _, high in run)
    under = " ".join(f"{axes.x(at):.1f},{axes.y(low):.1f}" for at, low, _ in reversed(run))
    line = f'<polyline points="{over}" fill="none" stroke="{colour}" stroke-width="{custom["lineWidth"] * 1.3}"/>' if custom["lineWidth"] else ""
    return f'<polygon points="{over} {under}" fill="{colour}" opacity="{custom["fillOpacity"] / 100}"/>{line}'


def state_timeline(panel, answers, scene):
    found = sorted(fields(panel, answers), key=lambda one: one[0])
    if not found:
        return None
    config = panel["fieldConfig"]["defaults"]
    axes = Axes(panel, scene["span"], 0, len(found), 180, 26)
    inside, seen = "", {}
    for index, (name, _, one) in enumerate(found):
        top, high = axes.y(len(found) - index), axes.y(0) - axes.y(0.85)
        inside += f'<text x="{axes.left - 6}" y="{top + high / 2 + 4:.1f}" text-anchor="end">{html.escape(name)}</text>'
        for at, value in one["values"]:
            colour = COLOURS[threshold(float(value), config)]
            seen[float(value)] = (words(float(value), config), colour)
            inside += f'<rect x="{axes.x(float(at)):.1f}" y="{top:.1f}" width="{axes.x(scene["step"]) - axes.x(0) + 0.4:.1f}" height="{high:.1f}" fill="{colour}" opacity="0.85"/>'
    return axes.svg(inside) + names([seen[value] for value in sorted(seen)])


def heatmap(panel, answers, scene):
    series = {one["metric"]["le"]: dict((float(at), float(value)) for at, value in one["values"]) for one in answers["A"]}
    bounds = sorted(series, key=float)
    axes = Axes(panel, scene["span"], 0, len(bounds), 62, 0)
    wide, inside, cells = 10 * scene["step"], "", []
    for index, bound in enumerate(bounds):
        for at in sorted(series[bound])[::10]:
            inner = series[bounds[index - 1]].get(at, 0) if index else 0
            cells.append((index, at, series[bound][at] - inner))
    most = max(value for _, _, value in cells) or 1
    for index, bound in enumerate(bounds):
        inside += f'<text x="{axes.left - 6}" y="{axes.y(index + 0.5) + 4:.1f}" text-anchor="end">{"more" if bound == "+Inf" else bound + " s"}</text>'
    for index, at, value in cells:
        if value > 0:
            inside += (f'<rect x="{axes.x(at):.1f}" y="{axes.y(index + 1) + 1:.1f}" width="{axes.x(wide) - axes.x(0) - 1:.1f}" '
                       f'height="{axes.y(0) - axes.y(1) - 1:.1f}" fill="#5794f2" opacity="{0.15 + 0.85 * math.sqrt(value / most):.2f}"/>')
    return axes.svg(inside)


def text(panel, *_):
    """Markdown, as far as a table of ours goes."""
    rows = [line.strip("|").split("|") for line in panel["options"]["content"].splitlines() if line.startswith("|")]
    bold = lambda words: re.sub(r"`(.*?)`", r"<code>\1</code>", re.sub(r"\*\*(.*?)\*\*", r"<b>\1</b>", html.escape(words.strip(), quote=False)))
    cells = ["".join(f'<td class="words">{bold(one)}</td>' for one in row) for row in rows[:1] + rows[2:]]
    made = "".join(f"<tr>{row}</tr>" for row in cells)
    return f'<div class="fill"><table>{made}</table></div>'


PAINTERS = {"stat": stat, "gauge": gauge, "bargauge": bargauge, "timeseries": timeseries, "state-timeline": state_timeline,
            "heatmap": heatmap, "text": text}
