"""`mlgov fairness` and `mlgov explain`: figures from a team's own files, on its own machine."""

from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bot.cli.base import Json, fail, say

if TYPE_CHECKING:
    from workflows.evidence.fairness import Judged

File = Annotated[Path, typer.Argument(exists=True, dir_okay=False)]
Submit = Annotated[
    str | None,
    typer.Option(
        "--submit", help="Hand the result in as evidence of this version, like fraud-score:7."
    ),
]
FLAGGED = 20
"""The exit code of a comparison that is not clear."""
VERDICTS = {
    "clear": "clear",
    "flagged": "flagged",
    "insufficient": "insufficient data",
    "undefined": "not defined",
}


@contextmanager
def refusals_in_words() -> Iterator[None]:
    """A refusal is one sentence."""
    from pydantic import ValidationError

    from workflows.errors import GovernanceError, first_fault

    try:
        yield
    except GovernanceError as error:
        raise fail(error.sentence) from None
    except ValidationError as error:
        place, sentence = first_fault(error)
        raise fail(f"{place}: {sentence}" if place else sentence) from None


def fairness(
    file: File,
    truth: Annotated[str, typer.Option(help="The column with what was true.")],
    prediction: Annotated[str, typer.Option(help="The column with what the model said.")],
    group: Annotated[
        list[str],
        typer.Option(
            help="A column of groups, like sex; may be given more than once, and is crossed then as well."
        ),
    ],
    positive: Annotated[
        str | None, typer.Option(help="The word that means yes, like approved.")
    ] = None,
    threshold: Annotated[float | None, typer.Option(help="From which a score means yes.")] = None,
    least: Annotated[int, typer.Option(min=2, help="People that a group needs to be judged.")] = 30,
    ratio: Annotated[
        float,
        typer.Option(
            min=0.01, max=1, help="The lowest selection rate, of the highest, that is not flagged."
        ),
    ] = 0.8,
    submit: Submit = None,
    as_json: Json = False,
) -> None:
    """Compare how a model treats groups of people. Nothing leaves this machine but, with --submit, how many people each group has.

    TPR and FPR are the rates at which those with a true, and those with a false truth are selected. Exit 20 when something is flagged, or cannot be told.
    """
    from workflows.evidence import fairness as figures
    from workflows.policy.inventory import FairnessRules
    from workflows.sources import predictions

    with refusals_in_words():
        rules = FairnessRules(least=least, ratio=Decimal(str(ratio)))
        cells = predictions.read(
            file, predictions.Columns(truth, prediction, tuple(group), positive, threshold)
        )
        counts = figures.count_groups(cells, least)
        judged = figures.judge_counts(counts, rules)
    if as_json:
        say(judged.model_dump_json(indent=2))
    else:
        _print_figures(judged)
    if submit:
        submit_evidence(
            submit,
            {"type": "fairness_report", "fairness": counts.model_dump(mode="json")},
            quiet=as_json,
        )
    if judged.flags:
        raise typer.Exit(FLAGGED)


def explain(file: File, submit: Submit = None, as_json: Json = False) -> None:
    """Read what drives a model's answers from a file of SHAP or permutation importance, and say it in plain words."""
    from workflows.evidence import explaining
    from workflows.sources import explanations

    with refusals_in_words():
        read = explanations.read(file.read_bytes(), name=file.name)
        explained = explaining.Explained.model_validate(read)
    if as_json:
        say(explained.model_dump_json(indent=2))
    else:
        for sentence in filter(None, (*explaining.describe_drivers(explained), explained.limits)):
            say(sentence)
    if submit:
        submit_evidence(
            submit,
            {"type": "explainability_report", "explained": explained.model_dump(mode="json")},
            quiet=as_json,
        )


def submit_evidence(named: str, body: dict[str, Any], *, quiet: bool) -> None:
    """Evidence for a version, and what is still missing for it."""
    from bot.cli.calling import call_once, caller
    from bot.cli.models import split

    model, version = split(named)
    with caller() as api:
        answer = call_once(api, "POST", f"/models/{model}/versions/{version}/evidence", body=body)
    if quiet:
        return
    missing = answer["check"]["missing"]
    left = (
        f" Still missing for {answer['check']['next_step']}: {', '.join(missing)}."
        if missing
        else ""
    )
    say(f"Handed in for {model} {version}.{left}")


def _print_figures(judged: "Judged") -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    console = Console()
    for comparison in judged.compared:
        table = Table(
            escape(comparison.name),
            "people",
            "selected",
            "of the highest",
            "TPR",
            "FPR",
            title_justify="left",
        )
        for column in table.columns[1:]:
            column.justify = "right"
        for each in comparison.groups:
            rates = (
                each.selection_rate,
                each.impact_ratio,
                each.true_positive_rate,
                each.false_positive_rate,
            )
            table.add_row(escape(each.name), f"{each.count:,}", *(_figure(rate) for rate in rates))
        console.print(table)
        console.print(
            f"demographic parity: difference {_figure(comparison.demographic_parity_difference)}, ratio {_figure(comparison.demographic_parity_ratio)} · "
            f"equalized odds: difference {_figure(comparison.equalized_odds_difference)}, ratio {_figure(comparison.equalized_odds_ratio)}",
            highlight=False,
        )
        console.print(f"Verdict: {VERDICTS[comparison.verdict]}")
        for flag in comparison.flags:
            console.print(f"- {escape(flag)}", highlight=False)
        console.print()
    if judged.counts.left_out:
        console.print(
            f"{judged.counts.left_out:,} rows lack a truth, a prediction or a group and are left out.",
            highlight=False,
        )


def _figure(value: Decimal | None) -> str:
    return "—" if value is None else f"{value:.3f}"
