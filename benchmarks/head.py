"""For how long a decision holds the ledger's head, which every other writer waits for: from taking it to the end of COMMIT."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, event, select

from benchmarks.office import APPROVERS, TEAM, Slack
from bot import app, settings
from storage.approvals.tables import Decision
from storage.enums import Verdict
from tests.contexts import make_context
from workflows import clock
from workflows.approvals import actions
from workflows.approvals.forms import Decide


def held(
    slack: Slack, url: str, work: Path, *, cards: int, at_once: tuple[int, ...]
) -> dict[int, list[float]]:
    """Seconds for which each approval of every card held it, by how many were decided at once, in one process, while what
    they announce is delivered."""
    given = {name.lower(): value for name, value in slack.settings(url, work).items()}
    bot = app.create(settings.read({}, **given))
    timings: dict[int, list[float]] = {}
    try:
        bot.start()
        for threads in at_once:
            with _measured(bot.deps.db.engine) as seconds:
                _decide(bot, cards, threads)
            timings[threads] = seconds
    finally:
        bot.stop()
    return timings


def _decide(bot: app.Bot, cards: int, threads: int) -> None:
    deps = bot.deps
    actors = [deps.directory.actor(one, team_id=TEAM, enterprise_id=None) for one in APPROVERS]
    numbers = iter(range(cards))
    with deps.db.read() as session:
        rows = session.execute(select(Decision.approval_id, Decision.person_id))
        gave = {(row.approval_id, row.person_id) for row in rows}
    failed: list[BaseException] = []
    next_one = threading.Lock()

    def work() -> None:
        while True:
            with next_one:
                number = next(numbers, None)
            if number is None or failed:
                return
            try:
                _approve(number)
            except BaseException as error:
                failed.append(error)

    def _approve(number: int) -> None:
        actor = next(one for one in actors if (number + 1, one.id) not in gave)
        form = Decide(approval_id=number + 1, revision=1, verdict=Verdict.APPROVE)
        deps.db.run(
            lambda session: actions.perform_act(
                make_context(
                    session,
                    actor=actor,
                    policy=deps.policy,
                    policy_id=deps.holder.version_id,
                    now=clock.now(session),
                    org=TEAM,
                ),
                form,
            )
        )

    workers = [threading.Thread(target=work) for _ in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    if failed:
        raise failed[0]


@contextmanager
def _measured(engine: Engine) -> Iterator[list[float]]:
    """Seconds of each transaction of these threads that took the head and wrote a decision."""
    seconds: list[float] = []

    def after(_c: Any, _u: Any, sql: str, _v: Any, context: Any, _m: bool) -> None:
        info = context.root_connection.info
        if sql.startswith("INSERT INTO decision"):
            info["decides"] = True
        elif sql.startswith("SELECT audit_head.") and info.get("decides"):
            info["head_at"] = time.perf_counter()

    def back(_connection: Any, record: Any) -> None:
        taken_at = record.info.pop("head_at", None)
        record.info.pop("decides", None)
        if taken_at is not None:
            seconds.append(time.perf_counter() - taken_at)

    event.listen(engine, "after_cursor_execute", after)
    event.listen(engine, "checkin", back)
    try:
        yield seconds
    finally:
        event.remove(engine, "after_cursor_execute", after)
        event.remove(engine, "checkin", back)
