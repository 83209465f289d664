"""Erasing a person: their identity and words in every table, and tombstones by which they are recognised later.

The ledger needs no change: it names people by opaque ids, and free text by salted digests.
"""

import hashlib
import hmac
import json
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import JSON, String, Table, cast, delete, func, insert, or_, select, update
from sqlalchemy.orm import Session

from storage.approvals import activity as actions
from storage.approvals.tables import Absence, Approval, Decision
from storage.audit.tables import PrivateText
from storage.base import Base
from storage.budgets.tables import Budget, BudgetAlert
from storage.delivery.tables import Lane, Message, Outbox, Runtime, Schedule
from storage.digests.tables import Digest, DigestDecision, DigestRelease, DigestSubscription
from storage.enums import ApprovalState, CycleState, InvitationState, OutboxState
from storage.evidence.tables import SharedFile
from storage.inventory.tables import Finding, Model, ModelPerson, ModelVersion
from storage.maturity.tables import (
    MaturityAnswer,
    MaturityCounted,
    MaturityCycle,
    MaturityInvitation,
    MaturityNote,
)
from storage.milestones.queries import list_showing_subjects as shown_milestones
from storage.milestones.tables import Milestone
from storage.people import columns, identities
from storage.people.lookups import parts
from storage.people.tables import Person, Tombstone, UserGroupMember
from storage.policies.tables import PolicyVersion
from storage.projects.tables import Project
from storage.status.tables import HomeTab, Meeting, Withheld

# --- Replacing a person's Slack ids and addresses inside texts and JSON

_LANES = {"lane.key", "outbox.lane_key", "message.lane_key"}
"""Columns that refer to each other, so that `_replace_lanes` changes them together and `sweep` leaves them alone."""

Swap = Callable[[str], str]


def build_swap(names: Sequence[str], person_id: str) -> Swap:
    """A function that replaces these Slack ids and addresses, as whole words and in any case, by `person_id` in a text."""
    whole = re.compile(
        "|".join(
            rf"(?<![\w.%+-]){re.escape(name)}(?![\w-]|\.\w)"
            if "@" in name
            else rf"(?<![A-Za-z0-9]){re.escape(name)}(?![A-Za-z0-9])"
            for name in names
        ),
        re.IGNORECASE,
    )
    return lambda text: whole.sub(person_id, text)


def sweep(session: Session, names: Sequence[str], swap: Swap) -> dict[str, list[Any]]:
    """Replace Slack ids and addresses in every column of `columns.SWEPT` and `EMPTIED` but the lanes' keys.

    Table → the first primary key column of the rows that were changed. `swap` is `build_swap` of the same `names`.
    """
    session.flush()
    swept: dict[str, list[Any]] = {}
    for table in Base.metadata.sorted_tables:
        wanted = [
            column
            for column in columns.list_naming_columns()
            if column.table is table and str(column) not in _LANES
        ]
        if wanted:
            rows = _sweep_table(session, table, wanted, names, swap)
            if rows:
                swept[table.name] = rows
    session.expire_all()
    return swept


def _sweep_table(
    session: Session, table: Table, wanted: list[Any], names: Sequence[str], swap: Swap
) -> list[Any]:
    keys = list(table.primary_key.columns)
    rows = session.execute(
        select(*keys, *wanted)
        .where(or_(*(_holds(column, name) for column in wanted for name in names)))
        .with_for_update()
    ).all()
    swept = []
    for row in rows:
        values = dict(zip(wanted, row[len(keys) :], strict=True))
        changed = {
            column.name: value
            for column, before in values.items()
            if (value := swap_value(before, swap)) != before
        }
        if changed:
            where = [key == is_ for key, is_ in zip(keys, row, strict=False)]
            session.execute(update(table).where(*where).values(changed))
            swept.append(row[0])
    return swept


def _holds(column: Any, name: str) -> Any:
    """The condition that a column contains a name, in any case, and in JSON also as JSON escapes it."""
    text = func.lower(cast(column, String))
    forms = {name.lower()}
    if isinstance(column.type, JSON):
        forms.add(json.dumps(name.lower())[1:-1])
    return or_(*(text.contains(form, autoescape=True) for form in sorted(forms)))


def swap_value(value: Any, swap: Swap) -> Any:
    """A JSON value with every text in it swapped, keys of objects too."""
    if isinstance(value, str):
        return swap(value)
    if isinstance(value, list):
        return [swap_value(item, swap) for item in value]
    if isinstance(value, dict):
        return {swap(key): swap_value(item, swap) for key, item in value.items()}
    return value


