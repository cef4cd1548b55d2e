#!/usr/bin/env python3
"""Makes of raw figures a table, what of issue 5 is reached, and plots: report.py FIGURES FOLDER.

Fails where a request was answered with an error, or a figure of issue 5 was not measured.
"""

import json
import statistics
import sys
from collections import defaultdict
from pathlib import Path

from plot import plot


class Figures:
    """The figures of one place."""

    def __init__(self, lines):
        self.of = defaultdict(list)
        for line in lines:
            self.of[line["kind"]].append(line)
        self.samples = defaultdict(list)
        for line in self.of["sample"]:
            self.samples[line["work"], line["connections"], line["subject"]].append(line)

    def values(self, work, connections, subject, figure):
        """Of all rounds."""
        return [line[figure] for line in self.samples.get((work, connections, subject), [])]

    def median(self, *which):
        """Of all rounds; `None` where there are none."""
        values = self.values(*which)
        return statistics.median(values) if values else None

    def ratio(self, work, connections, subject, figure="rps", base="none"):
        """Against another subject in the same rounds."""
        ours, theirs = self.median(work, connections, subject, figure), self.median(work, connections, base, figure)
        return ours / theirs if ours and theirs else None

    def limit(self, mode, connections=64):
        values = [line["cpu_us"] for line in self.of["limit"] if (line["mode"], line["connections"]) == (mode, connections)]
        return statistics.median(values) if values else None

    def single(self, kind, subject, figure, **more):
        """What is measured once."""
        for line in self.of[kind]:
            if line["subject"] == subject and all(line[key] == value for key, value in more.items()):
                return line[figure]
        return None


def over(one, other):
    """A ratio of what may be missing."""
    return one / other if one is not None and other else None


def less(one, other):
    return one - other if one is not None and other is not None else None


def targets(figures, place):
    """Rows of issue 5's table: what, the figure, its bound, and whether that is the least or the most."""
    connections = 8 if place == "icount" else 64
    static, lua = ("static 1 KB", connections), ("Lua page", connections)
    least = 0.72 if place == "native" else 0.75

    def added(subject):
        ours, theirs = (figures.median(*static, each, "cpu_us") for each in (subject, "none"))
        return over(less(ours, theirs), figures.limit(subject, connections))

    def calls(subject):
        return less(figures.single("calls", subject, "total", of="way"), figures.single("calls", "none", "total", of="way"))

    spares, grown = (
        less(figures.single("rest", "one-time", figure), figures.single("rest", "no rules", figure))
        for figure in ("threads", "anonymous_kib")
    )

    def overload(subject):
        rates = [figures.median("static 1 KB", n, subject, "rps") for n in (1, 8, 64, 640)]
        return None if None in rates else over(rates[-1], max(rates))

    counted = [
        ("no rules, 1 KB static, against none", figures.ratio(*static, "no rules"), 0.99, "least"),
        ("`one-time`, 1 KB static, against none", figures.ratio(*static, "one-time"), least, "least"),
        ("`one-time`, Lua page, against none", figures.ratio(*lua, "one-time"), 0.82, "least"),
        ("`resident`, Lua page, against none", figures.ratio(*lua, "resident"), 0.93, "least"),
        ("`resident`, 1 KB static, against none", figures.ratio(*static, "resident"), 0.90, "least"),
        ("CPU added by `one-time`, against the limit", added("one-time"), 1.3, "most"),
        ("CPU added by `resident`, against its limit", added("resident"), 1.5, "most"),
        ("`bare one-time`, 1 KB static, against none", figures.ratio(*static, "bare one-time"), None, "least"),
        ("`bare one-time`, Lua page, against none", figures.ratio(*lua, "bare one-time"), None, "least"),
        ("`bare resident`, Lua page, against none", figures.ratio(*lua, "bare resident"), None, "least"),
        ("`bare resident`, 1 KB static, against none", figures.ratio(*static, "bare resident"), None, "least"),
    ]
    if place == "icount":
        return counted
    return counted + [
        ("map of a million users, against one line", over(
            figures.median("map of 1,000,000", 64, "one-time", "rps"), figures.median("map of 1", 64, "one-time", "rps")
        ), 0.98, "least"),
        ("p99 latency, `one-time`, against none", figures.ratio(*static, "one-time", "p99"), 1.5, "most"),
        ("memory that a spare adds, KiB", over(grown, spares), 64, "most"),
        ("system calls that `one-time` adds", calls("one-time"), 8, "most"),
        ("system calls that `resident` adds", calls("resident"), 4, "most"),
        ("640 connections, `one-time`, against its peak", overload("one-time"), 0.9, "least"),
        ("640 connections, `resident`, against its peak", overload("resident"), 0.9, "least"),
        ("640 connections, without the module, against its peak", overload("none"), None, "least"),
    ]


