"""`mlgov importance`: permutation importance of a model in the registry, computed on this machine."""

import json
import shutil
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from bot.cli.base import Json, fail, say
from bot.cli.figures import File, Submit, refusals_in_words, submit_evidence


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
    from workflows.evidence import explaining
    from workflows.sources import explanations
    from workflows.sources.permutation import trying

    folder = Path(tempfile.mkdtemp(prefix="mlgov-registry-"))
    try:
        with refusals_in_words():
            digest = _download(model, folder)
            same = _compare_digest(submit, folder, digest) if submit else ""
            made_with = trying.describe_model(folder)[2]
            importances = trying.run_importance(
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
            output = json.dumps(trying.build_file(importances, file)).encode()
            explained = explaining.Explained.model_validate(
                explanations.read(output, name=file.name)
            )
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    if as_json:
        say(explained.model_dump_json(indent=2))
    else:
        say(
            f"{model}: {importances.kind}, made with scikit-learn {made_with or 'of an unknown version'}; contents sha256:{digest[:12]}…"
        )
        for sentence in (*explaining.describe_drivers(explained), explained.limits):
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
    from bot.registry import syncing

    name, _, version = model.rpartition(":")
    if not name:
        raise fail(f"Name the model with its version, like {model}:7.", 2)
    registry = syncing.make_client(load_settings())
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
    from bot.cli.models import digest_of, split

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
