"""`mlgov outbox`: what waits to be sent, and what a person must decide about."""

from typing import TYPE_CHECKING, Annotated

import typer

from bot.cli.base import Json, act, connect_slack, open_database, print_table, say, say_json

if TYPE_CHECKING:
    from bot.delivery.reviewing import Review

app = typer.Typer(help="What waits to be sent to Slack, and dead letters.", no_args_is_help=True)

RowId = Annotated[int, typer.Argument(help="The number that `mlgov outbox list` shows.")]


@app.command("list")
def list_(
    state: Annotated[
        str | None,
        typer.Option(help="pending, sending, sent, dead or cancelled; all but sent by default."),
    ] = None,
    as_json: Json = False,
) -> None:
    """List rows that are not sent yet, dead letters first."""
    from workflows.delivery import dead_letters

    with open_database() as database, database.read() as session:
        rows = dead_letters.list_rows(session, state=state)
    if as_json:
        say_json([row.as_json() for row in rows], ensure_ascii=True)
        return
    if not rows:
        say("Nothing waits: everything that was to be sent is sent.")
        return
    print_table(
        ("id", "state", "what", "to", "due", "tries", "why"),
        [
            (
                str(row.id),
                row.state,
                f"{row.op} {row.kind}",
                row.lane_key,
                f"{row.due_at:%d %b %H:%M}",
                str(row.attempts),
                row.last_error or "",
            )
            for row in rows
        ],
    )


@app.command()
def show(row: RowId) -> None:
    """Everything about one row, as JSON."""
    from workflows.delivery import dead_letters

    with open_database() as database, database.read() as session:
        say_json(dead_letters.show(session, row).as_json(), ensure_ascii=True)


@app.command()
def retry(row: RowId) -> None:
    """Send a dead letter again. If it did arrive after all, people will see it twice: `mark-sent` says that it did."""
    _settle("retry", row, "will be sent again")


@app.command("mark-sent")
def mark_sent(
    row: RowId,
    ts: Annotated[
        str | None, typer.Option(help="The message's ts, so that its copy can follow the record.")
    ] = None,
) -> None:
    """Say that a dead letter did arrive."""
    from workflows.delivery import dead_letters

    act(dead_letters.mark_sent, row, ts=ts)
    say(f"Row {row} counts as sent.")


@app.command()
def cancel(row: RowId) -> None:
    """Drop a row that waits or is dead."""
    _settle("cancel", row, "is cancelled")


@app.command()
def review(
    mark_found: Annotated[
        bool, typer.Option("--mark-found", help="Count as sent what stands in Slack already.")
    ] = False,
    as_json: Json = False,
) -> None:
    """List what is held back after a copy was restored, and which of it stands in Slack already. Sends nothing."""
    from bot.delivery.reviewing import review as look
    from workflows import operations
    from workflows.delivery import dead_letters

    read, slack, team = connect_slack()
    with open_database(team=team) as database:
        reviewed = look(database, slack, stamps="real" if read.is_real_slack else "governed")
        if reviewed is None:
            say("Nothing is held: messages are sent as they come.")
            return
        standing = [message for message in reviewed.messages if message.ts is not None]
        if mark_found:
            for message in standing:
                with database.begin() as session:
                    dead_letters.mark_sent(
                        operations.load_context(session),
                        message.row.id,
                        ts=message.ts,
                        channel=message.channel,
                    )
    if as_json:
        say_json(_review_as_json(reviewed), ensure_ascii=True)
        return
    _say_review(reviewed, was_marked=mark_found)


@app.command()
def release(
    without_looking: Annotated[
        bool,
        typer.Option(
            "--without-looking", help="Send at once from now on what might stand in Slack already."
        ),
    ] = False,
) -> None:
    """Send what is held back. For 60 days each message is looked for in Slack before it is sent."""
    from workflows import operations
    from workflows.delivery import holding
    from workflows.wording import counted

    with open_database() as database, database.begin(patient=True) as session:
        ctx = operations.load_context(session)
        waits = holding.count_waits(session, now=ctx.now)
        operations.release(ctx, looks=not without_looking)
    say(
        f"Released: {counted(len(waits.posts), 'message')} that waited and everything new are sent from now on"
        + (
            ", without looking whether they stand in Slack already."
            if without_looking
            else ", each after a look whether it stands in Slack already."
        )
    )


def _say_review(review: "Review", *, was_marked: bool) -> None:
    from bot.opening import describe_hold

    say(describe_hold(review.hold))
    if review.messages:
        print_table(
            ("id", "what", "to", "written", "in Slack"),
            [
                (
                    str(message.row.id),
                    message.row.kind,
                    message.row.lane_key,
                    f"{message.row.created_at:%d %b %H:%M}",
                    f"cannot be looked up ({message.trouble})"
                    if message.trouble
                    else _describe_ts(message.ts),
                )
                for message in review.messages
            ],
        )
    standing = sum(message.ts is not None for message in review.messages)
    unclear = sum(bool(message.trouble) for message in review.messages)
    if not review.messages:
        say("No message waits.")
    else:
        say(
            f"{len(review.messages)} messages wait: {standing} stand in Slack already"
            + (" and count as sent now" if was_marked and standing else "")
            + f", {len(review.messages) - standing - unclear} do not"
            + (f", {unclear} could not be looked up" if unclear else "")
            + "."
        )
    others = review.waits.others
    if others:
        listed = ", ".join(f"{number} {op}" for op, number in sorted(others.items()))
        say(f"Besides, harmless to repeat: {listed}.")
    due = review.waits.timers | review.waits.schedules
    if due:
        listed = ", ".join(f"{kind} ({number})" for kind, number in sorted(due.items()))
        say(f"Fallen due meanwhile, runs after the release: {listed}.")
    if standing and not was_marked:
        say("`mlgov outbox review --mark-found` counts as sent what stands there.")
    if unclear:
        say(
            "What could not be looked up becomes a dead letter instead of being sent twice. Look there yourself: "
            "`mlgov outbox mark-sent ID` when it stands there, `retry ID` when it does not, `cancel ID` when nobody needs it."
        )
    say("`mlgov outbox release` sends the rest.")


def _describe_ts(ts: str | None) -> str:
    from datetime import UTC, datetime

    if ts is None:
        return "no"
    return f"since {datetime.fromtimestamp(float(ts), UTC):%d %b %H:%M} UTC"


def _review_as_json(review: "Review") -> dict[str, object]:
    return {
        "why": review.hold.why.value,
        "held_at": review.hold.held_at.isoformat(),
        "copy_entries": review.hold.copy_seq,
        "known_entries": review.hold.known_seq,
        "messages": [
            {
                "id": one.row.id,
                "kind": one.row.kind,
                "to": one.row.lane_key,
                "ts": one.ts,
                "trouble": one.trouble or None,
            }
            for one in review.messages
        ],
        "others": review.waits.others,
        "due": review.waits.timers | review.waits.schedules,
    }


def _settle(action: str, row: int, outcome: str) -> None:
    from workflows import clock
    from workflows.context import OPERATOR
    from workflows.delivery import dead_letters

    with open_database() as database, database.begin() as session:
        getattr(dead_letters, action)(session, OPERATOR, row, now=clock.now(session))
    say(f"Row {row} {outcome}.")
