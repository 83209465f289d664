"""`mlgov model reading` and `readings`: values of what is watched in use, one, from Prometheus, or from a table."""

import csv
import hashlib
from pathlib import Path
from typing import Annotated, Any

import typer

from bot.cli.base import Json, fail, print_table, say, say_json

Named = Annotated[str, typer.Argument(help="Model and version, like fraud-score:7.")]
BREACH = 21
"""The exit code when a reading is a breach."""
MOST_ROWS = 50_000
BATCH = 500
"""Readings in one call."""


def reading(
    named: Named,
    metric: Annotated[str, typer.Argument(help="The measure, as the monitoring plan names it.")],
    value: Annotated[
        str | None, typer.Argument(help="Its value; left out with --prometheus.")
    ] = None,
    at: Annotated[
        str | None, typer.Option(help="When it was measured, with its zone; now when left out.")
    ] = None,
    prometheus: Annotated[
        str | None,
        typer.Option(help="Ask this Prometheus for the value, like http://prometheus:9090."),
    ] = None,
    query: Annotated[
        str | None, typer.Option(help="The PromQL that gives one number, for --prometheus.")
    ] = None,
) -> None:
    """Give a reading of what is watched in use. A breach is said, opens a finding, and exits with 21."""
    if (value is None) == (prometheus is None) or (prometheus is None) != (query is None):
        raise fail("Give a value, or --prometheus with --query.", 2)
    if prometheus is not None and query is not None:
        value = _asked(prometheus, query)
        say(f"Prometheus says {value}.")
    row = {"metric": metric, "value": value, "at": at}
    accepted = _submit_readings(
        named, [{key: held for key, held in row.items() if held is not None}]
    )
    if accepted[0]["is_breach"]:
        say("Kept: it is a breach, and a finding is open.")
        raise typer.Exit(BREACH)
    say("Kept.")


def readings(
    file: Annotated[
        Path,
        typer.Argument(
            exists=True,
            dir_okay=False,
            help="CSV with the columns model, version, metric, value and at.",
        ),
    ],
) -> None:
    """Give the readings of a table; those of one version are kept together or not at all. The same again changes nothing."""
    groups: dict[str, list[dict[str, Any]]] = {}
    try:
        with file.open(encoding="utf-8-sig", newline="") as opened:
            for line, row in enumerate(csv.DictReader(opened), start=2):
                _add(
                    groups,
                    {
                        str(key or "").strip().casefold(): (held or "").strip()
                        for key, held in row.items()
                        if isinstance(held, str | None)
                    },
                    line,
                )
                if line > MOST_ROWS:
                    raise fail(f"{file.name} has more than {MOST_ROWS:,} rows; give it in parts.")
    except (UnicodeDecodeError, csv.Error):
        raise fail(f"{file.name} is no CSV in UTF-8. Export it again.") from None
    if not groups:
        raise fail(f"{file.name} holds no reading.")
    breaches = number = 0
    for named, rows in groups.items():
        for start in range(0, len(rows), BATCH):
            accepted = _submit_readings(named, rows[start : start + BATCH])
            number += len(accepted)
            breaches += sum(one["is_breach"] for one in accepted)
    say(f"Kept: {number:,} reading{'s' if number != 1 else ''}, {breaches:,} of them a breach.")
    if breaches:
        raise typer.Exit(BREACH)


def _add(groups: dict[str, list[dict[str, Any]]], row: dict[str, str], line: int) -> None:
    missing = [one for one in ("model", "version", "metric", "value", "at") if not row.get(one)]
    if missing:
        raise fail(
            f"Line {line} has no {', '.join(missing)}. The columns are model, version, metric, value and at; nothing was sent."
        )
    named = f"{row['model'].casefold()}:{row['version']}"
    groups.setdefault(named, []).append({key: row[key] for key in ("metric", "value", "at")})


