"""Plots as SVG, without a library: bars are all that a comparison of a few figures needs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

LABEL, WIDTH, BAR, GAP, TITLE = 330, 420, 16, 6, 34
COLOURS = ("#2f6f9f", "#c0504d", "#7f9f3f", "#8064a2", "#4bacc6")


@dataclass(frozen=True, slots=True)
class Bars:
    """One group of bars under a title. What stands before the first comma or colon of a label gives the colour."""

    title: str
    values: Sequence[tuple[str, float]]


def bars_svg(groups: Sequence[Bars]) -> str:
    """An SVG with each group below the one before, each on a scale of its own."""
    parts: list[str] = []
    top = 10
    for group in groups:
        parts.append(f'<text x="10" y="{top + 18}" font-weight="bold">{escape(group.title)}</text>')
        top += TITLE
        most = max((value for _, value in group.values), default=1.0) or 1.0
        names: dict[str, str] = {}
        for label, value in group.values:
            name = label.replace(":", ",").partition(",")[0]
            colour = names.setdefault(name, COLOURS[len(names) % len(COLOURS)])
            length = max(1.0, WIDTH * value / most)
            parts.append(f'<text x="{LABEL - 8}" y="{top + BAR - 4}" text-anchor="end">{escape(label)}</text>')
            parts.append(f'<rect x="{LABEL}" y="{top}" width="{length:.1f}" height="{BAR}" fill="{colour}"/>')
            parts.append(f'<text x="{LABEL + length + 6:.1f}" y="{top + BAR - 4}">{value:,.{0 if value >= 100 else 1}f}</text>')
            top += BAR + GAP
        top += GAP
    size = f'width="{LABEL + WIDTH + 110}" height="{top}"'
    style = 'font-family="sans-serif" font-size="12" fill="#222"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size} {style}><rect width="100%" height="100%" fill="#fff"/>{"".join(parts)}</svg>\n'
