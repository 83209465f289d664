"""`mlgov policy`: check the policy file, print its schema and an example."""

from pathlib import Path
from typing import Annotated

import typer

from bot.cli.base import fail, say, settings

app = typer.Typer(
    help="Check governance.yml, print its schema or an example.", no_args_is_help=True
)


@app.command()
def check(
    file: Annotated[
        Path | None, typer.Argument(help="The file; MLGOV_POLICY when it is left out.")
    ] = None,
) -> None:
    """Say what is wrong with a policy file, line by line."""
    from workflows import policy
    from workflows.errors import GovernanceError
    from workflows.maturity import rubric

    path = file or settings().mlgov_policy
    try:
        found = policy.load(path)
        rubric.load(rubric.place(path, found.policy.maturity.rubric))
    except GovernanceError as error:
        raise fail(error.sentence) from None
    say(
        f"{path}: good. Policy {found.sha256[:12]}, gates: {', '.join(found.policy.gates) or 'none'}."
    )


@app.command()
def schema() -> None:
    """Print the JSON Schema of governance.yml, for editors."""
    import json

    from workflows import policy

    say(json.dumps(policy.json_schema(), indent=2))


@app.command()
def example() -> None:
    """Print a policy to start from."""
    from bot import resources

    say(resources.path("governance.yml").read_text(encoding="utf-8").rstrip())
