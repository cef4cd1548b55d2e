"""Throughput and latency against concurrency, as SVG."""

import math

COLOURS = {"none": "#444444", "no rules": "#2a7fff", "one-time": "#d4380d", "resident": "#389e0d", "other": "#722ed1"}
# Dashes show a line that another covers.
DASHES = {"no rules": "7 4"}
WIDTH, HEIGHT, LEFT, TOP = 400, 260, 70, 60
COLUMNS = (("rps", 1, "requests/s"), ("p50", 1000, "median latency, ms"), ("p99", 1000, "p99 latency, ms"))
ROWS = ("static 1 KB", "Lua page")


def linear(values):
    """An axis from 0: its marks, and where on it a value stands, from 0 to 1."""
    top = max(values) or 1
    unit = 10 ** math.floor(math.log10(top / 4))
    step = next(unit * n for n in (1, 2, 5, 10) if unit * n * 5 >= top)
    marks = [step * n for n in range(math.ceil(top / step) + 1)]
    return marks, lambda value: value / marks[-1]


def logarithmic(values):
    """One of powers of ten."""
    values = [value for value in values if value > 0] or [1]
    low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
    high = max(high, low + 1)
    return [10.0**n for n in range(low, high + 1)], lambda value: (math.log10(max(value, 10**low)) - low) / (high - low)


def label(x, y, text, anchor="middle", size=12):
    return f'<text x="{x:.0f}" y="{y:.0f}" text-anchor="{anchor}" font-size="{size}">{text}</text>'


def panel(figures, work, figure, divisor, x, y):
    """One diagram: a line for each subject."""
    concurrency = sorted({key[1] for key in figures.samples if key[0] == work})
    names = [name for name in COLOURS if figures.median(work, concurrency[0], name, figure) is not None]
    points = {
        name: [(n, figures.median(work, n, name, figure) / divisor) for n in concurrency] for name in names
    }
    axis = linear if figure == "rps" else logarithmic
    marks, place = axis([value for line in points.values() for _, value in line])

    def at(n, value):
        across = concurrency.index(n) / max(1, len(concurrency) - 1)
        return x + 15 + across * (WIDTH - LEFT - 30), y + HEIGHT - 90 - place(value) * (HEIGHT - 110)

    for mark in marks:
        height = at(concurrency[0], mark)[1]
        yield f'<path d="M{x} {height:.1f}h{WIDTH - LEFT}" stroke="#dddddd"/>'
        yield label(x - 6, height + 4, f"{mark:,.10g}", "end")
    for n in concurrency:
        yield label(at(n, marks[0])[0], y + HEIGHT - 72, n)
    for name in names:
        places = [at(*point) for point in points[name]]
        path = "L".join(f"{left:.1f} {height:.1f}" for left, height in places)
        dash = f' stroke-dasharray="{DASHES[name]}"' if name in DASHES else ""
        yield f'<path d="M{path}" fill="none" stroke="{COLOURS[name]}" stroke-width="2"{dash}/>'
        for left, height in places:
            yield f'<circle cx="{left:.1f}" cy="{height:.1f}" r="3" fill="{COLOURS[name]}"/>'


def plot(figures, title):
    """The document."""
    rows = [work for work in ROWS if any(key[0] == work for key in figures.samples)]
    names = [name for name in COLOURS if any(key[2] == name for key in figures.samples)]
    width, height = WIDTH * len(COLUMNS) + 20, TOP + HEIGHT * len(rows)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" font-family="sans-serif">',
        f'<rect width="{width}" height="{height}" fill="white"/>',
        label(LEFT, 24, title, "start", 16),
    ]
    for place, name in enumerate(names):
        left = LEFT + 450 + place * 120
        dash = f' stroke-dasharray="{DASHES[name]}"' if name in DASHES else ""
        parts.append(f'<path d="M{left} 19h24" stroke="{COLOURS[name]}" stroke-width="3"{dash}/>')
        parts.append(label(left + 30, 24, name, "start", 13))
    for row, work in enumerate(rows):
        for column, (figure, divisor, what) in enumerate(COLUMNS):
            x, y = LEFT + column * WIDTH, TOP + row * HEIGHT
            parts.append(label(x + (WIDTH - LEFT) / 2, y + 4, f"{work}: {what}", size=13))
            parts.append(label(x + (WIDTH - LEFT) / 2, y + HEIGHT - 54, "connections"))
            parts += panel(figures, work, figure, divisor, x, y)
    return "\n".join([*parts, "</svg>\n"])
