"""Returns: what came of a project is reported by its owner's side and attested by its sponsor's or by finance."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, ClassVar

from sqlalchemy.orm import Session

from storage.cases import returns as queries
from storage.cases.tables import CaseReturn, ReturnAsking
from storage.enums import ReturnSource
from storage.money import money_text
from storage.people import lookups
from storage.people.tables import Person
from storage.projects import queries as project_queries
from storage.projects.tables import Project
from workflows import outbox, permissions
from workflows.audit import service as audit
from workflows.calendar import calendar_for
from workflows.cases.realisation import Span, describe_span
from workflows.cases.return_forms import AttestReturn, ReportReturn, SkipAsking, WithdrawReturn
from workflows.context import ActorKind, Context
from workflows.errors import InvalidInput, NotAllowed, NotFound, RefusalFact, Stale
from workflows.outbox import Destination, Notice, Subject
from workflows.policy.sections import SPONSOR
from workflows.wording import money

RETURN, ASKING = "return", "return_asking"
_NAMED = (ActorKind.PERSON, ActorKind.PROGRAM)
"""Actors of whom people know by name."""
MOST_TOLD = 10
"""People who are asked to attest one return."""


@dataclass(frozen=True, slots=True)
class ReturnReported(Notice):
    """A return waits for somebody to attest it."""

    kind: ClassVar[str] = "returns.reported"
    return_id: int


@dataclass(frozen=True, slots=True)
class ReturnAsked(Notice):
    """Somebody is asked what came of a project, or is shown that nothing was measured."""

    kind: ClassVar[str] = "returns.asked"
    asking_id: int


def no_return() -> NotFound:
    """The same refusal for a return that is not there and for one that is not for who asks."""
    return NotFound("There is no such project or return here.")


# --- Who may


def list_reporters(project: Project, writers: Collection[str]) -> set[str]:
    """Who says what came of a project: its owner and manager, and who wrote its business case. Nobody of them attests."""
    return {person for person in (project.owner_id, project.manager_id) if person} | set(writers)


def load_reporters(session: Session, project: Project) -> set[str]:
    """The same, from the record."""
    writers = queries.list_writers(session, [project.id])
    return list_reporters(project, writers.get(project.id, ()))


def require_reporter(ctx: Context, project: Project) -> None:
    """Raise NotFound for who may not see a project, and NotAllowed for who may not say what came of it. For a program,
    a file and mlgov itself the edge has looked."""
    if ctx.actor.kind is not ActorKind.PERSON:
        return
    permissions.require_member(ctx.actor, "return.report", subject=("project", project.id))
    if ctx.actor.id in load_reporters(ctx.session, project):
        return
    if not permissions.sees_project(ctx, project.id):
        raise no_return()
    raise NotAllowed(
        "Only a project's owner or manager, or who wrote its business case, says what came of it.",
        audit=RefusalFact("return.report", "project", str(project.id), why="not_theirs"),
    )


class Attesting:
    """By which words of the policy the actor attests returns; what is the same for many projects is read once."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        self._reached: dict[str, bool] = {}
        self._sponsors: dict[str, list[str]] = {}

    def find_word(self, project: Project, barred: Collection[str]) -> str | None:
        """The word by which the actor attests returns of a project; None where they don't. `barred` are those who never
        do: its owner and manager, the case's writers, and whoever reported the figure."""
        actor = self._ctx.actor
        if not actor.is_member or actor.id in barred:
            return None
        for word in self._ctx.policy.attesters:
            if word == SPONSOR:
                is_meant = actor.id in self.list_sponsors(project)
            else:
                is_meant = self._is_reached(word)
            if is_meant:
                return word
        return None

    def list_sponsors(self, project: Project) -> list[str]:
        """The sponsor first, then whoever they report to, at any remove."""
        sponsor = project.sponsor_id
        if sponsor is None:
            return []
        if sponsor not in self._sponsors:
            above = queries.list_superiors(self._ctx.session, sponsor)
            self._sponsors[sponsor] = [sponsor, *sorted(above - {sponsor})]
        return self._sponsors[sponsor]

    def _is_reached(self, word: str) -> bool:
        if word not in self._reached:
            ctx = self._ctx
            by = permissions.find_reaching_word(
                ctx.session, ctx.actor.id, [word], policy=ctx.policy
            )
            self._reached[word] = by is not None
        return self._reached[word]


def list_barred(reporters: Collection[str], reported_by: str | None) -> set[str]:
    """Who never attests a return."""
    return {*reporters, *([reported_by] if reported_by else [])}


