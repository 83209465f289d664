"""The fund line: `/mlgov portfolio fund 500,000`, and what if there was more or less."""

from collections.abc import Sequence
from decimal import Decimal

from bot.cases import words
from bot.slack import blocks
from bot.slack.blocks import Block
from bot.slack.interactions import ask
from bot.slack.replies import Private, Reply, Show
from bot.slack.requests import Click, Command, Router, Submission
from workflows.cases import fund_line
from workflows.cases.fund_line import MORE, Fundable, FundLine, FundLineRecord
from workflows.context import Context

WORD = "fund"
"""What follows `/mlgov portfolio`."""
OPEN, SUBMIT = "portfolio.fund", "portfolio.submit_fund"
MOST = 12
"""Projects of one list."""


def register(router: Router) -> None:
    """Answer the button and the window."""
    router.action(OPEN, open_window)
    router.submission(SUBMIT, answer_window)


def show(command: Command) -> Reply:
    """`/mlgov portfolio fund 500,000 EUR`; without an amount, how to ask."""
    amount = " ".join(command.words[1:])
    currency = command.read(fund_line.find_currency)
    if not amount:
        text = "How much money is there? `/mlgov portfolio fund 500,000` says which projects are worth most for it."
        return Private(text, [blocks.section(text), _what_if()])
    parts = amount.rsplit(" ", 1)
    if len(parts) == 2 and len(parts[1]) == 3 and parts[1].isalpha():
        amount, currency = parts[0], parts[1].upper()
    record = command.read(_load, amount, currency)
    text = headline(record)
    return Private(text, [*build(record), _what_if()])


def _load(ctx: Context, amount: str, currency: str) -> FundLineRecord:
    return fund_line.load(ctx, fund_line.read_form(amount, currency))


def open_window(click: Click) -> Reply:
    """What if: another amount, what goes together, of what there can be only one."""
    currency = click.read(fund_line.find_currency)
    return click.window(_window(currency))


def answer_window(submission: Submission) -> Reply:
    """The answer, in place of the window. Nothing changed by looking."""
    form = submission.form(FundLine, {})
    record = submission.read(fund_line.load, form)
    body = [*build(record), _what_if()]
    return Show(blocks.modal("Fund line", body, callback_id="notice", close="Close"))


def _what_if() -> Block:
    return blocks.actions([blocks.button("What if", OPEN, "-")], block_id="fund-what-if")


def _window(currency: str) -> Block:
    return blocks.modal(
        "What if",
        [
            blocks.context("Nothing changes by looking."),
            ask(FundLine, "money"),
            ask(FundLine, "currency", initial=currency),
            ask(FundLine, "together", optional=True),
            ask(FundLine, "exclusive", optional=True),
        ],
        callback_id=SUBMIT,
        submit="Show",
    )


def headline(record: FundLineRecord) -> str:
    """`500,000 EUR buys 4 of 7 projects, worth 6,100,000 EUR risk-adjusted (proved best)`."""
    currency = record.asked.currency
    total = len(record.funded) + len(record.left)
    return (
        f"{words.money(record.asked.money, currency)} buys {len(record.funded)} of {blocks.counted(total, 'project')}, "
        f"worth {words.money(record.worth, currency)} risk-adjusted ({sure(record)})"
    )


def sure(record: FundLineRecord) -> str:
    """`proved best`, or how far it may be from the best."""
    if record.is_proved:
        return "proved best"
    return f"within {record.gap * 100:.2f} % of the best"


def build(record: FundLineRecord) -> list[Block]:
    """What is in, what is out, what more would buy, and what is in whatever comes."""
    currency = record.asked.currency
    body = [
        blocks.section(f"*{headline(record)}*"),
        *_list("In", record.funded, currency),
        *_list("Out", record.left, currency),
        blocks.section(_more(record)),
    ]
    competing = record.always or record.depends
    if competing:
        body.append(blocks.section(_robust(record)))
    facts = [
        f"They still cost {words.money(record.cost, currency)}; what goes on already is in, with what it still costs",
        "counted among the projects that you see",
    ]
    if record.others:
        facts.append(f"estimates in {', '.join(record.others)} are not in it")
    return [*body, blocks.context(" · ".join(facts))]


def _list(title: str, projects: Sequence[Fundable], currency: str) -> list[Block]:
    if not projects:
        return []
    lines = [f"*{title}*"]
    lines += [
        f"• {blocks.escape(each.name, 80)} · worth {words.money(each.worth, currency)}, costs {words.money(each.cost, currency)} · "
        + ("goes on already" if each.is_running else each.status.replace("_", " "))
        for each in projects[:MOST]
    ]
    if len(projects) > MOST:
        lines.append(f"…and {len(projects) - MOST} more")
    return blocks.sections(lines)


def _more(record: FundLineRecord) -> str:
    more = words.money(Decimal(MORE), record.asked.currency)
    if not record.comes_in and not record.goes_out:
        return f"The next {more} would buy nothing more."
    names = blocks.join_names([each.name for each in record.comes_in])
    out = (
        f", and {blocks.join_names([each.name for each in record.goes_out])} would go"
        if record.goes_out
        else ""
    )
    return f"*The next {more}* would buy {names}{out}: {words.money(record.more_worth, record.asked.currency)} more."


def _robust(record: FundLineRecord) -> str:
    parts = []
    if record.always:
        names = blocks.join_names([each.name for each in record.always])
        parts.append(f"*Whatever comes*: {names}, under low and high estimates too.")
    if record.depends:
        names = blocks.join_names([each.name for each in record.depends])
        parts.append(f"*It depends*: {names}.")
    return "\n".join(parts)
