"""`mlgov people`: erase a person, export what is kept about one, go on without a lost key."""

from typing import Annotated

import typer

from bot.cli.base import fail, load_settings, open_database, say

app = typer.Typer(help="Erase a person, or export what is kept about one.", no_args_is_help=True)

PersonId = Annotated[
    str, typer.Argument(help="The opaque id (p_…), the Slack id, or the e-mail address.")
]


@app.command()
def erase(
    person: PersonId, yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False
) -> None:
    """Remove a person's identity and words. Decisions stay, under an opaque id, and the ledger still verifies."""
    from bot import erasure_key, wiping
    from workflows import clock
    from workflows.actors import OPERATOR
    from workflows.people import service
    from workflows.wording import counted

    with open_database() as database:
        erasure_key.attach(database, load_settings())
        with database.read() as session:
            account = service.look_up(session, person)
        if not yes and not typer.confirm(
            f"Erase {account.name} ({account.id})? This cannot be undone.", err=True
        ):
            raise fail("Nothing was erased.")
        with database.begin(patient=True) as session:
            report = service.erase(session, OPERATOR, account.id, now=clock.now(session))
        left = wiping.wipe(database)
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
    from bot import wiping

    with open_database() as database:
        for sentence in wiping.wipe(database):
            say(sentence)


@app.command()
def new_key(yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False) -> None:
    """Go on without the lost key of erased people. Those who left come back when Slack or a file tells of them."""
    from bot import erasure_key
    from storage.people import tombstones as stored
    from workflows import clock
    from workflows.actors import OPERATOR
    from workflows.people import tombstones
    from workflows.wording import counted

    with open_database() as database:
        with database.read() as session:
            people = stored.read_standing(session).people
        if not yes and not typer.confirm(
            f"Give up the key by which {counted(people, 'erased person is', 'erased people are')} known? This cannot be undone.",
            err=True,
        ):
            raise fail("Nothing was changed.")
        key, place = erasure_key.renew(database, load_settings())
        with database.begin(patient=True) as session:
            people = tombstones.start_anew(session, OPERATOR, key, now=clock.now(session))
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
