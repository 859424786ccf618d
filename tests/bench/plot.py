# SPDX-License-Identifier: Apache-2.0
"""plot: curves of a figure over sizes that grow by powers, as SVG; both axes are logarithmic."""
import math
from xml.sax.saxutils import escape

WIDTH, HEIGHT = 640, 400
LEFT, RIGHT, TOP, BOTTOM = 80, 150, 40, 50
COLOURS = ("#0b5fa5", "#c0392b", "#2e7d32", "#8e44ad", "#b9770e", "#444444")


def span(values):
    """Whole powers of ten around the values."""
    low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
    return low, max(high, low + 1)


def label(power):
    names = {3: "k", 6: "M", 9: "G"}
    whole = power // 3 * 3
    if whole not in names:
        return f"{10 ** power:g}"
    return f"{10 ** (power - whole):g} {names[whole]}"


def svg(title, x_title, y_title, curves):
    """curves: {name: [(x, y), ...]}, all positive."""
    points = [p for curve in curves.values() for p in curve]
    x0, x1 = span([p[0] for p in points])
    y0, y1 = span([p[1] for p in points])

    def at(x, y):
        return (LEFT + (math.log10(x) - x0) / (x1 - x0) * (WIDTH - LEFT - RIGHT),
                HEIGHT - BOTTOM - (math.log10(y) - y0) / (y1 - y0) * (HEIGHT - TOP - BOTTOM))
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" '
           f'font-size="12"><rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
           f'<text x="{LEFT}" y="22" font-size="15">{escape(title)}</text>',
           f'<text x="{LEFT}" y="{HEIGHT - 10}">{escape(x_title)}</text>',
           f'<text x="14" y="{HEIGHT - BOTTOM}" transform="rotate(-90 14 {HEIGHT - BOTTOM})">{escape(y_title)}</text>']
    for power in range(x0, x1 + 1):
        x, y = at(10 ** power, 10 ** y0)
        out.append(f'<path d="M{x:.1f} {TOP}V{y:.1f}" stroke="#ddd"/><text x="{x:.1f}" y="{y + 16:.1f}" '
                   f'text-anchor="middle">{label(power)}</text>')
    for power in range(y0, y1 + 1):
        x, y = at(10 ** x0, 10 ** power)
        out.append(f'<path d="M{x:.1f} {y:.1f}H{WIDTH - RIGHT}" stroke="#ddd"/><text x="{x - 6:.1f}" y="{y + 4:.1f}" '
                   f'text-anchor="end">{label(power)}</text>')
    for i, (name, curve) in enumerate(curves.items()):
        colour = COLOURS[i % len(COLOURS)]
        places = [at(*p) for p in curve]
        out.append(f'<polyline fill="none" stroke="{colour}" stroke-width="2" points="'
                   + " ".join(f"{x:.1f},{y:.1f}" for x, y in places) + '"/>')
        out += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in places]
        out.append(f'<text x="{WIDTH - RIGHT + 8}" y="{TOP + 14 + 18 * i}" fill="{colour}">{escape(name)}</text>')
    return "\n".join([*out, "</svg>", ""])
