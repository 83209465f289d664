"""What came of projects, as people read it: questions, figures that wait, the list, and the windows. Pure."""

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import Any

from sqlalchemy.orm import Session

from bot.cases.words import money
from bot.delivery.rendering import Rendered, Renderer, Scene
from bot.slack import blocks
from bot.slack.blocks import Block, Element
from bot.slack.interactions import (
    AskingRef,
    AskingWindow,
    PageRef,
    ProjectRef,
    ReturnRef,
    ReturnWindow,
    ask,
    ask_day,
)
from bot.slack.replies import Private
from storage.enums import AskingKind, ReturnSource
from workflows.cases import realised, rules
from workflows.cases.realisation import Span, describe_span
from workflows.cases.realised import (
    AskingRecord,
    Prior,
    ProjectReturns,
    ReturnLine,
    ReturnsOverview,
)
from workflows.cases.return_forms import ReportReturn, SkipAsking, WithdrawReturn
from workflows.cases.returns import ReturnAsked, ReturnReported

ENTER, SKIP, SHOW = "returns.enter", "returns.skip", "returns.show"
ATTEST, CORRECT, REPORT = "returns.attest", "returns.correct", "returns.report"
WITHDRAW, SUBMIT_WITHDRAW = "returns.withdraw", "returns.submit_withdraw"
PAGE = ("returns.page_back", "returns.page_on")
SUBMIT_REPORT, SUBMIT_SKIP = "returns.submit_report", "returns.submit_skip"
MOST_LINES = 30
"""Returns of one project that are listed."""
SOURCES = {
    ReturnSource.PERSON: "reported",
    ReturnSource.API: "reported by a program",
    ReturnSource.FILE: "from a file",
    ReturnSource.PROMETHEUS: "measured by Prometheus",
    ReturnSource.SQL: "measured by a query",
}


# --- Words


def describe_spans(spans: Sequence[Span]) -> str:
    """`Mar to May 2026 and 1 Jul to 3 Jul 2026`."""
    names = [describe_span(span) for span in spans[:4]]
    if len(spans) > 4:
        names.append(f"{len(spans) - 4} more")
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]])) if names else ""


def describe_came(amount: Decimal, planned: Decimal | None, currency: str) -> str:
    """`48,000 of 60,000 EUR planned (80 %)`, or the amount alone where nothing was planned."""
    if planned is None:
        return money(amount, currency)
    share = f" ({blocks.percent(amount, planned)})" if planned > 0 and amount >= 0 else ""
    return f"{money(amount, '')} of {money(planned, currency)} planned{share}"


def describe_attested(line: ReturnLine) -> str:
    """Who attested it and when, or that nobody did."""
    if line.attested_at is None:
        return "not attested"
    by = (
        f" by {blocks.mention(line.attested_by.slack_id, line.attested_by.name)}"
        if line.attested_by is not None
        else ""
    )
    return f"attested{by} {blocks.when(line.attested_at)}"


def describe_line(line: ReturnLine) -> str:
    """A return in two lines: the period, what came of what was planned, who reported it, and who attested it."""
    who = (
        f" by {blocks.mention(line.reported_by.slack_id, line.reported_by.name)}"
        if line.reported_by is not None
        else ""
    )
    note = f"\n{blocks.quote(line.note, 300)}" if line.note else ""
    return (
        f"*{describe_span(line.span)}*: {describe_came(line.amount, line.planned, line.currency)}\n"
        f"{SOURCES[line.source].capitalize()}{who} · {describe_attested(line)}{note}"
    )


def describe_project(record: ProjectReturns) -> str:
    """What came of a project so far: cumulative, what nobody attested or measured, and what was spent beside it."""
    lines = [f"*{blocks.escape(record.name, 80)}*"]
    if record.measured:
        came = describe_came(record.realised, record.planned, record.currency)
        lines[0] += f" · {came} for {describe_spans(record.measured)}"
    else:
        lines[0] += " · nothing measured yet"
    if record.realised != record.attested or any(line.attested_at is None for line in record.lines):
        lines.append(f"*Not attested*: {money(record.unattested, record.currency)} of it")
    lines += [f"And {money(amount, other)}, not added" for amount, other in record.apart]
    if record.missing:
        planned = (
            f" (planned {money(record.missing_planned, record.currency)})"
            if record.missing_planned is not None
            else ""
        )
        lines.append(f"Not measured: {describe_spans(record.missing)}{planned}")
    lines.append(_describe_spend(record))
    return "\n".join(lines)


