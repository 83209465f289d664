"""`mlgov migrate`: brings the database to this release's schema, or says what that would take."""

from typing import TYPE_CHECKING, Annotated

import typer

from bot.cli.base import fail, open_database, say

if TYPE_CHECKING:
    from storage.db import Database
    from storage.migrate import Standing, Step


def migrate(
    check: Annotated[
        bool,
        typer.Option(
            "--check",
            help="Change nothing; exit code 1 unless this release runs on the database as it is.",
        ),
    ] = False,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run",
            help="Try every step in one transaction, and undo it. Locks tables meanwhile.",
        ),
    ] = False,
) -> None:
    """Bring the database to this release's schema, in one transaction: all of it, or nothing."""
    if check and dry_run:
        raise fail("Give --check or --dry-run, not both.", 2)
    from storage import migrate as migrations

    with open_database(create=not (check or dry_run), upgrades=False) as database:
        now = migrations.read_standing(database)
        if now.fits:
            say(_at_home(now))
            return
        if check or now.is_newer:
            raise fail(now.problem or "")
        steps = migrations.list_steps(now.revision)
        if dry_run:
            _try(database, now, steps)
            return
        before, after = migrations.upgrade(database, report=_tell)
        if before == after:
            say(f"Somebody else has just brought the database to revision {after}.")
        elif before is None:
            say(f"The database was empty; it is at revision {after} now.")
        else:
            say(f"The database was at revision {before}; it is at {after} now.")


def _at_home(now: "Standing") -> str:
    if now.is_newer:
        return (
            f"The database is at revision {now.revision}, where a newer mlgov brought it. "
            f"This one is of {now.head} and runs on it; there is nothing to do."
        )
    return f"The database is at revision {now.revision}, as this mlgov needs it; there is nothing to do."


def _try(database: "Database", now: "Standing", steps: "list[Step]") -> None:
    from storage import migrate as migrations

    migrations.upgrade(database, keep=False, report=_tell)
    say(f"Tried and undone: the database is still at revision {now.revision or 'none'}.")
    oldest = steps[-1].oldest
    if now.revision is None:
        return
    if now.oldest is not None and oldest <= now.revision:
        say(f"Every mlgov from revision {oldest} on keeps running while and after this is done.")
    else:
        say(
            f"Afterwards only an mlgov of revision {oldest} or newer runs on it. Stop older ones first."
        )


def _tell(step: "Step") -> None:
    say(f"{step.revision}  {step.words}")
