"""What a digest says about a check-in that was closed in its week, plain text."""

from collections.abc import Iterable

from storage.enums import Level
from workflows.digests import rules
from workflows.digests.phrases import LABELS, MATURITY
from workflows.digests.records import Bar, LevelFigure, Line, MaturityFigures, PictureFacts, Row

_LENGTH = {Level.LOW: 1.0, Level.MEDIUM: 2.0, Level.HIGH: 3.0}


def headlines(figures: MaturityFigures | None) -> list[str]:
    """What of it belongs into the headline."""
    if figures is None:
        return []
    if figures.overall is None:
        return ["a check-in was closed"]
    return [f"maturity is {_changed(figures.overall, figures.before)}"]


def _changed(level: Level, before: Level | None) -> str:
    if before is None or before is level:
        return level.value
    return f"{level.value}, it was {before.value}"


def lines(figures: MaturityFigures | None) -> list[tuple[int, Line]]:
    """`Q1 2026: overall medium, it was low; lowest in Deployment; at least 10 of 20 answered`."""
    if figures is None:
        return []
    phrases = [
        f"overall {_changed(figures.overall, figures.before)}"
        if figures.overall is not None
        else "no overall level yet: too few people answered one of the dimensions"
    ]
    if figures.lowest:
        phrases.append(f"lowest in {rules.listed(figures.lowest)}")
    if figures.answered:
        phrases.append(f"at least {figures.answered:,} of {figures.invited:,} answered")
    return [(3, Line(MATURITY, LABELS[MATURITY], f"{figures.label}: {'; '.join(phrases)}"))]


def rows(figures: MaturityFigures | None) -> tuple[Row, ...]:
    """Each dimension."""
    if figures is None:
        return ()
    return tuple(Row(f"{dimension.name}: {_words(dimension)}") for dimension in figures.dimensions)


def _words(dimension: LevelFigure) -> str:
    if dimension.level is None:
        return "too few people answered to tell"
    return _changed(dimension.level, dimension.before)


def pictures(figures: MaturityFigures | None) -> Iterable[PictureFacts]:
    """The levels by dimension."""
    told_dimensions = (
        [dimension for dimension in figures.dimensions if dimension.level is not None]
        if figures
        else []
    )
    if figures is None or len(told_dimensions) < 2:
        return
    lowest = rules.listed(figures.lowest)
    yield PictureFacts(
        part=MATURITY,
        title=f"Maturity is lowest in {lowest}"
        if len(figures.lowest) < len(told_dimensions)
        else f"Maturity is {told_dimensions[0].level} in every dimension",
        unit="level",
        bars=tuple(
            Bar(
                dimension.name,
                _LENGTH[dimension.level] if dimension.level is not None else 0.0,
                _words(dimension),
                is_marked=dimension.name in figures.lowest
                and len(figures.lowest) < len(told_dimensions),
            )
            for dimension in told_dimensions
        ),
        limit=3.0,
        limit_words="high",
    )
