"""Whose a database is: one organisation's, by its key, and how that becomes the Grid's that it joined.

The key is the enterprise id on a Grid, else the id of the workspace. A workspace that joins a Grid has another key from
that day on, and its people have other ids: without a move everybody would be somebody new, and could approve what they
asked themselves.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy.orm import Session

from storage import runtime
from storage.people import erasure, identities, queries
from storage.people import identities as slack_aliases
from storage.people.tables import Channel, Person, UserGroup
from workflows.audit import service as audit
from workflows.context import ActorKind, Context
from workflows.errors import GovernanceError, InvalidInput, NotAllowed
from workflows.people import erasure as erased
from workflows.people import identities as people_identities

MOVED = "organisation.moved"
SUBJECT = ("organisation", 1)
"""The row about the database stands for the organisation on the ledger."""


class OtherOrganisation(GovernanceError):
    """This database governs another organisation; nothing is written."""


@dataclass(frozen=True, slots=True)
class Known:
    """Whose a database is: the key, the workspace by which it was met, and keys that the organisation had before."""

    org_key: str
    team_id: str
    was: tuple[str, ...] = ()

    @classmethod
    def of(cls, facts: Mapping[str, Any]) -> "Known | None":
        """From what the database keeps; None before it has met anybody."""
        key = facts.get("org_key")
        if not key:
            return None
        return cls(str(key), str(facts.get("team_id") or key), tuple(facts.get("was") or ()))


@dataclass(frozen=True, slots=True)
class Installed:
    """Where a token is of, as Slack tells it."""

    org_key: str
    team_id: str
    enterprise_id: str | None
    name: str

    @property
    def is_org_wide(self) -> bool:
        """Whether the app is installed on the Grid as a whole."""
        return self.team_id == self.enterprise_id


def find_organisation(session: Session) -> Known | None:
    """Whose this database is; None before it has met its organisation."""
    return Known.of(runtime.facts(session))


def explain_refusal(here: Known | None, there: Installed) -> str | None:
    """Why nothing may be done with this token on that database, and what to do; None where it is the organisation's."""
    if here is None or here.org_key == there.org_key:
        return None
    if may_move(here, there):
        joined = (
            f"{there.name or there.team_id} ({here.team_id}) has joined the Enterprise Grid {there.enterprise_id}"
            if not there.is_org_wide
            else f"SLACK_BOT_TOKEN is of the Enterprise Grid {there.enterprise_id} ({there.name})"
        )
        return (
            f"{joined}, and this database still governs {here.org_key}: everybody would be somebody new to it. Stop mlgov, "
            "look at `mlgov organisation move --dry-run`, then run `mlgov organisation move`."
        )
    if there.enterprise_id is None and there.team_id == here.team_id:
        return (
            f"{there.name or there.team_id} is no longer part of the Enterprise Grid {here.org_key}, which "
            "this database governs. Set SLACK_BOT_TOKEN to a token of that Grid, or name another database in "
            "MLGOV_DATABASE_URL."
        )
    return (
        f"This database governs the organisation {here.org_key}, and SLACK_BOT_TOKEN is of {there.org_key} "
        f"({there.name}). Set SLACK_BOT_TOKEN to that organisation's token, or name another database in "
        "MLGOV_DATABASE_URL."
    )


def may_move(here: Known, there: Installed) -> bool:
    """Whether a token says that the database's workspace is part of a Grid now. Of a token for a whole Grid, only
    Slack's exchange of ids can tell."""
    return (
        there.enterprise_id is not None
        and here.org_key == here.team_id
        and here.org_key != there.org_key
        and (there.is_org_wide or there.team_id == here.team_id)
    )


def count_left_behind(session: Session, here: Known) -> int:
    """People who still stand under the key of the workspace although the database is the Grid's: earlier releases took
    the new key over without them."""
    return (
        0
        if find_source_key(here) == here.org_key
        else identities.count_own(session, find_source_key(here))
    )


