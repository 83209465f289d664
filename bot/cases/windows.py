"""The windows in which a business case is written, step by step. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bot.cases import ending, words
from bot.slack import blocks
from bot.slack.blocks import Block, Element
from bot.slack.interactions import (
    CaseDriver,
    CaseLineChoice,
    CaseLineRef,
    CaseLineWindow,
    CaseOnRecord,
    CaseRef,
    CaseStep,
    CaseWindow,
    ask,
    ask_day,
    ask_person,
    block_of,
)
from storage.enums import CaseSide, CaseState, Driver
from workflows.cases import rules
from workflows.cases.forms import (
    REVIEW,
    TIME_FIELDS,
    AskCase,
    CaseLine,
    KeepCertainty,
    KeepFrame,
    KeepIdea,
    KeepMeasure,
    KeepPeople,
    Propose,
    find_step,
)
from workflows.cases.records import (
    Alike,
    CaseLineInList,
    CaseRecord,
    Figure,
    Guard,
    Missing,
    Revision,
)
from workflows.inputs import inputs_of

REASON = "reason"
NOTHING_TO_SAY = Guard()
MOST_OWN = 15
"""Cases of one's own in a list."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What a step's window shows beside the case itself."""

    place: tuple[int, int] | None = None
    guard: Guard = NOTHING_TO_SAY
    alike: Sequence[Alike] = ()
    missing: Sequence[Missing] = ()
    projects: Sequence[tuple[str, str]] = ()
    """(name, key) of projects of the actor's own that have no case yet."""
    material: Sequence[str] | None = None
    """Why a new estimate has to be approved anew; None where the case was never approved."""
    route: str = ""
    """Who would decide, for mrkdwn."""
    results: Sequence[str] = ()
    """What earlier projects returned, beside the estimate."""


def first(title: str, problem: str, metadata: str, projects: Sequence[tuple[str, str]]) -> Block:
    """The first step of a case that is to be begun; nothing is on record before it is sent."""
    return blocks.modal(
        "Propose",
        [
            blocks.context(
                f"Step 1 of {REVIEW} · {words.step_title(1)} · every *Next* is kept, so you can go on days later"
            ),
            ask(Propose, "title", initial=title),
            ask(KeepIdea, "problem", initial=problem, optional=True),
            ask(KeepIdea, "affected", optional=True),
            *_project_choice(projects, None),
        ],
        callback_id=words.NEXT,
        submit="Next",
        close="Leave",
        metadata=metadata,
    )


def step(
    record: CaseRecord,
    number: int,
    facts: Facts,
    *,
    entered: Mapping[str, Any] | None = None,
    note: str = "",
) -> Block:
    """One step of a case. `entered` is what somebody wrote where the step changed meanwhile, and `note` says so."""
    draft = _Draft(record, entered or {})
    body: list[Block] = [blocks.context(words.progress(record, number))]
    if note:
        body.append(blocks.section(f":warning: {blocks.escape(note, 400)}"))
    body += _BODIES[number - 1](draft, facts)
    so_far = words.so_far(record, facts.place)
    if so_far and number < REVIEW:
        body.append(blocks.context(so_far))
    if number > 1:
        back = blocks.button("Back", words.BACK, CaseStep(record.id, number - 1).text)
        body.append(blocks.actions([back], block_id="way-back"))
    is_last = number == REVIEW
    can_ask = is_last and not facts.missing and record.waits is None
    return blocks.modal(
        record.title,
        body,
        callback_id=words.ASK if is_last else words.NEXT,
        submit=None if is_last and not can_ask else _submit(facts) if is_last else "Next",
        close="Leave",
        metadata=CaseWindow(record.id, record.revision, number).text,
    )


def _submit(facts: Facts) -> str:
    return "Record" if facts.material is not None and not facts.material else "Ask"


@dataclass(frozen=True, slots=True)
class _Draft:
    """A case with what somebody has entered on top of it."""

    record: CaseRecord
    entered: Mapping[str, Any]

    def text(self, field: str, kept: str) -> str:
        value = self.entered.get(block_of(field))
        return str(value) if isinstance(value, str) else kept


