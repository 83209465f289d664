"""`mlgov gate`: a pipeline waits here for people to decide."""

import hashlib
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bot.cli.base import Json, fail, say, say_json

if TYPE_CHECKING:
    from bot.cli.calling import Caller
    from workflows.releases.forms import AskRelease

EXITS = {"approved": 0, "rejected": 10, "expired": 11, "lapsed": 11, "withdrawn": 12, "pending": 13}
LOOK = 25
"""Seconds of one long poll."""
HEARTBEAT = 300.0
"""Seconds without news after which it says that it still waits: pipelines kill jobs that say nothing."""


class Watch:
    """Lets through only answers about what was asked; the first one says whom the words of the asking stand for."""

    def __init__(self, form: "AskRelease") -> None:
        self._form = form
        self._first: dict[str, Any] | None = None

    def checked(self, answer: Any) -> dict[str, Any]:
        """The answer. Raises typer.Exit(1), and says what differs, when it is about anything else."""
        from workflows.errors import GovernanceError
        from workflows.releases import rules

        try:
            verified = rules.require_answer(self._form, answer, self._first)
        except GovernanceError as error:
            raise fail(error.sentence) from None
        self._first = self._first or verified
        return verified


def gate(
    gate: Annotated[str, typer.Option(help="The gate of governance.yml, like production-release.")],
    subject: Annotated[
        str, typer.Option(help="What is to be released, with its version: fraud-model:7.")
    ],
    digest: Annotated[str, typer.Option(help="sha256:… of exactly that.")],
    project: Annotated[
        str | None,
        typer.Option(help="The project's key; not needed when the token is bound to one."),
    ] = None,
    commit: Annotated[str | None, typer.Option(help="The commit it was built from.")] = None,
    environment: Annotated[
        str | None, typer.Option(help="Where it is to go, like production.")
    ] = None,
    tier: Annotated[
        int | None, typer.Option(help="The model's risk tier, where the gate decides by it.")
    ] = None,
    data_class: Annotated[
        str | None,
        typer.Option("--data-class", help="The class of its data, where the gate decides by it."),
    ] = None,
    region: Annotated[
        str | None, typer.Option(help="Where it runs, where the gate decides by it.")
    ] = None,
    developer: Annotated[
        str | None,
        typer.Option(
            help="Who developed it (Slack id or e-mail), where the gate keeps developers apart."
        ),
    ] = None,
    validator: Annotated[
        str | None, typer.Option(help="Who validated it, where the gate keeps validators apart.")
    ] = None,
    contributor: Annotated[
        list[str] | None,
        typer.Option(
            help="Who else wrote it, once for each, where the gate keeps contributors apart."
        ),
    ] = None,
    url: Annotated[str | None, typer.Option(help="Where the run can be looked at.")] = None,
    reason: Annotated[str, typer.Option(help="Why; those who decide read it.")] = "",
    run_id: Annotated[
        str,
        typer.Option(
            "--run-id", help="Names this run: the same run never asks twice, another one asks anew."
        ),
    ] = "",
    timeout: Annotated[str, typer.Option(help="How long to wait: 90s, 30m, 2h, 1d.")] = "2h",
    statement: Annotated[
        Path | None,
        typer.Option("--statement", help="Keep the signed statement in this file once approved."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Ask at a gate, wait, and exit 0 approved, 10 rejected, 11 expired, 12 withdrawn, 13 still pending at the time-out.

    1 is an error and 2 a wrong call. A restart of mlgov or of this command loses nothing: the same call goes on waiting.
    """
    from bot.cli.calling import caller
    from workflows.releases import forms

    try:
        seconds = _seconds(timeout)
    except ValueError as error:
        raise fail(f"--timeout {timeout}: {error}.", 2) from None
    asked = {
        "gate": gate,
        "subject": subject,
        "digest": digest,
        "project": project,
        "commit": commit,
        "environment": environment,
        "tier": tier,
        "data_class": data_class,
        "region": region,
        "developer": developer,
        "validator": validator,
        "contributors": contributor,
        "url": url,
        "reason": reason,
    }
    form = _form(asked, forms.AskRelease)
    named = "\n".join([gate.replace("-", "_"), subject, digest.lower(), run_id])
    key = hashlib.sha256(named.encode()).hexdigest()
    body = {name: value for name, value in asked.items() if value}
    with caller() as api:
        answer = _wait(api, body, key, time.monotonic() + seconds, Watch(form))
        if answer is None:
            typer.echo(
                f"mlgov could not be reached within {timeout}, so nothing is known. The same command asks again.",
                err=True,
            )
            raise typer.Exit(1)
        if statement is not None and answer["state"] == "approved":
            _keep(api, answer, statement, form)
    if as_json:
        say_json(answer)
    else:
        say(answer["news"])
    if answer["state"] == "pending":
        typer.echo(
            f"Still pending after {timeout}. Request {answer['id']} can be decided until {_minute(answer['decide_by'])}; the same command goes on waiting.",
            err=True,
        )
    raise typer.Exit(EXITS[answer["state"]])


def _seconds(text: str) -> float:
    """`90s`, or a duration as policies write it. Raises ValueError."""
    from datetime import timedelta

    from workflows.wording import parse_duration

    if text.endswith("s") and text[:-1].isascii() and text[:-1].isdigit():
        return float(text[:-1])
    seconds = parse_duration(text)
    return seconds.total_seconds() if isinstance(seconds, timedelta) else 0.0


def _form(asked: dict[str, Any], form: type["AskRelease"]) -> "AskRelease":
    """What is asked, checked. Raises typer.Exit(2) with what is wrong."""
    from pydantic import ValidationError

    try:
        return form.model_validate(asked)
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        hint = {
            "digest": "sha256: and 64 hexadecimal digits",
            "commit": "7 to 64 hexadecimal digits",
            "gate": "small letters, digits and dashes",
        }.get(str(fault["loc"][0]), str(fault["msg"]))
        raise fail(
            f"--{fault['loc'][0]} {re.sub(r'[^ -~]', '?', str(fault['input']))[:80]}: {hint}.", 2
        ) from None


def _wait(
    api: "Caller", body: dict[str, Any], key: str, until: float, watch: Watch
) -> dict[str, Any] | None:
    """The request, ended or as it stands when the time is over; None when mlgov never answered."""
    from bot.cli.calling import Passing

    current: dict[str, Any] | None = None
    news, told_at, pause, is_away = "", time.monotonic(), 1.0, False
    while True:
        left = until - time.monotonic()
        try:
            if current is None:
                headers = {"Idempotency-Key": key}
                current = watch.checked(api.read("POST", "/approvals", body=body, headers=headers))
                for other in current.get("apart") or ():
                    words = "; ".join(one["words"] for one in other["differences"])
                    _progress(f"Not joined with request {other['id']}: {words}.")
                _progress(f"Request {current['id']} at {current['gate']}: {current['asks']}.")
            elif left > 0:
                wait = max(1, min(LOOK, int(left)))
                answer = api.read(
                    "GET",
                    f"/approvals/{current['id']}",
                    params={"wait": wait, "seen": current["mark"]},
                    patience=wait + 15.0,
                )
                current = watch.checked(answer)
            pause = 1.0
            if is_away:
                _progress("mlgov answers again.")
                is_away = False
        except Passing as passing:
            if not is_away:
                _progress(f"{passing}. Trying again until the time is over.")
                is_away, told_at = True, time.monotonic()
            if time.monotonic() >= until:
                return current
            time.sleep(max(0.0, min(pause, until - time.monotonic())))
            pause = min(pause * 2, 15.0)
            continue
        if current["state"] != "pending" or time.monotonic() >= until:
            return current
        if current["news"] != news:
            news, told_at = current["news"], time.monotonic()
            _progress(news)
        elif time.monotonic() - told_at > HEARTBEAT:
            told_at = time.monotonic()
            _progress(f"Still: {news}")


def _keep(api: "Caller", answer: dict[str, Any], file: Path, form: "AskRelease") -> None:
    """Write the statement about the request, once it says what was asked."""
    from bot.cli.calling import Passing
    from workflows.errors import GovernanceError
    from workflows.releases import rules

    try:
        envelope = api.call("GET", f"/approvals/{answer['id']}/statement").content
        rules.require_statement(form, answer, envelope)
        file.write_bytes(envelope)
    except Passing as passing:
        raise fail(f"Approved, but the statement could not be fetched: {passing}.") from None
    except GovernanceError as error:
        raise fail(error.sentence) from None
    except OSError as error:
        raise fail(f"Approved, but {file} cannot be written ({error.strerror}).") from None


def _minute(at: str) -> str:
    return f"{at[:16].replace('T', ' ')} UTC"


def _progress(words: str) -> None:
    typer.echo(f"{time.strftime('%H:%M:%S')} {words}", err=True)
