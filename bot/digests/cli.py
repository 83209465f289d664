"""`mlgov digest`: what somebody's digest says, as Slack blocks, as a page or as text. Changes nothing."""

from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from bot.cli.base import fail, load_policy_text, open_database, say

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from workflows.context import Actor
    from workflows.digests.records import ShownDigest
    from workflows.policy import Policy

app = typer.Typer(
    help="Render somebody's digest: read-only, nothing is sent.", no_args_is_help=True
)

KIND = "weekly"


@app.callback()
def _digest() -> None:
    """A group, so that further commands keep this one's name."""


@app.command()
def render(
    person: Annotated[
        str, typer.Option(help="Whose: the opaque id (p_…), the Slack id, or the e-mail address.")
    ],
    at: Annotated[
        str, typer.Option(help="The day on which it is read, like 2026-01-26; today when left out.")
    ] = "",
    format_: Annotated[
        Literal["slack", "html", "text"],
        typer.Option("--format", help="Slack blocks as JSON, a page, or plain text."),
    ] = "text",
) -> None:
    """Print the weekly digest of a person: as it was sent in that ISO week, else as it would be now.

    One that was not sent is made over what the person may see, with cost counted up to that day; what waits is what
    waits now.
    """
    from workflows.people import service as people

    policy = load_policy_text().policy
    with open_database() as database, database.read() as session:
        account = people.look_up(session, person)
        actor = people.actor(session, account.id)
        if actor is None:
            raise fail(f"Nobody here has the id {account.id!r}.")
        record = _find(session, actor, _day(at), policy)
        say(_render_digest(record, format_, policy.organisation.name, actor.name))


def _day(text: str) -> date | None:
    if not text:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise fail(f"--at {text}: a day is written like 2026-01-26.", 2) from None


def _find(session: "Session", actor: "Actor", day: date | None, policy: "Policy") -> "ShownDigest":
    from workflows import clock, operations
    from workflows.digests import service

    now = clock.now(session)
    if day is not None:
        year, week, _ = day.isocalendar()
        kept = service.load_of_week(
            operations.load_context(session, actor, policy=policy, now=now),
            KIND,
            f"{year}-W{week:02}",
        )
        if kept is not None:
            return kept
        ends = datetime(day.year, day.month, day.day, 23, 59, 59, tzinfo=UTC)
        now = min(now, ends)
    return service.preview_digest(
        operations.load_context(session, actor, policy=policy, now=now), planned=day
    )


def _render_digest(record: "ShownDigest", format_: str, organisation: str, reader: str) -> str:
    import json

    from bot.approvals import windows as approval_views
    from bot.digests import messages, pages

    if format_ == "html":
        return pages.html(record, organisation=organisation, reader=reader)
    if format_ == "text":
        return pages.text(record, organisation=organisation, reader=reader)
    message = messages.digest(record, approval_views.digest_row, with_pictures=False)
    output = {"text": message.text, "blocks": message.blocks}
    return json.dumps(output, indent=1, ensure_ascii=False)
