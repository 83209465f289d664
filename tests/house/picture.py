"""The house as one picture, drawn from the imports: who stands higher may use what stands lower, on their own floor and below.

A box is a package, so a noun or a room; loose modules of a floor stand beside the boxes in grey. A row is as low as its
imports allow. What imports each other in a circle stands in one row.
"""

import functools
from collections import defaultdict
from html import escape

from tests.house.measures import OURS, ROOT, Graph, circles, imports

FILE = ROOT / "docs" / "images" / "architecture.svg"

FLOORS = {
    "bot": ("how people and programs reach it", "#e8f0fb", "#2b5fa8"),
    "workflows": ("the governance; knows no Slack, no web, no command line", "#e9f5ec", "#2c7a45"),
    "storage": ("the record", "#fdf3e3", "#9a6412"),
    "sandbox": ("a stand-in for Slack; imports none of the three", "#f1f1f1", "#666666"),
}
APART = ("migrations", "__main__")
WIDTH, MARGIN, ROW, GAP = 1160, 20, 34, 10
LETTER, SMALL_LETTER = 8.0, 6.3
"""Width of a letter, at the sizes used here."""


def _units(floor: str) -> Graph:
    """The packages and loose modules of a floor, and which uses which."""
    units: Graph = defaultdict(set)
    for module, others in imports(for_types=False).items():
        mine = _unit(module, floor)
        if mine is not None:
            units[mine] |= {unit for other in others if (unit := _unit(other, floor))} - {mine}
    for others in list(units.values()):
        for other in others:
            units.setdefault(other, set())
    return units


def _unit(module: str, floor: str) -> str | None:
    parts = module.split(".")
    return parts[1] if parts[0] == floor and len(parts) > 1 and parts[1] not in APART else None


def rows(floor: str) -> list[list[str]]:
    """The units of a floor by height, the highest first; rows without a package are joined to the one below."""
    units = _units(floor)
    circle = {name: part[0] for part in circles(units) for name in part}

    @functools.cache
    def height(name: str) -> int:
        together = [each for each in units if circle.get(each, each) == name]
        below = {circle.get(other, other) for each in together for other in units[each]} - {name}
        return 1 + max((height(each) for each in below), default=-1)

    by_height: dict[int, list[str]] = defaultdict(list)
    for name in sorted(units):
        by_height[height(circle.get(name, name))].append(name)
    joined: list[list[str]] = []
    waiting: list[str] = []
    for _, names in sorted(by_height.items(), reverse=True):
        waiting += names
        if any(is_package(floor, name) for name in names):
            joined.append(sorted(waiting))
            waiting = []
    return [*joined, *([sorted(waiting)] if waiting else [])]


def is_package(floor: str, name: str) -> bool:
    """Whether a unit is a package, and so a box."""
    return (ROOT / floor / name).is_dir()


def nouns() -> set[str]:
    """Packages that stand on more than one floor."""
    names = [path.name for floor in OURS for path in (ROOT / floor).iterdir() if path.is_dir()]
    return {name for name in names if names.count(name) > 1 and name != "__pycache__"}


def svg() -> str:
    """The picture."""
    parts: list[str] = []
    known = nouns()
    y = MARGIN + 28
    for floor, (words, fill, ink) in FLOORS.items():
        body: list[str] = []
        top = y
        y += 44
        for names in rows(floor):
            y = _row(body, floor, names, known, y, ink)
        parts.append(
            f'<rect x="{MARGIN}" y="{top}" width="{WIDTH - 2 * MARGIN}" height="{y - top + 4}" rx="10" fill="{fill}"/>'
        )
        parts.append(
            f'<text x="{MARGIN + 16}" y="{top + 27}" class="floor" fill="{ink}">{floor}/'
            f'<tspan class="words" dx="10">{escape(words)}</tspan></text>'
        )
        parts += body
        y += 18
    title = "Who stands higher uses what stands lower. Bold: nouns, which stand on several floors."
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y}" role="img" aria-label="The floors of mlgov and what stands on each">',
            "<style>text{font-family:Helvetica,Arial,sans-serif;font-size:14px}.floor{font-size:18px;font-weight:bold}"
            ".words{font-size:14px;font-weight:normal}.noun{font-weight:bold}.loose{font-size:12px;fill:#555}</style>",
            f'<rect width="{WIDTH}" height="{y}" fill="#ffffff"/>',
            f'<text x="{MARGIN}" y="{MARGIN + 10}">{title}</text>',
            *parts,
            "</svg>\n",
        ]
    )


def _row(body: list[str], floor: str, names: list[str], known: set[str], y: int, ink: str) -> int:
    """Draw one row, on as many lines as it needs; where the next one begins."""
    left, right = MARGIN + 16, WIDTH - MARGIN - 16
    x = float(left)
    boxes = [name for name in names if is_package(floor, name)]
    loose = [name for name in names if not is_package(floor, name)]
    for name in boxes:
        width = len(name) * LETTER + 20
        if x + width > right:
            x, y = float(left), y + ROW
        weight = ' class="noun"' if name in known else ""
        body.append(
            f'<rect x="{x:.0f}" y="{y}" width="{width:.0f}" height="26" rx="5" fill="#fff" stroke="{ink}"/>'
            f'<text x="{x + width / 2:.0f}" y="{y + 18}" text-anchor="middle"{weight}>{escape(name)}</text>'
        )
        x += width + GAP
    for name in loose:
        width = len(name) * SMALL_LETTER + 12
        if x + width > right:
            x, y = float(left), y + ROW - (8 if not boxes else 0)
        body.append(f'<text x="{x:.0f}" y="{y + 18}" class="loose">{escape(name)}</text>')
        x += width
    return y + ROW
