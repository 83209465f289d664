"""Write the parts of docs/architecture.md that come from the code anew: `python -m tests.house.page` (`make page`).

The picture is drawn from the imports; each walk stands between its markers, one line for each file that it enters.
"""

import ast
import re
from collections.abc import Mapping

from tests.house.measures import ROOT
from tests.house.picture import FILE as PICTURE
from tests.house.picture import svg
from tests.house.walk import ACTS, Walk, walked

PAGE = ROOT / "docs" / "architecture.md"
COMMAND = "python -m tests.house.page"
LONGEST = 120
"""Letters of what is said of a file."""

_PART = "<!-- walk {name} -->\n{body}\n<!-- end -->"
_SENTENCE = re.compile(r"^(.+?[.])(\s|$)")


def part(name: str, walk: Walk) -> str:
    """One walk, with its markers."""
    own = len(walk.service().files())
    lines = [f"{len(walk.files())} files, {own} of them inside the service:\n"]
    lines += [f"{number}. `{file}`: {about(file)}" for number, file in enumerate(walk.files(), 1)]
    return _PART.format(name=name, body="\n".join(lines))


def about(file: str) -> str:
    """What a file says of itself first, on one line."""
    words = ast.get_docstring(ast.parse((ROOT / file).read_text(encoding="utf-8"))) or ""
    line = " ".join(words.split())
    sentence = _SENTENCE.match(line)
    line = (sentence[1] if sentence else line).rstrip(".:;")
    return line if len(line) <= LONGEST else f"{line[:LONGEST].rpartition(' ')[0]} …"


def written(page: str, walks: Mapping[str, Walk]) -> str:
    """The page with these walks in it. Raises ValueError where it has no place for one."""
    for name, walk in walks.items():
        pattern = re.compile(
            _PART.format(name=name, body="@").replace("@", "(?:.*?)").replace("\n", "\\n*"),
            re.DOTALL,
        )
        place = pattern.search(page)
        if place is None:
            raise ValueError(f"{PAGE.name} has no markers for {name}")
        start, end = place.span()
        page = page[:start] + part(name, walk) + page[end:]
    return page


def files_in(page: str, name: str) -> set[str]:
    """The files that the page names for one walk."""
    _, _, rest = page.partition(f"<!-- walk {name} -->")
    return set(re.findall(r"^\d+\. `([^`]+)`", rest.partition("<!-- end -->")[0], re.MULTILINE))


def main() -> None:
    """Write the picture and the page."""
    PICTURE.write_text(svg(), encoding="utf-8")
    page = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(written(page, walked(*ACTS)), encoding="utf-8")


if __name__ == "__main__":
    main()
