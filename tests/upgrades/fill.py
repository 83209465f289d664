"""Fills a database by the code of an older commit: run by `make_dumps` in a process that sees only that commit's tree.

    python fill.py DATABASE_URL OUT.json

What happens is that commit's own demo: people, projects, budgets and a month of cost come in by the importers, alerts
and cards are sent to a stand-in for Slack, people ask and decide by its buttons. Two things are cut so that the dumps
stay small: cost goes back four weeks instead of sixty days, and two people instead of twelve answer the check-ins.

On top of it somebody asks for more and is granted it, in ways that came with revision 0009 where there are any: a
question with its answer, a condition, a hand-over. A request is reworded, a milestone moved, somebody goes away, a file
is shared, an operator makes a token and a webhook. What is still empty then, `_fill` gives one row that holds what its
columns allow: FILLED in the result names those tables. Their rows are no work of a service; they are there for the
foreign keys and for columns that a migration must copy.
"""

import json
import sys
from datetime import UTC, date, datetime, timedelta
from typing import Any

from sqlalchemy import (
    JSON,
    Boolean,
    Date,
    DateTime,
    Integer,
    Numeric,
    func,
    insert,
    inspect,
    select,
)

from bot.approvals.words import APPROVE
from bot.demo import command, organisation
from bot.demo import organisation as org
from bot.demo.command import Demo
from sandbox.seat import Seat
from storage.tables import Base

try:
    from bot.demo import organisation
except ImportError:  # before revision 0004 nobody was asked how mature they are
    organisation = None

WEBHOOK = "https://hooks.example/mlgov"
OPENS = datetime(2026, 1, 26, 8, 50, tzinfo=UTC)

WORDS = {
    ("approval_review", "role"): "admin",
    ("digest_subscription", "kind"): "weekly",
    ("heading_map", "kind"): "people",
    ("heading_map", "theirs"): "Vorgesetzte",
    ("heading_map", "ours"): "manager",
    ("home_tab", "pages"): {},
    ("maturity_action", "statement"): "data.catalogue",
    ("maturity_counted", "dimension"): "data",
    ("maturity_note", "dimension"): "data",
    ("model_change", "change_class"): "minor",
    ("registry_write", "what"): "alias:ticket-router:champion",
    ("withheld", "kind"): "budgets.threshold_crossed",
    ("withheld", "rollout"): "pilot",
}
"""What columns with words of their own must hold, so that whoever reads the row later understands it."""


def main(url: str, out: str) -> None:
    """Fill the database at `url`; the facts that no table holds go to the file `out`."""
    organisation.DAYS_BACK, organisation.DAYS_AHEAD = 27, 1
    _fewer_answers()
    demo = Demo(at=OPENS, url=url, limits=False)
    demo.start()
    try:
        demo.settle()
        _grant(demo)
        _live_on(demo, url)
        tables = set(inspect(demo.running.deps.db.engine).get_table_names())
        filled = _fill(demo)
        facts = {
            "at": demo.clock.now().isoformat(),
            "world": _world(demo),
            "cards": _cards(demo),
            "filled": filled,
        }
        if missing := sorted(tables - set(Base.metadata.tables) - {"alembic_version"}):
            raise SystemExit(f"tables that this commit's code does not know: {missing}")
    finally:
        demo.stop()
    with open(out, "w", encoding="utf-8") as file:
        json.dump(facts, file)


def _fewer_answers() -> None:
    if organisation is None:
        return
    answer = organisation._answer
    few = {org.OMAR, org.ELENA}

    def answer_of_few(demo: Any, session: Any, user_id: str, *rest: Any, **more: Any) -> None:
        if user_id in few:
            answer(demo, session, user_id, *rest, **more)

    organisation._answer = answer_of_few


def _grant(demo: Demo) -> None:
    """Omar asks for more and gets it; Priya hands over what waits for her since before."""
    command._ask(demo, org.OMAR, "route-planner", "21000", "The new depots need their own routes.")
    if "approval_question" in Base.metadata.tables:
        _more(demo, org.PRIYA, "Route planner", "ask")
        _submit(demo, org.PRIYA, question="Which depots?")
        _press(demo, org.OMAR, "Route planner", "approvals.answer")
        _submit(demo, org.OMAR, answer="Leeds and Turin.")
        _more(demo, org.PRIYA, "Route planner", "conditions")
        _submit(demo, org.PRIYA, text_0="Show the saving", owner_0=org.OMAR, due_0="2026-02-27")
        _more(demo, org.PRIYA, "Lane vision", "hand_over")
        _submit(demo, org.PRIYA, to=org.HENRIK, note="You know their plan.")
    else:
        _press(demo, org.PRIYA, "Route planner", APPROVE)
    _press(demo, org.SOFIA, "Route planner", APPROVE)


def _live_on(demo: Demo, url: str) -> None:
    """What people and operators do beside, as far as this commit's code can: days move, somebody is away, files come."""
    tables = Base.metadata.tables
    if "approval_edit" in tables:
        _press(demo, org.AIKO, "Lane vision", "budget.change")
        _submit(
            demo, org.AIKO, amount="105000", reason="Night driving needs a second labelled set."
        )
    if "milestone_move" in tables:
        owner, day = _reminded(demo), "2026-02-20"
        _press(demo, owner, "", "milestones.reschedule")
        _submit(demo, owner, new=day, reason="The care team is at a fair.")
    if "absence" in tables:
        today = demo.clock.now().date()
        seat = demo.sandbox.seat(org.SOFIA)
        seat.slash("/mlgov", "away", seat.dm().id)
        days = {"since": today.isoformat(), "until": (today + timedelta(days=3)).isoformat()}
        _submit(demo, org.SOFIA, whole=True, stand_in=org.ELENA, **days)
    if "shared_file" in tables:
        seat = demo.sandbox.seat(org.OMAR)
        seat.share(
            seat.dm().id, "card.md", b"# Ticket router\n\nSorts tickets by what they are about.\n"
        )
        demo.sandbox.wait_idle()
        demo.settle()
    if "api_token" in tables:
        _command(url, "token", "create", "nightly-costs", "--scope", "costs:write")
        _command(url, "webhook", "add", WEBHOOK, "--event", "approval.decided")


