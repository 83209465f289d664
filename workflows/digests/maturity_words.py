"""What a digest says about a check-in that was closed in its week, plain text."""

from collections.abc import Iterable

from storage.enums import Level
from workflows.digests import rules
from workflows.digests.phrases import LABELS, MATURITY
from workflows.digests.records import Bar, LevelFigure, Line, MaturityFigures, PictureFacts, Row

_LENGTH = {Level.LOW: 1.0, Level.MEDIUM: 2.0, Level.HIGH: 3.0}


def headlines(found: MaturityFigures | None) -> list[str]:
    """What of it belongs into the headline."""
    if found is None:
        return []
    if found.overall is None:
        return ["a check-in was closed"]
    return [f"maturity is {_changed(found.overall, found.before)}"]


def _changed(level: Level, before: Level | None) -> str:
    if before is None or before is level:
        return level.value
    return f"{level.value}, it was {before.value}"


def lines(found: MaturityFigures | None) -> list[tuple[int, Line]]:
    """`Q1 2026: overall medium, it was low; lowest in Deployment; at least 10 of 20 answered`."""
    if found is None:
        return []
    told = [
        f"overall {_changed(found.overall, found.before)}"
        if found.overall is not None
        else "no overall level yet: too few people answered one of the dimensions"
    ]
    if found.lowest:
        told.append(f"lowest in {rules.listed(found.lowest)}")
    if found.answered:
        told.append(f"at least {found.answered:,} of {found.invited:,} answered")
    return [(3, Line(MATURITY, LABELS[MATURITY], f"{found.label}: {'; '.join(told)}"))]


def rows(found: MaturityFigures | None) -> tuple[Row, ...]:
    """Each dimension."""
    if found is None:
        return ()
    return tuple(Row(f"{one.name}: {_words(one)}") for one in found.dimensions)


def _words(one: LevelFigure) -> str:
    if one.level is None:
        return "too few people answered to tell"
    return _changed(one.level, one.before)


def pictures(found: MaturityFigures | None) -> Iterable[PictureFacts]:
    """The levels by dimension."""
    told = [one for one in found.dimensions if one.level is not None] if found else []
    if found is None or len(told) < 2:
        return
    lowest = rules.listed(found.lowest)
    yield PictureFacts(
        part=MATURITY,
        title=f"Maturity is lowest in {lowest}"
        if len(found.lowest) < len(told)
        else f"Maturity is {told[0].level} in every dimension",
        unit="level",
        bars=tuple(
            Bar(
                one.name,
                _LENGTH[one.level] if one.level is not None else 0.0,
                _words(one),
                is_marked=one.name in found.lowest and len(found.lowest) < len(told),
            )
            for one in told
        ),
        limit=3.0,
        limit_words="high",
    )
