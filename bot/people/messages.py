"""What the mirror of Slack has to say to those who govern."""

from typing import Any

from sqlalchemy.orm import Session

from bot.delivery.rendering import Rendered, Renderer, Scene
from bot.slack import blocks
from workflows.people import groups, identities, mirror
from workflows.people.groups import (
    ApproversChanged,
    ApproversTold,
    HandleClear,
    HandleTold,
    HandleUnclear,
)
from workflows.people.identities import JoinedTold, NotJoinedTold, PeopleJoined, PeopleNotJoined
from workflows.people.mirror import MissingTold, PeopleMissing
from workflows.wording import counted

_NAMES = 10


def approvers_changed(record: ApproversTold, notice: ApproversChanged, scene: Scene) -> Rendered:
    """Who may approve has changed with a user group."""
    group = blocks.escape(record.group, 80)
    if not scene.is_closed:
        text = "A user group whose members approve has changed. People from outside read this channel, so nothing more is said here."
        return Rendered(text, [blocks.section(text)], is_final=True)
    parts = [
        f"{_names(names)} {did}"
        for names, did in ((record.added, "joined"), (record.removed, "left"))
        if names
    ]
    text = f"Who may approve has changed: {' and '.join(parts)} {group}"
    gates = ", ".join(f"`{blocks.escape(gate, 60)}`" for gate in record.gates)
    return Rendered(
        text,
        [
            blocks.section(f"*{text}*"),
            blocks.context(
                f"Its members approve at {gates}. Changed in Slack; seen by mlgov {blocks.when(scene.now)}."
            ),
        ],
        is_final=True,
    )


def handle_unclear(record: HandleTold, notice: HandleUnclear, scene: Scene) -> Rendered:
    """A handle that the policy goes by names nobody."""
    if not scene.is_closed:
        text = "A user group that the policy names isn't clear. People from outside read this channel, so nothing more is said here."
        return Rendered(text, [blocks.section(text)], is_final=True)
    if record.unclear is None:
        text = f"{record.word} in the policy named nobody for a while; it means a user group again"
        return Rendered(text, [blocks.section(text)], is_final=True)
    if record.is_over:
        text = f"{record.word} in the policy still names nobody; a newer message says why"
        return Rendered(text, [blocks.section(text)], is_final=True)
    unclear = record.unclear
    text = f"{record.word} in the policy names nobody: {unclear.clause}"
    groups = [f"• has it now: {_group(record, one)}" for one in unclear.having]
    if record.group is not None:
        groups.append(f"• the policy means: {_group(record, record.group)}")
    named = f"It stands at {', '.join(record.places)}. " if record.places else ""
    return Rendered(
        text,
        [
            blocks.section("\n".join([f"*{blocks.escape(text)}*", *groups])),
            blocks.section(blocks.escape(f"Next: {unclear.remedy}.")),
            blocks.context(
                blocks.escape(
                    f"{named}New requests that go by it are refused, and nobody holds a role by it. "
                    "Requests that wait stay with the people they asked."
                )
            ),
        ],
    )


def handle_clear(record: HandleTold, notice: HandleClear, scene: Scene) -> Rendered:
    """A handle that named nobody means a user group again."""
    if not scene.is_closed:
        text = "A user group that the policy names is clear again. People from outside read this channel, so nothing more is said here."
        return Rendered(text, [blocks.section(text)], is_final=True)
    if record.is_over or record.unclear is not None or record.group is None:
        text = f"{record.word} in the policy was clear again for a while; a newer message says what came then"
        return Rendered(text, [blocks.section(text)], is_final=True)
    text = f"{record.word} in the policy is clear again: it means {_group(record, record.group)}"
    return Rendered(
        text,
        [blocks.section(f"*{text}*"), blocks.context("Whoever was refused by it can ask again.")],
    )


def _group(record: HandleTold, group_id: str) -> str:
    name = record.names.get(group_id)
    return f"{blocks.escape(name, 80)} ({group_id})" if name else group_id


