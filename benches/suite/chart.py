"""Charts as SVG, in light and dark as the reader has it."""

import math
from html import escape

STYLE = """
svg { font: 13px system-ui, -apple-system, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif }
.title { font-weight: 600; font-size: 15px } .bold { font-weight: 600 } .small { font-size: 12px }
.grid { stroke-width: 1 } .spread { stroke-width: 1.5 } .line { fill: none; stroke-width: 2 }
.ground { fill: #ffffff } text { fill: #1f2328 } .small { fill: #59636e }
.grid { stroke: #d8dee4 } .spread { stroke: #1f2328 }
.ours { fill: #0b62c4; stroke: #0b62c4 }
.strong { fill: #b4560b; stroke: #b4560b }
.plain { fill: #848d97; stroke: #848d97 }
@media (prefers-color-scheme: dark) {
.ground { fill: #0d1117 } text { fill: #e6edf3 } .small { fill: #9198a1 }
.grid { stroke: #30363d } .spread { stroke: #e6edf3 }
.ours { fill: #4c9aff; stroke: #4c9aff }
.strong { fill: #e8914a; stroke: #e8914a }
.plain { fill: #7d8590; stroke: #7d8590 }
}
"""


def width_of(text, size=13):
    """About how wide a text is, rather too much than too little."""
    return 0.58 * size * len(text)


def svg(width, height, title, parts):
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}"'
            f' role="img" aria-label="{escape(title)}">',
            f"<style>{STYLE}</style>",
            f'<rect class="ground" width="{width}" height="{height}"/>',
            f'<text class="title" x="20" y="28">{escape(title)}</text>',
            *parts,
            "</svg>\n",
        ]
    )


def text(x, y, content, kind="", anchor="start"):
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(content)}</text>'


def line(x1, y1, x2, y2, kind):
    return f'<line class="{kind}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def bars(title, note, groups, width=900):
    """`groups`: `(heading, [(label, kind, middle, least, most, said)])`; a bar each, and what is said of it."""
    rows = [row for _, group in groups for row in group]
    left = 32 + max(width_of(label) for label, *_ in rows)
    right = 24 + max(width_of(said) for *_, said in rows)
    scale = (width - left - right) / max(most for *_, most, _ in rows)
    parts, y = [text(20, 48, note, "small")], 62
    for heading, group in groups:
        if heading:
            y += 22
            parts.append(text(20, y, heading, "bold"))
            y += 8
        for label, kind, middle, least, most, said in group:
            parts.append(text(left - 10, y + 17, label, "bold" if kind == "ours" else "", "end"))
            parts.append(
                f'<rect class="{kind}" x="{left:.1f}" y="{y + 4}" width="{max(1, middle * scale):.1f}" height="17"/>'
            )
            if most > least:
                middle_y = y + 12.5
                parts.append(line(left + least * scale, middle_y, left + most * scale, middle_y, "spread"))
                for end in (least, most):
                    parts.append(line(left + end * scale, middle_y - 4, left + end * scale, middle_y + 4, "spread"))
            parts.append(text(left + most * scale + 8, y + 17, said, "small"))
            y += 26
    return svg(width, y + 16, title, parts)


def ticks(least, most):
    """Round numbers on a logarithmic scale between two others, at most about six."""
    found = [
        step * 10.0**power
        for power in range(math.floor(math.log10(least)), math.ceil(math.log10(most)) + 1)
        for step in (1, 2, 5)
        if least <= step * 10.0**power <= most
    ]
    return found if len(found) <= 6 else [tick for tick in found if f"{tick:e}"[0] == "1"]


def panels(title, note, series, pictures, width=900):
    """Small pictures with logarithmic heights. `series`: `(key, label, kind)`. `pictures`: `(heading, values across,
    {key: heights})`, where a height may be missing."""
    parts, x = [text(20, 48, note, "small")], 20
    for _, label, kind in series:
        parts += [line(x, 68, x + 22, 68, f"{kind} line"), f'<circle class="{kind}" cx="{x + 11}" cy="68" r="3.5"/>']
        parts.append(text(x + 30, 72, label, "bold" if kind == "ours" else ""))
        x += 52 + width_of(label)
    across, high, top = (width - 40) / 2, 190, 92
    for place, (heading, values, heights) in enumerate(pictures):
        x0, y0 = 20 + (place % 2) * across, top + (place // 2) * (high + 70)
        inner_x, inner_y, inner_w = x0 + 52, y0 + 18, across - 84
        known = [height for line_ in heights.values() for height in line_ if height]
        parts.append(text(x0, y0 + 6, heading, "bold"))
        if not known:
            continue
        low, high_value = min(known) / 1.25, max(known) * 1.25

        def at(height):
            return inner_y + high * (1 - math.log(height / low) / math.log(high_value / low))

        def over(index):
            return inner_x + inner_w * (0.5 if len(values) == 1 else index / (len(values) - 1))

        for tick in ticks(low, high_value):
            parts.append(line(inner_x - 8, at(tick), inner_x + inner_w + 8, at(tick), "grid"))
            parts.append(text(inner_x - 14, at(tick) + 4, f"{tick:,.10g}", "small", "end"))
        for index, value in enumerate(values):
            parts.append(text(over(index), inner_y + high + 20, f"{value:g}", "small", "middle"))
        for key, _, kind in reversed(series):
            points = [(over(i), at(height)) for i, height in enumerate(heights.get(key, [])) if height]
            joined = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
            parts.append(f'<polyline class="{kind} line" style="fill:none" points="{joined}"/>')
            parts += [f'<circle class="{kind}" cx="{x:.1f}" cy="{y:.1f}" r="3.5"/>' for x, y in points]
    rows = math.ceil(len(pictures) / 2)
    return svg(width, top + rows * (high + 70), title, parts)
