"""Readings become Markdown tables: medians, the spread, and ratios of one and the same run."""

from experiments import BARE, OURS, PEER, middle

# What is promised, as ratios.
OF_THE_PEER = {"http, a new connection each": 0.25, "https, a new connection each": 0.25,
               "https, connections kept": 0.10}
OF_THE_BARE_CLIENT = 1.5


def table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "| --- |" + " ---: |" * (len(head) - 1)]
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def spread(values, form="{:,.0f}"):
    """The median, and from where to where."""
    low, mid, high = (form.format(value) for value in (min(values), middle(values), max(values)))
    return f"{mid} ({low}-{high})"


def ratio(ours, theirs):
    return middle(ours) / middle(theirs)


def judged(value, limit=None):
    if limit is None:
        return f"{value:.2f}"
    return f"{value:.2f} ({'met' if value <= limit else 'MISSED'}: {limit:.2f})"


def ways(readings):
    return dict.fromkeys(way for way, _ in readings)


def costs(readings):
    """CPU a probe."""
    rows = []
    for way in ways(readings):
        ours, peer, bare = ([it.cost for it in readings[way, name]] for name in (OURS, PEER, BARE))
        rows.append([
            way, spread(ours), spread(peer), spread(bare),
            judged(ratio(ours, peer), OF_THE_PEER.get(way)), judged(ratio(ours, bare), OF_THE_BARE_CLIENT),
        ])
    head = ["CPU a probe, us", "exporter", "blackbox_exporter", "bare client", "of the peer", "of the bare client"]
    return table(head, rows)


def connections(readings):
    """How many connections a probe took: whether the ways are what they are called."""
    rows = []
    for way in ways(readings):
        found = [[it.connections / it.requests for it in readings[way, name]] for name in (OURS, PEER, BARE)]
        rows.append([way, *(f"{middle(it):.2f}" for it in found)])
    return table(["connections a probe", "exporter", "blackbox_exporter", "bare client"], rows)


def rates(readings):
    rows = []
    for way in ways(readings):
        ours, peer, bare = ([it.rate for it in readings[way, name]] for name in (OURS, PEER, BARE))
        rows.append([way, spread(ours), spread(peer), spread(bare), f"{ratio(ours, peer):.1f}"])
    return table(["probes a second", "exporter", "blackbox_exporter", "bare client", "times the peer"], rows)


def mebibytes(count):
    return f"{count / 2**20:.1f}"


def memory(rests, full):
    """`rests` and `full` by size of the fleet: at rest, and with full histories where they were filled."""
    rows = []
    for tokens, (ours, peer) in rests.items():
        now, peak = full.get(tokens, (None, None))
        rows.append([
            f"{tokens:,}", mebibytes(ours.started), mebibytes(ours.later), mebibytes(now) if now else "-",
            mebibytes(peak) if peak else "-", mebibytes(peer.started), mebibytes(peer.later),
            mebibytes(peer.peak), f"{(now or ours.later) / peer.later:.2f}",
        ])
    head = ["resident, MiB, with so many tokens", "exporter, each asked once", "scraped", "histories full",
            "at most", "blackbox_exporter, each asked once", "scraped", "at most", "of the peer"]
    return table(head, rows)


def growth(sizes):
    """What a token adds, in KiB: from `sizes`, bytes by number of tokens."""
    (few, less), (many, more) = min(sizes.items()), max(sizes.items())
    return (more - less) / (many - few) / 1024


def scrapes(rests):
    rows = []
    for tokens, pair in rests.items():
        for name, it in zip(("exporter", "blackbox_exporter"), pair):
            ordered = sorted(it.latencies)
            rows.append([
                f"{tokens:,}", name, f"{middle(ordered) * 1e3:.1f}",
                f"{ordered[len(ordered) * 99 // 100] * 1e3:.1f}", f"{it.sweep / 1e3:,.0f}",
                f"{it.zipped / 1e3:,.0f}", f"{it.series:,}",
            ])
    head = ["tokens", "program", "/metrics, median ms", "p99 ms", "a sweep, kB", "with gzip, kB", "series in a sweep"]
    return table(head, rows)


def sizing(rests, full):
    """What a fleet takes at the default cadence."""
    rows = []
    for tokens, (ours, peer) in rests.items():
        resident = max(ours.peak, *full.get(tokens, (0,)))
        rows.append([
            f"{tokens:,}", f"{ours.cpu * 1e3:.1f}", mebibytes(resident), f"{tokens * 12:,}",
            f"{tokens / 5:,.0f}", f"{peer.cpu * 1e3:.1f}",
        ])
    head = ["tokens", "CPU, ms a second", "memory at most, MiB", "requests to Hex an hour",
            "a minute, for `requests_per_minute`", "the peer's CPU for as many probes, ms a second"]
    return table(head, rows)
