"""An interpreter that has nothing but what `pip install mlgov` brings: everything else of this environment is hidden.

`python -m tests.core_only CODE` runs CODE so.
"""

import importlib.abc
import importlib.machinery
import importlib.metadata
import re
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]


def _name(distribution: str) -> str:
    return re.sub(r"[-_.]+", "-", distribution).lower()


def core() -> set[str]:
    """The distributions that mlgov without extras needs, and what these need."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    found: set[str] = set()
    left = [(Requirement(one), "") for one in project["dependencies"]]
    while left:
        wanted, extra = left.pop()
        if wanted.marker and not wanted.marker.evaluate({"extra": extra}):
            continue
        for each in ("", *wanted.extras):
            key = f"{_name(wanted.name)}[{each}]"
            if key in found:
                continue
            found.add(key)
            needs = importlib.metadata.requires(wanted.name) or ()
            left.extend((Requirement(text), each) for text in needs)
    return {one.partition("[")[0] for one in found}


def hidden() -> set[str]:
    """The top-level modules that only other distributions of this environment bring."""
    kept = core() | {"mlgov"}
    return {
        module
        for module, distributions in importlib.metadata.packages_distributions().items()
        if not kept & {_name(one) for one in distributions}
    }


class Hides(importlib.abc.MetaPathFinder):
    """Modules that are not to be found."""

    def __init__(self, names: set[str]) -> None:
        self.names = names

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname.partition(".")[0] in self.names:
            raise ModuleNotFoundError(f"No module named {fullname!r}", name=fullname)
        return None


if __name__ == "__main__":
    names = hidden()
    for loaded in [one for one in sys.modules if one.partition(".")[0] in names]:
        del sys.modules[loaded]
    sys.meta_path.insert(0, Hides(names))
    exec(sys.argv[1])
