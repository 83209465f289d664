"""`mlgov fairness` and `mlgov explain`: figures from a team's own files, on its own machine."""

import json
import shutil
import tempfile
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
    from workflows.policy.sections import FairnessRules
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
    from workflows.evidence import explanations as evidence_explanations
    from workflows.sources import explanations

    with refusals_in_words():
        read = explanations.read_explanations(file.read_bytes(), name=file.name)
        explained = evidence_explanations.Explained.model_validate(read)
    if as_json:
        say(explained.model_dump_json(indent=2))
    else:
        for sentence in filter(
            None, (*evidence_explanations.describe_drivers(explained), explained.limits)
        ):
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
    from bot.inventory.cli import split

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


# --- `mlgov importance`
#
# permutation importance of a model in the registry, computed on this machine.


def importance(
    file: File,
    model: Annotated[
        str,
        typer.Option(help="The model as MLflow names it, with its version, like fraud-score:7."),
    ],
    target: Annotated[str, typer.Option(help="The column with what was true.")],
    scoring: Annotated[
        str | None,
        typer.Option(
            help="One of scikit-learn's scorers, like roc_auc; the model's own score when left out."
        ),
    ] = None,
    repeats: Annotated[
        int, typer.Option(min=1, max=100, help="How often each column is shuffled.")
    ] = 5,
    rows: Annotated[
        int, typer.Option(min=10, max=1_000_000, help="At most so many cases, drawn at random.")
    ] = 10_000,
    run_code: Annotated[
        bool,
        typer.Option(
            "--run-code", help="Let code run that the model brings along, as every pickle does."
        ),
    ] = False,
    with_network: Annotated[
        bool,
        typer.Option(
            "--with-network", help="Go on where the network cannot be taken away from the model."
        ),
    ] = False,
    without_sandbox: Annotated[
        bool,
        typer.Option(
            "--without-sandbox",
            help="Go on where there is no bubblewrap: the model's code can then read and change what you can.",
        ),
    ] = False,
    memory: Annotated[int, typer.Option(min=512, help="Megabytes that the model may use.")] = 4096,
    seconds: Annotated[float, typer.Option(min=1, help="For how long it may be tried.")] = 300,
    submit: Submit = None,
    as_json: Json = False,
) -> None:
    """Load a scikit-learn model from MLflow and see what shuffling each input does to its score on a table of cases.

    The model runs in a box of its own (bubblewrap), without credentials, network, your files or more memory than it is granted; the table stays here.
    """
    from workflows.evidence import explanations as evidence_explanations
    from workflows.sources import explanations
    from workflows.sources.permutation import runner

    folder = Path(tempfile.mkdtemp(prefix="mlgov-registry-"))
    try:
        with refusals_in_words():
            digest = _download(model, folder)
            same = _compare_digest(submit, folder, digest) if submit else ""
            made_with = runner.describe_model(folder)[2]
            importances = runner.run_importance(
                folder,
                file,
                seconds=seconds,
                target=target,
                scoring=scoring,
                repeats=repeats,
                rows=rows,
                run_code=run_code,
                memory_mb=memory,
                needs_isolation=not with_network,
                sandbox=not without_sandbox,
            )
            output = json.dumps(runner.build_file(importances, file)).encode()
            explained = evidence_explanations.Explained.model_validate(
                explanations.read_explanations(output, name=file.name)
            )
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    if as_json:
        say(explained.model_dump_json(indent=2))
    else:
        say(
            f"{model}: {importances.kind}, made with scikit-learn {made_with or 'of an unknown version'}; contents sha256:{digest[:12]}…"
        )
        for sentence in (*evidence_explanations.describe_drivers(explained), explained.limits):
            say(sentence)
        for warning in importances.warnings:
            say(f"Warning: {warning}")
    if submit:
        body = {
            "type": "explainability_report",
            "explained": explained.model_dump(mode="json"),
            "summary": f"Of {model} in MLflow, {same}",
        }
        submit_evidence(submit, body, quiet=as_json)


def _download(model: str, folder: Path) -> str:
    """The contents of the version, and their digest."""
    from bot.cli.base import load_settings
    from bot.registry import sync

    name, _, version = model.rpartition(":")
    if not name:
        raise fail(f"Name the model with its version, like {model}:7.", 2)
    registry = sync.make_client(load_settings())
    if registry is None:
        raise fail(
            "MLGOV_MLFLOW_URL is not set: set it to where MLflow is, like https://mlflow.example.com."
        )
    try:
        file = registry.download(name, version, folder)
    finally:
        registry.close()
    if file.sha256 is None:
        raise fail(f"{model} cannot be read: {file.why}.")
    return file.sha256


def _compare_digest(submit: str, folder: Path, digest: str) -> str:
    """Whether what is tried is what the record names: all of it, or one of its files, as a pipeline may have digested it."""
    from bot.cli.calling import call_once, caller
    from bot.inventory.cli import digest_of, split

    key, version = split(submit)
    with caller() as api:
        answer = call_once(api, "GET", f"/models/{key}")
    registered = next(
        (one["digest"] for one in answer["versions"] if one["version"] == version), None
    )
    if registered is None:
        return f"whose contents are sha256:{digest[:12]}…; the record has no digest of it."
    registered = registered.removeprefix("sha256:")
    files = (digest_of(one) for one in folder.rglob("*") if one.is_file())
    if registered == digest or f"sha256:{registered}" in files:
        return f"whose contents are those on the record (sha256:{registered[:12]}…)."
    return f"whose contents are sha256:{digest[:12]}…: NOT the digest on the record (sha256:{registered[:12]}…)."
