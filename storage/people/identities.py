"""One person under several ids: entries from files who turn out to be members, second Slack ids on a Grid, and an
organisation that moves under another key (decision 26)."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple
from typing import cast as typing_cast

from sqlalchemy import (
    PrimaryKeyConstraint,
    String,
    Table,
    UniqueConstraint,
    and_,
    bindparam,
    cast,
    delete,
    func,
    not_,
    or_,
    select,
    union_all,
    update,
)
from sqlalchemy import cast as as_
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session, aliased

from storage.approvals.tables import Approval, ApprovalStage, Decision
from storage.audit.tables import AuditEntry
from storage.base import Base
from storage.delivery import outbox
from storage.delivery.tables import Gate, Message, Outbox, Runtime
from storage.enums import ApprovalState
from storage.people.lookups import parts
from storage.people.tables import (
    Channel,
    MirrorReading,
    Person,
    SlackAlias,
    UserGroup,
    UserGroupMember,
)

_QUIET = {"synchronize_session": False}
_MANAGER = Person.__table__.c.manager_id


def list_references() -> Iterator[Any]:
    """Every column of every table with a foreign key to `person`, so that no new table is forgotten."""
    for table in Base.metadata.sorted_tables:
        for column in table.columns:
            if any(key.column.table.name == "person" for key in column.foreign_keys):
                yield column


def replace_people(session: Session, replaced: Mapping[str, str]) -> None:
    """Let every reference to one of these people (old id → new id) name the new one, and delete the old ones.

    The old ones are entries of files who never acted. Where a unique key allows only one row, that of the new one stays.
    """
    session.flush()
    for column in list_references():
        for part in parts(replaced):
            named = session.execute(select(column).where(column.in_(part)).distinct()).scalars()
            for old_id in sorted(named):
                _replace(session, column, old_id, replaced[old_id])
    for part in parts(replaced):
        session.execute(delete(Person).where(Person.id.in_(part)).execution_options(**_QUIET))


def has_acted(session: Session, person_ids: Collection[str]) -> set[str]:
    """Those of these people who are the actor of an entry in the ledger."""
    rows = session.execute(
        select(AuditEntry.actor_id).where(AuditEntry.actor_id.in_(person_ids)).distinct()
    )
    return set(rows.scalars())


def join_people(session: Session, gone: Person, kept: Person) -> None:
    """Let every reference to `gone` name `kept`; `gone` stays as an empty, deactivated row.

    Unlike with `replace_people` both may have acted, and the ledger seals what both did: where a unique key allows only
    one row, the row of `gone` stays as it is, except in the tables of `_HELD_LIGHTLY`, where it is deleted.
    """
    session.flush()
    for column in list_references():
        if column is _MANAGER or column.table.name in _HELD_LIGHTLY:
            _replace(session, column, gone.id, kept.id)
            continue
        own = list(column.table.primary_key.columns)
        for row in session.execute(select(*own).where(column == gone.id)).all():
            where = [key == value for key, value in zip(own, row, strict=True)]
            try:
                with session.begin_nested():
                    session.execute(
                        update(column.table).where(*where).values({column.name: kept.id})
                    )
            except IntegrityError:
                continue
    gone.slack_id = gone.email = gone.manager_id = gone.team_id = None
    gone.is_deactivated = True
    session.flush()


_HELD_LIGHTLY = {
    "digest_subscription", "home_tab", "meeting", "reminding", "user_group_member", "withheld", "slack_alias",
}  # fmt: skip
"""Tables that aren't sealed, and in which a person's second row adds nothing to the first."""


def list_stages_naming(session: Session, words: Collection[str]) -> list[int]:
    """Ids of requests with a stage that names one of these Slack ids."""
    text = cast(ApprovalStage.approvers, String)
    return list(
        session.execute(
            select(ApprovalStage.approval_id)
            .where(or_(*(text.contains(f'"{word}"') for word in words)))
            .order_by(ApprovalStage.approval_id)
            .distinct()
        ).scalars()
    )


class WaitingDouble(NamedTuple):
    """A verdict (`position` is its stage), and the stage at which its request is."""

    id: int
    approval_id: int
    position: int
    verdict: str
    stage: int


def list_waiting_doubles(session: Session, person_ids: Collection[str]) -> list[WaitingDouble]:
    """Verdicts that one person gave twice, under two ids: in pending requests that one of `person_ids` opened, or in which
    one of them has given an earlier verdict. Verdicts taken back are left out; the requests are locked."""
    mine = Decision.person_id.in_(person_ids)
    earlier = aliased(Decision)
    is_second = (
        select(earlier.id)
        .where(
            earlier.approval_id == Decision.approval_id,
            earlier.person_id.in_(person_ids),
            earlier.id < Decision.id,
            earlier.taken_back_at.is_(None),
        )
        .exists()
    )
    rows = session.execute(
        select(
            Decision.id, Decision.approval_id, Decision.position, Decision.verdict, Approval.stage
        )
        .join(Approval, Approval.id == Decision.approval_id)
        .where(
            Approval.state == ApprovalState.PENDING,
            Decision.taken_back_at.is_(None),
            mine,
            or_(Approval.requester_id.in_(person_ids), is_second),
        )
        .order_by(Decision.approval_id, Decision.id)
        .with_for_update(of=Approval)
    )
    return [WaitingDouble(*row) for row in rows]


def list_verdicts_from(session: Session, approval_id: int, position: int) -> list[int]:
    """Ids of a request's verdicts from stage `position` on, without those taken back."""
    return list(
        session.execute(
            select(Decision.id)
            .where(
                Decision.approval_id == approval_id,
                Decision.position >= position,
                Decision.taken_back_at.is_(None),
            )
            .order_by(Decision.id)
        ).scalars()
    )


