"""How check-ins are shown in messages. Pure."""

from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from bot.charts.drawing import Picture, Radar, Spoke
from bot.delivery.rendering import Rendered, Renderer, Scene
from bot.slack import blocks
from bot.slack.blocks import Block, Element
from bot.slack.interactions import CheckInPart, CheckInRef, CycleRef
from storage.enums import Answer, AskedAs, InvitationState, Level, SeenBy
from workflows.anonymity.rules import MOST_AGREEMENT
from workflows.maturity import service
from workflows.maturity.notices import CheckInAsked, CheckInReminder, CheckInResult
from workflows.maturity.records import CycleResult, DimensionResult, MyCheckIn, Terms
from workflows.maturity.rules import rank

# --- Check-ins in words
#
# the phrases that cards, windows and answers share. Pure.

OPEN = "maturity.open"
SKIP = "maturity.skip"
SAID = "maturity.said"
ANSWER = "maturity.answer"
BACK = "maturity.back"
NOTE = "maturity.note"
START = "maturity.start"
CLOSE = "maturity.close"
EARLY = "maturity.early"
DETAILS = "maturity.details"
TARGETS = "maturity.targets"
SINGLE = "maturity.single"
PLAN, KEEP_PLAN = "maturity.plan", "maturity.keep_plan"
NEXT = "maturity.next"
KEEP_NOTE = "maturity.keep_note"
KEEP_SKIP = "maturity.keep_skip"
KEEP_TARGETS = "maturity.keep_targets"

ANSWERS = {
    Answer.YES: "Yes",
    Answer.PARTLY: "Partly",
    Answer.NO: "No",
    Answer.UNKNOWN: "Don't know",
}
LEVELS = {Level.LOW: "low", Level.MEDIUM: "medium", Level.HIGH: "high"}


def name(record: MyCheckIn | CycleResult) -> str:
    """`Maturity check-in, January 2026`, with the unit when it is one's own."""
    unit = f", {blocks.escape(record.business_unit, 60)}" if record.business_unit else ""
    return f"Maturity check-in{unit}, {record.label}"


def about(minutes: int) -> str:
    """`about 1 minute`."""
    return f"about {blocks.counted(minutes, 'minute')}"


def part(asked_as: AskedAs) -> str:
    """In which part somebody is asked."""
    return "a leader" if asked_as is AskedAs.LEADER else "a practitioner"


def until(moment: datetime) -> str:
    """`until Fri 13 Feb 17:30`, in the reader's own zone."""
    return f"until {blocks.when(moment)}"


def who_sees(terms: Terms) -> str:
    """Who will be able to see what, administrators and the database included."""
    who_else = {
        SeenBy.NOBODY: "mlgov shows your own answers and comments to nobody else: not to leaders, not to administrators.",
        SeenBy.ASSESSOR: "People of role `assessor` see single answers and comments once it is closed, without names. "
        "mlgov shows them to nobody else.",
        SeenBy.ASSESSOR_BY_NAME: "People of role `assessor` see your answers and comments once it is closed, *with your name*. "
        "mlgov shows them to nobody else.",
    }[terms.seen_by]
    return (
        f"*Who can see what.* You: everything you said, at any time. Others: results of at least {terms.minimum_group} people "
        f"together. {who_else} They are stored in mlgov's database, where whoever operates it could read them. Slack's "
        "administrators can see that you were asked, not what you said."
    )


def seen_shortly(terms: Terms) -> str:
    """The same in half a line, for every window."""
    assessor = {
        SeenBy.NOBODY: "",
        SeenBy.ASSESSOR: ", the assessor (never by name)",
        SeenBy.ASSESSOR_BY_NAME: ", the assessor (by name)",
    }[terms.seen_by]
    return f"your answers are seen by: you{assessor}"


def news_line(check_in: MyCheckIn) -> str:
    """The first line of a person's card, which also stands alone in a notification."""
    title = name(check_in)
    if check_in.state is InvitationState.LEFT:
        return f"{title}: ended"
    if not check_in.is_open:
        return f"{title}: closed, you answered {check_in.answered} of {check_in.total}"
    if check_in.state is InvitationState.FINISHED:
        return f"{title}: done, all {check_in.total} answered"
    if check_in.state is InvitationState.SKIPPED:
        return f"{title}: skipped"
    if not check_in.answered:
        return f"{title}: {about(check_in.minutes_left)} of your time"
    return f"{title}: {check_in.done} of {len(check_in.dimensions)} parts done, {about(check_in.minutes_left)} left"