def _describe_spend(record: ProjectReturns) -> str:
    live = f" · in use since {blocks.day(record.live_on, date.max)}" if record.live_on else ""
    if not record.spent:
        return f"No cost on record{live}"
    spent = ", ".join(money(amount, currency) for amount, currency in record.spent)
    through = (
        f" through {blocks.day(record.spent_through, date.max)}" if record.spent_through else ""
    )
    return f"Spent on record{through}: {spent}{live}"


def describe_prior(prior: Prior) -> str:
    """`Optimisation 2x: here 2.4x (median of 6, middle half 1.1x to 3.0x)`."""
    name = f"{rules.CATEGORIES[prior.category].name} {prior.benchmark}x"
    results = prior.results
    if results is None:
        return f"{name}: too few projects with an attested year"
    low, median, high = (
        rules.describe_multiple(value) for value in (results.low, results.median, results.high)
    )
    return f"{name}: here {median} so far (median of {results.number}, middle half {low} to {high})"


def _describe_priors(priors: Sequence[Prior]) -> list[str]:
    rule = (
        "Counted are projects with an attested full year: attested returns for each unit of cost until then, bills on record "
        "and people as estimated. Nothing is said of fewer than five."
    )
    if all(prior.results is None for prior in priors):
        benchmarks = ", ".join(f"{prior.benchmark}x" for prior in priors)
        return [f"Too few projects have results to hold beside {benchmarks}. {rule}"]
    return [" · ".join(describe_prior(prior) for prior in priors), rule]


# --- Messages


def asked(record: AskingRecord, notice: ReturnAsked, scene: Scene) -> Rendered:
    """What came of a project in a period? Once it is answered or skipped, one line of what became of it."""
    if record.kind is AskingKind.SPONSOR:
        return _shown_to_sponsor(record)
    name = blocks.escape(record.name, 80)
    if not record.missing:
        body = [blocks.section(f"*{name}*"), *_list_lines(record.lines)]
        return Rendered(f"{name}: reported for {describe_span(record.span)}", body)
    if record.skipped_at is not None:
        text = f"{name}: nothing is measured for {describe_spans(record.missing)}"
        by = (
            f" by {blocks.mention(record.skipped_by.slack_id, record.skipped_by.name)}"
            if record.skipped_by is not None
            else ""
        )
        why = f": {blocks.quote(record.reason, 400)}" if record.reason else ""
        return Rendered(text, [blocks.section(f"{text}\nSkipped{by}{why}")])
    text = _question(record, name)
    body = [blocks.section("\n".join([f"*{text}*", *_list_silence(record)]))]
    body += _list_lines(record.lines)
    if scene.reader_id in record.reporters:
        body.append(
            blocks.actions(
                [
                    blocks.button(
                        "Enter",
                        ENTER,
                        AskingRef(record.id).text,
                        style="primary",
                        hint=f"Enter what came of {record.name}",
                    ),
                    blocks.button(
                        "Skip…", SKIP, AskingRef(record.id).text, hint=f"Skip {record.name}"
                    ),
                ],
                block_id=f"asking-{record.id}",
            )
        )
        body.append(blocks.context(_why_asked(record, scene)))
    else:
        body.append(blocks.context("Others answer for this project now, so it is with them."))
    return Rendered(text, body)


def _question(record: AskingRecord, name: str) -> str:
    period = describe_spans(record.missing)
    if record.kind is AskingKind.SILENCE:
        return f"{name} is in use, and nothing was measured for {period}"
    if record.missing_planned is None:
        return f"{name}: what came in {period}?"
    planned = money(record.missing_planned, record.currency)
    return f"{name}: planned {planned} for {period}; what came?"


def _list_silence(record: AskingRecord) -> list[str]:
    if record.silent_since is None:
        return []
    since = blocks.day(record.silent_since, date.max)
    return [
        f"Nothing was measured since {since}. If nothing comes within "
        f"{blocks.counted(record.sponsor_after, 'day')}, its sponsor is shown that."
    ]


def _why_asked(record: AskingRecord, scene: Scene) -> str:
    is_owner = record.owner is not None and record.owner.id == scene.reader_id
    part = "own" if is_owner else "answer for"
    live = (
        f" It has been in use since {blocks.day(record.live_on, date.max)}."
        if record.live_on
        else ""
    )
    silence = (
        ""
        if record.silent_since
        else " If nothing is entered, it stays unmeasured, and a long silence is shown to its sponsor."
    )
    return f"You are asked because you {part} this project.{live}{silence}"


