"""What the front door says in one line, the same wherever it stands. Pure."""

from collections.abc import Iterable
from datetime import datetime

from bot.slack import blocks
from bot.slack.blocks import Block
from workflows import wording
from workflows.budgets.records import Burn
from workflows.projects.records import ProjectRecord
from workflows.rollout import Report
from workflows.status.records import Part

PROJECT, PROJECT_VIEW = "front.project", "front.project_view"
PAGE = ("front.page_back", "front.page_on")
"""Turn a page of a section of App Home."""
LIST = ("front.list_back", "front.list_on")
"""Turn a page of a private list of projects."""
WAITING = "front.waiting"
PROJECTS = "front.projects"
ALL = "front.all"
HELP = "front.help"
TOGETHER = 3
"""Lines in which mlgov introduces itself."""

_KINDS = {
    "budgets.threshold_crossed": ("budget alert", "budget alerts"),
    "budgets.channel_not_closed": (
        "word that outsiders read a channel",
        "words that outsiders read a channel",
    ),
}


def waits(decisions: int, *, due: int = 0, models: int = 0, check_in: bool = False) -> str:
    """`1 decision waits for you`, `3 decisions, 2 milestones due and a check-in wait for you`; empty when nothing does."""
    things = [blocks.counted(decisions, "decision")] if decisions else []
    if due:
        things.append(f"{blocks.counted(due, 'milestone')} due")
    if models:
        things.append(blocks.counted(models, "model"))
    if check_in:
        things.append("a check-in")
    if not things:
        return ""
    listed = " and ".join(filter(None, [", ".join(things[:-1]), things[-1]]))
    verb = "wait" if decisions + due + models + check_in > 1 else "waits"
    return f"{listed[0].upper()}{listed[1:]} {verb} for you"


def with_others(pending: int, first_answer: datetime | None) -> str:
    """The useful side of an empty state: how it stands with what the person asked for."""
    if not pending or first_answer is None:
        return "Nothing that you asked for waits for others either."
    many = "1 request of yours is" if pending == 1 else f"{pending:,} requests of yours are"
    return f"{many} with others; the first answer is due {blocks.when(first_answer)}."


def over(number: int, total: int) -> str:
    """`2 of 8 projects are over budget`, `None of 8 projects is over budget`."""
    if total == 1:
        return "It is over budget" if number else "It is within budget"
    if not number:
        return f"None of {total:,} projects is over budget"
    return f"{number:,} of {total:,} projects {'is' if number == 1 else 'are'} over budget"


def kind_of(name: str, number: int) -> str:
    """`1 budget alert`, `3 budget alerts`; a kind without words of its own is named as it is."""
    singular, many = _KINDS.get(name, (_spoken(name), _spoken(name) + " messages"))
    return blocks.counted(number, singular, many)


def _spoken(name: str) -> str:
    return name.replace(".", " ").replace("_", " ")


def introduction(part: Part) -> list[str]:
    """What mlgov does for this person, in three lines, by what they are."""
    lines = []
    if part.leads:
        lines.append(
            "You lead: `/mlgov status all` shows every project, the one that needs you most first."
        )
    if part.decides:
        lines.append(
            "You decide: a request that needs you comes with its numbers, and says what happens if nobody decides."
        )
    if part.projects:
        lines.append(
            f"You answer for {_projects(part.projects)}: mlgov watches the money, and keeps who asked and who decided."
        )
    if part.administers:
        lines.append(
            "You administer mlgov: `/mlgov rollout` lists what it held back while not everybody is messaged."
        )
    if not lines:
        lines.append(
            "mlgov keeps who asked for what, and who decided, for the machine learning projects here."
        )
    lines = lines[: TOGETHER - 1]
    if len(lines) < TOGETHER - 1:
        lines.append(
            "What needs a decision goes to the right people by rule; silence never approves anything."
        )
    return [*lines, "The Home tab shows all that concerns you; `/mlgov help` lists the words."]


def bulleted(lines: Iterable[str]) -> str:
    """Lines with a dot before each."""
    return "\n".join(f"• {line}" for line in lines)


def _projects(names: tuple[str, ...]) -> str:
    first = f"*{blocks.escape(names[0], 60)}*"
    if len(names) == 1:
        return first
    if len(names) == 2:
        return f"{first} and *{blocks.escape(names[1], 60)}*"
    return f"{first} and {len(names) - 1:,} other projects"


def withheld(report: Report) -> str:
    """The first line about what a narrow rollout held back."""
    if not report.messages:
        return "Nothing was held back in the last 7 days."
    people = blocks.counted(report.people, "person", "people")
    was = "was" if report.messages == 1 else "were"
    return f"{blocks.counted(report.messages, 'message')} to {people} {was} held back in the last 7 days"


WHO = {
    "me": "Rollout `me`: only administrators are messaged unasked.",
    "pilot": "Rollout `pilot`: only administrators and the role `pilot` are messaged unasked.",
    "all": "Rollout `all`: everybody is messaged.",
}


# --- How a project stands, in a private answer or in App Home
#
# pure.


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
