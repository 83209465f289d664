"""Where the registry and the record differ, and what mlgov would write. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from storage.enums import ModelState

S = ModelState
ENTITLED = frozenset({S.APPROVED, S.IMPLEMENTATION, S.IN_USE, S.MODIFICATION})
"""States in which the governed alias may stand at a version."""
USED = frozenset({S.IN_USE, S.MODIFICATION})
TAGS = (
    "mlgov.model_id",
    "mlgov.state",
    "mlgov.risk_tier",
    "mlgov.approval_id",
    "mlgov.approved_until",
)
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


@dataclass(frozen=True, slots=True)
class Held:
    """A version of the inventory, as far as the registry is concerned."""

    version_id: int
    version: str
    state: ModelState
    tier: int | None = None
    approval_id: int | None = None
    approved_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Seen:
    """A registered model, and what the inventory knows of it."""

    name: str
    key: str | None
    """The model's key in the inventory; none when it is unknown there."""
    alias: str | None
    """The version at which the governed alias stands."""
    alias_known: bool
    """Whether a person accepted where it stands, or mlgov wrote it."""
    written: str | None
    """Where mlgov itself last pointed it."""
    held: Mapping[str, Held] = field(default_factory=dict)
    """Version → the inventory's."""
    tags: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Version → its tags in the registry."""

    @property
    def in_use(self) -> Held | None:
        """The version in use, the newest of several."""
        used = [one for one in self.held.values() if one.state in USED]
        return max(used, key=lambda one: one.version_id, default=None)


def is_unapproved(seen: Seen) -> bool:
    """Whether the governed alias stands at a version that was not approved, and nobody accepted that."""
    if seen.alias is None or seen.alias_known:
        return False
    held = seen.held.get(seen.alias)
    return held is None or held.state not in ENTITLED


def is_storm(moved: Sequence[str], most: int) -> bool:
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


def wanted(seen: Seen, alias: str, *, restore: bool) -> tuple[Write, ...]:
    """What has to be written so that the registry says what the record says."""
    writes: list[Write] = []
    for version, held in sorted(seen.held.items()):
        told = seen.tags.get(version)
        if told is None:
            continue
        desired = _tags(seen, held)
        writes += [
            Write("tag", seen.name, version, key, value)
            for key, value in desired.items()
            if told.get(key) != value
        ]
        writes += [
            Write("untag", seen.name, version, key)
            for key in TAGS
            if key in told and key not in desired
        ]
    return (*writes, *_alias(seen, alias, restore=restore))


def _tags(seen: Seen, held: Held) -> dict[str, str]:
    told = {"mlgov.model_id": seen.key or "", "mlgov.state": held.state.value}
    if held.tier:
        told["mlgov.risk_tier"] = str(held.tier)
    if held.approval_id and held.state in ENTITLED:
        told["mlgov.approval_id"] = str(held.approval_id)
        if held.approved_until:
            told["mlgov.approved_until"] = held.approved_until.strftime(
                "%Y-%m-%dT%H:%M:%SZ"
            )
    return {key: value for key, value in told.items() if value}


def _alias(seen: Seen, alias: str, *, restore: bool) -> Iterable[Write]:
    """The alias follows what is in use. Where somebody else put it, it is left, unless the policy says otherwise."""
    used = seen.in_use
    own = seen.alias is None or seen.alias == seen.written
    if used is not None and seen.alias != used.version:
        if used.version in seen.tags and (own or seen.alias_known or restore):
            yield Write("alias", seen.name, used.version, alias, used.version)
        return
    if used is None and seen.alias is not None:
        held = seen.held.get(seen.alias)
        stopped = held is not None and held.state in (S.SUSPENDED, S.RETIRED)
        if (stopped and (own or restore)) or (
            held is not None and held.state not in ENTITLED and restore
        ):
            yield Write("unalias", seen.name, seen.alias, alias)