def _command(url: str, *words: str) -> None:
    """A command of this commit, as an operator gives it."""
    from typer.testing import CliRunner

    from bot.cli.main import app

    settings = {
        "MLGOV_DATABASE_URL": url,
        "MLGOV_WEBHOOK_KEY": "an invented key of more than 32 characters",
    }
    done = CliRunner().invoke(app, list(words), env=settings)
    if done.exit_code:
        raise RuntimeError(f"{words}: {done.output}")


def _newest(seat: Seat, *holding: str) -> Any:
    for message in reversed(seat.messages(seat.dm().id)):
        if all(text in str(message.blocks) for text in holding):
            return message
    raise RuntimeError(f"{seat.user_id} has no message with {holding}")


def _reminded(demo: Demo) -> str:
    """Somebody who was told of one milestone that is due."""
    for user_id in org.EVERYONE:
        seat = demo.sandbox.seat(user_id)
        if any("milestones.reschedule" in str(m.blocks) for m in seat.messages(seat.dm().id)):
            return user_id
    raise RuntimeError("nobody was reminded of a milestone")


def _press(demo: Demo, user_id: str, about: str, action_id: str) -> None:
    seat = demo.sandbox.seat(user_id)
    card = _newest(seat, about, action_id)
    outcome = seat.click(channel_id=seat.dm().id, ts=card.ts, action_id=action_id)
    if not outcome.ok:
        raise RuntimeError(f"{action_id}: {outcome}")
    demo.settle()


def _more(demo: Demo, user_id: str, about: str, verb: str) -> None:
    """An entry of the card's menu, whose value begins with its verb."""
    seat = demo.sandbox.seat(user_id)
    card = _newest(seat, about, f"'{verb}:")
    value = str(card.blocks).split(f"'{verb}:")[1].split("'")[0]
    outcome = seat.click(
        channel_id=seat.dm().id, ts=card.ts, action_id="approvals.more", selected=f"{verb}:{value}"
    )
    if not outcome.ok:
        raise RuntimeError(f"{verb}: {outcome}")
    demo.settle()


def _submit(demo: Demo, user_id: str, *, whole: bool = False, **values: str) -> None:
    """Send the window that is open. An input is called as its block is, up to the first `_` unless `whole`."""
    seat = demo.sandbox.seat(user_id)
    outcome = seat.submit(
        seat.modals()[-1].id,
        {
            block: {block if whole else block.split("_")[0]: value}
            for block, value in values.items()
        },
    )
    if not outcome.ok:
        raise RuntimeError(f"{values}: {outcome}")
    demo.settle()


def _world(demo: Demo) -> dict[str, Any]:
    """The workspace, with the ids of its channels."""
    world = org.world()
    ids = {channel.name: channel.id for channel in demo.sandbox.world.channels.values()}
    for channel in world["channels"]:
        channel["id"] = ids[channel["name"]]
    return world


def _cards(demo: Demo) -> list[dict[str, Any]]:
    """The messages of requests that wait, as people see them: their buttons are what the next release must answer."""
    return [
        {
            "channel": channel.id,
            "user": channel.user_id,
            "ts": message.ts,
            "text": message.text,
            "blocks": message.blocks,
            "metadata": message.metadata,
        }
        for channel in demo.sandbox.world.channels.values()
        for message in channel.messages.values()
        if "approvals.approve" in str(message.blocks)
    ]


def _fill(demo: Demo) -> list[str]:
    """One row for each table that is still empty; which tables that were."""
    filled = []
    with demo.running.deps.db.engine.begin() as connection:
        for table in Base.metadata.sorted_tables:
            if connection.execute(select(func.count()).select_from(table)).scalar_one():
                continue
            values: dict[str, Any] = {}
            for column in table.columns:
                if column.foreign_keys:
                    values[column.name] = _existing(connection, column, values)
                elif not column.nullable and not (column.primary_key and _counts_itself(table)):
                    values[column.name] = _value(table.name, column)
            connection.execute(insert(table).values(values))
            filled.append(table.name)
    return filled


def _counts_itself(table: Any) -> bool:
    [*keys] = table.primary_key.columns
    return (
        len(keys) == 1 and isinstance(keys[0].type, Integer) and keys[0].autoincrement is not False
    )


def _existing(connection: Any, column: Any, values: dict[str, Any]) -> Any:
    """What the column may point to: another person in each column, and a request that is decided."""
    target = next(iter(column.foreign_keys)).column
    asked = select(target).order_by(target)
    if target.table.name == "approval":
        asked = asked.where(target.table.c.state == "approved")
    existing = connection.execute(asked.limit(len(values) + 2)).scalars().all()
    fresh = [value for value in existing if value not in values.values()]
    return (fresh or existing)[0]


def _value(table: str, column: Any) -> Any:
    if (table, column.name) in WORDS:
        return WORDS[table, column.name]
    kind = column.type
    base = kind.impl if hasattr(kind, "impl") else kind
    for type_, value in (
        (Boolean, False),
        (DateTime, OPENS),
        (Date, date(2026, 1, 26)),
        (Integer, 1),
        (Numeric, 1),
        (JSON, {}),
    ):
        if isinstance(base, type_):
            return value
    return f"{table}-{column.name}"


if __name__ == "__main__":
    main(*sys.argv[1:])
