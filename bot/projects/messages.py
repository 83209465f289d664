"""How a project stands, in a private answer or in App Home: pure."""

from collections.abc import Iterable

from bot import blocks
from bot.blocks import Block
from workflows import wording
from workflows.budgets.records import Burn
from workflows.projects.records import ProjectRecord


def burn_words(burn: Burn) -> str:
    """One budget in one line: `96 % of January's budget (38,400 of 40,000 EUR effective cost)`."""
    share = blocks.percent(burn.spent, burn.amount)
    figures = blocks.spent(burn.spent, burn.amount, burn.currency, burn.basis)
    return f"{share} of {burn.period_words}'s budget ({figures})"


def data_words(burn: Burn) -> str:
    """Through which day there is data."""
    return wording.through(burn.data_through, burn.as_of)


def line(
    project: ProjectRecord,
    burns: tuple[Burn, ...],
    *,
    waiting: int = 0,
    overdue: int = 0,
    with_day: bool = True,
) -> str:
    """A project in a list; `waiting` counts requests about it that nobody has ended yet, `overdue` its milestones.

    `with_day` says through which day there is data; a list that says so once for all leaves it out.
    """
    name = f"*{blocks.escape(project.name, 100)}* `{blocks.escape(project.key, 60)}`"
    if overdue:
        name += f" · {blocks.counted(overdue, 'milestone')} overdue"
    if waiting:
        name += f" · {blocks.counted(waiting, 'request')} {'waits' if waiting == 1 else 'wait'}"
    if not burns:
        return f"{name}\nNo open budget"
    worst = max(burns, key=lambda burn: burn.spent / burn.amount if burn.amount else burn.spent)
    day = f" · {data_words(worst)}" if with_day else ""
    return f"{name}\n{_state(worst)}{burn_words(worst)}{day}"


def shared_day(listed: Iterable[tuple[Burn, ...]]) -> str | None:
    """`data through Mon 26 Jan`, when that is true of every budget in a list; None where they differ."""
    all_burns = [burn for burns in listed for burn in burns]
    is_shared = len({burn.data_through for burn in all_burns}) == 1
    return data_words(all_burns[0]) if is_shared and all_burns[0].data_through else None


def _state(burn: Burn) -> str:
    return "*Over budget:* " if burn.is_over else ""


def card(project: ProjectRecord, burns: tuple[Burn, ...]) -> list[Block]:
    """A project's head: who answers for it, and each open budget."""
    people = [
        f"*{role}* {blocks.mention(person.slack_id, person.name)}"
        for role, person in (
            ("Owner", project.owner),
            ("Manager", project.manager),
            ("Sponsor", project.sponsor),
        )
        if person is not None
    ]
    body = [
        blocks.section(f"*{blocks.escape(project.name, 150)}* · {project.status.replace('_', ' ')}")
    ]
    if people:
        body.append(blocks.context(" · ".join(people)))
    if not burns:
        body.append(
            blocks.section(
                "No open budget. An administrator can import one: `mlgov import budgets FILE`."
            )
        )
    body += [
        blocks.section(f"{_state(burn)}{burn_words(burn)} · {data_words(burn)}")
        for burn in burns[:10]
    ]
    return body