def number(value, digits=2):
    return "–" if value is None else f"{value:,.{digits}f}"


def work_rows(figures, place):
    """A row for each work and subject."""
    cpu = "1,000 instructions" if place == "icount" else "CPU, µs"
    times = "p50, ms | p99 | p99.9"
    yield f"| work @ connections | subject | requests/s (quartiles) | ratio | {cpu} | {times} | errors | closed |"
    yield "|---" * 10 + "|"
    for work, connections, subject in figures.samples:
        which = work, connections, subject
        rates = figures.values(*which, "rps")
        low, _, high = statistics.quantiles(rates, n=4, method="inclusive") if len(rates) > 1 else rates * 3
        times = " | ".join(number(figures.median(*which, name) / 1000) for name in ("p50", "p99", "p999"))
        yield (
            f"| {work} @{connections} | {subject} | {statistics.median(rates):,.0f} ({low:,.0f}–{high:,.0f}) "
            f"| {number(figures.ratio(*which))} | {number(figures.median(*which, 'cpu_us'), 1)} | {times} "
            f"| {sum(figures.values(*which, 'errors'))} | {sum(figures.values(*which, 'closed'))} |"
        )


def other_rows(figures):
    """What is measured once."""
    yield "| subject | resident KiB | not of files | threads | context switches | system calls | in making threads |"
    yield "|---" * 7 + "|"
    for line in figures.of["memory"]:
        calls = [number(figures.single("calls", line["subject"], "total", of=of), 1) for of in ("way", "making")]
        yield (
            f"| {line['subject']} | {line['rss_kib']:,} | {line['anonymous_kib']:,} | {line['threads']} "
            f"| {number(line['switches'], 1)} | {' | '.join(calls)} |"
        )


def limit_rows(figures, place):
    """What the limit's turns cost."""
    yield f"| limit, {'1,000 instructions' if place == 'icount' else 'CPU µs'} a turn | 1 client | 8 | 64 |"
    yield "|---|---|---|---|"
    for mode in ("one-time", "resident"):
        yield f"| {mode} | " + " | ".join(number(figures.limit(mode, n), 1) for n in (1, 8, 64)) + " |"


def target_rows(figures, place):
    """A row for each of issue 5's aims."""
    yield "| to reach | figure | bound | |"
    yield "|---|---|---|---|"
    for what, value, bound, kind in targets(figures, place):
        if bound is None:
            yield f"| {what} | {number(value)} | | to compare |"
            continue
        is_reached = value is not None and (value >= bound if kind == "least" else value <= bound)
        verdict = "not measured" if value is None else "reached" if is_reached else "**not reached**"
        yield f"| {what} | {number(value)} | at {kind} {bound} | {verdict} |"


TITLES = {
    "native": "Natively, without SELinux",
    "vm": "In the virtual machine, enforcing",
    "icount": "In the virtual machine, by instruction count",
}


def main():
    lines = [json.loads(line) for line in Path(sys.argv[1]).read_text().splitlines()]
    folder = Path(sys.argv[2])
    text, faults = [], []
    for place, title in TITLES.items():
        ours = [line for line in lines if line["place"] == place]
        if not ours:
            continue
        figures = Figures(ours)
        run = figures.of["run"][0]
        text += [f"## {title}", "", f"{run['httpd']}; `BENCH={run['size']}`.", ""]
        text += [*work_rows(figures, place), ""]
        faults += [f"{place}: errors: {line}" for line in ours if line.get("errors")]
        if place != "icount":
            text += [*other_rows(figures), ""]
        text += [*limit_rows(figures, place), "", *target_rows(figures, place), ""]
        if len({key[1] for key in figures.samples if key[0] == "static 1 KB"}) > 1:
            faults += [f"{place}: {what}: not measured" for what, value, *_ in targets(figures, place) if value is None]
            (folder / f"{place}.svg").write_text(plot(figures, title))
    (folder / "table.md").write_text("\n".join(text))
    print("\n".join(text))
    if faults:
        raise SystemExit("\n".join(faults))


if __name__ == "__main__":
    main()
