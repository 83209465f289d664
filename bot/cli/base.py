"""What the commands share: settings, the database, and turning refusals into one sentence and an exit code."""

import errno
import hashlib
import json
import logging
import os
import sys
import threading
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Concatenate, ParamSpec, TypeVar

import typer

if TYPE_CHECKING:
    from slack_sdk import WebClient

    from bot.deps import Team
    from bot.settings import Settings
    from storage.db import Database
    from workflows.context import Context
    from workflows.policy import PolicyText
    from workflows.sources.focus import Progress as Read

P = ParamSpec("P")
T = TypeVar("T")

# --- How a command ends when something goes wrong
#
# one sentence and an exit code, and never a traceback. What is expected is said where it is
# known. Here is the last handler: it knows the kinds of trouble that can meet any command, and
# for the rest it says where mlgov broke, under a reference that the same fault always has.

INTERRUPTED = 130
"""What shells give for a program that Ctrl+C ended."""
_ROOT = Path(__file__).parents[2]
_OURS = ("bot", "workflows", "storage", "sandbox")
_FULL = (errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC))


def run_guarded(command: Callable[[], None]) -> int:
    """Run a command; its exit code. Whatever it raises ends as one sentence on standard error."""
    # It logs whole pages that a proxy answers; what is wrong is said here, in words.
    logging.getLogger("slack_sdk.web.base_client").setLevel(logging.CRITICAL)
    before, threading.excepthook = threading.excepthook, _in_thread
    outages = logging.getLogger("storage.db")
    # A command doesn't wait until the database is back: it says why and ends. `mlgov run` turns this on once it runs.
    were_told, outages.disabled = outages.disabled, True
    code = 0
    try:
        try:
            command()
        except SystemExit as error:
            code = _code(error)
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader (`| head`) has gone; Python would complain once more while closing standard output.
        _close_output()
        return 1
    except KeyboardInterrupt:
        return INTERRUPTED
    except Exception as error:
        say_error(error)
        _close_output()
        return 1
    finally:
        threading.excepthook = before
        outages.disabled = were_told
    return code


def _code(error: SystemExit) -> int:
    if error.code is None or isinstance(error.code, int):
        return error.code or 0
    print(error.code, file=sys.stderr)  # noqa: T201 - as Python itself does
    return 1


