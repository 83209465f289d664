"""`mlgov backup` and `mlgov restore`: a copy of the governance database, and the way back from one."""

import json
import os
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bot.cli.base import Json, connect_slack, fail, load_settings, open_database, say, say_json

if TYPE_CHECKING:
    from sqlalchemy.engine import URL

    from storage.backup import Contents
    from storage.db import Database
    from storage.migrate import Standing, Step
    from workflows.audit.service import Kept
    from workflows.people.organisation import Plan

ELSEWHERE = 3
"""The exit code of what another program has to do: the commands to run were printed."""

_KEYS = (
    "SLACK_BOT_TOKEN",
    "SLACK_APP_TOKEN",
    "SLACK_SIGNING_SECRET",
    "MLGOV_SIGNING_KEY",
    "MLGOV_WEBHOOK_KEY",
    "MLGOV_ERASURE_KEY",
    "MLGOV_MLFLOW_TOKEN",
    "MLGOV_MLFLOW_PASSWORD",
    "MLGOV_MLFLOW_WEBHOOK_SECRET",
    "MLGOV_PROMETHEUS_TOKEN",
)


def register(app: typer.Typer) -> None:
    """Add these commands to the top of `mlgov`."""
    app.command()(backup)
    app.command()(restore)


def backup(
    file: Annotated[Path, typer.Argument(help="Where the copy is written; not there yet.")],
    force: Annotated[
        bool, typer.Option("--force", help="Write over a copy that is there.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Copy the database into one file, while mlgov runs. Exit 3 for PostgreSQL: it prints what to run."""
    from bot import failpoints
    from storage import backup as copies

    url = _url()
    if url.get_backend_name() != "sqlite":
        _say_dump(url, file)
        raise typer.Exit(ELSEWHERE)
    database = _sqlite_file(url)
    if copies.is_same_file(file, database):
        raise fail(f"{file} is the database itself; name another file for its copy.")
    if file.is_dir():
        raise fail(f"{file} is a folder; name a file in it.")
    if file.exists() and not force:
        raise fail(f"{file} is there already; --force writes over it.")
    with _host_held(url):
        try:
            contents = copies.write(database, file, probe=failpoints.hit)
        except copies.Unusable as error:
            raise fail(str(error)) from None
    broken = copies.find_ledger_fault(file)
    if as_json:
        say(json.dumps(_as_json(file, contents, broken)))
    else:
        say(f"{file} is a copy of {database}: {_describe_contents(contents)}.")
        for line in _lacks():
            say(line)
    if broken is not None:
        raise fail(
            f"The copy is written, but the ledger in it does not hold: {broken}. `mlgov audit verify` tells more."
        )


def restore(
    file: Annotated[
        Path | None, typer.Argument(help="The copy, as `mlgov backup` wrote it.")
    ] = None,
    mark: Annotated[
        bool,
        typer.Option(
            "--mark",
            help="No file: the database is a copy already, put there by pg_restore or by hand. Say so.",
        ),
    ] = False,
    force: Annotated[
        bool,
        typer.Option(
            "--force",
            help="Take the copy although its ledger does not hold, or it is of another organisation.",
        ),
    ] = False,
) -> None:
    """Put a copy in the database's place; what is there now is kept aside. Exit 3 for PostgreSQL: it prints what to run."""
    url = _url()
    if mark == (file is not None):
        raise fail("Name the copy, or give --mark and no file.", 2)
    if mark:
        _mark(url)
        return
    assert file is not None  # noqa: S101 - one of the two was given
    if url.get_backend_name() != "sqlite":
        _say_pg_restore(url, file)
        raise typer.Exit(ELSEWHERE)
    _restore(url, file, force=force)


def _restore(url: "URL", file: Path, *, force: bool) -> None:
    from storage import backup as copies
    from workflows.errors import GovernanceError

    if not url.database or url.database == ":memory:":
        raise fail("MLGOV_DATABASE_URL names no file; write one like sqlite:///mlgov.db.")
    database = Path(url.database)
    if copies.is_same_file(file, database):
        raise fail(f"{file} is the database itself; name a copy of it.")
    if not database.absolute().parent.is_dir():
        raise fail(f"There is no folder {database.absolute().parent}.")
    try:
        with _host_held(url):
            pass
        with copies.hold_alone(database):
            _replace(file, database, force=force)
    except copies.InUse:
        raise fail(
            f"{database} is in use by another process. Stop mlgov, and whatever else has it open, then restore."
        ) from None
    except copies.Unusable as error:
        raise fail(str(error)) from None
    except GovernanceError as error:
        raise fail(f"{error.sentence} Nothing was restored.") from None
    except OSError as error:
        raise fail(f"{database} cannot be replaced ({error.strerror}).") from None


def _replace(file: Path, database: Path, *, force: bool) -> None:
    from datetime import UTC, datetime

    from bot import failpoints
    from storage import backup as copies

    kept = _anchored()
    present = copies.read_facts(database) if database.exists() else None
    staged = copies.stage(file, database)
    try:
        contents = copies.read_contents(staged, called=str(file))
        _check_ledger(staged, file, kept, force=force)
        theirs = copies.read_facts(staged)
        orgs = {one[1] for one in (present, theirs) if one is not None and one[1]}
        if len(orgs) > 1 and not force:
            raise fail(
                f"{file} is a copy of another organisation's database ({' and '.join(sorted(orgs))} differ). --force takes it all the same."
            )
        known = max(kept.known if kept else 0, present[0] if present else 0)
        erased = _make_ready(staged, database, kept, known)
        failpoints.hit("restore.staged")
        aside = copies.swap(staged, database, now=datetime.now(UTC), probe=failpoints.hit)
    finally:
        copies.clear(staged)
    say(f"{database} is the copy {file} now: {_describe_contents(contents)}.")
    if aside is not None:
        say(f"What was there before is kept as {aside}; remove it when nobody needs it.")
    ends = f"{contents.last_at:%a %d %b %Y, %H:%M} UTC" if contents.last_at else "its start"
    for line in _describe_restore(kept, present, contents.entries, ends, erased):
        say(line)
    _note(database)
    say(_NEXT)


_NEXT = (
    "Next: `mlgov run`, which sends nothing yet; `mlgov outbox review` shows what waits and what stands in Slack already, "
    "and `mlgov outbox release` lets it go. The keys of the environment and the policy file are not in a copy."
)


def _anchored() -> "Kept | None":
    """What the anchor keeps; None without one. A restore does not go on while it cannot be read."""
    from bot import anchor
    from workflows.errors import GovernanceError

    place = load_settings().mlgov_anchor
    if place is None:
        return None
    try:
        return anchor.read(place)
    except GovernanceError as error:
        raise fail(
            f"{error.sentence} It says who was erased after the copy, so nothing was restored. Unset MLGOV_ANCHOR to go on without it."
        ) from None


def _check_ledger(staged: Path, file: Path, kept: "Kept | None", *, force: bool) -> None:
    from sqlalchemy.exc import SQLAlchemyError

    from storage import backup as copies
    from storage import ledger

    try:
        with copies.open_copy(staged) as session:
            entries = ledger.head(session).seq
            agreed = [
                ledger.Head(seq, digest)
                for seq, digest in (kept.heads if kept else ())
                if seq <= entries
            ]
            broken = ledger.verify(session, agreed)
    except SQLAlchemyError as error:
        raise fail(f"The ledger in {file} cannot be read ({type(error).__name__}).") from None
    if broken is not None and not force:
        raise fail(
            f"The ledger in {file} does not hold: {broken.reason}. Take another copy, or --force this one."
        )


def _make_ready(staged: Path, database: Path, kept: "Kept | None", known: int) -> int:
    """Bring the copy to this release, mark it, and erase from it whom it still knows; how many people that was."""
    from bot import opening
    from bot.people import erasure
    from storage import backup as copies
    from storage import migrate as storage_migrate
    from storage.db import Database
    from workflows.audit.service import Kept, NotedErasure

    erasures = {one.person_id: one for one in (kept.erasures if kept else ())}
    for gone in (copies.list_erased(database) if database.exists() else None) or ():
        erasures.setdefault(gone[0], NotedErasure(*gone))
    opened = Database(f"sqlite:///{staged}")
    try:
        storage_migrate.upgrade(opened)
        erasure.attach(opened, load_settings(), beside=database)
        opening.mark(opened, known_seq=known)
        erased = opening.replay(opened, Kept(erasures=tuple(erasures.values())))
    finally:
        opened.close()
    copies.fold_log(staged)
    return erased


def _describe_restore(
    kept: "Kept | None",
    present: "tuple[int, str | None] | None",
    entries: int,
    ends: str,
    erased: int,
) -> list[str]:
    lines = []
    if kept is not None and kept.known > entries:
        lines.append(
            f"The anchor knows {kept.known:,} entries, the copy has {entries:,}: what happened since {ends} is not in it."
        )
    elif present is not None and present[0] > entries:
        lines.append(
            f"The database before had {present[0]:,} entries, the copy has {entries:,}: what happened since {ends} is not in it."
        )
    elif kept is not None:
        lines.append(f"Nothing that the anchor knows is missing in the copy, which ends {ends}.")
    else:
        lines.append(f"What happened since {ends} is not in it.")
    if erased:
        lines.append(
            f"{_count_words(erased, 'person', 'people')} who {'was' if erased == 1 else 'were'} erased after the copy {'is' if erased == 1 else 'are'} erased from it once more."
        )
    if kept is None:
        lines.append(
            "No anchor is set, so nobody can tell what else it lacks or who was erased after it, but for what the database before "
            "knew. Set MLGOV_ANCHOR to a file on another disk or an address."
        )
    return lines


def _note(database: Path) -> None:
    """Tell the anchor that the ledger goes on from the copy's end."""
    from bot import opening
    from storage.db import Database

    place = load_settings().mlgov_anchor
    if place is None:
        return
    opened = Database(f"sqlite:///{database}")
    try:
        opening.note(opened, place)
    finally:
        opened.close()


def _mark(url: "URL") -> None:
    from bot import opening
    from bot.cli.base import open_database
    from bot.people import erasure
    from storage import backup as copies
    from storage.enums import HoldReason
    from workflows.delivery import holding as holds

    if url.get_backend_name() == "sqlite":
        try:
            with copies.hold_alone(_sqlite_file(url)):
                pass
        except copies.InUse:
            raise fail(
                f"{url.database} is in use by another process. Stop mlgov, then mark it."
            ) from None
    kept = _anchored()
    with open_database() as database:
        erasure.attach(database, load_settings())
        with database.read() as session:
            hold = holds.find_current(session)
        if hold is not None and hold.why is HoldReason.RESTORED:
            raise fail(f"It is marked already. {opening.describe_hold(hold)} {opening.NEXT}")
        hold = opening.mark(database, known_seq=kept.known if kept else 0)
        done = opening.reconcile(database, load_settings().mlgov_anchor)
    ends = f"{hold.window.governed_from:%a %d %b %Y, %H:%M} UTC"
    say(f"The database is marked as a restored copy of {hold.copy_seq:,} entries.")
    for line in _describe_restore(kept, None, hold.copy_seq, ends, done.erased):
        say(line)
    say(_NEXT)


def _say_pg_restore(url: "URL", file: Path) -> None:
    from shlex import quote

    say("The database is PostgreSQL's, whose own program brings it back:")
    say()
    say("  1. stop every mlgov")
    say(
        f"  2. createdb --maintenance-db={_libpq(url.set(database='postgres'))} {quote(f'{url.database}_restored')}"
    )
    say(
        f"  3. pg_restore --exit-on-error --no-owner --dbname={_libpq(url.set(database=f'{url.database}_restored'))} {quote(str(file))}"
    )
    say(
        f"  4. let MLGOV_DATABASE_URL name {url.database}_restored; the database before stays as it is"
    )
    say("  5. mlgov restore --mark")
    say()
    say(
        "The last step compares it with the anchor, erases whom it still knows though they were erased, and holds everything "
        "back until `mlgov outbox release`, so that nothing is sent twice."
    )


def _url() -> "URL":
    from sqlalchemy.exc import ArgumentError

    from storage.db import normalise_url

    try:
        return normalise_url(load_settings().mlgov_database_url.get_secret_value())
    except ArgumentError:
        raise fail(
            "MLGOV_DATABASE_URL is no database URL; write one like sqlite:///mlgov.db."
        ) from None


def _sqlite_file(url: "URL") -> Path:
    if not url.database or url.database == ":memory:":
        raise fail("MLGOV_DATABASE_URL names no file; write one like sqlite:///mlgov.db.")
    path = Path(url.database)
    if not path.exists():
        raise fail(
            f"There is no database at {path}. Set MLGOV_DATABASE_URL, or make one by `mlgov run` or an import."
        )
    return path


def _describe_contents(contents: "Contents") -> str:
    if contents.last_at is None:
        ledger = "an empty ledger"
    else:
        ledger = f"the ledger up to entry {contents.entries:,} of {contents.last_at:%a %d %b %Y, %H:%M} UTC"
    return (
        f"{_count_words(contents.people, 'person', 'people')}, {_count_words(contents.requests, 'request')}, {ledger}, "
        f"{_size(contents.size)}, revision {contents.revision}"
    )


def _count_words(number: int, word: str, words: str | None = None) -> str:
    return f"{number:,} {word if number == 1 else words or word + 's'}"


def _size(size: int) -> str:
    for unit, bytes_ in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if size >= bytes_:
            return f"{size / bytes_:.1f} {unit}"
    return f"{size} bytes"


def _lacks() -> list[str]:
    """What a copy of the database does not hold, as far as this environment tells."""
    from bot.people import erasure

    read = load_settings()
    keys = [name for name in _KEYS if os.environ.get(name)]
    files = [
        f"{name}_FILE ({os.environ[f'{name}_FILE']})"
        for name in _KEYS
        if os.environ.get(f"{name}_FILE")
    ]
    named = ", ".join(keys + files) or "SLACK_BOT_TOKEN, MLGOV_SIGNING_KEY and the like"
    lines = [
        "It holds names and reasons in clear; keep it where only operators read.",
        f"Not in it, so keep these elsewhere: the tokens and keys of the environment ({named}) and the policy file {read.mlgov_policy}.",
    ]
    if (key := erasure.find_file(read, _url())) is not None:
        lines.append(
            f"Nor {key}, the key by which people who were erased are known again: keep it where keys are kept, apart from the copies."
        )
    if read.mlgov_anchor is not None:
        lines.append(
            f"Nor the anchor {read.mlgov_anchor}: it says what a copy lacks, and who was erased after it. Keep it apart from the copies."
        )
    else:
        lines.append(_NO_ANCHOR)
    return lines


_NO_ANCHOR = (
    "No anchor is set: after a restore nobody can tell what the copy lacks, and people who were erased after it come back. "
    "Set MLGOV_ANCHOR to a file on another disk or an address."
)


def _as_json(file: Path, contents: "Contents", broken: str | None) -> dict[str, object]:
    return {
        "file": str(file),
        "revision": contents.revision,
        "people": contents.people,
        "requests": contents.requests,
        "entries": contents.entries,
        "last_at": contents.last_at.isoformat() if contents.last_at else None,
        "bytes": contents.size,
        "ledger_fault": broken,
    }


@contextmanager
def _host_held(url: "URL") -> Iterator[None]:
    """Refuse a SQLite file that another machine has open."""
    from bot.settings import explain_another_host
    from storage.db import AnotherHost, Database

    database = Database(url)
    try:
        database.hold_host()
        yield
    except AnotherHost as error:
        raise fail(explain_another_host(error.host)) from None
    finally:
        database.close()


def _libpq(url: "URL") -> str:
    """The URL as PostgreSQL's own programs take it, without the password."""
    bare = url.set(drivername="postgresql")._replace(password=None)
    bare = bare.difference_update_query(["password"])
    return shlex.quote(bare.render_as_string(hide_password=False))


def _say_dump(url: "URL", file: Path) -> None:
    say("The database is PostgreSQL's, whose own program copies it while mlgov runs:")
    say()
    say(f"  pg_dump --format=custom --no-owner --file={shlex.quote(str(file))} {_libpq(url)}")
    say()
    if url.password:
        say(
            "The password is left out: pg_dump takes it from PGPASSWORD or ~/.pgpass. pg_dump must not be older than the server."
        )
    else:
        say("pg_dump must not be older than the server.")
    for line in _lacks():
        say(line)


# --- `mlgov migrate`
#
# brings the database to this release's schema, or says what that would take.


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


# --- `mlgov organisation`
#
# whose the database is, and moving it into the Enterprise Grid that its workspace joined.

app = typer.Typer(
    help="Show whose this database is, or move it into the Enterprise Grid that its workspace joined.",
    invoke_without_command=True,
)


@app.callback()
def show(context: typer.Context, as_json: Json = False) -> None:
    """Show whose this database is, or move it into the Enterprise Grid that its workspace joined."""
    if context.invoked_subcommand is not None:
        return
    from workflows.people import organisation

    with open_database() as database, database.read() as session:
        here = organisation.find_organisation(session)
        behind = organisation.count_left_behind(session, here) if here else 0
    if as_json:
        output = {
            "organisation": here.org_key if here else None,
            "before": list(here.was) if here else [],
            "left_behind": behind,
        }
        say_json(output, ensure_ascii=True)
        return
    if here is None:
        say("This database has met no organisation yet: `mlgov run` introduces it.")
        return
    what = "the Enterprise Grid" if here.org_key.startswith("E") else "the workspace"
    before = f"; before, {', '.join(here.was)}" if here.was else ""
    say(f"This database governs {what} {here.org_key}{before}.")
    if behind:
        say(
            f"{_count_people(behind)} still {'stands' if behind == 1 else 'stand'} under {here.team_id}, as before it joined the "
            "Grid. `mlgov organisation move --dry-run` says what it would take to bring them over."
        )


@app.command()
def move(
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would happen, and change nothing.")
    ] = False,
    leave_unknown: Annotated[
        bool,
        typer.Option(
            "--leave-unknown",
            help="Move without active members whom Slack doesn't know in the Grid; they count as having left.",
        ),
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Carry everybody over to the Enterprise Grid that the workspace joined: they stay who they are. Stop mlgov first."""
    from bot.opening import Mover
    from workflows.people.organisation import unmapped_words

    _, slack, team = connect_slack()
    with open_database() as database:
        mover = Mover(database, slack, team)
        plan = mover.plan()
        for line in _describe_plan(plan):
            say(line)
        if plan.unmapped and not leave_unknown:
            if not dry_run:
                raise fail(unmapped_words(plan.unmapped))
            say(unmapped_words(plan.unmapped))
        if dry_run:
            say("Nothing was changed.")
            return
        if not yes and not typer.confirm(
            f"Move {plan.was} to {plan.now}? mlgov has to be stopped meanwhile.", err=True
        ):
            raise fail("Nothing was moved.")
        done = mover.move(leaves=leave_unknown)
    say(
        f"{done.was} is {done.now} now: {_count_people(len(done.ids))} stayed who they were. Start mlgov; it reads Slack anew first."
    )


def _count_people(count: int) -> str:
    from workflows.wording import counted

    return counted(count, "person", "people")


def _describe_plan(plan: "Plan") -> list[str]:
    from workflows.wording import counted

    stay = "stays" if len(plan.ids) == 1 else "stay"
    lines = [
        f"{plan.was} → {plan.now}: {_count_people(len(plan.ids))} would be called by the Grid's ids, and {stay} who they are: what "
        "they asked, decided and own stays theirs."
    ]
    if plan.joined:
        lines.append(
            f"{counted(plan.joined, 'entry', 'entries')} would become one with another: Slack says that they're the same person."
        )
    if plan.kept:
        lines.append(
            f"Slack doesn't know {counted(plan.kept, 'leaver or bot', 'leavers and bots')} in the Grid; they keep the ids "
            "that they have."
        )
    if plan.unmapped:
        listed = ", ".join(plan.unmapped[:20])
        more = f" and {len(plan.unmapped) - 20} more" if plan.unmapped[20:] else ""
        lines.append(f"Slack doesn't know these active members in the Grid: {listed}{more}.")
    if plan.others:
        lines.append(
            f"{counted(plan.others, 'entry', 'entries')} of files and programs, who aren't in Slack, would come along."
        )
    lines.append(
        f"{counted(plan.groups, 'user group')} and {counted(plan.channels, 'channel')} would be read anew. "
        f"{counted(plan.waiting, 'request')} that {'waits goes' if plan.waiting == 1 else 'wait go'} on."
    )
    if plan.erased:
        lines.append(
            f"{_count_people(plan.erased)} who {'was' if plan.erased == 1 else 'were'} erased would be known by the Grid's ids, too, "
            "and stay away."
        )
    if plan.erased_unknown:
        lines.append(
            f"Slack doesn't list {_count_people(plan.erased_unknown)} who {'was' if plan.erased_unknown == 1 else 'were'} erased. "
            "They stay away as long as Slack calls them by the id or the address that they had; whoever it calls by another "
            "id comes back as somebody new."
        )
    return lines