def _idea(draft: _Draft, facts: Facts) -> list[Block]:
    record, content = draft.record, draft.record.content
    body = [
        ask(KeepIdea, "title", initial=draft.text("title", record.title)),
        ask(KeepIdea, "problem", initial=draft.text("problem", content.problem), optional=True),
        ask(KeepIdea, "affected", initial=draft.text("affected", content.affected), optional=True),
    ]
    return [*body, *_project_choice(facts.projects, record.project_key)]


def _project_choice(projects: Sequence[tuple[str, str]], chosen: str | None) -> list[Block]:
    options = [blocks.option(name, key) for name, key in projects]
    if not options:
        return []
    initial = next((each for each in options if each["value"] == chosen), None)
    menu = blocks.select(block_of("project"), options, placeholder="No, it is new", initial=initial)
    return [ask(KeepIdea, "project", menu, optional=True)]


def _people(draft: _Draft, facts: Facts) -> list[Block]:
    record = draft.record
    kinds = [
        f"*{kind.name}* ({kind.benchmark}x on average): {kind.sentence}"
        for kind in rules.CATEGORIES.values()
    ]
    options = [blocks.option(kind.name, value.value) for value, kind in rules.CATEGORIES.items()]
    chosen = draft.text("category", record.category.value if record.category else "")
    initial = next((each for each in options if each["value"] == chosen), None)
    owner, sponsor = (
        person.slack_id if person else None for person in (record.owner, record.sponsor)
    )
    body = [
        ask_person(
            KeepPeople, "owner_id", draft.text("owner_id", owner or "") or None, optional=True
        ),
        ask_person(
            KeepPeople, "sponsor_id", draft.text("sponsor_id", sponsor or "") or None, optional=True
        ),
        ask(
            KeepPeople,
            "business_unit",
            initial=draft.text("business_unit", record.business_unit or ""),
            optional=True,
        ),
        blocks.section("\n".join(kinds)),
        ask(
            KeepPeople,
            "category",
            blocks.radio("category", options, initial=initial),
            optional=True,
        ),
    ]
    return [*body, *_guard(facts.guard)]


def _guard(guard: Guard) -> list[Block]:
    if not guard.sentence:
        return []
    text = blocks.escape(guard.sentence, 600)
    if guard.is_unknown:
        text = f"Not assessed: {text} A leader can start an assessment by `/mlgov maturity start`."
    return [blocks.section(text)]


def _measure(draft: _Draft, facts: Facts) -> list[Block]:
    content = draft.record.content
    body = [
        ask(KeepMeasure, "metric", initial=draft.text("metric", content.metric), optional=True),
        ask(
            KeepMeasure,
            "baseline",
            initial=draft.text("baseline", words.figure_text(content.baseline)),
            optional=True,
        ),
        ask_day(KeepMeasure, "baseline_on", content.baseline_on),
        ask(
            KeepMeasure,
            "target",
            initial=draft.text("target", words.figure_text(content.target)),
            optional=True,
        ),
    ]
    return [*([blocks.section(words.alike(facts.alike))] if facts.alike else []), *body]


def _frame(draft: _Draft, facts: Facts) -> list[Block]:
    content = draft.record.content
    return [
        ask_day(KeepFrame, "starts", content.starts),
        ask(KeepFrame, "months", initial=draft.text("months", words.months(content.months))),
        ask(KeepFrame, "currency", initial=draft.text("currency", content.currency or "")),
    ]


def _benefits(draft: _Draft, facts: Facts) -> list[Block]:
    return _lines(draft.record, draft.record.benefits, CaseSide.BENEFIT)


def _costs(draft: _Draft, facts: Facts) -> list[Block]:
    return _lines(draft.record, draft.record.costs, CaseSide.COST)


def _lines(record: CaseRecord, figures: Sequence[Figure], side: CaseSide) -> list[Block]:
    is_benefit = side is CaseSide.BENEFIT
    body = [_line(record, figure) for figure in figures]
    if not figures:
        thing = "brings" if is_benefit else "costs"
        body.append(
            blocks.section(f"Nothing yet. Add what it {thing}: a line for each kind, by month.")
        )
    drivers = rules.BENEFITS if is_benefit else rules.COSTS
    options = [
        blocks.option(name, CaseDriver(record.id, record.revision, driver.value).text)
        for driver, name in drivers.items()
    ]
    menu = blocks.select(
        words.ADD_LINE, options, placeholder="Add a benefit…" if is_benefit else "Add a cost…"
    )
    return [*body, blocks.actions([menu], block_id=f"add-{side.value}-{record.revision}")]