def _close_output() -> None:
    """Python flushes once more while it ends; what could not be written then is not told twice."""
    try:
        sys.stdout.flush()
    except (OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def say_error(error: BaseException) -> None:
    """The sentence on standard error; with MLGOV_LOG=debug the traceback before it."""
    if _is_debugging():
        traceback.print_exception(error)
    print(describe_error(error), file=sys.stderr, flush=True)  # noqa: T201 - the last word, whatever broke


def _in_thread(args: threading.ExceptHookArgs) -> None:
    if args.exc_value is not None and not isinstance(args.exc_value, SystemExit):
        say_error(args.exc_value)


def _is_debugging() -> bool:
    return os.environ.get("MLGOV_LOG", "").strip().casefold() == "debug"


def describe_error(error: BaseException) -> str:
    """What a person reads about an exception."""
    try:
        known = _known(error)
    except (
        Exception
    ):  # a broken installation cannot load what knows; the sentence has to come all the same
        known = None
    return known or _unexpected(error)


def _known(error: BaseException) -> str | None:
    if isinstance(error, OSError) and error.errno in _FULL:
        return f"{_place(error)}: there's no room left to write. Make room, then run it again."
    if isinstance(error, ModuleNotFoundError) and error.name is not None:
        name = error.name.partition(".")[0]
        if name not in _OURS:
            return f"The library {name} is missing from this installation. Install mlgov again: pip install --force-reinstall mlgov."
    if isinstance(error, MemoryError):
        return "The machine has no memory left for this. Nothing more was done."
    return _of_ours(error) or _of_files(error) or _of_the_api(error)


def _of_the_api(error: BaseException) -> str | None:
    """A command reads the API's answer as mlgov writes it; whoever answers in another shape is no mlgov."""
    calling = sys.modules.get("bot.cli.calling")
    is_stumble = isinstance(error, TypeError | AttributeError | ValueError | LookupError)
    if calling is None or not is_stumble or not calling.Caller.has_answered:
        return None
    return f"{calling.NotMlgov('What came back').sentence} (ref {_reference(error)[1]})"


def _of_ours(error: BaseException) -> str | None:
    from workflows.errors import GovernanceError

    if isinstance(error, GovernanceError):
        return error.sentence
    from bot.settings import SettingsRefused

    if isinstance(error, SettingsRefused):
        return str(error)
    from slack_sdk.errors import SlackApiError, SlackClientError

    if isinstance(error, SlackApiError | SlackClientError):
        from bot.slack import errors

        return errors.describe_refusal(error, "SLACK_BOT_TOKEN", "Slack's API")
    from httpx import HTTPError, InvalidURL

    if isinstance(error, HTTPError | InvalidURL):
        return f"A server can't be reached ({type(error).__name__}). `mlgov doctor` says which."
    from bot import opening

    return opening.describe_error(error)


def _of_files(error: BaseException) -> str | None:
    if not isinstance(error, OSError) or error.strerror is None:
        return None
    if error.filename is None:
        return None
    return f"{_place(error)}: {error.strerror}. Check the path, and that this user may use it."


def _place(error: OSError) -> str:
    return str(error.filename) if error.filename is not None else "The disk"


def _unexpected(error: BaseException) -> str:
    place, reference = _reference(error)
    return (
        f"mlgov broke where it shouldn't: {type(error).__name__} at {place} (ref {reference}). "
        "MLGOV_LOG=debug shows all of it; please report it with the reference."
    )


def _reference(error: BaseException) -> tuple[str, str]:
    """Where in mlgov it broke, and what names this fault: the same each time it breaks there in the same way."""
    frames = traceback.extract_tb(error.__traceback__)
    places = [f"{_relative(one.filename)}:{one.lineno}" for one in frames]
    ours = [place for place in places if place.startswith(_OURS)]
    marks = "\n".join([type(error).__name__, *ours])
    reference = hashlib.sha256(marks.encode()).hexdigest()[:6]
    return ours[-1] if ours else "a library", reference


def _relative(file: str) -> str:
    try:
        return str(Path(file).relative_to(_ROOT))
    except ValueError:
        return ""


# --- Progress bars on a terminal; silence elsewhere

Report = Callable[["Read"], None]


@contextmanager
def reading(is_shown: bool) -> Iterator[Report | None]:
    """A bar over the bytes of all files while the block runs."""
    if not is_shown:
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("reading")

        def report(read: "Read") -> None:
            bar.update(
                task, completed=read.bytes_done, total=read.bytes_total, description=read.file[-40:]
            )

        yield report


@contextmanager
def counting(shown: bool) -> Iterator[Callable[[int, int], None]]:
    """A bar over the rows of a table, from the first ones that are written on."""
    if not shown:
        yield lambda done, total: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("writing rows", visible=False)
        yield lambda done, total: bar.update(task, completed=done, total=total, visible=True)


# --- What the commands share
#
# settings, the database, and turning refusals into one sentence and an exit code.

Json = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]


def say(text: str = "") -> None:
    """A line on standard output."""
    typer.echo(text)


def say_json(value: object, *, ensure_ascii: bool = False) -> None:
    """What programs read, over several lines."""
    say(json.dumps(value, indent=2, ensure_ascii=ensure_ascii))


def print_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """A table as wide as the terminal; cells may hold rich's markup."""
    from rich.console import Console
    from rich.table import Table

    table = Table(*columns)
    for row in rows:
        table.add_row(*row)
    Console().print(table)


def connect_slack() -> "tuple[Settings, WebClient, Team]":
    """The settings, Slack, and where the token is of, as Slack tells."""
    from bot.settings import SettingsRefused
    from bot.slack import installation

    read = load_settings()
    try:
        slack = installation.client(read, timeout=10)
        return read, slack, installation.load_team(read, slack)
    except SettingsRefused as error:
        raise fail(str(error)) from None


def fail(sentence: str, code: int = 1) -> "typer.Exit":
    """Say why on standard error; raise what this returns."""
    typer.echo(sentence, err=True)
    return typer.Exit(code)


def load_settings(**given: object) -> "Settings":
    """The settings from the environment."""
    from bot import settings as module

    try:
        return module.read(dict(os.environ), **given)
    except module.SettingsRefused as error:
        raise fail(str(error)) from None


def list_unknown_settings() -> list[str]:
    """A sentence about each `MLGOV_` name in the environment that is no setting."""
    from bot import settings as module

    return module.unknown_names(os.environ)