_ADDRESS = re.compile(r"[^\s@<>()\",;:]+@[^\s@<>()\",;:]+\.[^\s@<>()\",;:]+")


def list_addresses(value: object) -> Iterator[str]:
    """The e-mail addresses in every text of a JSON value, keys of objects too."""
    if isinstance(value, str):
        yield from _ADDRESS.findall(value)
    elif isinstance(value, list):
        for item in value:
            yield from list_addresses(item)
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _ADDRESS.findall(key)
            yield from list_addresses(item)


# --- Tombstones: how an erased person is recognised when Slack or a file names them again
#
# Slack goes on listing people who were deactivated, so without them every reading would bring
# erased people back. Each is an HMAC-SHA256 of organisation and Slack id, or e-mail address. A
# plain hash could be undone by trying all ids of a workspace; this one can't without the key,
# which is never in the database (decision 21).

KEY = "erasure_key"
"""Key of `session.info` for the database's erasure key (bytes); missing or None where it isn't known."""
SLACK, EMAIL = "slack", "email"
"""Kinds of names. They are part of what is hashed: changing one makes its tombstones unfindable."""


class WrongKey(Exception):
    """There are tombstones, and the session has no key or another one than they were made with."""


@dataclass(frozen=True, slots=True)
class Stone:
    """Whose tombstone it is, and when it was made (real time): what Slack said before then brings nobody back."""

    person_id: str
    made_at: datetime


@dataclass(frozen=True, slots=True)
class Standing:
    """What the database knows of its key: `check`, by which the key is recognised (None: none yet), and how many people
    have tombstones."""

    check: str | None
    people: int

    def is_of(self, key: bytes | None) -> bool:
        """Whether this is the database's key."""
        return (
            key is not None
            and self.check is not None
            and hmac.compare_digest(self.check, check_value(key))
        )


def check_value(key: bytes) -> str:
    """The value that a database keeps to recognise its key; the key doesn't follow from it."""
    return _digest(key, "check")


def _digest(key: bytes, *words: str) -> str:
    return hmac.new(key, json.dumps(words).encode(), hashlib.sha256).hexdigest()


def read_standing(session: Session) -> Standing:
    """Read what the database knows of its key."""
    people = select(func.count(Tombstone.person_id.distinct())).scalar_subquery()
    row = session.execute(select(Runtime.erasure_check, people).where(Runtime.id == 1)).one()
    return Standing(row[0], row[1])


def set_check(session: Session, key: bytes | None) -> None:
    """Make this the database's key; None when it is given up."""
    session.execute(
        update(Runtime)
        .where(Runtime.id == 1)
        .values(erasure_check=None if key is None else check_value(key))
    )


def put(session: Session, person: Person, made_at: datetime) -> int:
    """Insert tombstones for a person's Slack ids and address, before they are emptied; how many.

    Raises WrongKey when the session's key isn't the database's.
    """
    names = [(SLACK, person.slack_id), (EMAIL, person.email)]
    names += [(SLACK, alias) for alias in identities.list_aliases(session, person.id)]
    rows: list[dict[str, Any]] = []
    for kind, name in names:
        if name is not None:
            key = _key(session, must_be=True)
            rows.append(
                {
                    "mark": _digest(key, kind, person.org_key, name),
                    "person_id": person.id,
                    "made_at": made_at,
                }
            )
    for row in rows:
        # An address may have been somebody else's who was erased: the last one to have it counts.
        session.execute(delete(Tombstone).where(Tombstone.mark == row["mark"]))
        session.execute(insert(Tombstone).values(row))
    return len(rows)


def lift(session: Session, person_id: str) -> None:
    """Delete the tombstones of a person who is active again."""
    session.execute(
        delete(Tombstone)
        .where(Tombstone.person_id == person_id)
        .execution_options(synchronize_session=False)
    )


def forget_all(session: Session) -> int:
    """Delete all tombstones, because the key is lost; how many people had any."""
    people = read_standing(session).people
    session.execute(delete(Tombstone))
    return people