def require(here: Known | None, there: Installed) -> None:
    """Raises OtherOrganisation for a token of another organisation than the database's."""
    sentence = explain_refusal(here, there)
    if sentence is not None:
        raise OtherOrganisation(sentence)


def adopt(session: Session, there: Installed) -> None:
    """This is the database's organisation from now on, where it had none. Raises OtherOrganisation."""
    facts = identities.lock(session)
    here = Known.of(facts)
    require(here, there)
    if here is None:
        runtime.set_facts(session, {"org_key": there.org_key, "team_id": there.team_id})


def require_ours(session: Session, org_key: str) -> None:
    """That an organisation's people may be added: a process that was started before a move must not make them anew.

    Raises OtherOrganisation.
    """
    here = Known.of(identities.share(session))
    if here is not None and org_key in here.was:
        raise OtherOrganisation(
            f"This database was moved to {here.org_key} while mlgov ran for {org_key}. Start mlgov again."
        )


# --- moving


@dataclass(frozen=True, slots=True)
class Plan:
    """What a move would do. `ids` are the Grid's Slack ids by opaque id."""

    was: str
    now: str
    ids: Mapping[str, str]
    unmapped: tuple[str, ...]
    """Names of active members whom Slack doesn't know in the Grid."""
    kept: int
    """Leavers and bots whom Slack doesn't know there: they keep their id."""
    others: int
    """People of files, and programs: nobody in Slack."""
    joined: int
    """Entries under the new key that turn out to be somebody here."""
    groups: int
    channels: int
    waiting: int
    """Requests that wait, and go on."""
    erased: int
    """People who were erased, and are known again in the Grid."""
    erased_unknown: int
    """People who were erased and whom Slack doesn't list: they are known by the ids that they had."""


def list_slack_ids(session: Session, here: Known) -> list[str]:
    """The Slack ids that Slack has to be asked about: of everybody who is not erased."""
    return sorted(
        {str(row.slack_id) for row in identities.list_known(session, find_source_key(here))}
    )


def find_source_key(here: Known) -> str:
    """The key under which the people stand who are to move."""
    return here.team_id


def plan(session: Session, here: Known, new_key: str, exchanged: Mapping[str, str]) -> Plan:
    """What a move to this Grid would do, by the ids that Slack gives in exchange. Changes nothing.

    Raises ErasureKeyMissing where erased people could not be told.
    """
    old = find_source_key(here)
    people = identities.list_known(session, old)
    ids = {row.id: exchanged[str(row.slack_id)] for row in people if row.slack_id in exchanged}
    twins = len(ids) - len(set(ids.values()))
    missing = [row for row in people if row.id not in ids]
    active = [row for row in missing if _is_active(row)]
    stones = erased.find_erased(session, old, exchanged.keys())
    whose = {stone.person_id for stone in stones.values()}
    own = {str(row.slack_id) for row in people} | set(ids.values())
    return Plan(
        was=old,
        now=new_key,
        ids=ids,
        unmapped=tuple(sorted(row.name for row in active)),
        kept=len(missing) - len(active),
        others=identities.count_own(session, old) - len(people),
        joined=twins
        + len({row.id for row in queries.find_by_slack_ids(session, new_key, own).values()}),
        groups=identities.count_places(session, UserGroup, old),
        channels=identities.count_places(session, Channel, old),
        waiting=identities.count_waiting(session),
        erased=len(whose),
        erased_unknown=erasure.read_standing(session).people - len(whose),
    )


def _is_active(row: Person) -> bool:
    return not (row.is_deactivated or row.is_bot or row.erased_at is not None)


