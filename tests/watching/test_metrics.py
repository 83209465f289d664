"""The figures: complete, bounded, cheap on large tables, and true."""

import re
import threading
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import pytest
from prometheus_client.metrics import MetricWrapperBase
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import event, text

from bot.background import Bounded
from bot.slack.dispatcher import DIRECTORY_EVENTS, kind_of
from bot.web import metrics
from bot.web.metrics import Gauges
from storage.budgets.tables import CostLoad
from storage.db import Database
from storage.delivery.tables import Lane, Outbox, Schedule, Timer
from storage.enums import HoldReason
from tests.api.conftest import Api, served
from tests.conftest import fresh_url
from tests.contexts import make_context
from tests.registry.test_client import Answer, Server
from tests.stories.office import OLA, eventually, opened
from tests.stories.test_models import MODELS, world
from tests.watching.promtool import scrape
from workflows import clock, operations
from workflows.context import OPERATOR
from workflows.delivery import holding

ROOT = Path(__file__).parents[2]


def known() -> dict[str, tuple[str, set[str]]]:
    """Every metric with its kind and labels."""
    found = {}
    endings = {"counter": "_total", "info": "_info"}
    for one in vars(metrics).values():
        if isinstance(one, MetricWrapperBase):
            name = one._name + endings.get(one._type, "")
            found[name] = (one._type, set(one._labelnames))
    for name, gauge in metrics.GAUGES.items():
        found[f"mlgov_{name}"] = ("gauge", {gauge.label} - {""})
    return found


def test_the_page_tells_of_every_metric_and_of_no_other() -> None:
    page = (ROOT / "docs" / "operating.md").read_text(encoding="utf-8")
    told = {}
    for line in page.splitlines():
        cells = [cell.strip() for cell in line.split("|")]
        if line.startswith("| `mlgov_"):
            for name in re.findall(r"`(mlgov_\w+)`", cells[1]):
                told[name] = (cells[2], set(cells[3].split(", ")) - {""})
    assert told == known()
    assert "| `process_*` |" in page


def test_names_follow_prometheus() -> None:
    units = (
        "_seconds",
        "_days",
        "_total",
        "_up",
        "_held",
        "_rows",
        "_due",
        "_waiting",
        "_overdue",
        "_info",
    )
    for name, (kind, labels) in known().items():
        assert name.startswith("mlgov_")
        assert name.endswith(units), name
        assert name.endswith("_total") == (kind == "counter"), name
        assert not labels & {"person", "user", "actor", "project", "token", "job"}


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ({"command": "/mlgov", "text": "x"}, "command"),
        ({"type": "block_actions"}, "click"),
        ({"type": "view_submission"}, "submission"),
        ({"type": "message_action"}, "shortcut"),
        ({"type": "block_suggestion"}, "search"),
        ({"type": "event_callback", "event": {"type": "app_home_opened"}}, "home"),
        ({"type": "event_callback", "event": {"type": "message"}}, "message"),
        *(
            ({"type": "event_callback", "event": {"type": one}}, "mirror")
            for one in DIRECTORY_EVENTS
        ),
        ({"type": "event_callback", "event": {"type": "new thing"}}, "other"),
        ({"type": "event_callback"}, "other"),
        ({}, "other"),
    ],
)
def test_kinds_are_bounded(body: dict[str, object], kind: str) -> None:
    assert kind_of(body) == kind
    assert kind in metrics.KINDS


def test_an_unknown_method_is_counted_as_other() -> None:
    before = metrics.CALLS.labels("other", "ok")._value.get()
    metrics.count_slack_call("no.such.method", "ok", 0.1)
    assert metrics.CALLS.labels("other", "ok")._value.get() == before + 1


