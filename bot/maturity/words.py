"""Check-ins in words: the phrases that cards, windows and answers share. Pure."""

from datetime import datetime

from bot import blocks
from storage.enums import Answer, AskedAs, InvitationState, Level, SeenBy
from workflows.disclosure.rules import MOST_AGREEMENT
from workflows.maturity.records import CycleResult, MyCheckIn, Terms

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


def news(check_in: MyCheckIn) -> str:
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