def _line(record: CaseRecord, figure: Figure) -> Block:
    ref = CaseLineRef(record.id, record.revision, figure.line.id)
    menu = blocks.overflow(
        words.LINE,
        [
            blocks.option("Change", CaseLineChoice("change", ref).text),
            blocks.option("Take out", CaseLineChoice("remove", ref).text),
        ],
    )
    return blocks.section(
        words.line(figure, record.content.currency),
        block_id=f"line-{figure.line.id}-{record.revision}",
        accessory=menu,
    )


def _certainty(draft: _Draft, facts: Facts) -> list[Block]:
    record, content = draft.record, draft.record.content
    tiers = [
        blocks.option("Tier 1: the gravest", "1"),
        blocks.option("Tier 2", "2"),
        blocks.option("Tier 3: the least", "3"),
    ]
    chosen = draft.text("tier", str(content.tier or ""))
    initial = next((each for each in tiers if each["value"] == chosen), None)
    body = [
        ask(
            KeepCertainty,
            "confidence",
            initial=draft.text("confidence", words.percent(content.confidence)),
            optional=True,
        ),
        ask(
            KeepCertainty,
            "feasibility",
            initial=draft.text("feasibility", words.percent(content.feasibility)),
            optional=True,
        ),
        ask(
            KeepCertainty,
            "tier",
            blocks.select("tier", tiers, placeholder="Not known yet", initial=initial),
            optional=True,
        ),
    ]
    if record.category is not None and record.outlook is not None:
        question = rules.question_estimate(record.outlook.likely, record.category)
        if question is not None:
            body.append(blocks.section(blocks.escape(question, 400)))
    if facts.guard.needs_waiver or record.waiver:
        body += [
            *_guard(facts.guard),
            ask(
                KeepCertainty, "waiver", initial=draft.text("waiver", record.waiver), optional=True
            ),
        ]
    return body


def _review(draft: _Draft, facts: Facts) -> list[Block]:
    record = draft.record
    body = [blocks.section(summary(record, facts.place))]
    if record.waits is not None:
        return [
            *body,
            blocks.section(
                f"Request #{record.waits} waits for a decision. To change the case, take it back first."
            ),
        ]
    if facts.missing:
        lines = "\n".join(f"• {blocks.escape(each.sentence, 300)}" for each in facts.missing)
        buttons = [
            blocks.button(
                words.step_title(each.step), words.BACK, CaseStep(record.id, each.step).text
            )
            for each in facts.missing[:5]
        ]
        return [
            *body,
            blocks.section(f"*Before you can ask*\n{lines}"),
            blocks.actions(buttons, block_id="missing"),
        ]
    if facts.alike:
        body.append(blocks.section(words.alike(facts.alike)))
    if facts.results:
        body.append(blocks.context(*facts.results))
    if facts.material is not None:
        body.append(blocks.section(_material(facts.material)))
    if facts.route and facts.material != ():
        body.append(blocks.context(facts.route))
    return [
        *body,
        blocks.input_(
            "Why now?",
            blocks.text_input(REASON, multiline=True, min_length=3, max_length=1000),
            block_id=REASON,
            hint="Those who decide read this first.",
        ),
        *([_ask_channel()] if record.project_id is None else []),
    ]


def _ask_channel() -> Block:
    picker = blocks.channel_picker("channel", placeholder=inputs_of(AskCase)["channel"].placeholder)
    return ask(AskCase, "channel", picker)


def _material(reasons: Sequence[str]) -> str:
    if not reasons:
        return "The change is small, so nobody has to approve it: it's recorded, and everybody sees what differs."
    return f"*This has to be approved anew*: {blocks.escape(', '.join(reasons), 600)}."


_BODIES = (_idea, _people, _measure, _frame, _benefits, _costs, _certainty, _review)


