"""`mlgov people`: erase a person, export what is kept about one, go on without a lost key."""

from typing import TYPE_CHECKING, Annotated

import typer

from bot.cli.base import fail, load_policy_text, load_settings, open_database, say
from workflows.wording import counted

if TYPE_CHECKING:
    from storage.db import Database
    from workflows.policy import Policy

app = typer.Typer(help="Erase a person, or export what is kept about one.", no_args_is_help=True)

PersonId = Annotated[
    str, typer.Argument(help="The opaque id (p_…), the Slack id, or the e-mail address.")
]


@app.command()
def erase(
    person: PersonId, yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False
) -> None:
    """Remove a person's identity and words. Decisions stay, under an opaque id, and the ledger still verifies."""
    from bot.people import erasure
    from workflows import operations
    from workflows.people import service
    from workflows.wording import counted

    with open_database() as database:
        erasure.attach(database, load_settings())
        with database.read() as session:
            account = service.look_up(session, person)
        if not yes and not typer.confirm(
            f"Erase {account.name} ({account.id})? This cannot be undone.", err=True
        ):
            raise fail("Nothing was erased.")
        with database.begin(patient=True) as session:
            report = service.erase(operations.load_context(session), account.id)
        left = erasure.wipe(database)
    say(
        f"{account.id} is erased: {counted(report.texts, 'text')}, {counted(report.memberships, 'membership')}, and the identity are gone."
    )
    if account.slack_id is not None and not account.is_deactivated:
        say(
            f"They are active in Slack as far as mlgov knows: when it reads Slack next, {account.id} has the name from there again."
        )
    if report.owned_projects:
        say(
            f"These projects still name {account.id} and want somebody else: {', '.join(report.owned_projects)}."
        )
    if report.named_in_policy:
        say(
            "A policy names them by Slack id, the one in force or one before: take them out of the file, and apply it."
        )
    for other in report.same_address:
        say(
            f"{other} has the same e-mail address and is not erased: if that's the same person, erase {other}, too."
        )
    for sentence in left:
        say(sentence)


@app.command()
def wipe() -> None:
    """Write a SQLite file anew and empty its log, so that nothing of who was erased is left in them."""
    from bot.people import erasure

    with open_database() as database:
        for sentence in erasure.wipe(database):
            say(sentence)


@app.command()
def new_key(yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False) -> None:
    """Go on without the lost key of erased people. Those who left come back when Slack or a file tells of them."""
    from bot.people import erasure
    from storage.people import erasure as stored
    from workflows import operations
    from workflows.people import erasure as people_erasure
    from workflows.wording import counted

    with open_database() as database:
        with database.read() as session:
            people = stored.read_standing(session).people
        if not yes and not typer.confirm(
            f"Give up the key by which {counted(people, 'erased person is', 'erased people are')} known? This cannot be undone.",
            err=True,
        ):
            raise fail("Nothing was changed.")
        key, place = erasure.renew(database, load_settings())
        with database.begin(patient=True) as session:
            people = people_erasure.start_anew(operations.load_context(session), key)
    where = f"in {place}" if place else "in MLGOV_ERASURE_KEY"
    who = (
        "1 person who was erased before is a stranger to mlgov: erase them again when Slack brings them back."
        if people == 1
        else f"{people:,} people who were erased before are strangers to mlgov: erase them again when Slack brings them back."
    )
    say(
        f"The key {where} counts from now on. {who if people else 'Nobody was erased under the one before.'}"
    )
    say("Start mlgov again wherever it runs.")


@app.command()
def export(person: PersonId) -> None:
    """Print everything that is kept about a person, as JSON."""
    import json

    from workflows.people import service

    with open_database() as database, database.read() as session:
        account = service.look_up(session, person)
        say(
            json.dumps(
                service.export(session, account.id), indent=2, ensure_ascii=False, default=str
            )
        )


# --- `mlgov sync`
#
# reading Slack now.

PATIENCE = 300.0
"""Seconds for which another process that reads is waited for."""


def sync(
    accept: Annotated[
        bool,
        typer.Option(
            "--accept", help="Whoever Slack no longer lists has left, however many they are."
        ),
    ] = False,
) -> None:
    """Read people, user groups and channels from Slack now, as a running mlgov does at its start and every hour."""
    from bot import logs, opening
    from bot.people import mirroring
    from bot.settings import SettingsRefused
    from bot.slack import installation
    from workflows.people.organisation import adopt

    read = load_settings()
    logs.configure(read.mlgov_log, read.mlgov_log_format)
    try:
        slack = installation.client(read, timeout=10)
        team = installation.load_team(read, slack)
    except SettingsRefused as error:
        raise fail(str(error)) from None
    with open_database(create=True, team=team) as database:
        policy = _policy(database)
        with database.begin() as session:
            adopt(session, opening.of(team))
        directory = mirroring.build_directory(slack, database, team, lambda: policy)
        try:
            result = directory.reader.read(PATIENCE, _wait, accept=accept)
        finally:
            directory.close()
    if result is None:
        raise fail("Another process is still reading Slack. Nothing was read here.")
    if result.entries:
        say(f"Read from Slack: {result.words}.")
    if result.left:
        have = "has" if result.left == 1 else "have"
        say(f"{counted(result.left, 'person', 'people')} whom Slack no longer lists {have} left.")
    if result.kept:
        say(
            f"Slack no longer lists {counted(result.kept, 'person', 'people')}. That's too many at once to believe it, so "
            "nobody was changed. If they have left, run `mlgov sync --accept`; administrators were told, too."
        )
    if result.failures:
        why = "; ".join(f"{kind}: {code}" for kind, code in result.failures.items())
        raise fail(
            f"Slack did not tell everything ({why}). `mlgov doctor` says what the token lacks; what was read before stays."
        )


def _wait(words: str) -> None:
    typer.echo(words, err=True)


def _policy(database: "Database") -> "Policy":
    """The policy in force; before the first start, the file's."""
    from workflows.policies import service as policies_service

    with database.read() as session:
        version = policies_service.in_force(session)
        if version is not None:
            return policies_service.version(session, version)
    return load_policy_text().policy
