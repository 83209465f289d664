"""App Homes that are open follow what changes, without a click having to know of them.

Every change is on the ledger, in the very transaction that makes it: whoever reads the ledger misses nothing. A reader
walks along behind it, works out whose Home shows what has changed, and asks for those to be published, each once
however many changes there were.
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from storage.enums import Ask
from storage.status import queries
from workflows import outbox, rollout
from workflows.approvals import approvers
from workflows.approvals.rules import Approver, Stage
from workflows.context import Context
from workflows.errors import InvalidInput
from workflows.job_runner import DueSlot, Registry, Watcher
from workflows.outbox import Destination
from workflows.status.reads import HOME_SIZES

# --- Which page of each section of App Home somebody is on, so that a Home that follows a
#     change stays where they are


def find_pages(session: Session, person_id: str) -> dict[str, Any]:
    """Section → page, from 0."""
    return queries.find_pages(session, person_id)


def turn_page(session: Session, person_id: str, section: str, number: int) -> None:
    """The person turned to that page of a section. Raises InvalidInput for a section that there is not."""
    if section not in HOME_SIZES:
        raise InvalidInput("This is from another release of mlgov.", hint="home")
    pages = {**queries.find_pages(session, person_id), section: number}
    queries.set_pages(session, person_id, pages)


def reset_pages(session: Session, person_id: str) -> None:
    """Whoever opens App Home starts on the first pages: what matters most stands there."""
    if queries.find_pages(session, person_id):
        queries.set_pages(session, person_id, {})


# --- App Homes that are open follow what changes, without a click having to know of them
#
# Every change is on the ledger, in the very transaction that makes it: whoever reads the ledger
# misses nothing. A reader walks along behind it, works out whose Home shows what has changed,
# and asks for those to be published, each once however many changes there were.

READER = "homes"
OPENED_WITHIN = timedelta(days=1)
"""How long after it was opened (real time) a Home is kept in step; a later one is published when it is opened."""
SETTLES = timedelta(seconds=2)
"""What changes within this time after a first change is published together with it."""
AT_ONCE = 10
EVENLY = timedelta(milliseconds=750)
"""The first Homes follow together, the others one by one: 80 a minute, so that of Slack's 100 some are left for
people who open theirs at this moment. Whoever has looked last comes first."""

Concerned = Callable[[Session, Sequence[str], str], Iterable[str | None]]
"""From ids of changed subjects of one type, and the organisation, to ids of people."""


def _approvals(session: Session, ids: Sequence[str], org_key: str) -> Iterable[str | None]:
    """Who asked, who was asked so far, and the project's people."""
    rows = queries.list_asked_stages(session, [int(id_) for id_ in ids])
    stages = [
        Stage(
            row.name, tuple(Approver.of(item) for item in row.approvers), row.quorum, Ask(row.ask)
        )
        for row in rows
    ]
    asked = approvers.list_reached(session, stages, org_key) if stages else []
    for row in rows:
        yield from (row.requester_id, row.owner_id, row.sponsor_id, row.manager_id)
    for reached in asked:
        yield from reached


def _by_number(list_people: Callable[[Session, list[int]], Iterable[str]]) -> Concerned:
    return lambda session, ids, org_key: list_people(session, [int(id_) for id_ in ids])


def _themselves(session: Session, ids: Sequence[str], org_key: str) -> Iterable[str | None]:
    return ids


CONCERNED: dict[str, Concerned] = {
    "approval": _approvals,
    "budget": _by_number(queries.list_people_of_budgets),
    "budget_alert": _by_number(queries.list_people_of_alerts),
    "project": _by_number(queries.list_people_of_projects),
    "maturity_invitation": _by_number(queries.list_people_of_invitations),
    "milestone": _by_number(queries.list_people_of_milestones),
    "person": _themselves,
}
"""Whose Home shows a subject of each type; subjects of other types are shown in no Home."""
EVERYBODY = frozenset({"cost_load", "import", "maturity_cycle", "policy"})
"""Subjects that can change every Home: new cost, imported tables, a check-in that opens or closes, and new rules."""


def has_news(session: Session) -> bool:
    """Whether the ledger holds more than was read, as far as a look without locks tells."""
    return queries.find_position(session, READER) != queries.find_ledger_head(session)


def follow_ledger(ctx: Context, *, real_now: datetime) -> int:
    """Read on in the ledger and let the Homes that show what changed be published; how many those are."""
    head = queries.find_ledger_head(ctx.session)
    if queries.find_position(ctx.session, READER) is None:
        queries.begin_reading(ctx.session, READER, head)
        return 0
    before = queries.lock_reader(ctx.session, READER)
    if before is None or before >= head:
        return 0
    queries.move_reader(ctx.session, READER, head)
    open_ = [
        row
        for row in queries.list_open_homes(ctx.session, since=real_now - OPENED_WITHIN)
        if row.org_key == ctx.org
    ]
    if not open_:
        return 0
    concerned = _people_concerned(ctx, before, head)
    whose = [row for row in open_ if concerned is None or row.id in concerned]
    outbox.publish_homes(
        ctx.session,
        [
            (
                row.id,
                Destination.person(ctx.org, row.slack_id),
                ctx.now + SETTLES + EVENLY * max(0, place - AT_ONCE),
            )
            for place, row in enumerate(whose, start=1)
        ],
        now=ctx.now,
    )
    return len(whose)


def _people_concerned(ctx: Context, after: int, to: int) -> set[str | None] | None:
    """Ids of everyone whose Home may show what changed; None for everybody."""
    changed: dict[str, list[str]] = {}
    for type_, id_ in queries.list_subjects(ctx.session, after=after, to=to):
        changed.setdefault(type_, []).append(id_)
    if not EVERYBODY.isdisjoint(changed):
        return None
    concerned: set[str | None] = set()
    for type_, ids in changed.items():
        if type_ in CONCERNED:
            concerned.update(CONCERNED[type_](ctx.session, ids, ctx.org))
    return concerned


# --- What falls due at the front door
#
# Homes that follow the ledger, and the weekly word on what was held back.


def _report_withheld(ctx: Context, slot: DueSlot) -> None:
    rollout.report_weekly(ctx, slot.date)


def _follow_homes(ctx: Context, real_now: datetime) -> int:
    return follow_ledger(ctx, real_now=real_now)


PART = Registry(
    schedules={"rollout.report": _report_withheld},
    weekly={"rollout.report": (0, "09:00")},
    watchers={"homes": Watcher(has_news, _follow_homes)},
)
"""What jobs take over from here."""