def _replace(session: Session, column: Any, old_id: str, new_id: str) -> None:
    if column is _MANAGER:
        session.execute(
            update(Person)
            .where(Person.manager_id == old_id)
            .values(manager_id=new_id)
            .execution_options(synchronize_session="fetch")
        )
        return
    for others in _held_once(column):
        twin = column.table.alias()
        there = select(twin.c[column.name]).where(
            twin.c[column.name] == new_id, *(twin.c[other.name] == other for other in others)
        )
        session.execute(delete(column.table).where(column == old_id, there.exists()))
    session.execute(update(column.table).where(column == old_id).values({column.name: new_id}))


def _held_once(column: Any) -> Iterator[list[Any]]:
    """The other columns of each primary or unique key that includes this column."""
    for constraint in column.table.constraints:
        if not isinstance(constraint, (PrimaryKeyConstraint, UniqueConstraint)):
            continue
        columns = list(constraint.columns)
        if any(member is column for member in columns):
            yield [member for member in columns if member is not column]


@dataclass(frozen=True, slots=True)
class Match:
    """An address of both entries of files and members in Slack: how many of each, and the id of one of each."""

    email: str
    entries: int
    entry_id: str
    members: int
    member_id: str


def _matches(org_key: str) -> Any:
    """Entries of files beside the full, active members with the same address.

    The joined statement, the condition that a match is clear (one of each, the member not linked before), and the
    column of the entry's id.
    """
    entry = (
        select(Person.email, func.count().label("number"), func.min(Person.id).label("id"))
        .where(
            Person.org_key == org_key,
            Person.slack_id.is_(None),
            Person.email.is_not(None),
            Person.erased_at.is_(None),
        )
        .group_by(Person.email)
        .subquery("entry")
    )
    member = (
        select(
            Person.email,
            func.count().label("number"),
            func.min(Person.id).label("id"),
            func.count(Person.linked_at).label("linked"),
        )
        .where(
            Person.org_key == org_key,
            Person.email.is_not(None),
            Person.slack_id.is_not(None),
            Person.team_id.is_not(None),
            Person.is_bot.is_(False),
            Person.is_guest.is_(False),
            Person.is_stranger.is_(False),
            Person.is_deactivated.is_(False),
            Person.erased_at.is_(None),
        )
        .group_by(Person.email)
        .subquery("member")
    )
    is_clear = and_(entry.c.number == 1, member.c.number == 1, member.c.linked == 0)
    columns = (entry.c.email, entry.c.number, entry.c.id, member.c.number, member.c.id)
    joined = select(*columns).join(member, member.c.email == entry.c.email)
    return joined.order_by(entry.c.email), is_clear, entry.c.id


def list_clear(session: Session, org_key: str, *, most: int) -> list[Match]:
    """At most `most` clear matches (`_matches`) whose entry has never acted."""
    joined, is_clear, entry_id = _matches(org_key)
    acted = select(AuditEntry.actor_id)
    rows = session.execute(joined.where(is_clear, entry_id.not_in(acted)).limit(most))
    return [Match(*row) for row in rows]


def list_unclear(session: Session, org_key: str) -> list[Match]:
    """Matches that aren't clear: several of a kind, or a member who was linked with another entry before."""
    joined, is_clear, _ = _matches(org_key)
    return [Match(*row) for row in session.execute(joined.where(not_(is_clear)))]


