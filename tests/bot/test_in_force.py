"""The policy in force and its version's id are of one version, whenever another one is put in force."""

import re
from pathlib import Path

from bot.deps import PolicyHolder
from tests.approvals.conftest import POLICY
from workflows import policy as policies
from workflows.policy import Policy

OLD, NEW = policies.parse(POLICY), policies.parse(POLICY.replace("Acme", "Bemet"))
VERSIONS = {"Acme": 1, "Bemet": 2}


class Restless(PolicyHolder):
    """Another version comes into force between any two looks."""

    @property
    def policy(self) -> Policy:
        found = super().policy
        self._turn()
        return found

    @property
    def version_id(self) -> int:
        found = super().version_id
        self._turn()
        return found

    @property
    def in_force(self) -> tuple[Policy, int]:
        found = super().in_force
        self._turn()
        return found

    def _turn(self) -> None:
        text, version = (NEW, 2) if super().version_id == 1 else (OLD, 1)
        self.swap(text, version)


def test_both_are_of_one_version() -> None:
    holder = Restless(OLD, 1)
    for _ in range(4):
        found, version = holder.in_force
        assert VERSIONS[found.organisation.name] == version


def test_nothing_reads_them_apart() -> None:
    """Whatever is bound to a version gets both from one look; only whoever swaps them asks for the id alone."""
    root = Path(__file__).parents[2] / "bot"
    apart = {
        path.relative_to(root).as_posix()
        for path in root.rglob("*.py")
        if re.search(r"holder\.version_id", path.read_text())
    }
    assert apart <= {"app.py"}
    asked = re.findall(r".*holder\.version_id.*", (root / "app.py").read_text())
    assert [line.strip() for line in asked] == ["if latest is None or latest == holder.version_id:"]
