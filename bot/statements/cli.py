"""`mlgov verify`, `mlgov keys` and `mlgov statements`: proving approvals away from mlgov, and the keys that do it."""

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from bot.cli.base import act, fail, load_settings, open_database, say

keys_app = typer.Typer(
    help="Make, publish and rotate the key that signs statements.", no_args_is_help=True
)
app = typer.Typer(help="List signed statements; suspend or withdraw one.", no_args_is_help=True)

Out = Annotated[
    Path, typer.Option("--out", help="Where the private key is kept; never the database.")
]
StatementId = Annotated[str, typer.Argument(help="st_…, as `mlgov statements list` shows it.")]


def verify(
    file: Annotated[
        Path, typer.Argument(help="The statement, as `mlgov gate --statement` keeps it.")
    ],
    key: Annotated[
        list[Path],
        typer.Option(
            "--key",
            help="Public keys: PEM, or what GET /api/v1/keys answers; may be given more than once.",
        ),
    ],
    digest: Annotated[str | None, typer.Option(help="It must be about this sha256:….")] = None,
    gate: Annotated[str | None, typer.Option(help="It must be of this gate.")] = None,
    subject: Annotated[str | None, typer.Option(help="It must be about this subject.")] = None,
    environment: Annotated[
        str | None, typer.Option(help="It must be for this environment.")
    ] = None,
    status: Annotated[
        str | None,
        typer.Option(
            "--status", help="Where mlgov is reached, to ask whether it was suspended or withdrawn."
        ),
    ] = None,
    pin: Annotated[
        list[str] | None,
        typer.Option(
            "--pin",
            help="Only this key counts, by its fingerprint (32 hexadecimal digits); may be given more than once.",
        ),
    ] = None,
    at: Annotated[
        str | None, typer.Option(help="Check as of this moment, with its zone; now by default.")
    ] = None,
) -> None:
    """Check a signed statement without asking anybody: exit 0 when it holds, 1 and why when it does not."""
    from workflows.errors import GovernanceError
    from workflows.statements import envelopes
    from workflows.statements.envelopes import Wanted

    moment = _moment(at)
    try:
        public: dict[str, Any] = {}
        retired: dict[str, datetime] = {}
        for path in key:
            text = path.read_text(encoding="utf-8")
            public |= envelopes.load_public_keys(text)
            retired |= envelopes.load_retirements(text)
        envelope = file.read_bytes()
    except OSError as error:
        raise fail(f"{error.filename} cannot be read ({error.strerror}).", 2) from None
    except UnicodeDecodeError:
        raise fail("A key file is no text.", 2) from None
    except GovernanceError as error:
        raise fail(f"--key: {error.sentence}", 2) from None
    if pin:
        pins = {one.strip().lower() for one in pin}
        public = {name: one for name, one in public.items() if name in pins}
        if not public:
            raise fail("--pin: none of the keys given with --key is pinned by it.", 2)
    wanted = Wanted(
        digest=digest.strip().lower() if digest else None,
        gate=gate.replace("-", "_") if gate else None,
        subject=subject,
        environment=environment,
    )
    try:
        verdict = envelopes.check_statement(
            envelope, public, wanted, at=moment, is_now=at is None, retired=retired
        )
    except GovernanceError as error:
        raise fail(f"REFUSED: {error.sentence}") from None
    if status is not None:
        _require_standing(status, verdict.id)
    by = {0: "by rule", 1: "by 1 person"}.get(verdict.deciders, f"by {verdict.deciders} people")
    where = f" for {verdict.environment}" if verdict.environment else ""
    say(
        f"Holds: {verdict.subject} ({verdict.digest[:19]}…) was approved{where} at {verdict.gate} {by}, "
        f"{verdict.decided_at:%d %b %Y %H:%M} UTC; until {verdict.expires_at:%d %b %H:%M} UTC."
    )
    if verdict.entry is not None:
        say(f"It rests on entry {verdict.entry:,} of the ledger.")
    if verdict.ahead:
        say("It is a demonstration's, judged by its own clock: it proves nothing real.")


def _moment(at: str | None) -> datetime:
    if at is None:
        return datetime.now(UTC)
    try:
        moment = datetime.fromisoformat(at)
    except ValueError:
        raise fail(f"--at {at}: write a time like 2026-01-26T09:00Z.", 2) from None
    if moment.tzinfo is None:
        raise fail(f"--at {at}: say the zone too, like 2026-01-26T09:00Z.", 2)
    return moment


