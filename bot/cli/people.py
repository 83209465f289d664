"""`mlgov people`: erase a person, export what is kept about one."""

from typing import Annotated

import typer

from bot.cli.base import fail, opened, say

app = typer.Typer(
    help="Erase a person, or export what is kept about one.", no_args_is_help=True
)

PersonId = Annotated[
    str,
    typer.Argument(help="The opaque id (p_…), the Slack id, or the e-mail address."),
]


@app.command()
def erase(
    person: PersonId,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Remove a person's identity and words. Decisions stay, under an opaque id, and the ledger still verifies."""
    from workflows import clock
    from workflows.actors import OPERATOR
    from workflows.people import service

    with opened() as database:
        with database.read() as session:
            found = service.look_up(session, person)
        if not yes and not typer.confirm(
            f"Erase {found.name} ({found.id})? This cannot be undone.", err=True
        ):
            raise fail("Nothing was erased.")
        with database.begin(patient=True) as session:
            report = service.erase(session, OPERATOR, found.id, now=clock.now(session))
    say(
        f"{found.id} is erased: {report.texts} texts, {report.memberships} memberships, and the identity are gone."
    )


@app.command()
def export(person: PersonId) -> None:
    """Print everything that is kept about a person, as JSON."""
    import json

    from workflows.people import service

    with opened() as database, database.read() as session:
        found = service.look_up(session, person)
        say(
            json.dumps(
                service.export(session, found.id),
                indent=2,
                ensure_ascii=False,
                default=str,
            )
        )