def progress(check_in: MyCheckIn) -> str:
    """Which parts are done and which comes next."""
    done = [blocks.escape(one.name) for one in check_in.dimensions if one.is_done]
    coming = blocks.escape(check_in.dimensions[check_in.next_dimension].name)
    done_part = f"Done: {', '.join(done)}. " if done else ""
    return f"{done_part}Next: {coming}."


def level(value: Level | None) -> str:
    """A level in a sentence; what stands where there is none."""
    return "not told" if value is None else LEVELS[value]


def headline(result: CycleResult) -> str:
    """What a check-in found, in one line."""
    which = f" of {blocks.escape(result.business_unit, 60)}" if result.business_unit else ""
    when = f"in {result.label}" + (", so far" if result.is_early else "")
    if not result.told:
        return f"Maturity{which} {when}: too few answers for a result"
    median = f", median {level(result.median)}" if result.median else ""
    if result.overall is None:
        untold = len(result.dimensions) - len(result.told)
        return f"Maturity{which} {when}: no overall level, {blocks.counted(untold, 'part')} had too few answers{median}"
    return f"Maturity{which} {when}: {level(result.overall)} overall{median}"


def answered(count: int, invited: int, fewest: int) -> str:
    """How many have answered, as far as that may be told; a sentence."""
    if count:
        return f"At least {count:,} of {invited:,} people answered all of it."
    if invited < 2 * fewest:
        return (
            f"With {invited} people asked, how many answered isn't told: it would say something about fewer than "
            f"{fewest} of them."
        )
    return f"How many answered is told from {fewest} people on."


def agreement(per_cent: int | None) -> str:
    """`55 % agree`; from 80 on no closer than `80 % or more agree`."""
    if per_cent is not None and per_cent >= MOST_AGREEMENT:
        return f"{MOST_AGREEMENT} % or more agree"
    return f"{per_cent} % agree"


def holding_back(result: CycleResult) -> str:
    """What the overall level rests on: `Data and governance hold the level at low`; plain text."""
    order = list(LEVELS)
    levels = [one.level for one in result.told if one.level is not None]
    if not levels:
        return "No part has a level yet"
    lowest = min(levels, key=order.index)
    names = [one.name for one in result.told if one.level == lowest]
    if len(names) == len(levels):
        return f"Every part is at {level(lowest)}"
    listed = " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))
    listed = listed[0].upper() + listed[1:].lower()
    return f"{listed} {'hold' if len(names) > 1 else 'holds'} the level at {level(lowest)}"


def moved(result: CycleResult) -> str:
    """What went up or down since last time; empty for a first one."""
    if result.before_label is None:
        return ""
    order = list(LEVELS)
    changes = [
        f"{blocks.escape(one.name)} {level(one.before)} → {level(one.level)}"
        for one in result.told
        if one.before is not None
        and one.level is not None
        and order.index(one.before) != order.index(one.level)
    ]
    if not changes:
        return f"No level changed since {result.before_label}."
    return f"Since {result.before_label}: {', '.join(changes)}."


def apart(result: CycleResult) -> str:
    """Where leaders and practitioners see it differently; empty where that was not told."""
    compared = [one for one in result.told if one.leaders and one.practitioners]
    if not compared:
        return ""
    differ = [
        f"{blocks.escape(one.name)} ({level(one.leaders)} / {level(one.practitioners)})"
        for one in compared
        if one.leaders is not one.practitioners
    ]
    if not differ:
        return "Leaders and practitioners see the same levels."
    return f"Leaders / practitioners differ in: {', '.join(differ)}."


# --- The picture of a result
#
# a radar that says in its title what it shows, and in its alt text every level.


def radar_picture(result: CycleResult) -> Picture | None:
    """Levels now and last time; None where nothing is told."""
    if not result.told:
        return None
    with_before = any(one.before is not None for one in result.told)
    before = result.before_label if with_before else None
    spokes = tuple(
        Spoke(
            one.name,
            None if one.level is None else rank(one.level),
            None if one.before is None else rank(one.before),
        )
        for one in result.dimensions
    )
    levels = ", ".join(
        f"{one.name} {level(one.level)}"
        + (f" ({before}: {level(one.before)})" if before and one.before is not None else "")
        for one in result.dimensions
    )
    title = holding_back(result)
    return Picture(Radar(spokes, result.label, before), title, f"{title}. {levels}.")


# --- How check-ins are shown in messages
#
# Pure.


