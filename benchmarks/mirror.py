"""The first start in a large workspace that exists already, under Slack's limits: how long until mlgov is ready."""

import tempfile
from pathlib import Path
from typing import Any

from benchmarks import office
from benchmarks.report import Ratio, Report
from bot import installed
from sandbox.server import Sandbox
from sandbox.world import World
from storage.db import Database
from storage.people import readings

AIM_SECONDS = 180.0


def run(*, small: bool) -> Report:
    """One start on an empty SQLite database, with Slack's own limits on."""
    people, rooms = (300, 20) if small else (20_000, 5_000)
    report = Report(
        "mirror",
        f"A first start: {people:,} people, {rooms:,} channels that mlgov is in, Slack's limits",
        ("from the process's start", "seconds", "429s", "MB, bot"),
    )
    limits = office.CountedLimits()
    world = World.from_dict(_organisation(people, rooms))
    with (
        Sandbox(world, installed.load_manifest(), limits=limits) as sandbox,
        tempfile.TemporaryDirectory(prefix="mlgov-bench-") as folder,
    ):
        limits.is_on = True
        url = f"sqlite:///{Path(folder) / 'mlgov.db'}"
        given = office.Slack(sandbox).settings(url, Path(folder))
        with office.bot(given) as server:
            ready, megabytes = server.seconds_to_ready, server.megabytes()
        refused = sum(limits.refused.values())
        _check(url, people, rooms)
    report.rows.append(("until ready", ready, refused, megabytes))
    report.ratios.append(Ratio("first start, of three minutes", ready / AIM_SECONDS, 1.0))
    report.raw = {"seconds": ready, "refused": dict(limits.refused)}
    report.notes.append("429s are expected: Slack allows 20 pages of people a minute")
    return report


def _organisation(people: int, rooms: int) -> dict[str, Any]:
    base = office.organisation(0)
    known = len(base["users"])
    base["users"] += [
        {
            "id": f"U1{number:06}",
            "name": f"person-{number}",
            "real_name": f"Person {number}",
            "email": f"person-{number}@acme.test",
            "team": office.TEAM,
        }
        for number in range(people - known)
    ]
    base["channels"] += [
        {
            "id": f"C1{number:06}",
            "name": f"channel-{number}",
            "members": [office.ADMIN],
            "app": True,
        }
        for number in range(rooms - len(base["channels"]))
    ]
    return base


def _check(url: str, people: int, rooms: int) -> None:
    database = Database(url)
    try:
        with database.read() as session:
            standing = readings.read_standing(session)
    finally:
        database.close()
    if (standing["people"].entries, standing["channels"].entries) != (people + 1, rooms):
        raise RuntimeError("not everybody was read")
