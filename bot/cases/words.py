"""Business cases in a line or two, the same wherever they stand. Pure."""

from collections.abc import Sequence
from decimal import Decimal

from bot.slack import blocks
from storage.enums import CaseState
from workflows.cases import rules
from workflows.cases.amounts import MOST_MONTHS, total
from workflows.cases.forms import REVIEW, STEPS
from workflows.cases.ranking import Ranked, Valued
from workflows.cases.records import Alike, CaseRecord, Figure

OPEN, BACK, NEW = "cases.open", "cases.back", "cases.new"
ADD_LINE, LINE = "cases.add_line", "cases.line"
SHOW, DROP, RECORD = "cases.show", "cases.drop", "cases.record"
NEXT, KEEP_LINE, ASK = "cases.next", "cases.keep_line", "cases.ask"
FROM_MESSAGE = "cases.from_message"
PAGE = ("portfolio.page_back", "portfolio.page_on")
WHY, PUT, PUT_BACK, SUBMIT_PUT = (
    "portfolio.why",
    "portfolio.put",
    "portfolio.put_back",
    "portfolio.submit_put",
)

STATES = {
    CaseState.DRAFT: "Draft",
    CaseState.WAITING: "Waiting",
    CaseState.APPROVED: "Approved",
    CaseState.REJECTED: "Rejected",
    CaseState.DROPPED: "Dropped",
}
_TITLES = {"benefits": "What it brings", "costs": "What it costs", "review": "Look and ask"}


def step_title(step: int) -> str:
    """What a step is called."""
    known = STEPS[step - 1]
    return _TITLES[known] if isinstance(known, str) else known.TITLE


def progress(record: CaseRecord, step: int) -> str:
    """`Step 3 of 8 · How you'll see it · saved up to step 2`."""
    saved = f" · saved up to step {record.step}" if record.step else ""
    return f"Step {step} of {REVIEW} · {step_title(step)}{saved}"


def money(amount: Decimal, currency: str | None) -> str:
    """Without decimals from 100 up, as estimates are."""
    rounded = amount.quantize(Decimal(1)) if abs(amount) >= 100 else amount.quantize(rules.CENT)
    return blocks.money(rounded, currency or "").strip()


def so_far(record: CaseRecord, place: tuple[int, int] | None) -> str:
    """What follows so far: both sides, multiple, worth, payback, and the place among what its reader sees."""
    outlook, currency = record.outlook, record.content.currency
    if outlook is None:
        return ""
    likely = outlook.likely
    parts = [f"brings {money(likely.benefits, currency)}, costs {money(likely.costs, currency)}"]
    if likely.multiple is not None:
        parts[0] += f" ({rules.describe_multiple(likely.multiple)})"
    parts.append(f"worth {money(likely.npv, currency)} today")
    if record.content.starts is not None and likely.costs:
        parts.append(rules.describe_payback(likely, record.content.starts))
    if place is not None:
        parts.append(rank_of(place))
    return f"*So far* it {' · '.join(parts)}"


def rank_of(place: tuple[int, int]) -> str:
    """`would rank 3 of the 12 projects that you see`."""
    if place[1] == 1:
        return "would be the only project ranked that you see"
    return f"would rank {place[0]:,} of the {place[1]:,} projects that you see"


def line(figure: Figure, currency: str | None) -> str:
    """One benefit or cost: what, how much in all, and as it was entered."""
    entered = figure.line
    name = blocks.escape(entered.name, 120) if entered.name else rules.NAMES[entered.driver]
    head = f"*{name}*"
    if entered.name:
        head += f" · {rules.NAMES[entered.driver].lower()}"
    if figure.fault:
        return f"{head}\nCan't be read: {blocks.escape(figure.fault, 200)}"
    low, likely, high = (total(flow) for flow in figure.estimate.flows)
    spread = f" (from {money(low, '')} to {money(high, currency)})" if low != high else ""
    return f"{head}\n{money(likely, currency)} in all{spread} · {_as_entered(figure)}"


def _as_entered(figure: Figure) -> str:
    texts = figure.line.entered
    if "uses" in texts:
        uses, minutes, acceptance, rate = (
            blocks.escape(texts[name].replace("\n", "; "), 60)
            for name in ("uses", "minutes", "acceptance", "rate")
        )
        return f"{uses} uses a month × {minutes} min × {acceptance} × {rate} an hour"
    amount = texts.get("amount", "")
    rows = amount.strip().splitlines()
    if len(rows) > 1:
        return f"a table of {blocks.counted(len(rows), 'row')}"
    return f"{blocks.escape(amount, 80)} a month"


def alike(projects: Sequence[Alike]) -> str:
    """Projects that may be about the same, with whom to talk to."""
    lines = [
        f"• {blocks.escape(each.name, 80)} (`{blocks.escape(each.key, 70)}`, {each.status.replace('_', ' ')})"
        + (f" · {blocks.mention(each.owner.slack_id, each.owner.name)}" if each.owner else "")
        for each in projects
    ]
    return "*May be about the same*: talk to their owners first\n" + "\n".join(lines)


def percent(share: Decimal | None) -> str:
    """`80 %`, empty for what is unknown."""
    return "" if share is None else f"{(share * 100).normalize():f} %"


def figure_text(value: Decimal | None) -> str:
    """A number as it was entered, empty for none."""
    return "" if value is None else f"{value:f}"


def months(value: int | None) -> str:
    """A number of months as it is entered."""
    return "" if value is None else str(min(value, MOST_MONTHS))


def rank_line(ranked: Ranked) -> str:
    """A project in the portfolio: place, worth, multiple and payback in two lines."""
    project = ranked.project
    worth = project.worth
    moved = ""
    if project.override is not None:
        moved = f" · put here until {blocks.day(project.override.until)}, by its worth {ranked.by_worth}"
    facts = [
        f"costs {money(worth.costs, project.currency)}",
        f"brings {money(worth.benefits, project.currency)}",
        *([rules.describe_multiple(worth.multiple)] if worth.multiple is not None else []),
        _payback(project),
        project.status.replace("_", " "),
        *([f"tier {project.tier}"] if project.tier else []),
    ]
    return (
        f"*{ranked.place}. {blocks.escape(project.name, 80)}* · {money(project.adjusted, project.currency)} "
        f"risk-adjusted{moved}\n{' · '.join(facts)}"
    )


def _payback(project: Valued) -> str:
    payback = project.worth.payback
    if payback is None:
        return "doesn't pay back in time"
    return f"pays back in month {payback}" if payback else "pays from the start"