def may_see(ctx: Context, project: Project, row: CaseReturn) -> bool:
    """Whether a return is for the actor: they see its project, may attest it, or have a message about it before them."""
    if permissions.sees_project(ctx, project.id):
        return True
    barred = list_barred(load_reporters(ctx.session, project), row.reported_by)
    is_attester = Attesting(ctx).find_word(project, barred) is not None
    return is_attester or permissions.find_shown(ctx) == (RETURN, str(row.id))


# --- Reporting, correcting, taking back


def report(ctx: Context, form: ReportReturn, *, source: ReturnSource = ReturnSource.PERSON) -> int:
    """Say what came of a project in a period; the return's id. The same submission again changes nothing.

    A correction takes the place of the return that it names, and loses its attestation. Raises NotFound, NotAllowed,
    Stale where what is corrected counts no more, and InvalidInput for days to come and for days that another return has.
    """
    if form.request_key is not None:
        known = queries.find_by_request(ctx.session, form.request_key)
        if known is not None:
            return known.id
    project = project_queries.lock(ctx.session, form.project_id)
    if project is None:
        raise no_return()
    require_reporter(ctx, project)
    span = Span(form.starts, form.ends)
    if span.ends > calendar_for(ctx.policy).day(ctx.now):
        raise InvalidInput(
            "The last day is still to come; say what came until today.", field="ends"
        )
    _require_free(ctx, project, span, form.replaces)
    plan = queries.find_plans(ctx.session, [project.id]).get(project.id)
    currency = plan.currency if plan is not None else ctx.policy.cases.currency
    note = audit.write_text(ctx.session, ctx.actor, form.note, now=ctx.now) if form.note else None
    row = CaseReturn(
        project_id=project.id,
        starts=span.starts,
        ends=span.ends,
        amount=form.amount,
        currency=currency,
        source=source.value,
        note_id=note.id if note is not None else None,
        replaces_id=form.replaces,
        request_key=form.request_key,
        reported_by=ctx.actor.id if ctx.actor.kind in _NAMED else None,
        reported_at=ctx.now,
        attested_by=None,
        attested_at=None,
        withdrawn_at=None,
    )
    ctx.session.add(row)
    ctx.session.flush()
    audit.record(
        ctx,
        "return.reported",
        (RETURN, row.id),
        **_facts(row),
        source=row.source,
        replaces=form.replaces,
        **({"note": audit.text_fact(note)} if note is not None else {}),
    )
    _ask_to_attest(ctx, project, row)
    refresh_copies(ctx, project.id)
    return row.id


def _require_free(ctx: Context, project: Project, span: Span, replaces: int | None) -> None:
    """Let the return that is corrected count no more, and refuse days that another one has."""
    others = {row.id: row for row in queries.list_standing(ctx.session, [project.id])}
    if replaces is not None:
        if others.pop(replaces, None) is None:
            raise Stale("What you correct counts no more: somebody corrected it or took it back.")
        queries.end_return(ctx.session, replaces, ctx.now)
        audit.record(ctx, "return.corrected", (RETURN, replaces), project=project.id)
    for other in others.values():
        taken = Span(other.starts, other.ends)
        if span.overlaps(taken):
            raise InvalidInput(
                f"{money(other.amount, other.currency)} was reported for {describe_span(taken)} already. Correct that, or "
                "give other days.",
                field="starts",
            )


def withdraw(ctx: Context, form: WithdrawReturn) -> None:
    """Take a return back, for a reason; its days are unmeasured again. Raises as `report` does."""
    row, project = _lock(ctx, form.return_id)
    require_reporter(ctx, project)
    if not queries.end_return(ctx.session, row.id, ctx.now):
        raise Stale("This return counts no more already. Nothing was changed.")
    reason = audit.write_text(ctx.session, ctx.actor, form.reason, now=ctx.now)
    audit.record(
        ctx,
        "return.withdrawn",
        (RETURN, row.id),
        project=project.id,
        reason=audit.text_fact(reason),
    )
    refresh_copies(ctx, project.id)


def _lock(ctx: Context, return_id: int) -> tuple[CaseReturn, Project]:
    """A return with its project, locked. Raises NotFound, also for who may not see it."""
    permissions.require_member(ctx.actor, "return.change", subject=(RETURN, return_id))
    row = queries.find_return(ctx.session, return_id)
    project = project_queries.lock(ctx.session, row.project_id) if row is not None else None
    if row is None or project is None:
        raise no_return()
    ctx.session.refresh(row)
    if not may_see(ctx, project, row):
        raise no_return()
    return row, project