def find(session: Session, kind: str, org_key: str, names: Collection[str]) -> Mapping[str, Stone]:
    """Name → tombstone, for those of these Slack ids or folded addresses that are erased people's. Raises WrongKey."""
    if not names or (key := _key(session)) is None:
        return {}
    marks = {
        _digest(key, kind, known_as, name): name
        for known_as in _keys_of(session, org_key)
        for name in names
    }
    stones: dict[str, Stone] = {}
    for part in parts(marks):
        rows = session.execute(
            select(Tombstone.mark, Tombstone.person_id, Tombstone.made_at).where(
                Tombstone.mark.in_(part)
            )
        )
        stones |= {marks[row.mark]: Stone(row.person_id, row.made_at) for row in rows}
    return stones


def _keys_of(session: Session, org_key: str) -> list[str]:
    """The organisation's key and its former ones: people erased before it moved are known by those."""
    facts = session.execute(select(Runtime.facts).where(Runtime.id == 1)).scalar_one()
    is_ours = facts.get("org_key") == org_key
    return [org_key, *(facts.get("was") or () if is_ours else ())]


def copy_marks(session: Session, org_key: str, global_ids: Mapping[str, str], new_key: str) -> int:
    """Add tombstones for the ids that erased people have in the organisation `new_key`; how many people.

    `global_ids` is Slack id in the organisation `org_key` → id in the new one. Raises WrongKey.
    """
    stones = find(session, SLACK, org_key, global_ids.keys())
    key = _key(session)
    rows = {
        _digest(key, SLACK, new_key, name): {"person_id": stone.person_id, "made_at": stone.made_at}
        for slack_id, stone in stones.items()
        for name in (slack_id, global_ids[slack_id])
    }
    for part in parts(rows):
        session.execute(delete(Tombstone).where(Tombstone.mark.in_(part)))
    if rows:
        session.execute(insert(Tombstone), [{"mark": mark} | row for mark, row in rows.items()])
    return len({stone.person_id for stone in stones.values()})


def _key(session: Session, *, must_be: bool = False) -> Any:
    """The session's key; None when there are no tombstones, unless it `must_be` there. Raises WrongKey."""
    key, known = session.info.get(KEY), read_standing(session)
    if not must_be and not known.people:
        return None
    if not known.is_of(key):
        raise WrongKey
    return key


# --- Emptying a person's rows

_QUIET = {"synchronize_session": False}


def open_requests(session: Session, person_id: str) -> list[int]:
    """Ids of pending requests that the person opened or has decided in."""
    mine = select(Decision.approval_id).where(Decision.person_id == person_id)
    return list(
        session.execute(
            select(Approval.id)
            .where(
                Approval.state == ApprovalState.PENDING,
                or_(Approval.requester_id == person_id, Approval.id.in_(mine)),
            )
            .order_by(Approval.id)
        ).scalars()
    )


def erase_texts(session: Session, person_id: str, now: datetime) -> int:
    """Empty the person's free texts and their salts, so that the ledger's digests prove nothing more; how many texts."""
    result = session.execute(
        update(PrivateText)
        .where(PrivateText.author_id == person_id, PrivateText.erased_at.is_(None))
        .values(salt=None, text=None, erased_at=now)
        .returning(PrivateText.id)
        .execution_options(**_QUIET)
    )
    return len(result.all())


def forget_answers(session: Session, person_id: str) -> int:
    """Delete the person's answers in check-ins, and the salts of the ledger's digests over them; how many answers.

    That they were asked stays, under their opaque id. Results that were shown stay: they are figures of a group.
    """
    mine = select(MaturityInvitation.id).where(MaturityInvitation.person_id == person_id)
    gone = session.execute(
        delete(MaturityAnswer)
        .where(MaturityAnswer.invitation_id.in_(mine))
        .returning(MaturityAnswer.id)
        .execution_options(**_QUIET)
    ).all()
    for table in (MaturityNote, MaturityCounted):
        session.execute(
            delete(table).where(table.invitation_id.in_(mine)).execution_options(**_QUIET)
        )
    session.execute(
        update(MaturityInvitation)
        .where(MaturityInvitation.person_id == person_id)
        .values(salt=None, business_unit=None, state=InvitationState.LEFT, skip_reason_id=None)
        .execution_options(**_QUIET)
    )
    return len(gone)


