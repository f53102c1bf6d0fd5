"""Plots as SVG: bars beside each other, and lines; nothing but text, light and dark."""
import math
from xml.sax.saxutils import escape

WIDTH, LEFT, RIGHT, ROW, TOP = 720, 150, 120, 26, 44
COLOURS = {"postrider": "#2f6fab", "floor": "#8a8f98"}
OTHERS = ("#c8742c", "#7a9a3a", "#a0568f", "#b5a02e", "#5a8f8a")
STYLE = ("<style>text{font:13px sans-serif;fill:#24292f}.title{font-weight:bold}.small{font-size:11px;fill:#57606a}"
         ".axis{stroke:#8a8f98;stroke-width:1}.whisker{stroke:#24292f;stroke-width:1.2}"
         "@media(prefers-color-scheme:dark){text{fill:#e6edf3}.small{fill:#9da7b1}.whisker{stroke:#e6edf3}}</style>")


def colours(servers):
    rest = iter(OTHERS * 3)
    return {server: COLOURS.get(server) or next(rest) for server in servers}


def text(x, y, words, anchor="start", kind=""):
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{f" class={chr(34)}{kind}{chr(34)}" if kind else ""}>{escape(words)}</text>'


def line(x1, y1, x2, y2, kind):
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" class="{kind}"/>'


def document(height, title, parts):
    head = (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" '
            f'role="img" aria-label="{escape(title)}">')
    return "\n".join([head, STYLE, text(10, 22, title, kind="title"), *parts, "</svg>"]) + "\n"


def bars(title, rows, number):
    """rows: [(server, its title, {"median", "least", "greatest"})]; a line from the least to the greatest."""
    most = max(found["greatest"] for _, _, found in rows)
    scale = (WIDTH - LEFT - RIGHT) / most
    shade, parts = colours([server for server, _, _ in rows]), []
    for number_of, (server, name, found) in enumerate(rows):
        y = TOP + number_of * ROW
        middle, low, high = (found[key] * scale for key in ("median", "least", "greatest"))
        parts += [text(LEFT - 8, y + 14, name, "end"),
                  f'<rect x="{LEFT}" y="{y + 2}" width="{max(1, middle):.1f}" height="{ROW - 10}" fill="{shade[server]}"/>',
                  line(LEFT + low, y + 10, LEFT + high, y + 10, "whisker"),
                  text(LEFT + high + 8, y + 14, number(found["median"]))]
    return document(TOP + len(rows) * ROW + 10, title, parts)


def lines(title, points, rows, number):
    """rows: [(server, its title, [value at each point])]; points are as far apart as their logarithms."""
    height, bottom, right = 280, 240, WIDTH - 100
    logs = [math.log10(point) for point in points]
    most = max(value for _, _, values in rows for value in values) * 1.08

    def x(i):
        return 70 + (logs[i] - logs[0]) / ((logs[-1] - logs[0]) or 1) * (right - 70)

    def y(value):
        return bottom - value / most * (bottom - TOP)

    shade = colours([server for server, _, _ in rows])
    parts = [line(70, bottom, right, bottom, "axis"), line(70, TOP, 70, bottom, "axis"),
             text(64, bottom, "0", "end", "small"), text(64, y(most / 1.08) + 4, number(most / 1.08), "end", "small")]
    parts += [text(x(i), bottom + 18, f"{point:,}", "middle", "small") for i, point in enumerate(points)]
    for server, name, values in rows:
        path = " ".join(f"{x(i):.1f},{y(value):.1f}" for i, value in enumerate(values))
        parts.append(f'<polyline points="{path}" fill="none" stroke="{shade[server]}" stroke-width="2"/>')
        parts += [f'<circle cx="{x(i):.1f}" cy="{y(value):.1f}" r="3" fill="{shade[server]}"/>' for i, value in enumerate(values)]
        parts.append(text(right + 6, y(values[-1]) + 4, name, kind="small"))
    return document(height, title, parts)