def fill(database: Database) -> None:
    """Something of everything that is counted."""
    with database.begin() as session:
        now = clock.now(session)
        session.add(
            Lane(
                key="l",
                channel=None,
                not_before=now,
                edit_not_before=now,
                lease_owner=None,
                lease_until=None,
            )
        )
        session.flush()
        for number, (state, age) in enumerate(
            [("pending", 50), ("pending", -50), ("sending", 70), ("dead", 9000), ("sent", 9000)]
        ):
            session.add(
                Outbox(
                    dedupe_key=f"k{number}",
                    lane_key="l",
                    op="post",
                    kind="x",
                    notice={},
                    notice_version=1,
                    subject_type=None,
                    subject_id=None,
                    file_id=None,
                    thread_of=None,
                    message_id=None,
                    state=state,
                    due_at=now - timedelta(seconds=age),
                    expires_at=None,
                    attempt_at=None,
                    attempt_governed_at=None,
                    ts=None,
                    last_error=None,
                    created_at=now,
                    settled_at=None,
                )
            )
        for day, place, state, hours in (
            (24, "anchor", "sent", 60),
            (25, "anchor", "dead", 36),
            (26, "anchor", "pending", 12),
            (25, "channel", "sent", 36),
            (26, "channel", "sent", 12),
        ):
            session.add(
                Outbox(
                    dedupe_key=f"head:daily:2026-01-{day}:{place}",
                    lane_key="l",
                    op="post",
                    kind="x",
                    notice={},
                    notice_version=1,
                    subject_type=None,
                    subject_id=None,
                    file_id=None,
                    thread_of=None,
                    message_id=None,
                    state="sent" if state == "sent" else "cancelled" if state == "dead" else state,
                    due_at=now + timedelta(days=1),
                    expires_at=None,
                    attempt_at=None,
                    attempt_governed_at=None,
                    ts=None,
                    last_error=None,
                    created_at=now - timedelta(hours=hours),
                    settled_at=now - timedelta(hours=hours),
                )
            )
        for number, (state, age) in enumerate(
            [("due", 30), ("due", 10), ("due", -10), ("done", 999), ("dead", 999)]
        ):
            session.add(
                Timer(
                    subject_type="x",
                    subject_id=str(number),
                    kind="k",
                    seq=0,
                    state=state,
                    due_at=now - timedelta(seconds=age),
                    retry_at=None,
                    last_error=None,
                )
            )
        session.add(
            Schedule(
                owner="o",
                kind="k",
                local_time="09:00",
                weekday=None,
                tz="UTC",
                last_slot=None,
                next_at=now - timedelta(seconds=40),
            )
        )
        for source, through, loaded in (
            ("aws", now.date() - timedelta(days=3), now),
            ("aws", now.date() - timedelta(days=30), now),
            ("gcp", date(2099, 1, 1), now - timedelta(days=2)),
            *((f"z{one:02}", now.date() - timedelta(days=one), now) for one in range(30)),
        ):
            session.add(
                CostLoad(
                    source=source,
                    billing_period=through.replace(day=1),
                    sha256="x",
                    rows=1,
                    charges_through=through,
                    loaded_at=loaded,
                )
            )


def figures(database: Database) -> dict[tuple[str, str], float]:
    with database.read() as session:
        return {(one.name, one.label): one.value for one in operations.list_figures(session)}


def test_figures_are_true(database: Database) -> None:
    fill(database)
    found = figures(database)
    near = {name: pytest.approx(value, abs=20) for name, value in found.items()}
    for name, value in {
        ("outbox_rows", "dead"): 1,
        ("outbox_rows", "sending"): 1,
        ("outbox_rows", "pending"): 3,
        ("timers_due", ""): 2,
        ("schedules_due", ""): 1,
        ("approvals_waiting", ""): 0,
        ("approvals_oldest_seconds", ""): 0,
        ("cost_data_age_days", "aws"): 3,
        ("cost_data_age_days", "gcp"): 2,
        ("cost_data_age_days", "other"): 29,
    }.items():
        assert found[name] == value, name
    for name, value in {
        ("outbox_oldest_seconds", ""): 70,
        ("timers_late_seconds", ""): 30,
        ("schedules_late_seconds", ""): 40,
        ("ledger_head_age_seconds", "anchor"): 60 * 3600,
        ("ledger_head_age_seconds", "channel"): 12 * 3600,
    }.items():
        assert near[name] == value, (name, found[name])
    sources = [label for name, label in found if name == "cost_data_age_days"]
    assert len(sources) == operations.MOST_SOURCES + 1


def test_a_hold_is_a_figure(database: Database) -> None:
    with database.begin() as session:
        holding.begin(
            make_context(session, actor=OPERATOR, now=clock.now(session)), HoldReason.ASKED
        )
    assert figures(database)["outbox_held", ""] == 1


def test_an_empty_record_has_figures_too(database: Database) -> None:
    found = figures(database)
    assert found["outbox_oldest_seconds", ""] == 0
    assert found["outbox_held", ""] == 0
    assert not any(name == "ledger_head_age_seconds" for name, _ in found)


PARTIAL = {
    "outbox": "ix_outbox_open ix_outbox_due",
    "timer": "ix_timer_due",
    "approval": "ix_approval_pending",
}


def test_no_figure_reads_a_large_table_from_end_to_end(database: Database) -> None:
    statements: list[tuple[str, object]] = []

    @event.listens_for(database._read_engine, "before_cursor_execute")
    def note(
        _connection: object, _cursor: object, statement: str, parameters: object, *_more: object
    ) -> None:
        statements.append((statement, parameters))

    figures(database)
    event.remove(database._read_engine, "before_cursor_execute", note)
    looked = 0
    with database.read() as session:
        connection = session.connection()
        if not database.is_sqlite:
            session.execute(text("SET LOCAL enable_seqscan = off"))
        for statement, parameters in statements:
            if not statement.startswith("SELECT"):
                continue
            explain = "EXPLAIN QUERY PLAN" if database.is_sqlite else "EXPLAIN"
            plan = "\n".join(
                str(tuple(row))
                for row in connection.exec_driver_sql(f"{explain} {statement}", parameters)
            )
            for table, indexes in PARTIAL.items():
                if not re.search(rf"FROM {table}\b", statement):
                    continue
                looked += 1
                assert not re.search(rf"Seq Scan on {table}\b", plan), plan
                assert not re.search(rf"SCAN {table}\b(?! USING)", plan), plan
                assert any(
                    name in plan for name in (*indexes.split(), "dedupe_key", "autoindex")
                ), plan
    assert looked >= 6