def summary(record: CaseRecord, place: tuple[int, int] | None) -> str:
    """Both sides of a case in a few lines."""
    content, outlook = record.content, record.outlook
    lines = [f"*{blocks.escape(record.title, 200)}*"]
    if outlook is not None:
        currency, likely = content.currency, outlook.likely
        multiple = (
            f" ({rules.describe_multiple(likely.multiple)})" if likely.multiple is not None else ""
        )
        over = f" in {blocks.counted(content.months or 0, 'month')}" if content.months else ""
        lines.append(
            f"Brings *{words.money(likely.benefits, currency)}*, costs *{words.money(likely.costs, currency)}*"
            f"{over}{multiple}"
        )
        spread = (
            f" (from {words.money(outlook.worst.npv, '')} to {words.money(outlook.best.npv, '')})"
            if outlook.worst.npv != outlook.best.npv
            else ""
        )
        lines.append(f"Worth {words.money(likely.npv, currency)} today{spread}")
        if content.starts is not None:
            payback = rules.describe_payback(likely, content.starts)
            lines.append(f"{payback[:1].upper()}{payback[1:]}")
    if place is not None:
        rank = words.rank_of(place)
        lines.append(f"{rank[:1].upper()}{rank[1:]}")
    if record.category is not None:
        lines.append(f"{rules.CATEGORIES[record.category].name} · {_who(record)}")
    if content.metric and content.target is not None:
        before = f"{words.figure_text(content.baseline)} → " if content.baseline is not None else ""
        lines.append(
            f"Measured by {blocks.escape(content.metric, 120)}: {before}{words.figure_text(content.target)}"
        )
    if content.problem:
        lines.append(blocks.quote(content.problem, 500))
    return "\n".join(lines)


def _who(record: CaseRecord) -> str:
    parts = [
        f"{label} {blocks.mention(person.slack_id, person.name)}"
        for label, person in (("owner", record.owner), ("sponsor", record.sponsor))
        if person is not None
    ]
    return ", ".join(parts) or "nobody named yet"


# --- One line of a case


def line(
    record: CaseRecord, driver: Driver, figure: Figure | None, side_step: int, note: str = ""
) -> Block:
    """The window of a benefit or cost: a new one, or the one that `figure` is."""
    texts = figure.line.entered if figure is not None else {}
    fields = TIME_FIELDS if driver is Driver.TIME_SAVED else ("amount",)
    body: list[Block] = [
        blocks.context(f"*{rules.NAMES[driver]}* · {_horizon(record)}"),
        *([blocks.section(f":warning: {blocks.escape(note, 400)}")] if note else []),
        ask(
            CaseLine, "name", initial=figure.line.name if figure is not None else "", optional=True
        ),
        *(ask(CaseLine, field, initial=texts.get(field, ""), optional=False) for field in fields),
        blocks.actions(
            [blocks.button("Back without it", words.BACK, CaseStep(record.id, side_step).text)],
            block_id="way-back",
        ),
    ]
    return blocks.modal(
        "A benefit" if driver in rules.BENEFITS else "A cost",
        body,
        callback_id=words.KEEP_LINE,
        submit="Keep",
        close="Leave",
        metadata=CaseLineWindow(
            record.id, record.revision, figure.line.id if figure is not None else 0, driver.value
        ).text,
    )


def _horizon(record: CaseRecord) -> str:
    content = record.content
    if content.starts is None or content.months is None:
        return ""
    last = rules.shift_month(content.starts, content.months - 1)
    return f"{content.months} months, {content.starts:%b %Y} to {last:%b %Y} · {content.currency}"


def side_step(driver: Driver) -> int:
    """The step that lists benefits, or the one that lists costs."""
    return find_step("benefits" if driver in rules.BENEFITS else "costs")


# --- Somebody's own cases, and one in full


