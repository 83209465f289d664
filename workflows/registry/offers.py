"""What waits to be accepted in the registry, as the card lists it. Accepting takes exactly that, by its revision."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy.orm import Session

from storage.registry.tables import RegistryState
from workflows.registry import rules, telling
from workflows.registry.rules import Seen
from workflows.registry.seeing import Sight


class What(StrEnum):
    """What is accepted with it."""

    BASELINE = "baseline"
    """A model as the first looks found it, and where its alias stands."""
    ALIAS = "alias"
    """That the alias moved to a version that may not be in use."""
    NEW = "new"
    """A model that the inventory does not know."""
    GONE = "gone"
    """That a model is not there any more."""


@dataclass(frozen=True, slots=True)
class Offer:
    """One thing that waits."""

    what: What
    name: str
    """The registered model."""
    version: str | None = None
    """Where its alias stands."""

    def words(self, alias: str) -> str:
        """A phrase for lists."""
        if self.what is What.ALIAS:
            return f"{self.name}: {alias} stands at version {self.version}"
        if self.what is What.BASELINE:
            at = f"{alias} at version {self.version}" if self.version else "no alias"
            return f"{self.name}: {at}"
        return f"{self.name} is {'new' if self.what is What.NEW else 'gone'}"


def list_waiting(state: RegistryState | None) -> tuple[Offer, ...]:
    """What waits, by name."""
    kept = state.offered if state is not None else []
    return tuple(Offer(What(one["what"]), one["name"], one.get("version")) for one in kept)


def put_offers(
    session: Session, state: RegistryState, offers: Iterable[Offer], *, now: datetime
) -> None:
    """Let this wait, and nothing else. Where it is something else than before, its revision grows and its card follows."""
    wanted = [asdict(offer) for offer in sorted(offers, key=lambda offer: (offer.name, offer.what))]
    if wanted == state.offered:
        return
    state.offered = wanted
    state.revision += 1
    telling.refresh_messages(session, now=now)


def list_baseline(sight: Sight, alias: str) -> list[Offer]:
    """Every model that is there, with where its alias stands."""
    return [
        Offer(What.BASELINE, row.name, row.aliases.get(alias))
        for row in sight.models.values()
        if row.gone_at is None
    ]


def list_moved_since(sight: Sight, compared: Iterable[Seen], since: datetime) -> list[Offer]:
    """What moved to where it may not stand since then, and the models that are new."""
    moved = [
        Offer(What.ALIAS, seen.name, seen.alias)
        for seen in compared
        if sight.models[seen.name].alias_since >= since and rules.is_unapproved(seen)
    ]
    return [*moved, *(Offer(What.NEW, row.name) for row in sight.strangers)]