def _submit_readings(named: str, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    from bot.cli.calling import call_once, caller

    pass

    model, version = split(named)
    with caller() as api:
        answers: list[dict[str, Any]] = call_once(
            api, "POST", f"/models/{model}/versions/{version}/readings", body=rows
        )
    return answers


def _asked(url: str, query: str) -> str:
    """The one number that a query gives now, as text."""
    from workflows.errors import GovernanceError
    from workflows.sources.prometheus import Prometheus

    prometheus = Prometheus(url)
    try:
        return f"{prometheus.value(query):f}"
    except GovernanceError as error:
        raise fail(f"{error.sentence} Nothing was kept.") from None
    finally:
        prometheus.close()


# --- `mlgov model`
#
# the inventory from the command line and from pipelines, through the API.

app = typer.Typer(
    help="Register models, add versions, hand in evidence, see what is missing, and move versions on, through the API.",
    no_args_is_help=True,
)

app.command()(reading)
app.command()(readings)

Model = Annotated[str, typer.Argument(help="The model's key, like fraud-score.")]

MISSING = 20
"""The exit code of `check` for a version that lacks something."""


@app.command("list")
def list_(
    word: Annotated[str, typer.Argument(help="Words of name, vendor, technique or owner.")] = "",
    as_json: Json = False,
) -> None:
    """List the models that you see."""
    from bot.cli.calling import call_once, caller

    models: list[dict[str, Any]] = []
    asked = {"q": word, "limit": "200"}
    with caller() as api:
        while True:
            page = call_once(api, "GET", "/models", params=asked)
            models += page["models"]
            if page["next"] is None:
                break
            asked["after"] = page["next"]
    if as_json:
        say_json(models)
        return
    if not models:
        say("There are no such models.")
        return
    print_table(
        ("key", "name", "state", "tier", "owner", "project", "open findings", "next review"),
        [
            (
                model["key"],
                model["name"],
                model["state"].replace("_", " "),
                str(model["tier"] or "—"),
                model["owner"] or "—",
                model["project"] or "—",
                str(model["open_findings"]),
                model["next_review"] or "—",
            )
            for model in models
        ],
    )


@app.command()
def show(model: Model, as_json: Json = False) -> None:
    """Show one model and its versions."""
    from bot.cli.calling import call_once, caller

    with caller() as api:
        answer = call_once(api, "GET", f"/models/{model}")
    if as_json:
        say_json(answer)
        return
    say(
        f"{answer['name']}: {answer['state'].replace('_', ' ')}, tier {answer['tier'] or 'not assessed'}"
    )
    say(f"owned by {answer['owner'] or 'nobody'}, project {answer['project'] or 'none'}")
    if answer["purpose"]:
        say(answer["purpose"])
    for version in answer["versions"]:
        until = (
            f", approved until {version['approved_until'][:10]}"
            if version["approved_until"]
            else ""
        )
        say(
            f"  {version['version']}: {version['state'].replace('_', ' ')}{until}; leads on: {', '.join(version['steps']) or 'nothing'}"
        )


@app.command()
def register(
    name: Annotated[str, typer.Argument(help="As people call it.")],
    key: Annotated[
        str | None, typer.Option(help="What people type; made from the name when left out.")
    ] = None,
    kind: Annotated[str, typer.Option(help="internal, vendor or generative.")] = "internal",
    vendor: Annotated[str | None, typer.Option(help="For a model that is not your own.")] = None,
    project: Annotated[str | None, typer.Option(help="The key of its project.")] = None,
    owner: Annotated[
        str | None,
        typer.Option(
            help="Who answers for it: Slack id or e-mail; the project's owner when left out."
        ),
    ] = None,
    purpose: Annotated[str, typer.Option(help="What it is for, in a sentence or two.")] = "",
    exposure: Annotated[str | None, typer.Option(help="low, medium or high.")] = None,
    purpose_class: Annotated[
        str | None, typer.Option("--use", help="informational, decision_support or automated.")
    ] = None,
    eu_class: Annotated[
        str | None, typer.Option("--eu", help="minimal, limited, high or prohibited.")
    ] = None,
) -> None:
    """Put a model on the inventory. The same call again changes nothing."""
    from bot.cli.calling import call_once, caller

    body = {
        "name": name,
        "key": key,
        "kind": kind,
        "vendor": vendor,
        "project": project,
        "owner": owner,
        "purpose": purpose,
        "exposure": exposure,
        "purpose_class": purpose_class,
        "eu_class": eu_class,
    }
    with caller() as api:
        answer = call_once(api, "POST", "/models", body=_drop_missing(body))
    say(
        f"{answer['name']} is in the inventory as {answer['key']}, tier {answer['tier'] or 'not assessed'}."
    )


@app.command()
def version(
    named: Named,
    digest: Annotated[str | None, typer.Option(help="sha256:… of what will be deployed.")] = None,
    file: Annotated[
        Path | None, typer.Option(help="Take the digest of this file.", exists=True, dir_okay=False)
    ] = None,
    developer: Annotated[
        list[str] | None,
        typer.Option(help="Who made it (Slack id or e-mail); may be given more than once."),
    ] = None,
    contributor: Annotated[
        list[str] | None, typer.Option(help="Who else wrote it; may be given more than once.")
    ] = None,
    run_id: Annotated[str | None, typer.Option("--run", help="The run that made it.")] = None,
) -> None:
    """Add a version, in development. The same version with the same digest again changes nothing."""
    from bot.cli.calling import call_once, caller

    model, name = split(named)
    body = {
        "version": name,
        "digest": digest_of(file) if file else digest,
        "developers": developer,
        "contributors": contributor,
        "run_id": run_id,
    }
    with caller() as api:
        answer = call_once(api, "POST", f"/models/{model}/versions", body=_drop_missing(body))
    say(f"{model} {answer['version']} is {answer['state'].replace('_', ' ')}.")


@app.command()
def check(named: Named, as_json: Json = False) -> None:
    """Print what a version lacks for its next step: exit 0 when nothing is missing, 20 when something is."""
    from bot.cli.calling import call_once, caller

    model, name = split(named)
    with caller() as api:
        answer = call_once(api, "GET", f"/models/{model}/versions/{name}/check")
    if as_json:
        say_json(answer)
    else:
        _say_check(answer)
    if not answer["is_complete"]:
        raise typer.Exit(MISSING)


def _say_check(answer: dict[str, Any]) -> None:
    step = answer["next_step"]
    say(
        f"{answer['model']} {answer['version']} is {answer['state'].replace('_', ' ')}, tier {answer['tier'] or 'not assessed'}."
    )
    if answer["missing"]:
        say(f"Missing for {step}: {', '.join(answer['missing'])}")
    elif step:
        say(f"Nothing is missing for {step}.")
    for other in answer["steps"]:
        if other["missing"] and other["missing"] != answer["missing"]:
            say(f"{other['label']} would be refused: {', '.join(other['missing'])}")
    if answer["waived"]:
        say(f"Waived, not passed: {', '.join(answer['waived'])}")
    if answer["open_findings"]:
        say(f"Open findings: {answer['open_findings']}")


@app.command()
def evidence(
    named: Named,
    type_: Annotated[
        str, typer.Argument(metavar="TYPE", help="Like model_card or performance_report.")
    ],
    file: Annotated[
        Path | None,
        typer.Option(
            help="The document: its digest is kept, not its bytes.", exists=True, dir_okay=False
        ),
    ] = None,
    uri: Annotated[str | None, typer.Option(help="Where it is kept.")] = None,
    summary: Annotated[str, typer.Option(help="What it shows; approvers read it.")] = "",
    metric: Annotated[
        list[str] | None,
        typer.Option(help="'accuracy = 0.91 >= 0.85'; may be given more than once."),
    ] = None,
    watch: Annotated[
        list[str] | None, typer.Option(help="For a monitoring plan: 'accuracy >= 0.85 every 7'.")
    ] = None,
    outcome: Annotated[
        str | None, typer.Option(help="For a validation report: pass, conditional or fail.")
    ] = None,
    valid_until: Annotated[
        str | None, typer.Option(help="The last day on which it is good, like 2027-01-31.")
    ] = None,
) -> None:
    """Hand in evidence, and say what is still missing. The same evidence again changes nothing."""
    from bot.cli.calling import call_once, caller

    model, name = split(named)
    body = {
        "type": type_.replace("-", "_"),
        "sha256": digest_of(file) if file else None,
        "uri": uri,
        "summary": summary,
        "metrics": metric,
        "watched": watch,
        "outcome": outcome,
        "valid_until": valid_until,
    }
    body |= _figures(type_.replace("-", "_"), file) if file else {}
    with caller() as api:
        answer = call_once(
            api, "POST", f"/models/{model}/versions/{name}/evidence", body=_drop_missing(body)
        )
    _say_check(answer["check"])


def _figures(type_: str, file: Path) -> dict[str, Any]:
    """What mlgov reads in a document of that type: the sections of a model card, drivers, groups; else nothing."""
    from workflows.evidence import service

    if file.stat().st_size > service.MOST_READ:
        return {}
    content = service.read_content(file.name, file.read_bytes())
    field = {
        "model_card": "card",
        "explainability_report": "explained",
        "fairness_report": "fairness",
    }.get(type_)
    return {field: content[field]} if field in content else {}


@app.command()
def card(
    named: Named,
    format_: Annotated[str, typer.Option("--format", help="html or markdown.")] = "html",
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Write it there; else it is printed.")
    ] = None,
) -> None:
    """Make the model card of a version from the record; what is missing is shown as missing."""
    _write(_document(named, "card", {"format": format_}), out)