def list_ids_by_email(session: Session, org_key: str, email: str) -> list[str]:
    """Opaque ids of everybody in an organisation with this address (folded), sorted."""
    return list(
        session.execute(
            select(Person.id)
            .where(Person.org_key == org_key, Person.email == email)
            .order_by(Person.id)
        ).scalars()
    )


def list_managers(session: Session, org_key: str) -> dict[str, str]:
    """Person → line manager, by opaque ids, for all who have one."""
    rows = session.execute(
        select(Person.id, Person.manager_id).where(
            Person.org_key == org_key, Person.manager_id.is_not(None)
        )
    )
    return {person: str(manager) for person, manager in rows}


def list_linked(session: Session, org_key: str, linked_at: datetime) -> Sequence[Person]:
    """The members who were linked with an entry of a file at that instant, by name."""
    return (
        session.execute(
            select(Person)
            .where(Person.org_key == org_key, Person.linked_at == linked_at)
            .order_by(Person.name, Person.id)
        )
        .scalars()
        .all()
    )


# --- The other ids by which Slack names somebody on a Grid

_INSERT: dict[str, Any] = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}


def list_aliases(session: Session, person_id: str) -> list[str]:
    """The other Slack ids of a person, sorted."""
    return list(
        session.execute(
            select(SlackAlias.slack_id)
            .where(SlackAlias.person_id == person_id)
            .order_by(SlackAlias.slack_id)
        ).scalars()
    )


def list_by_person(session: Session, person_ids: Collection[str]) -> dict[str, set[str]]:
    """Opaque id → the other Slack ids of each of these people who have any."""
    aliases: dict[str, set[str]] = {}
    for part in parts(person_ids):
        rows = session.execute(
            select(SlackAlias.person_id, SlackAlias.slack_id).where(SlackAlias.person_id.in_(part))
        )
        for person_id, alias in rows:
            aliases.setdefault(person_id, set()).add(alias)
    return aliases


def list_slack_ids(session: Session, person_id: str) -> set[str]:
    """Every Slack id of a person."""
    own = select(Person.slack_id).where(Person.id == person_id, Person.slack_id.is_not(None))
    others = select(SlackAlias.slack_id).where(SlackAlias.person_id == person_id)
    return {str(id_) for id_ in session.execute(union_all(own, others)).scalars()}


def add_aliases(session: Session, org_key: str, aliases: Mapping[str, str]) -> None:
    """Set whose these other Slack ids are (`aliases`: Slack id → opaque id), replacing former owners."""
    if aliases:
        statement = _INSERT[session.get_bind().dialect.name](SlackAlias)
        session.execute(
            statement.on_conflict_do_update(
                index_elements=["org_key", "slack_id"],
                set_={"person_id": statement.excluded.person_id},
            ),
            [
                {"org_key": org_key, "slack_id": alias, "person_id": person}
                for alias, person in sorted(aliases.items())
            ],
        )


def forget_aliases(session: Session, org_key: str, slack_ids: Collection[str]) -> None:
    """Delete these other Slack ids, whosever they are."""
    for part in parts(slack_ids):
        session.execute(
            delete(SlackAlias)
            .where(SlackAlias.org_key == org_key, SlackAlias.slack_id.in_(part))
            .execution_options(synchronize_session=False)
        )


def forget_aliases_of(session: Session, person_id: str) -> None:
    """Delete the other Slack ids of a person."""
    session.execute(
        delete(SlackAlias)
        .where(SlackAlias.person_id == person_id)
        .execution_options(synchronize_session=False)
    )


# --- An organisation moves under another key; its people, groups, channels, lanes, notices follow

_person = typing_cast(Table, Person.__table__)


def lock(session: Session) -> dict[str, Any]:
    """`Runtime.facts`, locked: nobody else locks (`share`) or changes them before this transaction ends."""
    return dict(
        session.execute(select(Runtime.facts).where(Runtime.id == 1).with_for_update()).scalar_one()
    )


def share(session: Session) -> dict[str, Any]:
    """`Runtime.facts`, locked in share mode: they don't change before this transaction ends."""
    return dict(
        session.execute(
            select(Runtime.facts).where(Runtime.id == 1).with_for_update(read=True)
        ).scalar_one()
    )


def list_known(session: Session, org_key: str) -> Sequence[Person]:
    """An organisation's own people (no strangers) with a Slack id, by opaque id."""
    return (
        session.execute(
            select(Person)
            .where(
                Person.org_key == org_key,
                Person.slack_id.is_not(None),
                Person.is_stranger.is_(False),
            )
            .order_by(Person.id)
        )
        .scalars()
        .all()
    )