def forget_digests(session: Session, person_id: str) -> int:
    """Empty the digests sent to the person, and delete their schedules, subscriptions and files; how many digests.

    That there was a digest, and of which week, stays under their opaque id.
    """
    session.execute(delete(Schedule).where(Schedule.owner == person_id).execution_options(**_QUIET))
    session.execute(
        delete(SharedFile).where(SharedFile.person_id == person_id).execution_options(**_QUIET)
    )
    session.execute(
        delete(DigestSubscription)
        .where(DigestSubscription.person_id == person_id)
        .execution_options(**_QUIET)
    )
    releases = session.execute(select(DigestRelease).order_by(DigestRelease.id)).scalars()
    for release in releases.all():
        if person_id in release.contents:
            release.contents = {
                reader: content
                for reader, content in release.contents.items()
                if reader != person_id
            }
    result = session.execute(
        update(Digest)
        .where(Digest.person_id == person_id)
        .values(content=None, tz="", last_error=None)
        .returning(Digest.id)
        .execution_options(**_QUIET)
    )
    return len(result.all())


def end_absences(session: Session, person_id: str, now: datetime) -> int:
    """End every absence in which the person is away or stands in; how many."""
    result = session.execute(
        update(Absence)
        .where(
            or_(Absence.person_id == person_id, Absence.stand_in_id == person_id),
            Absence.ended_at.is_(None),
        )
        .values(ended_at=now)
        .returning(Absence.id)
        .execution_options(**_QUIET)
    )
    return len(result.all())


def delete_memberships(session: Session, person_id: str) -> int:
    """Take the person out of every user group; how many that was."""
    result = session.execute(
        delete(UserGroupMember)
        .where(UserGroupMember.person_id == person_id)
        .returning(UserGroupMember.group_id)
        .execution_options(**_QUIET)
    )
    return len(result.all())


def forget_meeting(session: Session, person_id: str) -> None:
    """Delete how the person was introduced to mlgov, their Home, and notices withheld from them."""
    for table in (Meeting, HomeTab, Withheld):
        session.execute(
            delete(table).where(table.person_id == person_id).execution_options(**_QUIET)
        )


def forget_manager(session: Session, person_id: str) -> None:
    """Let nobody report to the person any more."""
    session.execute(
        update(Person)
        .where(Person.manager_id == person_id)
        .values(manager_id=None)
        .execution_options(synchronize_session="fetch")
    )


def list_shown_in(session: Session, person_id: str) -> list[tuple[str, str]]:
    """(subject type, subject id) of records whose cards may show the person's name, to be rendered anew."""
    decided = select(Decision.approval_id).where(
        or_(Decision.person_id == person_id, Decision.for_id == person_id)
    )
    acted = actions.list_concerning(session, person_id)
    part = or_(
        Project.owner_id == person_id,
        Project.sponsor_id == person_id,
        Project.manager_id == person_id,
    )
    projects = select(Project.id).where(part)
    requests = session.execute(
        select(Approval.id)
        .where(
            or_(
                Approval.requester_id == person_id,
                Approval.id.in_(decided),
                Approval.id.in_(acted),
                Approval.project_id.in_(projects),
            )
        )
        .order_by(Approval.id)
    ).scalars()
    alerts = session.execute(
        select(BudgetAlert.id)
        .join(Budget, Budget.id == BudgetAlert.budget_id)
        .where(
            or_(
                BudgetAlert.acknowledged_by == person_id,
                Budget.owner_id == person_id,
                Budget.project_id.in_(projects),
            )
        )
        .order_by(BudgetAlert.id)
    ).scalars()
    milestones = session.execute(
        select(Milestone.id)
        .where(
            or_(
                Milestone.owner_id == person_id,
                Milestone.done_by == person_id,
                Milestone.created_by == person_id,
                Milestone.project_id.in_(projects),
            )
        )
        .order_by(Milestone.id)
    ).scalars()
    check_ins = session.execute(
        select(MaturityInvitation.id)
        .join(MaturityCycle, MaturityCycle.id == MaturityInvitation.cycle_id)
        .where(MaturityCycle.started_by == person_id, MaturityCycle.state == CycleState.OPEN)
        .order_by(MaturityInvitation.id)
    ).scalars()
    author_of = (
        select(ModelVersion.model_id)
        .join(ModelPerson, ModelPerson.version_id == ModelVersion.id)
        .where(ModelPerson.person_id == person_id)
    )
    with_finding_of = select(Finding.model_id).where(
        or_(Finding.owner_id == person_id, Finding.accepted_by == person_id)
    )
    models = session.execute(
        select(Model.id)
        .where(
            or_(Model.owner_id == person_id, Model.id.in_(author_of), Model.id.in_(with_finding_of))
        )
        .order_by(Model.id)
    ).scalars()
    asked = requests.all()
    texts = session.execute(
        select(DigestDecision.digest_id)
        .where(DigestDecision.approval_id.in_(asked))
        .order_by(DigestDecision.digest_id)
        .distinct()
    ).scalars()
    sent_by_them = session.execute(
        select(DigestRelease.id)
        .where(DigestRelease.decided_by == person_id)
        .order_by(DigestRelease.id)
    ).scalars()
    return [
        *(("approval", str(one)) for one in asked),
        *(("digest", str(one)) for one in texts),
        *(("digest_release", str(one)) for one in sent_by_them),
        *(("budget_alert", str(one)) for one in alerts),
        *(("model", str(one)) for one in models),
        *(("maturity_invitation", str(one)) for one in check_ins),
        *shown_milestones(session, milestones.all()),
    ]


