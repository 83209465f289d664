"""Where the registry and the record differ, and what mlgov would write. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from storage.enums import ModelState

S = ModelState
ENTITLED = frozenset({S.APPROVED, S.IMPLEMENTATION, S.IN_USE, S.MODIFICATION})
"""States in which a version is named with its approval."""
USED = frozenset({S.IN_USE, S.MODIFICATION})
STOPPED = frozenset({S.SUSPENDED, S.RETIRED})
"""States in which nobody's acceptance lets the governed alias stand at a version."""
TAGS = (
    "mlgov.model_id",
    "mlgov.state",
    "mlgov.risk_tier",
    "mlgov.approval_id",
    "mlgov.approved_until",
)
NOT_APPROVED = "was not approved"
BACKOFF = (60, 300, 900, 3600, 3600, 14400, 14400)
"""Seconds between attempts of a write; after as many it is given up, until what is wanted changes."""


class Drift(StrEnum):
    """What can be wrong."""

    ALIAS = "alias"
    """The governed alias stands at a version that was not approved."""
    CONTENTS = "contents"
    """A version's contents are not those that were approved."""
    UNKNOWN = "unknown"
    """The registry has a model that the inventory does not know."""
    GONE = "gone"
    """The registry does not have what the inventory knows."""
    DEVELOPER = "developer"
    """A tag names somebody else as a version's developer than whoever ran its run."""


@dataclass(frozen=True, slots=True)
class InventoryVersion:
    """A version of the inventory, as far as the registry is concerned."""

    version_id: int
    version: str
    state: ModelState
    tier: int | None = None
    approval_id: int | None = None
    approved_until: datetime | None = None
    holds: bool = True
    """Whether its approval was given and neither ended nor taken back."""
    is_rejected: bool = False
    """Whether the last request for its approval was rejected."""
    had_turn: bool = True
    """Whether it stood as it does at the look before: mlgov has had its turn at taking its own alias away."""
    since: datetime | None = None
    """Since when it stands as it does."""

    @property
    def may_be_used(self) -> bool:
        """Whether the record lets the governed alias stand there."""
        return self.state in USED or (self.state in (S.APPROVED, S.IMPLEMENTATION) and self.holds)

    @property
    def is_stopped(self) -> bool:
        """Whether somebody decided that it is not used."""
        return self.state in STOPPED or self.is_rejected

    @property
    def why_not(self) -> str:
        """Why the governed alias may not stand there, after "which"."""
        if self.state in STOPPED:
            return f"is {self.state.value}"
        if self.is_rejected:
            return "was rejected"
        if self.state in (S.APPROVED, S.IMPLEMENTATION):
            return "is approved no more"
        return NOT_APPROVED


@dataclass(frozen=True, slots=True)
class Seen:
    """A registered model, and what the inventory knows of it."""

    name: str
    key: str | None
    """The model's key in the inventory; none when it is unknown there."""
    alias: str | None
    """The version at which the governed alias stands."""
    alias_known: bool
    """Whether it still stands where a person accepted it, or where mlgov wrote it."""
    written: str | None
    """Where mlgov itself last pointed it."""
    inventory: Mapping[str, InventoryVersion] = field(default_factory=dict)
    """Version → the inventory's."""
    tags: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Version → its tags in the registry."""
    since: datetime | None = None
    """Since when the alias stands there."""

    @property
    def is_own(self) -> bool:
        """Whether the alias stands where mlgov last pointed it, whoever put it there."""
        return self.alias is None or self.alias == self.written

    def was_overtaken(self, entry: InventoryVersion) -> bool:
        """Whether a version came to stand as it does while an alias that somebody accepted pointed at it."""
        return (
            self.alias_known
            and self.since is not None
            and entry.since is not None
            and entry.since > self.since
        )

    @property
    def in_use(self) -> InventoryVersion | None:
        """The version in use, the newest of several."""
        used = [entry for entry in self.inventory.values() if entry.state in USED]
        return max(used, key=lambda entry: entry.version_id, default=None)


def is_unapproved(seen: Seen) -> bool:
    """Whether the governed alias stands at a version that may not be in use.

    It does not count who put it there. What a person accepted is excused until somebody decides that the version is not
    used; an alias that still stands where mlgov wrote it is mlgov's to take away, and counts where that did not happen.
    """
    if seen.alias is None:
        return False
    entry = seen.inventory.get(seen.alias)
    if entry is not None and entry.may_be_used:
        return False
    if not seen.alias_known:
        return True
    if seen.is_own:
        return entry is None or entry.had_turn
    return entry is not None and entry.is_stopped and entry.had_turn


def is_storm(moved: Sequence[object], most: int) -> bool:
    """Whether more aliases moved at one time than one look takes for single mistakes."""
    return len(moved) > most


def is_emptied(known: int, left: int) -> bool:
    """Whether so much is missing at once that the registry, and not its models, is what is wrong."""
    return known > 0 and (left == 0 or (known >= 4 and left * 2 < known))


@dataclass(frozen=True, slots=True)
class Write:
    """One thing to write. `value` is empty for what is taken away."""

    kind: str
    """`tag`, `untag`, `alias` or `unalias`."""
    name: str
    version: str
    key: str
    value: str = ""

    @property
    def what(self) -> str:
        """Names it: the same write again is the same."""
        return "\n".join((self.kind, self.name, self.version, self.key, self.value))


def list_wanted(seen: Seen, alias: str, *, restore: bool) -> tuple[Write, ...]:
    """What has to be written so that the registry says what the record says."""
    writes: list[Write] = []
    for version, entry in sorted(seen.inventory.items()):
        tags = seen.tags.get(version)
        if tags is None:
            continue
        desired = _desired_tags(seen, entry)
        writes += [
            Write("tag", seen.name, version, key, value)
            for key, value in desired.items()
            if tags.get(key) != value
        ]
        writes += [
            Write("untag", seen.name, version, key)
            for key in TAGS
            if key in tags and key not in desired
        ]
    return (*writes, *_list_alias_writes(seen, alias, restore=restore))


def _desired_tags(seen: Seen, entry: InventoryVersion) -> dict[str, str]:
    tags = {"mlgov.model_id": seen.key or "", "mlgov.state": entry.state.value}
    if entry.tier:
        tags["mlgov.risk_tier"] = str(entry.tier)
    if entry.approval_id and entry.state in ENTITLED:
        tags["mlgov.approval_id"] = str(entry.approval_id)
        if entry.approved_until:
            tags["mlgov.approved_until"] = entry.approved_until.strftime("%Y-%m-%dT%H:%M:%SZ")
    return {key: value for key, value in tags.items() if value}


def _list_alias_writes(seen: Seen, alias: str, *, restore: bool) -> Iterable[Write]:
    """The alias follows what is in use. Where somebody else put it, it is left, unless the policy says otherwise."""
    used = seen.in_use
    if used is not None and seen.alias != used.version:
        if used.version in seen.tags and (seen.is_own or seen.alias_known or restore):
            yield Write("alias", seen.name, used.version, alias, used.version)
        return
    if used is None and seen.alias is not None:
        entry = seen.inventory.get(seen.alias)
        if entry is None or entry.may_be_used:
            return
        is_ours = seen.is_own or seen.was_overtaken(entry)
        if restore or (entry.state in STOPPED and is_ours):
            yield Write("unalias", seen.name, seen.alias, alias)
