"""Draws what has a time axis, as SVG. Like paint.py, not Grafana."""

import html
import math
import time

from paint import CLASSIC, COLOURS, COLUMN, ROW, fields, threshold, words


def label(x, y, text, anchor="end"):
    return f'<text x="{x:.0f}" y="{y:.0f}" text-anchor="{anchor}">{html.escape(text)}</text>'


def box(x, y, width, height, colour, opacity=1.0):
    size = f'x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}"'
    return f'<rect {size} fill="{colour}" opacity="{opacity:.2f}"/>'


def line(x1, y1, x2, y2, colour, dashes="none"):
    ends = f'x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"'
    return f'<line {ends} stroke="{colour}" stroke-dasharray="{dashes}"/>'


def names(entries):
    spans = (f'<span><i style="background:{colour}"></i>{html.escape(name)}</span>' for name, colour in entries)
    return f'<div class="legend">{"".join(spans)}</div>'


class Axes:
    """A panel's drawing surface: time to the right, values upwards."""

    def __init__(self, panel, span, low, high, left, below):
        at = panel["gridPos"]
        self.width = at["w"] * COLUMN - 26
        self.height = at["h"] * ROW - 42 - below
        self.left, self.bottom = left, self.height - 18
        self.span, self.low, self.high = span, low, high if high > low else low + 1

    def x(self, at):
        start, end = self.span
        return self.left + (at - start) / (end - start) * (self.width - self.left - 4)

    def y(self, value):
        return self.bottom - (value - self.low) / (self.high - self.low) * (self.bottom - 6)

    def wide(self, seconds):
        return self.x(seconds) - self.x(0)

    def svg(self, inside):
        start, end = self.span
        sizes = (30, 60, 120, 300, 600, 1800, 3600, 86400)
        step = next(size for size in sizes if (end - start) / size <= self.width / 80)
        form = "%H:%M" if step >= 60 else "%H:%M:%S"
        for at in range(int(start // step + 1) * step, int(end) + 1, step):
            inside += label(self.x(at), self.height - 3, time.strftime(form, time.gmtime(at)), "middle")
        return f'<svg width="{self.width:.0f}" height="{self.height:.0f}">{inside}</svg>'

    def values(self, config):
        """Lines across, at round values."""
        rough = (self.high - self.low) / max(self.bottom // 40, 2)
        power = 10 ** math.floor(math.log10(rough))
        step = next(power * n for n in (1, 2, 5, 10) if power * n >= rough)
        config = {**config, "mappings": [], "decimals": None}
        drawn, value = "", math.ceil(self.low / step) * step
        while value <= self.high + step * 1e-6:
            y = self.y(value)
            drawn += line(self.left, y, self.width - 4, y, "var(--edge)")
            drawn += label(self.left - 6, y + 4, words(round(value, 9), config))
            value += step
        return drawn

    def marks(self, events):
        start, end = self.span
        inside = ((self.x(at), colour) for at, colour in events if start <= at <= end)
        return "".join(line(x, 6, x, self.bottom, COLOURS[colour], "4 3") for x, colour in inside)


def timeseries(panel, answers, scene):
    drawn, entries, ground = [], [], {}
    for index, (name, config, one) in enumerate(fields(panel, answers)):
        fixed = config["color"].get("fixedColor")
        colour = COLOURS[fixed] if fixed else CLASSIC[index % len(CLASSIC)]
        below = ground if config["custom"]["stacking"]["mode"] == "normal" else {}
        points = [(float(at), float(value)) for at, value in one["values"]]
        points = [(at, below.get(at, 0), below.get(at, 0) + value) for at, value in points]
        below.update({at: high for at, _, high in points})
        drawn.append((points, colour, config["custom"]))
        entries.append((config.get("displayName", name), colour))
    if not drawn:
        return None
    room = panel["gridPos"]["w"] * COLUMN - 26
    lines = math.ceil(sum(len(name) * 7 + 32 for name, _ in entries) / room)
    defaults = panel["fieldConfig"]["defaults"]
    tops = [high for points, _, _ in drawn for _, _, high in points]
    axes = Axes(panel, scene["span"], min(0, *tops), defaults.get("max", max(tops) * 1.05), 62, 22 * lines + 4)
    inside = axes.values(defaults)
    for points, colour, custom in drawn:
        for run in runs(points, scene["step"]):
            inside += shape(axes, run, colour, custom, scene["step"])
    return axes.svg(inside + axes.marks(scene["events"])) + names(entries)


def runs(points, step):
    """Where a series is absent, its line breaks."""
    run = []
    for point in points:
        if run and point[0] - run[-1][0] > 1.5 * step:
            yield run
            run = []
        run.append(point)
    if run:
        yield run


def shape(axes, run, colour, custom, step):
    opacity = custom["fillOpacity"] / 100
    if custom["drawStyle"] == "bars":
        wide = max(axes.wide(step) - 1, 1)
        bars = ((axes.x(at), axes.y(low), axes.y(high)) for at, low, high in run if high > low)
        return "".join(box(x, top, wide, foot - top, colour, opacity) for x, foot, top in bars)
    if custom["lineInterpolation"] == "stepAfter":
        run = [(at + shift, low, high) for at, low, high in run for shift in (0, step - 1e-3)]
    over = " ".join(f"{axes.x(at):.1f},{axes.y(high):.1f}" for at, _, high in run)
    under = " ".join(f"{axes.x(at):.1f},{axes.y(low):.1f}" for at, low, _ in reversed(run))
    width = custom["lineWidth"] * 1.3
    return (
        f'<polygon points="{over} {under}" fill="{colour}" opacity="{opacity}"/>'
        f'<polyline points="{over}" fill="none" stroke="{colour}" stroke-width="{width}"/>'
    )


def state_timeline(panel, answers, scene):
    found = sorted(fields(panel, answers), key=lambda one: one[0])
    if not found:
        return None
    config = panel["fieldConfig"]["defaults"]
    axes = Axes(panel, scene["span"], 0, len(found), 180, 26)
    high = axes.y(0) - axes.y(panel["options"]["rowHeight"])
    inside, seen = "", {}
    for index, (name, _, one) in enumerate(found):
        top = axes.y(len(found) - index)
        inside += label(axes.left - 6, top + high / 2 + 4, name)
        for at, value in one["values"]:
            colour = COLOURS[threshold(float(value), config)]
            seen[float(value)] = (words(float(value), config), colour)
            inside += box(axes.x(float(at)), top, axes.wide(scene["step"]) + 0.5, high, colour)
    return axes.svg(inside) + names([seen[value] for value in sorted(seen)])


def heatmap(panel, answers, scene):
    """Every tenth answer is enough: each tells of a window that is wider than its step."""
    by_bound = {
        one["metric"]["le"]: {float(at): float(value) for at, value in one["values"]} for one in answers["A"]
    }
    bounds = sorted(by_bound, key=float)
    cells = []
    for index, bound in enumerate(bounds):
        inner = by_bound[bounds[index - 1]] if index else {}
        moments = sorted(by_bound[bound])[::10]
        cells += [(index, at, by_bound[bound][at] - inner.get(at, 0)) for at in moments]
    most = max((value for _, _, value in cells), default=0)
    if not most:
        return None
    axes = Axes(panel, scene["span"], 0, len(bounds), 62, 0)
    high, wide = axes.y(0) - axes.y(1) - 1, axes.wide(10 * scene["step"]) - 1
    inside = ""
    for index, bound in enumerate(bounds):
        inside += label(axes.left - 6, axes.y(index + 0.5) + 4, "more" if bound == "+Inf" else f"{bound} s")
    for index, at, value in cells:
        if value > 0:
            shade = 0.15 + 0.85 * math.sqrt(value / most)
            inside += box(axes.x(at), axes.y(index + 1) + 1, wide, high, COLOURS["blue"], shade)
    return axes.svg(inside)