def list_owned_projects(session: Session, person_id: str) -> list[str]:
    """Keys of the projects that the person owns, sponsors or manages, sorted."""
    return list(
        session.execute(
            select(Project.key)
            .where(
                or_(
                    Project.owner_id == person_id,
                    Project.sponsor_id == person_id,
                    Project.manager_id == person_id,
                )
            )
            .order_by(Project.key)
        ).scalars()
    )


def is_named_in_policy(session: Session, slack_id: str) -> bool:
    """Whether any applied policy names the Slack id; those texts are the operator's files, and aren't changed."""
    word = _word(slack_id)
    texts = session.execute(
        select(PolicyVersion.text).where(PolicyVersion.text.contains(slack_id, autoescape=True))
    ).scalars()
    return any(word.search(text) for text in texts)


def _word(slack_id: str) -> re.Pattern[str]:
    return re.compile(rf"(?<![A-Za-z0-9]){re.escape(slack_id)}(?![A-Za-z0-9])")


def replace_names(
    session: Session, names: Sequence[str], slack_ids: Sequence[str], word: str, now: datetime
) -> tuple[int, list[int]]:
    """Replace the person's Slack ids and addresses by `word` in every table.

    How many copies in direct messages are no longer followed, and the ids of requests that were changed. What waits to
    be sent to the person is cancelled. `word` must be new: after a second erasure the same person's lanes would collide.
    """
    swap = build_swap(names, word)
    cut = 0
    for slack_id in slack_ids:
        cut += _replace_lanes(session, slack_id, swap, word, now)
    swept = sweep(session, names, swap)
    requests = set(swept.get("approval", ()))
    requests |= set(swept.get("approval_stage", ()))
    decisions = swept.get("decision", ())
    decided = select(Decision.approval_id).where(Decision.id.in_(decisions))
    requests |= set(session.execute(decided).scalars())
    return cut, sorted(requests)


def _replace_lanes(session: Session, slack_id: str, swap: Swap, word: str, now: datetime) -> int:
    lanes = session.execute(
        select(Lane)
        .where(Lane.key.contains(slack_id, autoescape=True))
        .order_by(Lane.key)
        .with_for_update()
    ).scalars()
    cut = 0
    for lane in lanes.all():
        key = swap(lane.key)
        if key == lane.key:
            continue
        # The lane's key changes and its epoch rises, so a sender that holds it now settles nothing.
        paces = {column.key: getattr(lane, column.key) for column in Lane.__table__.columns}
        nobody = {"channel": None, "lease_owner": None, "lease_until": None}
        if session.get(Lane, key) is None:
            session.add(Lane(**paces | nobody | {"key": key, "epoch": lane.epoch + 1}))
            session.flush()
        session.execute(
            update(Outbox)
            .where(
                Outbox.lane_key == lane.key,
                Outbox.state.in_([OutboxState.PENDING, OutboxState.SENDING]),
            )
            .values(state=OutboxState.CANCELLED, settled_at=now)
            .execution_options(**_QUIET)
        )
        session.execute(
            update(Outbox)
            .where(Outbox.lane_key == lane.key)
            .values(lane_key=key, last_error=None)
            .execution_options(**_QUIET)
        )
        moved = session.execute(
            update(Message)
            .where(Message.lane_key == lane.key)
            .values(lane_key=key, live=False, channel=f"erased:{word}")
            .returning(Message.id)
            .execution_options(**_QUIET)
        )
        cut += len(moved.all())
        session.delete(lane)
        session.flush()
    return cut
