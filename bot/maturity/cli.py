"""`mlgov maturity`: check the rubric and print it."""

from pathlib import Path
from typing import Annotated

import typer

from bot.cli.base import fail, load_settings, say

app = typer.Typer(help="The rubric of maturity check-ins.", no_args_is_help=True)
rubric_app = typer.Typer(
    help="Check a rubric, or print the one that is asked.", no_args_is_help=True
)
app.add_typer(rubric_app, name="rubric")

File = Annotated[
    Path | None, typer.Argument(help="The file; the one that the policy names when left out.")
]


def _chosen(file: Path | None) -> Path | None:
    """The file, else the policy's own where there is a policy that names one, else None: ours."""
    from workflows import policy
    from workflows.maturity import rules

    place = load_settings().mlgov_policy
    if file is not None or not place.exists():
        return file
    return rules.place(place, policy.load(place).policy.maturity.rubric)


@rubric_app.command()
def check(file: File = None) -> None:
    """Say what is wrong with a rubric file, line by line."""
    from workflows.errors import GovernanceError
    from workflows.maturity import records, rules

    try:
        chosen = _chosen(file)
        loaded = rules.load(chosen)
    except GovernanceError as error:
        raise fail(error.sentence) from None
    count = len(loaded.rubric.statements)
    say(
        f"{chosen or 'The rubric that comes with mlgov'}: good. {loaded.rubric.name}, {count} statements, "
        f"about {records.minutes(count)} minutes for a person."
    )


@rubric_app.command()
def show(file: File = None) -> None:
    """Print a rubric, to read it or to start one of your own."""
    from workflows.errors import GovernanceError
    from workflows.maturity import rules

    try:
        loaded = rules.load(_chosen(file))
    except GovernanceError as error:
        raise fail(error.sentence) from None
    say(loaded.text.rstrip())