def joined(record: JoinedTold, notice: PeopleJoined, scene: Scene) -> Rendered:
    """Whom an import named by address turned up in Slack."""
    text = f"mlgov found {counted(len(record.names), 'person', 'people')} in Slack whom an import had named by e-mail address"
    who = f": {_names(record.names)}" if scene.is_closed and record.names else ""
    return Rendered(
        f"{text}{who}",
        [
            blocks.section(f"*{text}{who}*"),
            blocks.context(
                "Each is the one active full member with that address. What the import says of them is theirs now; it stands on the ledger. "
                "`people: {link_by_email: false}` in the policy leaves this to the next import."
            ),
        ],
    )


def not_joined(record: NotJoinedTold, notice: PeopleNotJoined, scene: Scene) -> Rendered:
    """Addresses of an import that could be several people's."""
    number = len(record.addresses)
    text = f"mlgov can't tell who {counted(number, 'address', 'addresses')} of an import {'belongs' if number == 1 else 'belong'} to in Slack"
    lines = (
        [
            f"• {blocks.escape(address, 80)}: {_why(entries, members, before)}"
            for address, entries, members, before in record.addresses[:_NAMES]
        ]
        if scene.is_closed
        else []
    )
    if scene.is_closed and number > _NAMES:
        lines.append(f"• and {number - _NAMES:,} more")
    return Rendered(
        text,
        [
            blocks.section("\n".join([f"*{text}*", *lines])),
            blocks.context(
                "Nobody was changed. Import them again with their Slack ids: each is in the person's profile under “Copy member ID”."
            ),
        ],
        is_final=True,
    )


def missing(record: MissingTold, notice: PeopleMissing, scene: Scene) -> Rendered:
    """Slack leaves out so many people that mlgov does not take them for gone at once."""
    if not record.names:
        text = "Everybody whom Slack had left out is listed again, or has left"
        return Rendered(text, [blocks.section(text)], is_final=True)
    text = (
        f"Slack no longer lists {counted(len(record.names), 'person', 'people')} whom mlgov knows"
    )
    who = f": {_names(record.names)}" if scene.is_closed else ""
    until = f" {blocks.when(record.until)}" if record.until else ""
    return Rendered(
        f"{text}{who}",
        [
            blocks.section(f"*{text}{who}*"),
            blocks.context(
                "That's too many at once to believe it, so nobody was changed; Slack is asked about each of them before they act. "
                "If they have left, run `mlgov sync --accept`. If not, `mlgov doctor` says which workspace the token is for. "
                f"Whoever Slack still leaves out{until} counts as having left."
            ),
        ],
        is_final=True,
    )


def _why(entries: int, members: int, before: bool) -> str:
    if entries > 1 or members > 1:
        return f"{counted(entries, 'imported entry', 'imported entries')}, {counted(members, 'member', 'members')} with this address"
    if before:
        return "its member is one with an earlier imported entry already"
    return "clear by now"


def _names(names: tuple[str, ...]) -> str:
    shown_names = [blocks.escape(name, 60) for name in names[:_NAMES]]
    if len(names) > _NAMES:
        shown_names.append(counted(len(names) - _NAMES, "other"))
    return ", ".join(shown_names)


# --- What notices about people look like


def _changed(session: Session, notice: ApproversChanged, scene: Scene) -> ApproversTold:
    return groups.read_groups(session, notice)


def _joined(session: Session, notice: PeopleJoined, scene: Scene) -> JoinedTold:
    return identities.read_joined(session, notice)


def _not_joined(session: Session, notice: PeopleNotJoined, scene: Scene) -> NotJoinedTold:
    return identities.read_not_joined(session, notice)


def _handle(session: Session, notice: HandleUnclear | HandleClear, scene: Scene) -> HandleTold:
    return groups.read_policy_groups(session, notice, policy=scene.policy)


def _missing(session: Session, notice: PeopleMissing, scene: Scene) -> MissingTold:
    return mirror.read(session, notice)


RENDERERS: tuple[Renderer[Any, Any], ...] = (
    Renderer(ApproversChanged, _changed, approvers_changed),
    Renderer(HandleUnclear, _handle, handle_unclear),
    Renderer(HandleClear, _handle, handle_clear),
    Renderer(PeopleJoined, _joined, joined),
    Renderer(PeopleNotJoined, _not_joined, not_joined),
    Renderer(PeopleMissing, _missing, missing),
)