def count_own(session: Session, org_key: str) -> int:
    """The number of an organisation's own people, entries of files and programs included."""
    return session.execute(
        select(func.count())
        .select_from(Person)
        .where(Person.org_key == org_key, Person.is_stranger.is_(False))
    ).scalar_one()


def rename_people(
    session: Session, org_key: str, new_key: str, slack_ids: Mapping[str, str]
) -> None:
    """Move all people of an organisation under its new key; `slack_ids` (opaque id → new Slack id) are set.

    Everybody counts as not read from Slack.
    """
    session.flush()
    session.execute(
        update(SlackAlias)
        .where(SlackAlias.org_key == org_key)
        .values(org_key=new_key)
        .execution_options(**_QUIET)
    )
    session.execute(
        update(Person)
        .where(Person.org_key == org_key)
        .values(org_key=new_key, refreshed_at=None)
        .execution_options(**_QUIET)
    )
    if slack_ids:
        session.connection().execute(
            update(_person)
            .where(_person.c.id == bindparam("who"))
            .values(slack_id=bindparam("called")),
            [{"who": person, "called": slack_id} for person, slack_id in sorted(slack_ids.items())],
        )
    session.expire_all()


def rename_places(session: Session, org_key: str, new_key: str) -> tuple[int, int]:
    """Move user groups and channels under the new key, to be read from Slack again; how many of each.

    One that is under the new key already is kept, and its double deleted.
    """
    doubles = select(UserGroup.slack_id).where(UserGroup.org_key == new_key)
    gone = select(UserGroup.id).where(UserGroup.org_key == org_key, UserGroup.slack_id.in_(doubles))
    ids = list(session.execute(gone).scalars())
    for part in parts(ids):
        session.execute(
            delete(UserGroupMember)
            .where(UserGroupMember.group_id.in_(part))
            .execution_options(**_QUIET)
        )
        session.execute(delete(UserGroup).where(UserGroup.id.in_(part)).execution_options(**_QUIET))
    seen = select(Channel.slack_id).where(Channel.org_key == new_key)
    known = list(session.execute(seen).scalars())
    for names in parts(known):
        session.execute(
            delete(Channel)
            .where(Channel.org_key == org_key, Channel.slack_id.in_(names))
            .execution_options(**_QUIET)
        )
    counts = []
    for table in (UserGroup, Channel):
        moved = session.execute(
            update(table)
            .where(table.org_key == org_key)
            .values(org_key=new_key, refreshed_at=None)
            .returning(table.id)
            .execution_options(**_QUIET)
        )
        counts.append(len(moved.all()))
    session.execute(update(MirrorReading).values(read_at=None))
    session.expire_all()
    return counts[0], counts[1]


def rename_lanes(session: Session, org_key: str, new_key: str, slack_ids: Mapping[str, str]) -> int:
    """Rename the lanes of an organisation (`outbox.rename`); how many. Its rate limits are deleted, to begin anew.

    `slack_ids` is old Slack id → new one; other ids stay.
    """

    def renamed(key: str) -> str:
        prefix, _, slack_id = key.rpartition(":")
        head = prefix.removesuffix(org_key)
        return f"{head}{new_key}:{slack_ids.get(slack_id, slack_id)}"

    keys = {key: renamed(key) for key in outbox.list_keys(session, org_key)}
    session.execute(
        delete(Gate)
        .where(Gate.key.startswith(f"{org_key}:", autoescape=True))
        .execution_options(**_QUIET)
    )
    return outbox.rename(session, keys, forgets_channels=True)


def rename_in_notices(session: Session, org_key: str, new_key: str) -> int:
    """Replace the organisation's key in notices, so that their messages can still be rendered; how many."""
    count = 0
    tables: tuple[Any, ...] = (Outbox, Message)
    for table in tables:
        rows = session.execute(
            select(table)
            .where(as_(table.notice, String).contains(f'"{org_key}"', autoescape=True))
            .order_by(table.id)
        ).scalars()
        for row in rows.all():
            if row.notice.get("org_key") == org_key:
                row.notice = {**row.notice, "org_key": new_key}
                count += 1
    session.flush()
    return count


def count_places(session: Session, table: type[UserGroup] | type[Channel], org_key: str) -> int:
    """The number of an organisation's user groups or channels."""
    return session.execute(
        select(func.count()).select_from(table).where(table.org_key == org_key)
    ).scalar_one()


def count_waiting(session: Session) -> int:
    """The number of pending requests."""
    return session.execute(
        select(func.count()).select_from(Approval).where(Approval.state == ApprovalState.PENDING)
    ).scalar_one()