def asked(check_in: MyCheckIn, notice: CheckInAsked, scene: Scene) -> Rendered:
    """A person's own card: the invitation, then how far they are, then one line."""
    news = news_line(check_in)
    ends = blocks.instant(check_in.closes_at, scene.policy.organisation.zone)
    text = f"{news} · until {ends}" if check_in.waits else news
    return Rendered(text, card(check_in), is_final=not check_in.is_open)


def card(check_in: MyCheckIn) -> list[Block]:
    """What stands in a person's card, and in the private answer to `/mlgov maturity`."""
    news = news_line(check_in)
    if not check_in.waits:
        return short(check_in)
    body = [blocks.section(f"*{news}* · {until(check_in.closes_at)}")]
    if not check_in.answered:
        body.append(
            blocks.section(
                f"How does machine learning work here? {len(check_in.dimensions)} short parts, {check_in.total} statements, each "
                "answered yes, partly, no or don't know. Every tap is kept: stop when you like, go on later or on another "
                "device, and change your answers until it closes."
            )
        )
        body.append(blocks.section(who_sees(check_in.terms)))
        by = check_in.started_by
        started = f" · started by {blocks.mention(*by)}" if by else ""
        body.append(
            blocks.context(
                f"You are asked as {part(check_in.asked_as)}{started}. If you do nothing you are reminded twice, then not again."
            )
        )
    else:
        body.append(blocks.section(progress(check_in)))
        body.append(blocks.context(seen_shortly(check_in.terms).capitalize()))
    body.append(blocks.actions(buttons(check_in), block_id=f"check-in-{check_in.id}"))
    return body


def in_home(check_in: MyCheckIn) -> list[Block]:
    """A check-in that waits, where everything stands that waits for somebody; the card has said who sees what."""
    return [
        blocks.section(
            f"*{news_line(check_in)}*\n{progress(check_in) if check_in.answered else 'Every tap is kept: stop when you like, and go on later.'}"
        ),
        blocks.context(f"Open {until(check_in.closes_at)} · {seen_shortly(check_in.terms)}"),
        blocks.actions(buttons(check_in), block_id=f"check-in-{check_in.id}-home"),
    ]


def buttons(check_in: MyCheckIn) -> list[Element]:
    """What can be done with a check-in that waits."""
    elements = [
        blocks.button(
            "Go on" if check_in.answered else "Start",
            OPEN,
            CheckInPart(check_in.id, check_in.next_dimension).text,
            style="primary",
        )
    ]
    if check_in.answered:
        elements.append(blocks.button("What I said", SAID, CheckInRef(check_in.id).text))
    elements.append(blocks.button("Skip", SKIP, CheckInRef(check_in.id).text))
    return elements


def short(check_in: MyCheckIn) -> list[Block]:
    """A card that asks for nothing any more."""
    own_answers = blocks.button("What I said", SAID, CheckInRef(check_in.id).text)
    if check_in.state is InvitationState.LEFT:
        return [blocks.section(news_line(check_in))]
    if not check_in.is_open:
        return [
            blocks.section(f"*{news_line(check_in)}* · `/mlgov maturity` shows the result"),
            blocks.actions([own_answers], block_id=f"check-in-{check_in.id}"),
        ]
    if check_in.state is InvitationState.SKIPPED:
        again = blocks.button("Take part after all", OPEN, CheckInPart(check_in.id).text)
        return [
            blocks.section(
                f"*{news_line(check_in)}* · “{blocks.escape(check_in.skip_reason, 200)}”"
                if check_in.skip_reason
                else f"*{news_line(check_in)}*"
            ),
            blocks.context("You are not reminded."),
            blocks.actions([again], block_id=f"check-in-{check_in.id}"),
        ]
    change = blocks.button("Change", OPEN, CheckInPart(check_in.id).text)
    return [
        blocks.section(
            f"*{news_line(check_in)}*, thank you · you can change them {until(check_in.closes_at)}"
        ),
        blocks.actions([own_answers, change], block_id=f"check-in-{check_in.id}"),
    ]


def reminder(check_in: MyCheckIn, notice: CheckInReminder, scene: Scene) -> Rendered:
    """A second or third message; it asks for nothing once the check-in is done."""
    news = news_line(check_in)
    if not check_in.waits:
        return Rendered(news, [blocks.section(news)], is_final=not check_in.is_open)
    ends = blocks.instant(check_in.closes_at, scene.policy.organisation.zone)
    last = (
        "This is the last reminder."
        if notice.number > 1
        else "You are reminded once more, then not again."
    )
    return Rendered(
        f"Still open: {news} · until {ends}",
        [
            blocks.section(
                f"*Still open: {news}* · {until(check_in.closes_at)}\n{progress(check_in)}"
            ),
            blocks.context(f"{last} {seen_shortly(check_in.terms).capitalize()}."),
            blocks.actions(buttons(check_in), block_id=f"check-in-{check_in.id}-{notice.number}"),
        ],
    )