def test_a_bot_without_a_database_still_tells_of_itself(tmp_path: Path) -> None:
    place = tmp_path / "mlgov.db"
    place.mkdir()
    database = Database(f"sqlite:///{place}")
    collector = Gauges(database, lambda: [operations.Figure("tick_age_seconds", 3.0)])
    found = exposed(collector)
    assert found["mlgov_database_up"] == 0
    assert found["mlgov_tick_age_seconds"] == 3
    assert "mlgov_outbox_oldest_seconds" not in found
    assert found["process_start_time_seconds"] > 0
    database.close()


def test_who_asks_waits_so_long_and_no_longer() -> None:
    going, asked = threading.Event(), []

    def work() -> int:
        asked.append(1)
        going.wait(20)
        return 7

    question = Bounded("slow", work)
    for _ in range(2):
        with pytest.raises(TimeoutError):
            question.ask(0.05)
    assert len(asked) == 1, "one question at a time"
    going.set()
    assert question.ask(20) == 7
    assert question.ask(20) == 7

    def breaks() -> int:
        raise KeyError("broken")

    with pytest.raises(KeyError, match="broken"):
        Bounded("broken", breaks).ask(20)


def exposed(collector: Gauges) -> dict[str, float]:
    written = metrics.exposition(collector).decode()
    return {
        sample.name: sample.value
        for family in text_string_to_metric_families(written)
        for sample in family.samples
    }


@pytest.fixture(params=["sqlite-http", "sqlite-socket"])
def api(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Api]:
    backend, over = request.param.split("-")
    with served(fresh_url(backend, request, tmp_path), tmp_path, over) as running:
        yield running


@pytest.mark.slow
def test_what_a_running_bot_tells(api: Api) -> None:
    office = api.office
    before = scrape(office.base_url).samples

    def grew(metric: str, **labels: str) -> float:
        key = (metric, tuple(sorted(labels.items())))
        return scrape(office.base_url).samples.get(key, 0) - before.get(key, 0)

    assert api.ask(api.token()).status_code == 201
    office.settle()
    office.sandbox.seat(OLA).slash("/mlgov", "", "C0TRIAGE")
    eventually(
        lambda: grew("mlgov_slack_requests_total", kind="command", status="200", outcome="ok") == 1,
        "requests are counted",
    )
    assert grew("mlgov_api_requests_total", method="POST", route="/approvals", status="201") == 1
    assert grew("mlgov_deliveries_total", result="done") >= 1
    assert grew("mlgov_slack_calls_total", method="chat.postMessage", result="ok") >= 1
    now = scrape(office.base_url).samples
    assert now["mlgov_approvals_waiting", ()] == 1
    office.move(timedelta(days=1, hours=1))
    assert grew("mlgov_jobs_total", name="approval.expire", result="ok") == 1
    now = scrape(office.base_url).samples
    assert now["mlgov_approvals_waiting", ()] == 0
    uses_socket = office.bot.reach.is_socket_up is not None
    assert (("mlgov_socket_up", ()) in now) == uses_socket
    people = office.sandbox.world.users
    for _metric, labels in now:
        for _label, value in labels:
            assert value not in people
            assert value not in {"triage", "Ticket triage"}


@pytest.mark.slow
def test_systems_that_are_read_are_counted(request: pytest.FixtureRequest, tmp_path: Path) -> None:
    mlflow = Server()
    status = 200

    def answer(_method: str, _path: str) -> Answer:
        return status, {"content-type": "application/json"}, b"{}"

    mlflow.answer = answer
    url = fresh_url("sqlite", request, tmp_path)
    with opened(url, tmp_path, policy=MODELS, world=world(), mlgov_mlflow_url=mlflow.url) as office:

        def told(name: str, **labels: str) -> float:
            key = (name, tuple(sorted(labels.items())))
            return scrape(office.base_url).samples.get(key, -1.0)

        def reads(result: str) -> float:
            return told("mlgov_reader_reads_total", reader="mlflow", result=result)

        well, badly = reads("ok"), reads("failed")
        assert min(well, badly) >= 0, "both stand there before anything was read"
        registrar = office.bot.registrar
        assert registrar is not None
        eventually(lambda: registrar.look(force=True) == "", "it is read")
        assert reads("ok") > well
        assert told("mlgov_reader_age_seconds", reader="mlflow") >= 0
        status = 500
        eventually(lambda: "500" in registrar.look(force=True), "it is in trouble")
        assert reads("failed") > badly
    mlflow.stop()