def move(
    ctx: Context, here: Known, there: Installed, exchanged: Mapping[str, str], *, leaves: bool
) -> Plan:
    """Carry the organisation over to the Grid that it joined, in this one transaction: people keep their opaque ids.

    With `leaves`, active members whom Slack doesn't know there are leavers from now on. Raises InvalidInput for them
    otherwise, and OtherOrganisation where somebody was quicker.
    """
    if ctx.actor.kind is not ActorKind.OPERATOR:
        raise NotAllowed("Only who operates mlgov can move it, by `mlgov organisation move`.")
    facts = identities.lock(ctx.session)
    if Known.of(facts) != here:
        raise OtherOrganisation(
            "Somebody else has just moved this database. `mlgov organisation` shows where it is."
        )
    new_key = there.org_key
    planned = plan(ctx.session, here, new_key, exchanged)
    if planned.unmapped and not leaves:
        raise InvalidInput(unmapped_words(planned.unmapped))
    people = list(identities.list_known(ctx.session, planned.was))
    for row in people:
        if row.id not in planned.ids and _is_active(row):
            row.is_deactivated = True
    if _join_twins(ctx, people, planned):
        joined = planned.joined
        planned = replace(plan(ctx.session, here, new_key, exchanged), joined=joined)
        people = list(identities.list_known(ctx.session, planned.was))
    _join_others(ctx, people, planned)
    before = {row.id: str(row.slack_id) for row in people}
    erasure.copy_marks(ctx.session, planned.was, exchanged, new_key)
    identities.rename_people(ctx.session, planned.was, new_key, planned.ids)
    slack_aliases.forget_aliases(ctx.session, new_key, planned.ids.values())
    slack_aliases.add_aliases(
        ctx.session,
        new_key,
        {
            before[person_id]: person_id
            for person_id, slack_id in planned.ids.items()
            if before[person_id] != slack_id
        },
    )
    identities.rename_places(ctx.session, planned.was, new_key)
    renamed = {before[id_]: slack_id for id_, slack_id in planned.ids.items()}
    identities.rename_lanes(ctx.session, planned.was, new_key, renamed)
    identities.rename_in_notices(ctx.session, planned.was, new_key)
    runtime.set_facts(
        ctx.session,
        {
            "org_key": new_key,
            "team_id": there.team_id,
            "was": [*(one for one in here.was if one != planned.was), planned.was],
        },
    )
    audit.record(
        ctx,
        MOVED,
        SUBJECT,
        was=planned.was,
        now_is=new_key,
        people=len(planned.ids),
        kept=planned.kept,
        left=len(planned.unmapped),
        others=planned.others,
        joined=planned.joined,
        erased=planned.erased,
        erased_unknown=planned.erased_unknown,
    )
    return planned


def unmapped_words(names: Sequence[str]) -> str:
    """The refusal where active members are unknown in the Grid."""
    listed = ", ".join(names[:5]) + (f" and {len(names) - 5} more" if names[5:] else "")
    is_one = len(names) == 1
    return (
        f"The Grid doesn't know {listed}, so nobody can say who {'that is' if is_one else 'they are'} there. "
        "Look there whether they are members; `mlgov organisation move --leave-unknown` moves without them: they count "
        "as having left until the Grid names them again by the id that they have here."
    )


def _join_twins(ctx: Context, people: Sequence[Person], planned: Plan) -> bool:
    """Entries here whom Slack names by one id in the Grid are one person; whether there were any."""
    by_id: dict[str, list[Person]] = {}
    for row in people:
        if row.id in planned.ids:
            by_id.setdefault(planned.ids[row.id], []).append(row)
    twins = [rows for rows in by_id.values() if len(rows) > 1]
    for rows in twins:
        people_identities.join_aliases(ctx, rows)
    return bool(twins)


def _join_others(ctx: Context, people: Sequence[Person], planned: Plan) -> None:
    """Whoever stands under the new key already and is somebody here is one with them."""
    names = {
        name: row for row in people for name in (str(row.slack_id), planned.ids.get(row.id)) if name
    }
    others = queries.find_by_slack_ids(ctx.session, planned.now, names.keys())
    for slack_id, other in sorted(others.items()):
        if other.slack_id is not None:  # it was not joined by its other id
            people_identities.absorb(ctx, other, names[slack_id])
