"""All figures of the house; with `--places`, where each of them comes from, by a part of its name."""

import sys

from tests.house.measures import MEASURES, lines, small_share
from tests.house.walk import figures, say, walked


def main(words: list[str]) -> None:
    """Print a table, or the places of the measures that are named."""
    if words[:1] == ["--places"]:
        wanted = " ".join(words[1:])
        for measure in MEASURES:
            if wanted in measure.name:
                places = list(measure.places())
                say(f"\n{measure.name}: {len(places)}")
                say("\n".join(places))
        return
    say(f"{'':44}{'now':>7}{'most':>7}{'goal':>7}")
    for measure in MEASURES:
        say(
            f"{measure.name:44}{len(list(measure.places())):>7,}{measure.most:>7,}{measure.goal:>7}"
        )
    say(f"{'share of files under 40 lines, per cent':44}{small_share():>7.1f}{'':>7}{8:>7}")
    say(f"{'lines of Python':44}{lines():>7,}")
    for name, walk in walked("approve", "job", "import").items():
        say(f"{name}: " + ", ".join(f"{number} {what}" for what, number in figures(walk).items()))


if __name__ == "__main__":
    main(sys.argv[1:])
