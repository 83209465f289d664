"""Which user group a handle of the policy means: the one place that says so, for decisions, sight, roles, check-ins,
digests and all else.

Slack lets a handle move: a group is renamed and another one takes its name, and on a Grid each workspace has handles of
its own. So a handle means the group that had it when an administrator put the policy in force, or, where nobody had it
then, the first that did since. When it is another group's, two groups', or nobody's, it names nobody until that is set
right in Slack or an administrator applies the policy again. Everything else goes by the group's Slack id.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from sqlalchemy.orm import Session

from storage.people import queries
from workflows.wording import counted

AT = "@"
ONCALL = "oncall:"


class Fault(StrEnum):
    """Why a handle names nobody."""

    UNKNOWN = "unknown"
    """No group has it, and none ever had since the policy names it."""
    GONE = "gone"
    """No group has it any more."""
    MOVED = "moved"
    """Another group has it than the one that is meant."""
    SHARED = "shared"
    """Several groups have it."""


@dataclass(frozen=True, slots=True)
class Unclear:
    """A handle that names nobody, and why."""

    word: str
    """With the at sign."""
    fault: Fault
    meant: str | None
    """The Slack id of the group that it means; None for one that never meant any."""
    having: tuple[str, ...]
    """The Slack ids of the groups that have it now."""

    @property
    def clause(self) -> str:
        """What is wrong, as a clause."""
        match self.fault:
            case Fault.UNKNOWN:
                return f"no user group has the handle {self.word}"
            case Fault.GONE:
                return f"no user group has the handle {self.word} any more"
            case Fault.MOVED:
                return f"another user group has the handle {self.word} by now"
            case Fault.SHARED:
                number = counted(len(self.having), "user group")
                return f"{number} have the handle {self.word}"

    @property
    def remedy(self) -> str:
        """What an administrator does about it, after "to"."""
        match self.fault:
            case Fault.UNKNOWN:
                return "give a user group that handle, or name another one in the policy"
            case Fault.GONE:
                return (
                    f"give {self.meant} that handle again, or name another user group in the policy"
                )
            case Fault.MOVED:
                return (
                    f"put the policy in force again if {self.having[0]} is the right one (`mlgov policy apply`), "
                    f"or write {self.meant} in it instead of {self.word}"
                )
            case Fault.SHARED:
                ids = " or ".join(self.having)
                return (
                    f"write the id of the right one in the policy instead ({ids}), "
                    "or give the others another handle"
                )


@dataclass(frozen=True, slots=True)
class Meant:
    """What words of a policy stand for."""

    groups: Mapping[str, str] = field(default_factory=dict)
    """`@handle` → Slack id of the user group."""
    unclear: Mapping[str, Unclear] = field(default_factory=dict)
    """`@handle` → why it names nobody."""

    def who(self, words: Iterable[str]) -> tuple[str, ...]:
        """These words with groups by their Slack id. A handle that names nobody is left out."""
        return tuple(
            self.groups[word] if is_handle(word) else word
            for word in words
            if not is_handle(word) or word in self.groups
        )


def is_handle(word: str) -> bool:
    """Whether a word of a policy names a user group by its handle."""
    return word.startswith(AT)


def resolve(session: Session, org_key: str, words: Iterable[str], *, afresh: bool = False) -> Meant:
    """What the handles among these words mean now; other words are left alone.

    With `afresh` they mean what they would if an administrator put the policy in force at this moment.
    """
    wanted = {
        word.removeprefix(ONCALL)[1:] for word in words if is_handle(word.removeprefix(ONCALL))
    }
    if not wanted:
        return Meant()
    return judge_handles(
        wanted,
        queries.list_having(session, org_key, wanted),
        {} if afresh else queries.list_meant(session, org_key, wanted),
    )


def judge_handles(
    wanted: Collection[str], having: Iterable[tuple[str, str]], meant: Mapping[str, str]
) -> Meant:
    """What handles (without the at sign) mean, by the groups that have one (handle, Slack id) and those that each meant."""
    owners: dict[str, list[str]] = {handle: [] for handle in wanted}
    for handle, slack_id in having:
        if handle in owners:
            owners[handle].append(slack_id)
    groups, unclear = {}, {}
    for handle, ids in owners.items():
        fault = _fault(ids, meant.get(handle))
        if fault is None:
            groups[AT + handle] = ids[0]
        else:
            unclear[AT + handle] = Unclear(
                AT + handle, fault, meant.get(handle), tuple(sorted(ids))
            )
    return Meant(groups, unclear)


def _fault(ids: Collection[str], meant: str | None) -> Fault | None:
    if len(ids) > 1:
        return Fault.SHARED
    if not ids:
        return Fault.UNKNOWN if meant is None else Fault.GONE
    return None if meant is None or meant in ids else Fault.MOVED
