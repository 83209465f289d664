"""When a milestone can be met, how it stands, whom it moves, and which reminder falls on which day. Pure."""

from collections import deque
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from storage.enums import MilestoneStatus
from workflows.calendar import WorkingCalendar

_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Node:
    """The days of one milestone."""

    baseline: date
    forecast: date
    actual: date | None = None

    def alone(self, today: date) -> date:
        """When it is met if nothing holds it up: an open one whose day has passed is met today at the earliest."""
        return self.actual or max(self.forecast, today)


Needs = Mapping[int, Collection[int]]
"""Milestone id → ids of those that must be met before it."""


@dataclass(frozen=True, slots=True)
class Plan:
    """When each milestone can be met, and which of those it needs hold it up."""

    expected: Mapping[int, date]
    held_up_by: Mapping[int, frozenset[int]]

    def pushes(self, milestone: int) -> list[int]:
        """The milestones that this one moves, directly or through others, the earliest first."""
        behind: dict[int, list[int]] = {}
        for blocked, by in self.held_up_by.items():
            for milestone_id in by:
                behind.setdefault(milestone_id, []).append(blocked)
        pushed: set[int] = set()
        waiting = deque(behind.get(milestone, ()))
        while waiting:
            milestone_id = waiting.popleft()
            if milestone_id not in pushed and milestone_id != milestone:
                pushed.add(milestone_id)
                waiting.extend(behind.get(milestone_id, ()))
        return sorted(pushed, key=lambda milestone_id: (self.expected[milestone_id], milestone_id))


def plan(nodes: Mapping[int, Node], needs: Needs, today: date) -> Plan:
    """Move each milestone behind those it needs, keeping the days that were planned between the two.

    A milestone never moves to before its own forecast, and one that is done does not move at all. Links to milestones
    that are not among `nodes`, and circles, which nothing lets in, hold nothing up.
    """
    before = {
        milestone: [other for other in needs.get(milestone, ()) if other in nodes]
        for milestone in nodes
    }
    behind: dict[int, list[int]] = {milestone: [] for milestone in nodes}
    for milestone, others in before.items():
        for other in others:
            behind[other].append(milestone)
    left = {milestone: len(others) for milestone, others in before.items()}
    ready = deque(sorted(milestone for milestone, count in left.items() if not count))
    expected = {milestone: node.alone(today) for milestone, node in nodes.items()}
    held_up_by: dict[int, frozenset[int]] = {}
    while ready:
        milestone = ready.popleft()
        node = nodes[milestone]
        if node.actual is None:
            reached = {
                other: expected[other] + max(node.baseline - nodes[other].baseline, timedelta(0))
                for other in before[milestone]
            }
            latest = max(reached.values(), default=expected[milestone])
            if latest > expected[milestone]:
                expected[milestone] = latest
                held_up_by[milestone] = frozenset(
                    other for other, day in reached.items() if day == latest
                )
        for other in behind[milestone]:
            left[other] -= 1
            if not left[other]:
                ready.append(other)
    return Plan(expected, held_up_by)


def closes_a_circle(needs: Needs, milestone: int, needed: int) -> bool:
    """Whether `milestone` would need itself, through others, if it needed `needed`."""
    seen: set[int] = set()
    waiting = [needed]
    while waiting:
        current = waiting.pop()
        if current == milestone:
            return True
        if current not in seen:
            seen.add(current)
            waiting.extend(needs.get(current, ()))
    return False


def status(node: Node, expected: date, today: date, *, at_risk: bool) -> MilestoneStatus:
    """Done, late (its day has passed), at risk (somebody said so, or what it needs comes too late), or on track."""
    if node.actual is not None:
        return MilestoneStatus.DONE
    if node.forecast < today:
        return MilestoneStatus.LATE
    if at_risk or expected > node.forecast:
        return MilestoneStatus.AT_RISK
    return MilestoneStatus.ON_TRACK


def slip(node: Node, expected: date) -> int:
    """Days after the baseline at which it was met, or can be; negative when early."""
    return ((node.actual or expected) - node.baseline).days


@dataclass(frozen=True, slots=True)
class Step:
    """One reminder of one milestone for one person: `days` from the forecast, on the person's day `on`.

    `rank` is how many people hear of it: 1 until the day, one more with each reminder while it is overdue.
    """

    days: int
    on: date
    rank: int


@dataclass(frozen=True, slots=True)
class Rhythm:
    """What the policy says: days before, and every how many days while overdue."""

    before: tuple[int, ...]
    every: int


def steps(
    forecast: date, since: date, through: date, rhythm: Rhythm, calendar: WorkingCalendar
) -> list[Step]:
    """The reminders of a milestone that fall on days up to `through` in somebody's calendar, in order.

    `since` is the day from which they count: what would have come by then is left out. A reminder on a day off comes
    on the last working day before; one of something overdue never comes before it is overdue, and never on the day of
    another: nobody works through a weekend of daily reminders, so none of them brings in the next person. Where reminders
    start when the day has passed already, the first one comes at once, and to one person, as every chain begins.
    """
    reminders: list[Step] = []
    for before in rhythm.before:
        on = calendar.on_or_before(forecast - timedelta(days=before))
        if since < on <= through:
            reminders.append(Step(-before, on, 1))
    late = since > forecast
    base = since if late else forecast
    number = 0 if late else 1
    rank = number + 1
    last_day: date | None = None
    while True:
        nominal = base + timedelta(days=number * rhythm.every)
        on = calendar.on_or_before(nominal)
        if on <= forecast:
            on = on_or_after(calendar, forecast + _DAY)
        if on > through:
            break
        if on != last_day:
            reminders.append(Step((nominal - forecast).days, on, rank))
            last_day, rank = on, rank + 1
        number += 1
    return reminders


def on_or_after(calendar: WorkingCalendar, day: date) -> date:
    """That day, or the first working day after it; the day itself when there is none for two months."""
    for ahead in range(60):
        candidate = day + timedelta(days=ahead)
        if calendar.is_working_day(candidate):
            return candidate
    return day


def chain(people: Sequence[str | None], can_be_told: Collection[str]) -> list[str]:
    """Whom reminders reach, in order: each person once, without those who cannot be told."""
    return list(dict.fromkeys(one for one in people if one is not None and one in can_be_told))


def is_told(step: Step, chain_: Sequence[str], person: str) -> bool:
    """Whether this reminder is for that person."""
    return person in chain_[: step.rank]


def snooze_days(calendar: WorkingCalendar, today: date) -> list[date]:
    """Until which days reminders can be put off: the next working day, and working days after 3, 7 and 14 days."""
    return sorted({on_or_after(calendar, today + timedelta(days=days)) for days in (1, 3, 7, 14)})
