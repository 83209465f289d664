"""Reads about the model registry."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy.orm import Session

from storage.enums import FindingSource
from storage.inventory import queries as inventory_queries
from storage.people import lookups
from storage.people.lookups import find_channel
from storage.registry import queries
from storage.registry.tables import RegistryState, RegistryVersionRow, RegistryWrite
from workflows import outbox
from workflows.context import Context
from workflows.outbox import Destination, Notice, Subject
from workflows.registry import records, rules
from workflows.registry.rules import Seen
from workflows.registry.snapshot import Sight

# --- Messages about the registry, which follow its state

ABOUT = Subject.of("registry", "1")
"""What every message about the registry as a whole is a view of."""


def post_notice(
    ctx: Context, notice: Notice, key: str, *, channel: str | None = None, subject: Subject = ABOUT
) -> None:
    """Post in the governance channel, or in another one; once for a key."""
    place = channel or find_channel(
        ctx.session, ctx.org, ctx.policy.channels.governance or ctx.policy.channels.admin
    )
    if place is None:
        return
    outbox.post(
        ctx.session,
        notice,
        to=Destination.channel(ctx.org, place),
        dedupe_key=f"registry:{key}",
        now=ctx.now,
        subject=subject,
    )


def refresh_messages(ctx: Context) -> None:
    """Every message about the registry as a whole shows what is true now."""
    ctx.session.flush()
    outbox.refresh(ctx, ABOUT)


# --- What waits to be accepted in the registry, as the card lists it
#
# Accepting takes exactly that, by its revision.


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


def put_offers(ctx: Context, state: RegistryState, offers: Iterable[Offer]) -> None:
    """Let this wait, and nothing else. Where it is something else than before, its revision grows and its card follows."""
    wanted = [asdict(offer) for offer in sorted(offers, key=lambda offer: (offer.name, offer.what))]
    if wanted == state.offered:
        return
    state.offered = wanted
    state.revision += 1
    refresh_messages(ctx)


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


# --- Reads about the model registry


def load_status(session: Session, *, alias: str = "the alias") -> records.RegistryStatus:
    """How the registry stands; `alias` is how the governed one is called in words."""
    state = queries.find_state(session)
    models = [row for row in queries.list_models(session) if row.gone_at is None]
    seen = [row for row in queries.list_versions(session) if row.gone_at is None]
    by = lookups.find_people(session, [state.accepted_by]) if state and state.accepted_by else {}
    return records.RegistryStatus(
        looked_at=state.looked_at if state else None,
        failure=(state.failure or "") if state else "",
        is_troubled=state is not None and state.alarmed_at is not None,
        baseline_at=state.baseline_at if state else None,
        accepted_at=state.accepted_at if state else None,
        accepted_by=next((one.name for one in by.values()), ""),
        waiting=tuple(
            records.Waiting(one.what.value, one.name, one.version, one.words(alias))
            for one in list_waiting(state)
        ),
        revision=state.revision if state else 0,
        frozen_at=state.frozen_at if state else None,
        models=len(models),
        versions=len(seen),
        unknown=sum(row.model_id is None for row in models),
        unverified=sum(row.unverified is not None for row in seen),
        open_drift=len(
            inventory_queries.list_unsettled_from(session, FindingSource.REGISTRY.value)
        ),
        given_up=len(queries.list_given_up_writes(session)),
    )


def find_offered(session: Session, registry_name: str | None) -> records.Found | None:
    """The newest version in the registry that the inventory does not have, to prefill a form from."""
    if not registry_name:
        return None
    rows: Sequence[RegistryVersionRow] = queries.list_versions_of(session, registry_name)
    row = next((one for one in rows if one.version_id is None), None)
    return _offer(row) if row else None


def find_of_version(session: Session, version_id: int) -> records.Found | None:
    """What the registry says of a version of the inventory."""
    row = next(
        (one for one in queries.list_versions(session) if one.version_id == version_id), None
    )
    return _offer(row) if row else None


def _offer(row: RegistryVersionRow) -> records.Found:
    return records.Found(
        row.version,
        row.digest,
        row.unverified or "",
        row.run_id,
        row.developer,
        {key: str(value) for key, value in (row.metrics or {}).items()},
    )


_DOES = {"tag": "tag", "untag": "no tag", "alias": "alias", "unalias": "no alias"}


def find_given_up(session: Session, write_id: int) -> records.GivenUp | None:
    """A write that was given up."""
    row = queries.find_write_by_id(session, write_id)
    return _given_up(row) if row is not None else None


def list_given_up(session: Session) -> list[records.GivenUp]:
    """Everything that was given up, oldest first."""
    return [_given_up(row) for row in queries.list_given_up_writes(session)]


def _given_up(row: RegistryWrite) -> records.GivenUp:
    kind, name, version, key, value = (*row.what.split("\n"), "", "", "", "")[:5]
    what = f"{name} {version}: {_DOES.get(kind, kind)} {key}" + (
        f" = {value}" if kind == "tag" else ""
    )
    return records.GivenUp(what, row.error or "")