def _list_lines(lines: Sequence[ReturnLine]) -> list[Block]:
    return blocks.sections([describe_line(line) for line in lines if line.is_standing][:MOST_LINES])


def _shown_to_sponsor(record: AskingRecord) -> Rendered:
    name = blocks.escape(record.name, 80)
    if record.silent_since is None or record.silent_since > record.span.starts:
        text = f"{name}: what came of it is measured again"
        return Rendered(text, [blocks.section(text), *_list_lines(record.lines)])
    since = blocks.day(record.span.starts, date.max)
    text = f"{name} is in use, and nothing was measured since {since}"
    planned = (
        f"Planned until {blocks.day(record.span.ends, date.max)}: "
        f"{money(record.planned, record.currency)}"
        if record.planned is not None
        else "There is no business case that says what was planned"
    )
    owner = (
        blocks.mention(record.owner.slack_id, record.owner.name) if record.owner else "Its owner"
    )
    answer = f"{owner} was asked and " + (
        f"says: {blocks.quote(record.reason, 400)}" if record.reason else "has not answered"
    )
    return Rendered(
        text,
        [
            blocks.section(f"*{text}*\n{planned}\n{answer}"),
            blocks.context(
                "You are told once because you sponsor this project. `/mlgov portfolio returns` shows how it stands."
            ),
        ],
    )


def reported(
    record: tuple[ProjectReturns, ReturnLine], notice: ReturnReported, scene: Scene
) -> Rendered:
    """A return that waits for somebody to attest it; then who did."""
    project, line = record
    name = blocks.escape(project.name, 80)
    came = describe_came(line.amount, line.planned, line.currency)
    text = f"{name}: {came} for {describe_span(line.span)}"
    if not line.is_standing:
        words = f"{text} · corrected or taken back since, so nobody has to attest it"
        return Rendered(words, [blocks.section(words)], is_final=True)
    if line.attested_at is not None:
        return Rendered(
            f"{text}, attested", [blocks.section(f"{text} · {describe_attested(line)}")]
        )
    body: list[Block] = [
        blocks.section(f"*{name}* · is this right?\n{describe_line(line)}"),
        blocks.actions([_attest_button(project, line)], block_id=f"return-{line.id}"),
        blocks.context(
            "You are asked because you sponsor this project, or the policy names you. Until somebody attests it, it is "
            "shown as not attested everywhere. If it's wrong, say so to whoever reported it: a correction takes its place."
        ),
    ]
    return Rendered(f"{text}; is that right?", body)


def _attest_button(project: ProjectReturns, line: ReturnLine) -> Element:
    amount = money(line.amount, line.currency)
    return blocks.button(
        "Attest",
        ATTEST,
        ReturnRef(line.id).text,
        style="primary",
        confirm=blocks.confirm(
            "Attest this?",
            f"You say that {amount} came of {project.name} in {describe_span(line.span)}. It stands with your name.",
            yes="Attest",
        ),
        hint=f"Attest {amount} of {project.name}",
    )


# --- The list


def overview(record: ReturnsOverview) -> Private:
    """`/mlgov portfolio returns`: what came of each project, then what that says of estimates."""
    of = f" of {blocks.escape(record.unit, 80)}" if record.unit else ""
    if not record.total:
        text = f"You see no project{of} that is in use, so nothing has come back yet."
        return Private(text, [blocks.section(text)])
    text = f"{blocks.counted(record.total, 'project')}{of} in use"
    if record.waiting:
        figures = blocks.counted(record.waiting, "figure")
        text += f", and {figures} {'waits' if record.waiting == 1 else 'wait'} for you to attest"
    body: list[Block] = [blocks.section(f"*{text}*")]
    for each in record.projects:
        button = blocks.button(
            "Details", SHOW, ProjectRef(each.key).text, hint=f"Returns of {each.name}"
        )
        body.append(
            blocks.section(
                describe_project(each), block_id=f"returns-{each.project_id}", accessory=button
            )
        )
    body.append(blocks.context(*_describe_priors(record.priors)))
    if record.error is not None:
        body.append(blocks.context(f"{realised.describe_error(record.error)}."))
    if record.pages > 1:
        name, page = record.unit or "all", record.page
        turners = []
        if page:
            turners.append(blocks.button("‹ Previous", PAGE[0], PageRef(name, page - 1).text))
        if page < record.pages - 1:
            turners.append(blocks.button("Next ›", PAGE[1], PageRef(name, page + 1).text))
        body.append(blocks.context(f"Page {page + 1} of {record.pages}"))
        body.append(blocks.actions(turners, block_id="returns-pages"))
    return Private(text, body)