def own(cases: Sequence[CaseLineInList]) -> tuple[str, list[Block]]:
    """The text and blocks of `/mlgov propose`: what one wrote, and a button for a new idea."""
    new = blocks.button("New idea", words.NEW, "-", style=None if cases else "primary")
    if not cases:
        text = "You have no business case yet. Propose an idea: it takes eight short steps, and each is kept."
        return text, [blocks.section(text), blocks.actions([new], block_id="cases-new")]
    text = f"{blocks.counted(len(cases), 'business case')} of yours"
    body: list[Block] = [blocks.section(f"*{text}*")]
    for each in cases[:MOST_OWN]:
        is_open = each.state in (CaseState.DRAFT, CaseState.REJECTED)
        saved = f" · saved up to step {each.step} of {REVIEW}" if is_open and each.step else ""
        button = (
            blocks.button("Go on", words.OPEN, CaseStep(each.id, min(each.step + 1, REVIEW)).text)
            if is_open
            else blocks.button("Show", words.SHOW, CaseRef(each.id).text)
        )
        body.append(
            blocks.section(
                f"*{blocks.escape(each.title, 120)}*\n{words.STATES[each.state]}{saved} · {blocks.when(each.changed_at)}",
                block_id=f"case-{each.id}-{each.revision}",
                accessory=button,
            )
        )
    if len(cases) > MOST_OWN:
        body.append(blocks.context(f"…and {len(cases) - MOST_OWN} older"))
    return text, [*body, blocks.actions([new], block_id="cases-new")]


def details(
    record: CaseRecord,
    revisions: Sequence[Revision],
    place: tuple[int, int] | None,
    *,
    may_write: bool,
) -> Block:
    """Everything about a case: both sides, its lines, and each estimate that somebody stood for with what differs."""
    body: list[Block] = [blocks.section(summary(record, place))]
    currency = record.content.currency
    for title, figures in (("Brings", record.benefits), ("Costs", record.costs)):
        if figures:
            lines = "\n".join(
                f"• {words.line(figure, currency).replace(chr(10), ' · ')}" for figure in figures
            )
            body += blocks.sections([f"*{title}*", *lines.splitlines()])
    content = record.content
    facts = [
        f"*State*\n{words.STATES[record.state]}",
        f"*Confidence*\n{words.percent(content.confidence) or 'not said'}",
        f"*Feasibility*\n{words.percent(content.feasibility) or 'not said'}",
        f"*Expected tier*\n{content.tier or 'not said'}",
    ]
    if record.business_unit:
        facts.append(f"*Unit*\n{blocks.escape(record.business_unit, 100)}")
    if record.project_key:
        facts.append(f"*Project*\n`{blocks.escape(record.project_key, 70)}`")
    body.append(blocks.fields(facts))
    if record.waiver:
        body.append(
            blocks.section(f"*Although maturity is low*\n{blocks.quote(record.waiver, 600)}")
        )
    body += [blocks.section(_revision(each)) for each in revisions[:10]]
    buttons: list[Element] = []
    if may_write and record.waits is None and record.state is not CaseState.DROPPED:
        label = "Estimate anew" if record.agreed is not None else "Go on"
        number = 1 if record.agreed is None else find_step("benefits")
        buttons.append(blocks.button(label, words.OPEN, CaseStep(record.id, number).text))
        if record.agreed is None:
            buttons.append(_drop(record))
    if record.agreed is not None and record.project_key is not None:
        buttons.append(ending.way_in(record.project_key))
    if buttons:
        body.append(blocks.actions(buttons, block_id="case-ways"))
    return blocks.modal("Business case", body, callback_id="notice", close="Close")


def _drop(record: CaseRecord) -> Element:
    return blocks.button(
        "Drop it",
        words.DROP,
        CaseOnRecord(record.id, record.revision).text,
        confirm=blocks.confirm(
            "Drop this case?",
            "It leaves every list. What was decided about it stays on record.",
            yes="Drop it",
            no="Keep it",
            danger=True,
        ),
    )


def _revision(revision: Revision) -> str:
    likely, currency = revision.outlook.likely, revision.content.currency
    state = (
        f"holds since {blocks.when(revision.agreed_at)}"
        if revision.agreed_at is not None
        else f"asked {blocks.when(revision.made_at)}"
    )
    by = (
        f" by {blocks.mention(revision.made_by.slack_id, revision.made_by.name)}"
        if revision.made_by
        else ""
    )
    request = f" · request #{revision.approval_id}" if revision.approval_id else ""
    lines = [
        f"*Estimate {revision.number}*{by} · {state}{request}",
        f"Brings {words.money(likely.benefits, currency)}, costs {words.money(likely.costs, currency)}",
        *(
            f"• {blocks.escape(what, 60)}: {blocks.escape(before, 120)} → {blocks.escape(now, 120)}"
            for what, before, now in revision.changes[:12]
        ),
    ]
    return "\n".join(lines)
