"""The picture of the architecture, drawn from the layers that the import contract in pyproject.toml enforces."""

from __future__ import annotations

import re
from html import escape
from pathlib import Path

PROJECT = Path(__file__).parents[2] / "pyproject.toml"
PACKAGE = PROJECT.parent / "airflow_provider_marketo"

_WIDTH, _BOX, _GAP, _ROW = 880, 36, 10, 66
_MARGIN = 2
"""Room in a box beside its name, in letters: boxes of a row are as wide as their names need."""


def layers() -> list[list[str]]:
    """Return the layers that the contract names, without folders that do not exist; the highest layer comes first."""
    contract = re.search(r'^type = "layers"\n.*?^layers = \[\n(.*?)^\]', PROJECT.read_text("utf-8"), re.M | re.S)
    assert contract, "pyproject.toml has no contract of layers"
    rows = [re.findall(r"\w+", row) for row in re.findall(r'"([^"]+)"', contract[1])]
    return [existing for row in rows if (existing := [name for name in row if _exists(name)])]


def architecture() -> str:
    """Return the picture as SVG, in the colours of the page."""
    rows = layers()
    height = len(rows) * _ROW
    parts = [
        f'<svg viewBox="0 0 {_WIDTH} {height}" role="img" aria-label="The folders of the package, in layers" '
        'style="width: 100%; color: var(--color-foreground-primary)" font-family="sans-serif" font-size="13">',
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" orient="auto">'
        '<path d="M0 0 L8 4 L0 8 z" fill="currentColor"/></marker></defs>',
    ]
    for number, row in enumerate(rows):
        top = number * _ROW + 4
        unit = (_WIDTH - _GAP * (len(row) + 1)) / sum(len(name) + _MARGIN for name in row)
        left = float(_GAP)
        for name in row:
            width = (len(name) + _MARGIN) * unit
            parts.append(
                f'<rect x="{left:.0f}" y="{top}" width="{width:.0f}" height="{_BOX}" rx="6" fill="none" '
                f'stroke="currentColor"/><text x="{left + width / 2:.0f}" y="{top + 23}" text-anchor="middle" '
                f'fill="currentColor">{escape(name)}</text>'
            )
            left += width + _GAP
        if number + 1 < len(rows):
            middle, start = _WIDTH // 2, top + _BOX + 4
            parts.append(
                f'<path d="M{middle} {start} V{top + _ROW - 4}" stroke="currentColor" marker-end="url(#tip)"/>'
            )
    return "```{raw} html\n" + "\n".join([*parts, "</svg>"]) + "\n```\n"


def _exists(name: str) -> bool:
    return (PACKAGE / name).is_dir() or (PACKAGE / f"{name}.py").is_file()
