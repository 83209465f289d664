"""When ideas arrive, as people read it: `/mlgov portfolio arrival`."""

from collections.abc import Sequence
from datetime import date

from bot.slack import blocks
from bot.slack.blocks import Block
from bot.slack.replies import Private, Reply
from bot.slack.requests import Command
from storage.enums import ProjectStatus
from workflows.cases import arrival, journeys
from workflows.cases.arrival import (
    BENCHMARKS,
    IDEA_TO_USE,
    STAGE_WORDS,
    STEPS,
    ArrivalCurve,
    Share,
    Withheld,
)
from workflows.cases.journeys import Arrival, ProjectJourney, ShownTimes

WORD = "arrival"
MOST_OWN = 10
"""Projects of one's own that are listed."""
TRIES = 3
"""How often figures are judged anew because another reader was shown something meanwhile."""


def show(command: Command) -> Reply:
    """When ideas arrive: one's own projects as dates, and for leaders the figures over all. What is shown is kept first."""
    for _ in range(TRIES):
        record, telling = command.read(journeys.load_arrival)
        if telling is None or command.act(journeys.keep_told, telling):
            return render(record)
    text = "Somebody else is looking at these figures at this moment. Try again in a minute."
    return Private(text, [blocks.section(text)])


def render(record: Arrival) -> Private:
    """The figures over all projects, where their reader gets them, and their own projects as dates. Pure."""
    text = _news(record)
    body: list[Block] = [blocks.section(f"*{text}*")]
    if record.times is not None:
        body += _times(record.times, record.today)
    if record.curve is not None:
        body.append(blocks.section("\n".join(_shares(record.curve))))
    body += _own(record)
    if record.curve is not None:
        body.append(blocks.context(*(arrival.describe_benchmark(each) for each in BENCHMARKS)))
    else:
        body.append(blocks.context("Figures over all projects are for leaders."))
    return Private(text, body)


def _news(record: Arrival) -> str:
    if isinstance(record.times, ShownTimes):
        spread = record.times.overall
        return (
            f"From idea to use it takes {spread.median:,.0f} days, "
            f"the median of {blocks.counted(spread.projects, 'project')}"
        )
    arrived = sum(way.in_use_on is not None for way in record.own)
    if not record.own:
        return "You own, sponsor or manage no project yet, so there is nothing to date."
    return f"{arrived:,} of {blocks.counted(len(record.own), 'project')} of yours arrived in use"


def _times(times: ShownTimes | Withheld, today: date) -> list[Block]:
    if isinstance(times, Withheld):
        return [blocks.section(f"*From idea to use*: {times.reason}")]
    longest = max(times.steps, key=lambda step: times.steps[step].median, default=None)
    lines = [
        f"• {arrival.describe_span(step)}: {arrival.describe_spread(times.steps[step])}"
        + (" · *most of the time*" if step == longest and len(times.steps) > 1 else "")
        for step in STEPS
        if step in times.steps
    ]
    spread = times.overall
    as_of = f" · as of {blocks.day(times.as_of, today)}" if times.as_of != today else ""
    head = f"*{arrival.describe_span(IDEA_TO_USE).capitalize()}*: {arrival.describe_spread(spread)}"
    return [
        blocks.section("\n".join([f"{head}{as_of}", *lines])),
        blocks.context(
            "Medians of steps don't add up to that of the whole. Figures that would show one person's pace are left out."
        ),
    ]


def _shares(curve: ArrivalCurve | Withheld) -> Sequence[str]:
    if isinstance(curve, Withheld):
        return [f"*Share in use*: {curve.reason}"]
    lines = []
    for months, share in curve.shares.items():
        interval = arrival.describe_interval(share) if isinstance(share, Share) else ""
        line = arrival.describe_share(curve, months)
        lines.append(f"• {line}" + (f" · {interval}" if interval else ""))
    return ["*Share in use*, of all projects that were proposed", *lines]


def _own(record: Arrival) -> list[Block]:
    if not record.own:
        return []
    lines = [f"• {_way(way, record.today)}" for way in record.own[:MOST_OWN]]
    if len(record.own) > MOST_OWN:
        lines.append(f"…and {len(record.own) - MOST_OWN:,} more")
    return blocks.sections(["*Your projects*", *lines])


def _way(way: ProjectJourney, today: date) -> str:
    """`*Lane vision*: proposed Mon 3 Mar 2025 → in use Tue 10 Feb 2026, 344 days`."""
    name = f"*{blocks.escape(way.name, 80)}*"
    since, until = way.proposed_on, way.in_use_on
    begins = f"proposed {blocks.day(since, today)}" if since is not None else "began before mlgov"
    if until is not None:
        days = (
            f", {blocks.counted((until - since).days, 'day')}"
            if since is not None and until >= since
            else ""
        )
        return f"{name}: {begins} → in use {blocks.day(until, today)}{days}"
    if way.journey.stopped_on is not None:
        ended = way.status if way.status != ProjectStatus.CANCELLED else "stopped"
        return f"{name}: {begins}, {ended} {blocks.day(way.journey.stopped_on, today)} before it was in use"
    latest = way.latest
    reached = (
        f", {STAGE_WORDS[latest[0]]} {blocks.day(latest[1], today)}"
        if latest is not None and latest[1] != since
        else ""
    )
    return f"{name}: {begins}{reached}, not in use yet"