def result(cycle_result: CycleResult, notice: CheckInResult, scene: Scene) -> Rendered:
    """The result in its channel."""
    if not scene.is_closed:
        text = "A maturity check-in was closed. Its result is not shown here, because people from outside read this channel."
        return Rendered(
            text, [blocks.section(text), blocks.context("Members see it by `/mlgov maturity`.")]
        )
    body, drawn = illustrated(cycle_result)
    return Rendered(headline(cycle_result), body, is_final=True, pictures=drawn)


def illustrated(cycle_result: CycleResult) -> tuple[list[Block], tuple[Picture, ...]]:
    """The result with its radar below the levels, and the picture for whoever sends it."""
    body = result_blocks(cycle_result)
    radar = radar_picture(cycle_result)
    if radar is None:
        return body, ()
    return [*body[:2], radar.block(), *body[2:]], (radar,)


def result_blocks(cycle_result: CycleResult) -> list[Block]:
    """The levels, what moved, and where people see it differently."""
    body = [blocks.section(f"*{headline(cycle_result)}*\n{_weakest(cycle_result)}".rstrip())]
    if cycle_result.told:
        body.append(blocks.section("\n".join(line(one) for one in cycle_result.dimensions)))
    differences = [text for text in (moved(cycle_result), apart(cycle_result)) if text]
    if differences:
        body.append(blocks.section("\n".join(differences)))
    body.append(blocks.context(_facts(cycle_result)))
    if cycle_result.told and not cycle_result.is_early:
        body.append(
            blocks.actions(
                [blocks.button("Details", DETAILS, CycleRef(cycle_result.cycle_id).text)],
                block_id=f"maturity-result-{cycle_result.cycle_id}",
            )
        )
    return body


def _weakest(cycle_result: CycleResult) -> str:
    if cycle_result.overall is Level.HIGH or not cycle_result.weakest:
        return ""
    names = ", ".join(blocks.escape(one.name) for one in cycle_result.weakest[:3])
    left_out = len(cycle_result.weakest) - 3
    return f"Holds it back: {names}" + (f" and {left_out} more" if left_out > 0 else "")


def line(dimension: DimensionResult) -> str:
    """One dimension in one line."""
    name = f"*{blocks.escape(dimension.name)}*"
    if dimension.level is None:
        return f"{name}: too few answers to tell"
    holding, of = dimension.toward
    following = {Level.LOW: "medium", Level.MEDIUM: "high"}.get(dimension.level)
    way = f" · {holding} of {of} for {following}" if following else ""
    return f"{name}: *{level(dimension.level)}*{way} · {agreement(dimension.agreement)}"


def _facts(cycle_result: CycleResult) -> str:
    facts = [
        f"at least {cycle_result.answered:,} of {cycle_result.invited:,} people answered all of it"
        if cycle_result.answered
        else f"{cycle_result.invited:,} people were asked"
    ]
    if cycle_result.is_early:
        facts.append(f"as of {blocks.when(cycle_result.as_of)}, the check-in is open")
    if cycle_result.held_back:
        facts.append(
            f"answers that came after the early result aren't counted where they came from fewer than {cycle_result.fewest} people"
        )
    if cycle_result.as_before:
        facts.append(
            f"a part stays as it was told last time where fewer than {cycle_result.fewest} people say something else by now"
        )
    facts.append(f"no result tells of fewer than {cycle_result.fewest} people")
    return " · ".join(facts)


# --- What notices about check-ins look like


def _asked(session: Session, notice: CheckInAsked, scene: Scene) -> MyCheckIn | None:
    return service.find_to_send(session, notice.invitation_id, notice.kind, 0, policy=scene.policy)


def _reminder(session: Session, notice: CheckInReminder, scene: Scene) -> MyCheckIn | None:
    return service.find_to_send(
        session, notice.invitation_id, notice.kind, notice.number, policy=scene.policy
    )


def _result(session: Session, notice: CheckInResult, scene: Scene) -> CycleResult | None:
    return service.find_of_cycle(session, notice.cycle_id)


RENDERERS: tuple[Renderer[Any, Any], ...] = (
    Renderer(CheckInAsked, _asked, asked),
    Renderer(CheckInReminder, _reminder, reminder),
    Renderer(CheckInResult, _result, result),
)