def _facts(row: CaseReturn) -> dict[str, Any]:
    return {
        "project": row.project_id,
        "starts": row.starts.isoformat(),
        "ends": row.ends.isoformat(),
        "amount": money_text(row.amount),
        "currency": row.currency,
    }


# --- Attesting


def attest(ctx: Context, form: AttestReturn) -> None:
    """Say that a return is right. The first one counts; again changes nothing.

    Raises NotFound for who may not see it, Stale where it counts no more, and NotAllowed for who is not of the sponsor's
    side or finance, and always for the project's owner and manager, the case's writers, and whoever reported it.
    """
    row, project = _lock(ctx, form.return_id)
    if row.withdrawn_at is not None:
        raise Stale("This return was corrected or taken back. Look at what counts now.")
    barred = list_barred(load_reporters(ctx.session, project), row.reported_by)
    word = Attesting(ctx).find_word(project, barred)
    if word is None:
        raise NotAllowed(
            "You answer for this project or its figures, so somebody else has to attest this."
            if ctx.actor.id in barred
            else "Only the sponsor's side, or whom the policy names, attests what came of a project.",
            audit=RefusalFact("return.attest", RETURN, str(row.id), why="not_entitled"),
        )
    if row.attested_at is not None:
        return
    row.attested_by, row.attested_at = ctx.actor.id, ctx.now
    ctx.session.flush()
    audit.record(ctx, "return.attested", (RETURN, row.id), **_facts(row), rule=word)
    refresh_copies(ctx, project.id)


def _ask_to_attest(ctx: Context, project: Project, row: CaseReturn) -> None:
    """Ask those of the first word of the policy that means anybody who may: of the sponsor's side the nearest one."""
    barred = list_barred(load_reporters(ctx.session, project), row.reported_by)
    for word in ctx.policy.attesters:
        if word == SPONSOR:
            ids = Attesting(ctx).list_sponsors(project)
        else:
            ids = sorted(permissions.list_members(ctx, word))
        people = lookups.find_people(ctx.session, ids)
        askable = [
            people[id_]
            for id_ in ids
            if id_ in people and id_ not in barred and permissions.is_member(people[id_])
        ]
        if askable:
            for person in askable[: 1 if word == SPONSOR else MOST_TOLD]:
                _post_for_attesting(ctx, person, row)
            return


def _post_for_attesting(ctx: Context, person: Person, row: CaseReturn) -> None:
    if person.slack_id is None:
        return
    outbox.post(
        ctx.session,
        ReturnReported(row.id),
        to=Destination.person(ctx.org, person.slack_id),
        dedupe_key=f"returns:attest:{row.id}:{person.id}",
        now=ctx.now,
        subject=Subject.of(RETURN, row.id),
        due_at=calendar_for(ctx.policy, tz=person.tz, country=person.country).next_open(ctx.now),
    )


# --- Skipping


def skip(ctx: Context, form: SkipAsking) -> None:
    """Say why there is no figure. The first reason counts, again changes nothing. Raises NotFound and NotAllowed."""
    permissions.require_member(ctx.actor, "return.skip", subject=(ASKING, form.asking_id))
    asking = queries.find_asking(ctx.session, form.asking_id)
    project = project_queries.lock(ctx.session, asking.project_id) if asking is not None else None
    if asking is None or project is None:
        raise no_return()
    ctx.session.refresh(asking)
    require_reporter(ctx, project)
    if asking.skipped_at is not None:
        return
    reason = audit.write_text(ctx.session, ctx.actor, form.reason, now=ctx.now)
    is_person = ctx.actor.kind is ActorKind.PERSON
    asking.skipped_by = ctx.actor.id if is_person else None
    asking.skipped_at, asking.reason_id = ctx.now, reason.id
    ctx.session.flush()
    audit.record(
        ctx,
        "return.skipped",
        ("project", project.id),
        starts=asking.starts.isoformat(),
        ends=asking.ends.isoformat(),
        reason=audit.text_fact(reason),
    )
    refresh_copies(ctx, project.id)


def refresh_copies(ctx: Context, project_id: int) -> None:
    """Every message about a project's returns shows how they stand now, the one that was acted on first."""
    if (before_them := permissions.find_shown(ctx)) is not None:
        outbox.refresh(ctx, Subject(*before_them))
    askings: list[ReturnAsking] = queries.list_askings(ctx.session, project_id)
    outbox.refresh_all(ctx, ASKING, [asking.id for asking in askings])
    rows = queries.list_of_project(ctx.session, project_id)
    outbox.refresh_all(ctx, RETURN, [row.id for row in rows])