@app.command()
def pack(
    named: Named,
    format_: Annotated[str, typer.Option("--format", help="html or json.")] = "html",
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Write it there; else it is printed.")
    ] = None,
) -> None:
    """Make the approval pack of a version: one file with everything that an auditor asks."""
    if format_ not in ("html", "json"):
        raise fail(f"{format_}: say html or json.", 2)
    _write(_document(named, "pack" if format_ == "json" else "pack.html", {}), out)


def _document(named: str, what: str, params: dict[str, str | int]) -> str:
    from bot.cli.calling import Passing, caller

    model, name = split(named)
    with caller() as api:
        try:
            return api.document(f"/models/{model}/versions/{name}/{what}", params=params)
        except Passing as passing:
            raise fail(f"{passing}. Try again.") from None


def _write(text: str, out: Path | None) -> None:
    if out is None:
        say(text)
        return
    try:
        out.write_text(text, encoding="utf-8")
    except OSError as error:
        raise fail(f"{out} cannot be written ({type(error).__name__}).") from None
    say(f"Written to {out}.")


@app.command()
def move(
    named: Named,
    step: Annotated[
        str,
        typer.Argument(
            help="Like submit, pass, implement, deploy, suspend or retire; `show` lists those that lead on."
        ),
    ],
    reason: Annotated[str, typer.Option(help="Why; it stays with the record.")] = "",
    validator: Annotated[
        str | None, typer.Option(help="Who validates it (Slack id or e-mail), for submit.")
    ] = None,
    change_class: Annotated[
        str | None, typer.Option("--class", help="For change: editorial, minor or material.")
    ] = None,
    new_version: Annotated[
        str | None, typer.Option(help="For a material change: the new version's name.")
    ] = None,
) -> None:
    """Take a step of a version, as yourself: with a token from `/mlgov token`."""
    from bot.cli.calling import call_once, caller

    model, name = split(named)
    body = {
        "step": step,
        "reason": reason,
        "validator": validator,
        "change_class": change_class,
        "new_version": new_version,
    }
    with caller() as api:
        answer = call_once(
            api, "POST", f"/models/{model}/versions/{name}/steps", body=_drop_missing(body)
        )
    say(answer["said"])


def split(named: str) -> tuple[str, str]:
    """`fraud-score:7` as model and version. Raises typer.Exit(2)."""
    model, colon, name = named.partition(":")
    if not (model and colon and name):
        raise fail(f"{named}: give model and version, like fraud-score:7.", 2)
    return model.strip().casefold(), name.strip()


def _drop_missing(body: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in body.items() if value not in (None, "", [])}


def digest_of(file: Path) -> str:
    """`sha256:…` of a file's bytes, however large."""
    with file.open("rb") as opened:
        return f"sha256:{hashlib.file_digest(opened, 'sha256').hexdigest()}"
