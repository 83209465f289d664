"""Who delivers a source of cost: whoever opened it, and whoever it was handed over to since."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy.orm import Session

from storage.budgets import costs
from storage.budgets.tables import CostSource
from storage.tokens import queries as tokens
from workflows.actors import Actor, ActorKind
from workflows.audit import service as audit
from workflows.errors import InvalidInput, NotAllowed, NotFound


@dataclass(frozen=True, slots=True)
class Deliverer:
    """A program that delivers: the name of its token, and the projects that this is bound to, none for all."""

    token: str
    projects: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class StandingLoad:
    """What counts of a source and billing period, when it was looked at."""

    id: int
    source: str
    billing_period: date
    sha256: str
    rows: int


@dataclass(frozen=True, slots=True)
class SourceRecord:
    """A source, the name of the token that delivers it (None: the command line), and the last day with cost."""

    source: str
    token: str | None
    charges_through: date | None


def require_deliverer(session: Session, sources: Collection[str], by: Deliverer | None) -> None:
    """Refuse a program the source of another one, or of the command line. Raises NotAllowed."""
    if by is None:
        return  # whoever operates mlgov may deliver everything
    for source in sorted(sources):
        row = costs.find_source(session, source)
        if row is None and not costs.has_loads(session, source):
            continue
        if row is None or row.token != by.token:
            whose = "another token" if row is not None and row.token else "the command line"
            raise NotAllowed(
                f"The cost of {source} is delivered by {whose}, and only that can change it. Name a source of your own, or "
                f"let an operator hand this one over: `mlgov costs give '{source}' {by.token}`."
            )


def claim_source(session: Session, source: str, by: Deliverer | None, *, now: datetime) -> None:
    """Whoever delivers a source first has it."""
    if costs.find_source(session, source) is None:
        token = by.token if by is not None else None
        session.add(CostSource(source=source, token=token, opened_at=now))
        session.flush()


def require_own(
    session: Session,
    by: Deliverer | None,
    *,
    replaced: Iterable[StandingLoad],
    given: Iterable[int | None],
) -> None:
    """Refuse a bound program what isn't its projects' alone: the loads that it replaces, and the rows that it gives.

    `given` are the projects that the policy's rules give the rows to. Raises NotAllowed.
    """
    if by is None or not by.projects:
        return
    ids = costs.project_ids(session)
    own = {ids[key] for key in by.projects if key in ids}
    bound = ", ".join(sorted(by.projects))
    for load in replaced:
        if not costs.list_owners_of_load(session, load.id) <= own:
            raise NotAllowed(
                f"{load.source} holds cost of others for {load.billing_period:%Y-%m}, and this token is only for {bound}, so "
                "it can't replace that month. Name a source of your own, or deliver with a token for all of its projects."
            )
    if not set(given) <= own:
        raise NotAllowed(
            f"The policy's rules (`costs.allocate`) give some of these rows to other projects, and this token is only for {bound}. "
            "Leave those accounts out, or deliver with a token for all of their projects."
        )


def list_sources(session: Session) -> Sequence[SourceRecord]:
    """Every source, by name."""
    return [SourceRecord(*row) for row in costs.list_sources(session)]


def give_source(
    session: Session, actor: Actor, source: str, token: str | None, *, now: datetime
) -> None:
    """Hand a source over to the token of a name, or to the command line. Only who operates mlgov does."""
    if actor.kind is not ActorKind.OPERATOR:
        raise NotAllowed("Only who operates mlgov hands a source over.")
    costs.lock_loads(session)
    row = costs.find_source(session, source)
    if row is None:
        raise NotFound(
            f"There is no cost of {source!r}. `mlgov costs sources` lists what there is."
        )
    if token is not None and not tokens.is_name_taken(session, token, now=now):
        raise InvalidInput(
            f"No token named {token!r} is in use. `mlgov token list` shows them.", field="token"
        )
    if row.token == token:
        return
    before, row.token = row.token, token
    session.flush()
    audit.record(
        session, actor, "costs.given", ("cost_source", source), now=now, token=token, before=before
    )
