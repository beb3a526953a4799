"""Draws what compare.py measured, as SVG: each operation of each peer, as a multiple of the fastest native peer's time.

    python benches/compare.py --json results.json operations decorated
    python benches/plots.py results.json FOLDER    one file for each table of times
"""

from __future__ import annotations

import json
import pathlib
import re
import sys
from html import escape
from typing import Any, Optional

#: Who is compared with: peers in C and Rust that bound what they hold.
NATIVE = ("cachebox", "functools", "moka_py")
#: The longest bar; what is more ends there and says its number.
MOST = 4.0

LABELS, BARS, NUMBERS = 190, 480, 130
ROW, GAP, HEAD = 18, 34, 64
WIDTH = LABELS + BARS + NUMBERS
OURS, THEIRS, INK, LINE, PAPER = "#2a6f97", "#b8c0c8", "#22272b", "#8a9399", "#fcfcfa"


def text(x: float, y: float, words: str, size: int = 12, rest: str = "") -> str:
    return f'<text x="{x:g}" y="{y:g}" font-size="{size}" fill="{INK}" {rest}>{escape(words)}</text>'


def bar(y: float, peer: str, ratio: float) -> list[str]:
    length = BARS * min(ratio, MOST) / MOST
    colour = OURS if peer.startswith("pinyon") else THEIRS
    return [
        text(LABELS - 8, y + 12, peer, rest='text-anchor="end"'),
        f'<rect x="{LABELS}" y="{y:g}" width="{length:.1f}" height="{ROW - 4}" fill="{colour}"/>',
        text(LABELS + length + 6, y + 12, f"{ratio:.2f}" + ("  (cut off)" if ratio > MOST else "")),
    ]


def group(y: float, column: str, rows: dict[str, Any]) -> Optional[tuple[list[str], float]]:
    """The bars of one operation, and where they end; none if no native peer has it."""
    medians = {peer: row[column][1] for peer, row in rows.items() if column in row}
    unit = min((time for peer, time in medians.items() if peer.startswith(NATIVE)), default=None)
    if unit is None:
        return None
    lines = [text(LABELS, y + 12, column, 13, 'font-weight="bold"')]
    y += ROW + 2
    for peer, time in medians.items():
        lines += bar(y, peer, time / unit)
        y += ROW
    return lines, y


def plot(table: dict[str, Any], made: str) -> str:
    y: float = HEAD
    lines = [text(12, 24, table["title"].split(":")[0], 16, 'font-weight="bold"')]
    lines.append(text(12, 44, "Median time, as a multiple of the fastest native peer's. Shorter is faster."))
    for column in table["columns"]:
        drawn = group(y, column, table["rows"])
        if drawn is not None:
            lines += drawn[0]
            y = drawn[1] + GAP - ROW
    one = LABELS + BARS / MOST
    lines.append(f'<line x1="{one:g}" y1="{HEAD}" x2="{one:g}" y2="{y - 8:g}" stroke="{LINE}" stroke-dasharray="3 3"/>')
    for line in made.split(". ", 1):
        lines.append(text(12, y + 12, line, 11))
        y += 16
    height = y + 12
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:g}" width="{WIDTH}" height="{height:g}" '
            'font-family="system-ui, sans-serif">',
            f'<rect width="100%" height="100%" fill="{PAPER}"/>',
            *lines,
            "</svg>\n",
        ]
    )


def main() -> None:
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    results = json.loads(pathlib.Path(sys.argv[1]).read_text(encoding="utf-8"))
    for table in results["tables"]:
        if ": ns" in table["title"]:
            name = re.sub(r"\W+", "-", table["title"].split(":")[0].split(",")[0].lower())
            path = pathlib.Path(sys.argv[2], name + ".svg")
            path.write_text(plot(table, results["made"]), encoding="utf-8")
            print(path)


if __name__ == "__main__":
    main()