@contextmanager
def open_database(
    *, create: bool = False, upgrades: bool = True, team: "Team | None" = None
) -> "Iterator[Database]":
    """The governance database at this release's schema; with `create`, made or upgraded when it is not.

    Without `upgrades` it is at whatever revision it is. With `team`, where the token is of, another organisation's
    database is refused before anything is written.
    """
    from bot import opening
    from bot.background import keep_loaded
    from workflows.errors import GovernanceError

    try:
        database = opening.build(load_settings())
    except GovernanceError as error:
        raise fail(error.sentence) from None
    try:
        with opening.translate_errors(database.url):
            database.hold_host()
            if team is not None:
                _require(database, team)
            _ready(database, create=create, upgrades=upgrades)
            keep_loaded()
            yield database
    except GovernanceError as error:
        raise fail(error.sentence) from None
    finally:
        database.close()


def act(verb: "Callable[Concatenate[Context, P], T]", *args: P.args, **kwargs: P.kwargs) -> T:
    """Do `verb(ctx, …)` as the operator in one transaction, repeated where another came between. A refusal ends the
    command."""
    from workflows import operations

    with open_database() as database:
        return database.run(lambda session: verb(operations.load_context(session), *args, **kwargs))


def _require(database: "Database", team: "Team") -> None:
    from bot import opening

    if not _is_missing(database):
        opening.require(database, team)


def _is_missing(database: "Database") -> bool:
    name = database.url.database
    return database.is_sqlite and bool(name) and not Path(str(name)).exists()


def _ready(database: "Database", *, create: bool, upgrades: bool) -> None:
    """Only commands that fill a database upgrade it: whoever looks at a list must not change what replicas run on."""
    from storage import migrate

    if _is_missing(database) and not create:
        raise fail(
            f"There is no database at {database.url.database}. Set MLGOV_DATABASE_URL, or make one by `mlgov run`, `mlgov migrate` or an import."
        )
    if not upgrades:
        return
    problem = migrate.read_standing(database).problem
    if problem is not None and not create:
        raise fail(problem)
    migrate.upgrade(database)
    from bot.people import erasure

    # Whoever fills a database may tell of people.
    (erasure.attach if create else erasure.attach_known)(database, load_settings())


def load_policy_text() -> "PolicyText":
    """The policy in force in the database, by which every replica goes; before there is one, the file that MLGOV_POLICY
    names, or ./governance.yml."""
    from workflows import policy
    from workflows.errors import GovernanceError

    read = load_settings()
    place = read.mlgov_policy
    is_missing = "mlgov_policy" in read.model_fields_set and not place.exists()
    if not is_missing and (applied := _policy_in_force()) is not None:
        return applied
    try:
        return policy.load(place)
    except GovernanceError as error:
        raise fail(error.sentence) from None


def _policy_in_force() -> "PolicyText | None":
    """What `mlgov run` or `mlgov policy apply` put in force last; None where there is no database, or none in it."""
    from workflows.policies import service

    if not _has_tables():
        return None
    with open_database() as database, database.read() as session:
        version = service.in_force(session)
        return None if version is None else service.text(session, version)


def _has_tables() -> bool:
    from bot import opening
    from storage import migrate
    from workflows.errors import GovernanceError

    try:
        database = opening.build(load_settings())
        if database.is_sqlite and not Path(database.url.database or "").exists():
            return False
        try:
            with opening.translate_errors(database.url):
                return migrate.read_revision(database) is not None
        finally:
            database.close()
    except GovernanceError as error:
        raise fail(error.sentence) from None


def find_org_key(database: "Database") -> str:
    """The organisation this database governs: as `mlgov run` learned it from Slack, or as the tokens tell now."""
    from storage import runtime

    with database.read() as session:
        known = runtime.facts(session).get("org_key")
    if known:
        return str(known)
    token = load_settings().slack_bot_token
    if token is None:
        raise fail(
            "This database has not met its Slack workspace yet: set SLACK_BOT_TOKEN, or start `mlgov run` once."
        )
    from bot import opening
    from bot.slack import installation
    from workflows.people.organisation import adopt

    team = installation.load_team(load_settings())
    with database.begin() as session:
        adopt(session, opening.of(team))
    return team.org_key


def is_terminal() -> bool:
    """Whether a person watches: progress bars and colours go to terminals alone."""
    return sys.stderr.isatty()
