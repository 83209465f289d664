"""`mlgov model reading` and `readings`: values of what is watched in use, one, from Prometheus, or from a table."""

import csv
from pathlib import Path
from typing import Annotated, Any

import typer

from bot.cli.base import fail, say

Named = Annotated[str, typer.Argument(help="Model and version, like fraud-score:7.")]
BREACH = 21
"""The exit code when a reading is a breach."""
MOST_ROWS = 50_000
BATCH = 500
"""Readings in one call."""


def reading(
    named: Named,
    metric: Annotated[str, typer.Argument(help="The measure, as the monitoring plan names it.")],
    value: Annotated[
        str | None, typer.Argument(help="Its value; left out with --prometheus.")
    ] = None,
    at: Annotated[
        str | None, typer.Option(help="When it was measured, with its zone; now when left out.")
    ] = None,
    prometheus: Annotated[
        str | None,
        typer.Option(help="Ask this Prometheus for the value, like http://prometheus:9090."),
    ] = None,
    query: Annotated[
        str | None, typer.Option(help="The PromQL that gives one number, for --prometheus.")
    ] = None,
) -> None:
    """Give a reading of what is watched in use. A breach is said, opens a finding, and exits with 21."""
    if (value is None) == (prometheus is None) or (prometheus is None) != (query is None):
        raise fail("Give a value, or --prometheus with --query.", 2)
    if prometheus is not None and query is not None:
        value = _asked(prometheus, query)
        say(f"Prometheus says {value}.")
    row = {"metric": metric, "value": value, "at": at}
    accepted = _submit_readings(
        named, [{key: held for key, held in row.items() if held is not None}]
    )
    if accepted[0]["is_breach"]:
        say("Kept: it is a breach, and a finding is open.")
        raise typer.Exit(BREACH)
    say("Kept.")


def readings(
    file: Annotated[
        Path,
        typer.Argument(
            exists=True,
            dir_okay=False,
            help="CSV with the columns model, version, metric, value and at.",
        ),
    ],
) -> None:
    """Give the readings of a table; those of one version are kept together or not at all. The same again changes nothing."""
    groups: dict[str, list[dict[str, Any]]] = {}
    try:
        with file.open(encoding="utf-8-sig", newline="") as opened:
            for line, row in enumerate(csv.DictReader(opened), start=2):
                _add(
                    groups,
                    {
                        str(key or "").strip().casefold(): (held or "").strip()
                        for key, held in row.items()
                        if isinstance(held, str | None)
                    },
                    line,
                )
                if line > MOST_ROWS:
                    raise fail(f"{file.name} has more than {MOST_ROWS:,} rows; give it in parts.")
    except (UnicodeDecodeError, csv.Error):
        raise fail(f"{file.name} is no CSV in UTF-8. Export it again.") from None
    if not groups:
        raise fail(f"{file.name} holds no reading.")
    breaches = number = 0
    for named, rows in groups.items():
        for start in range(0, len(rows), BATCH):
            accepted = _submit_readings(named, rows[start : start + BATCH])
            number += len(accepted)
            breaches += sum(one["is_breach"] for one in accepted)
    say(f"Kept: {number:,} reading{'s' if number != 1 else ''}, {breaches:,} of them a breach.")
    if breaches:
        raise typer.Exit(BREACH)


def _add(groups: dict[str, list[dict[str, Any]]], row: dict[str, str], line: int) -> None:
    missing = [one for one in ("model", "version", "metric", "value", "at") if not row.get(one)]
    if missing:
        raise fail(
            f"Line {line} has no {', '.join(missing)}. The columns are model, version, metric, value and at; nothing was sent."
        )
    named = f"{row['model'].casefold()}:{row['version']}"
    groups.setdefault(named, []).append({key: row[key] for key in ("metric", "value", "at")})


def _submit_readings(named: str, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    from bot.cli.calling import call_once, caller
    from bot.cli.models import split

    model, version = split(named)
    with caller() as api:
        answers: list[dict[str, Any]] = call_once(
            api, "POST", f"/models/{model}/versions/{version}/readings", body=rows
        )
    return answers


def _asked(url: str, query: str) -> str:
    """The one number that a query gives now, as text."""
    from workflows.errors import GovernanceError
    from workflows.sources.prometheus import Prometheus

    prometheus = Prometheus(url)
    try:
        return f"{prometheus.value(query):f}"
    except GovernanceError as error:
        raise fail(f"{error.sentence} Nothing was kept.") from None
    finally:
        prometheus.close()