# --- Windows


def details(record: ProjectReturns) -> Block:
    """Every return of a project that counts, with what its reader may do about each."""
    body: list[Block] = [blocks.section(describe_project(record))]
    for line in record.lines[-MOST_LINES:]:
        body.append(blocks.section(describe_line(line)))
        buttons = []
        if line.id in record.to_attest:
            buttons.append(_attest_button(record, line))
        if record.may_report:
            buttons.append(
                blocks.button(
                    "Correct",
                    CORRECT,
                    ReturnRef(line.id).text,
                    hint=f"Correct {describe_span(line.span)}",
                )
            )
            buttons.append(
                blocks.button(
                    "Withdraw",
                    WITHDRAW,
                    ReturnRef(line.id).text,
                    hint=f"Withdraw {describe_span(line.span)}",
                )
            )
        if buttons:
            body.append(blocks.actions(buttons, block_id=f"line-{line.id}"))
    if record.may_report:
        body.append(
            blocks.actions(
                [blocks.button("Report", REPORT, ProjectRef(record.key).text)], block_id="report"
            )
        )
    return blocks.modal("Returns", body, callback_id="notice", close="Close")


def enter(
    record: ProjectReturns,
    span: Span | None,
    card: tuple[str, str] | None,
    line: ReturnLine | None = None,
) -> Block:
    """The window in which a return is reported: for a span that is still open, or in the place of a `line`."""
    name = blocks.escape(record.name, 120)
    head = f"*{name}* · amounts in {record.currency}"
    if line is not None:
        head += f"\nIn the place of {money(line.amount, line.currency)} for {describe_span(line.span)}; it has to be attested anew."
    elif record.missing and record.missing_planned is not None:
        planned = money(record.missing_planned, record.currency)
        head += f"\nPlanned {planned} for {describe_spans(record.missing)}."
    return blocks.modal(
        "What came of it?",
        [
            blocks.section(head),
            ask_day(ReportReturn, "starts", span.starts if span is not None else None),
            ask_day(ReportReturn, "ends", span.ends if span is not None else None),
            ask(
                ReportReturn,
                "amount",
                initial=f"{line.amount.normalize():f}" if line is not None else "",
            ),
            ask(ReportReturn, "note", initial=line.note if line is not None else ""),
            blocks.context("Somebody of the sponsor's side or of finance attests it afterwards."),
        ],
        callback_id=SUBMIT_REPORT,
        submit="Report",
        metadata=ReturnWindow(record.project_id, line.id if line is not None else None, card).text,
    )


def skip(record: AskingRecord, card: tuple[str, str] | None) -> Block:
    """The window in which somebody says why there is no figure."""
    name = blocks.escape(record.name, 120)
    return blocks.modal(
        "No figure",
        [
            blocks.section(f"*{name}* · nothing is measured for {describe_spans(record.missing)}."),
            ask(SkipAsking, "reason"),
        ],
        callback_id=SUBMIT_SKIP,
        submit="Skip",
        metadata=AskingWindow(record.id, card).text,
    )


def withdraw(record: ProjectReturns, line: ReturnLine) -> Block:
    """The window in which somebody says why a return does not count."""
    name = blocks.escape(record.name, 120)
    amount = money(line.amount, line.currency)
    return blocks.modal(
        "Withdraw a return",
        [
            blocks.section(
                f"*{name}* · {amount} for {describe_span(line.span)} won't count any more, and these days are unmeasured "
                "again. Figures that are wrong can be corrected instead."
            ),
            ask(WithdrawReturn, "reason"),
        ],
        callback_id=SUBMIT_WITHDRAW,
        submit="Withdraw",
        metadata=ReturnRef(line.id).text,
    )


# --- What notices about returns look like


def _load_asked(session: Session, notice: ReturnAsked, scene: Scene) -> AskingRecord | None:
    return realised.load_asking(scene.context(session), notice.asking_id)


def _load_reported(
    session: Session, notice: ReturnReported, scene: Scene
) -> tuple[ProjectReturns, ReturnLine] | None:
    return realised.load_return(scene.context(session), notice.return_id)


RENDERERS: tuple[Renderer[Any, Any], ...] = (
    Renderer(ReturnAsked, _load_asked, asked),
    Renderer(ReturnReported, _load_reported, reported),
)