def _require_standing(url: str, statement_id: str) -> None:
    import httpx

    from workflows.sources import http
    from workflows.sources.http import CertificatesUnreadable

    try:
        with http.make_client(timeout=15) as client:
            answer = client.get(f"{url.rstrip('/')}/api/v1/statements/{statement_id}")
        state = answer.json().get("state") if answer.status_code == 200 else None
    except CertificatesUnreadable as error:
        raise fail(f"REFUSED: {error.sentence}") from None
    except (httpx.HTTPError, httpx.InvalidURL, ValueError, AttributeError) as error:
        raise fail(
            f"REFUSED: {url} could not be asked ({type(error).__name__}), so it is not known whether the approval still stands."
        ) from None
    if answer.status_code == 404:
        raise fail(f"REFUSED: {url} does not know this statement.")
    if state is None:
        raise fail(
            f"REFUSED: {url} doesn't answer as mlgov does (HTTP {answer.status_code}), so it is not known whether the approval still stands."
        )
    if state != "valid":
        raise fail(f"REFUSED: the statement is {state or 'of unknown standing'}.")


@keys_app.command()
def new(out: Out) -> None:
    """Make a private key in a file of its own, and print its public half."""
    from workflows.statements import envelopes

    key = envelopes.load_private_key(_written(out))
    say(envelopes.public_pem(key.public_key()).rstrip())
    typer.echo(
        f"Key {envelopes.key_id(key.public_key())}. Set MLGOV_SIGNING_KEY_FILE={out} where mlgov runs.",
        err=True,
    )


@keys_app.command()
def publish() -> None:
    """Publish the public half of MLGOV_SIGNING_KEY(_FILE) and print it; `mlgov run` publishes it at its start, too."""
    from bot.settings import SettingsRefused
    from bot.statements import api
    from workflows.statements import envelopes, service

    try:
        key = api.load_key(load_settings())
    except SettingsRefused as error:
        raise fail(str(error)) from None
    if key is None:
        raise fail("MLGOV_SIGNING_KEY_FILE is not set. `mlgov keys new` makes a key.")
    act(service.publish_key, key)
    say(envelopes.public_pem(key.public_key()).rstrip())


@keys_app.command()
def rotate(out: Out) -> None:
    """Make a new key, publish it, and retire the others: what they signed stays provable."""
    from workflows import operations
    from workflows.statements import envelopes, service

    with open_database() as database:
        key = envelopes.load_private_key(_written(out))
        with database.begin() as session:
            ctx = operations.load_context(session)
            kept = service.publish_key(ctx, key)
            retired = service.retire_other_keys(ctx, kept)
    say(envelopes.public_pem(key.public_key()).rstrip())
    typer.echo(
        f"Key {kept}; {retired} retired. Set MLGOV_SIGNING_KEY_FILE={out} and start mlgov again.",
        err=True,
    )


@keys_app.command("list")
def list_keys() -> None:
    """List the keys that were ever published."""
    from workflows.statements import service

    with open_database() as database, database.read() as session:
        keys = service.list_keys(session)
    for key in keys:
        state = f"retired {key.retired_at:%d %b %Y}" if key.retired_at else "in use"
        say(f"{key.key_id}  published {key.published_at:%d %b %Y}, {state}")
    if not keys:
        say("No key is published. `mlgov keys new` makes one.")


def _written(out: Path) -> str:
    from workflows.statements import envelopes

    pem = envelopes.make_private_pem()
    try:
        file = os.open(out, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise fail(f"{out} cannot be made ({error.strerror}). Nothing was changed.") from None
    with os.fdopen(file, "w", encoding="utf-8") as kept:
        kept.write(pem)
    return pem


@app.command("list")
def list_() -> None:
    """List the newest statements and whether they stand."""
    from workflows import clock
    from workflows.statements import service

    with open_database() as database, database.read() as session:
        now = clock.now(session)
        statements = service.list_latest(session)
    for statement in statements:
        say(
            f"{statement.id}  request {statement.approval_id}, {statement.state(now)}, until {statement.expires_at:%d %b %Y %H:%M} UTC"
        )
    if not statements:
        say("No statement was handed out yet.")


@app.command()
def suspend(statement: StatementId) -> None:
    """Let a statement count for nothing until it is resumed."""
    _change("suspend", statement)


@app.command()
def resume(statement: StatementId) -> None:
    """Let a suspended statement count again."""
    _change("resume", statement)


@app.command()
def withdraw(statement: StatementId) -> None:
    """Let a statement count for nothing, for good."""
    _change("withdraw", statement)


def _change(what: str, statement: str) -> None:
    from workflows import operations
    from workflows.statements import service

    verb = {
        "suspend": service.suspend_statement,
        "resume": service.resume_statement,
        "withdraw": service.withdraw_statement,
    }[what]
    with open_database() as database, database.begin() as session:
        ctx = operations.load_context(session)
        record = verb(ctx, statement)
    say(f"{record.id} is {record.state(ctx.now)} now; who checks it with --status hears of it.")
