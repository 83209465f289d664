"""What the mirror of Slack has to say to those who govern."""

from bot import blocks
from bot.rendering import Rendered, Scene
from workflows.people.groups import ApproversChanged, ApproversTold
from workflows.wording import counted

_NAMES = 10


def approvers_changed(
    record: ApproversTold, notice: ApproversChanged, scene: Scene
) -> Rendered:
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


def _names(names: tuple[str, ...]) -> str:
    told = [blocks.escape(name, 60) for name in names[:_NAMES]]
    if len(names) > _NAMES:
        told.append(counted(len(names) - _NAMES, "other"))
    return ", ".join(told)
