"""What one token sends keeps nobody else waiting: Slack and health have capacity of their own, and every limit has a word."""

import gzip
import io
import logging
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from bot.background import FILES
from bot.web import authentication, metrics, server, uploads
from storage.enums import Scope
from tests.api.conftest import Api, bearer, served
from tests.api.test_models import BOTH, NEW, call
from tests.api.test_waiting import ran
from tests.conftest import fresh_url
from tests.stories.office import TIM, eventually

AT = "/models/fraud-score/versions/7"
COLUMNS = {"truth": "truth", "prediction": "prediction", "group": "sex"}
HAND = (Path(__file__).parents[1] / "evidence" / "hired.csv").read_bytes()
LONG = 120.0
"""Seconds that nothing here takes."""


@pytest.fixture(params=["sqlite-http", "postgres-socket"])
def api(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Api]:
    """One upload is read at a time, so that a test can hold it."""
    backend, over = request.param.split("-")
    url = fresh_url(backend, request, tmp_path)
    with served(url, tmp_path, over, mlgov_uploads=1) as made:
        yield made


@pytest.fixture
def program(api: Api) -> str:
    token = api.token("ci", scopes=(*BOTH, Scope.COSTS), projects=("triage",))
    call(api, token, "", NEW)
    who = {"version": "7", "developers": ["tim@acme.test"]}
    call(api, token, "/fraud-score/versions", who)
    return token


def predict(api: Api, token: str, data: bytes) -> httpx.Response:
    return httpx.post(
        f"{api.office.base_url}/api/v1{AT}/predictions",
        params=COLUMNS,
        content=data,
        headers=bearer(token),
        timeout=LONG,
        trust_env=False,
    )


def packed(size: int) -> bytes:
    """A gzipped CSV that unpacks to about so many bytes."""
    line = b"women,1,1\n"
    out = io.BytesIO()
    with gzip.GzipFile(fileobj=out, mode="wb", compresslevel=9) as file:
        file.write(b"sex,truth,prediction\n")
        for _ in range(size // (len(line) * 10_000)):
            file.write(line * 10_000)
    return out.getvalue()


@contextmanager
def held() -> Iterator[None]:
    """The processes that read stand still, and so does whatever they were given."""
    workers = [
        one
        for one in psutil.Process().children()
        if "workflows.sources.apart.worker" in one.cmdline()
    ]
    assert workers
    for one in workers:
        one.suspend()
    try:
        yield
    finally:
        for one in workers:
            one.resume()


def test_sixteen_bombs_of_one_token_keep_nobody_waiting(
    api: Api, program: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploads, "PATIENCE", 0.3)
    monkeypatch.setattr(uploads, "SECONDS", 10 * LONG)
    other = api.token("other", scopes=(*BOTH, Scope.COSTS))
    assert predict(api, program, HAND).status_code == 201
    readers = api.office.bot.deps.readers
    bomb = packed(300_000_000)
    assert len(bomb) < 1_000_000
    with ThreadPoolExecutor(16) as threads, held():
        sent = [threads.submit(predict, api, program, bomb) for _ in range(16)]
        eventually(lambda: sum(one.done() for one in sent) == 13, "three of them are here", LONG)
        assert readers.api.busy == readers.api.most == 1
        refused = [one.result() for one in sent if one.done()]
        assert {one.status_code for one in refused} == {429}
        assert refused[0].headers["retry-after"] == "1"
        assert refused[0].json()["detail"].startswith("3 uploads are under way")

        # Everything that can be read is being read, and the others are answered.
        seat = api.office.sandbox.seat(TIM)
        assert seat.slash("/mlgov", "help", "C0TRIAGE").ok
        api.office.private(seat, "What mlgov understands")
        for path in ("/healthz", "/readyz", "/metrics"):
            assert api.http.get(path).status_code == 200
        assert api.get("/models", other).status_code == 200
        assert api.get("/models", program).status_code == 200
        waited = predict(api, other, HAND)
        assert (waited.status_code, waited.headers["retry-after"]) == (503, "5")
        assert "reading other files" in waited.json()["detail"]
        assert readers.api.busy == 1
    ended = [one.result(LONG) for one in sent]
    told = {one.status_code: one.json()["detail"] for one in ended}
    assert told.keys() == {413, 429}
    assert told[413] == (
        "The file unpacks to more than 256,000,000 bytes. Send less of it, or count it on your own machine with `mlgov fairness`."
    )
    assert predict(api, other, HAND).status_code == 201


def test_files_in_slack_have_turns_of_their_own(api: Api) -> None:
    readers = api.office.bot.deps.readers
    seat = api.office.sandbox.seat(TIM)
    dm = seat.dm().id
    turns = [readers.file() for _ in range(FILES)]
    for turn in turns:
        turn.__enter__()
    try:
        seat.share(dm, "card.md", b"## Intended use\n\nRank claims.\n")
        eventually(lambda: "reading other files" in seat.messages(dm)[-1].text, "there is a word")
        assert seat.slash("/mlgov", "help", "C0TRIAGE").ok
    finally:
        for turn in turns:
            turn.__exit__(None, None, None)
    seat.share(dm, "card.md", b"## Intended use\n\nRank claims.\n")
    eventually(lambda: "which evidence" in seat.messages(dm)[-1].text, "it is read")


def test_rows_beyond_the_most_are_refused(api: Api, program: str, tmp_path: Path) -> None:
    import duckdb

    file = tmp_path / "many.parquet"
    duckdb.sql(
        "SELECT 'women' AS sex, 1 AS truth, 1 AS prediction FROM range(6000000)"
    ).write_parquet(str(file))
    assert file.stat().st_size < 1_000_000
    refused = predict(api, program, file.read_bytes())
    assert (refused.status_code, refused.json()["detail"][:40]) == (
        413,
        "The file has more than 5,000,000 rows. S",
    )


# --- before a body is taken


def taking(api: Api) -> list[tuple[str, str, str | None]]:
    """Method, path and scope of every endpoint of the API that takes a body."""
    document = api.get("/openapi.json").json()
    found = [
        (method.upper(), path, told.get("x-mlgov-scope"))
        for path, methods in document["paths"].items()
        for method, told in methods.items()
        if "requestBody" in told or method in ("post", "put", "patch")
    ]
    assert len(found) >= 9
    return found


def raw(api: Api, head: str, body: bytes = b"") -> tuple[int, bytes]:
    """Status and answer to a head with which as much as is given of a body is sent; the rest never comes."""
    address = httpx.URL(str(api.office.base_url))
    with closing(socket.create_connection((address.host, address.port), timeout=LONG)) as line:
        line.sendall(head.replace("\n", "\r\n").encode("latin-1") + b"\r\n" + body)
        heard = b""
        while b"\r\n\r\n" not in heard:
            part = line.recv(65_536)
            assert part, heard
            heard += part
        line.settimeout(0.2)
        try:
            while part := line.recv(65_536):
                heard += part
        except TimeoutError:
            pass
    return int(heard.split(b" ")[1]), heard


def head_of(method: str, path: str, token: str | None = None, length: int = 60_000) -> str:
    filled = (
        path.replace("{key}", "fraud-score").replace("{version}", "7").replace("{approval_id}", "1")
    )
    query = "?truth=t&prediction=p&group=g" if path.endswith("predictions") else ""
    head = f"{method} /api/v1{filled}{query} HTTP/1.1\nHost: a\nContent-Type: application/json\nContent-Length: {length}\nIdempotency-Key: k\n"
    return head + (f"Authorization: Bearer {token}\n" if token else "")


def test_nobodys_body_is_taken_before_it_is_known_who_calls(api: Api, program: str) -> None:
    nothing = api.token("nothing", scopes=(Scope.STATUS,))
    for method, path, scope in taking(api):
        assert scope is not None, path
        for token, status in (
            (None, 401),
            ("mlgov_m_aaaaaaaa_" + "x" * 43, 401),
            ("é" * 40, 401),
            (nothing, 403),
        ):
            assert raw(api, head_of(method, path, token))[0] == status, (path, token)
        long = head_of(method, path, program, 9_000_000)
        assert raw(api, long)[0] in (403, 413), path
    assert raw(api, head_of("POST", "/costs", program, 10**18))[0] == 413


def test_where_one_may_hand_nothing_in_no_upload_is_taken(api: Api, program: str) -> None:
    api.office.project("vision", "Lane vision")
    elsewhere = api.token("elsewhere", scopes=BOTH, projects=("vision",))
    for name in ("predictions", "evidence"):
        path = f"/models/{{key}}/versions/{{version}}/{name}"
        assert raw(api, head_of("POST", path, elsewhere))[0] == 404
        gone = path.replace("{version}", "8")
        assert raw(api, head_of("POST", gone, program))[0] == 404


def test_a_body_that_does_not_come_is_given_up(
    api: Api, program: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "SECONDS", 0.2)
    monkeypatch.setattr(uploads, "LARGE_SECONDS", 0.2)
    for path in ("/costs", "/models", "/models/{key}/versions/{version}/predictions"):
        status, heard = raw(api, head_of("POST", path, program), b"{")
        assert (status, b"did not arrive within 0.2 seconds" in heard) == (408, True)


@pytest.mark.parametrize("api", ["sqlite-http"], indirect=True)
def test_slacks_door_takes_no_strangers_body(
    api: Api, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(server, "SECONDS", 0.3)
    now = int(time.time())
    head = "POST /slack/events HTTP/1.1\nHost: a\nContent-Length: 900000\n"
    stamp = f"X-Slack-Request-Timestamp: {now}\n"
    for more in (
        "",
        "X-Slack-Signature: v0=aa\n",
        stamp,
        f"X-Slack-Signature: v0=aa\nX-Slack-Request-Timestamp: {now - 400}\n",
        "X-Slack-Signature: v0=aa\nX-Slack-Request-Timestamp: ²²²\n",
        "X-Slack-Signature: v0=aa\nX-Slack-Request-Timestamp: nan\n",
        f"X-Slack-Signature: v0=aa\nX-Slack-Request-Timestamp: {'9' * 400}\n",
    ):
        assert raw(api, head + more)[0] == 401, more
    # What may be signed is read, for so long.
    assert raw(api, head + stamp + "X-Slack-Signature: v0=aa\n")[0] == 408
    short = head.replace("900000", "2") + stamp
    for signature in ("v0=aa", "v0=é", "\xff\xfe", "é" * 64):
        told = raw(api, f"{short}X-Slack-Signature: {signature}\n", b"{}")
        assert told[0] == 401, signature

    gone = metrics.TURNED_AWAY.labels("gone")
    before = gone._value.get()
    monkeypatch.setattr(server, "SECONDS", LONG)
    address = httpx.URL(str(api.office.base_url))
    with caplog.at_level(logging.ERROR):
        with closing(socket.create_connection((address.host, address.port), timeout=LONG)) as line:
            whole = f"{head}{stamp}X-Slack-Signature: v0=aa\n\n".replace("\n", "\r\n")
            line.sendall(whole.encode() + b"half of it")
            time.sleep(0.1)
        eventually(lambda: gone._value.get() > before, "that it was broken off is seen")
        assert api.http.get("/healthz").status_code == 200
    assert [one for one in caplog.records if one.levelno >= logging.ERROR] == []


# --- so much at a time, and so much a minute


def test_a_minute_holds_so_many_requests(request: pytest.FixtureRequest, tmp_path: Path) -> None:
    url = fresh_url("sqlite", request, tmp_path)
    with served(url, tmp_path, mlgov_api_per_minute=10) as api:
        eager, other = api.token("eager"), api.token("other")
        answers: list[httpx.Response] = []
        while not answers or answers[-1].status_code == 200:
            answers.append(api.get("/models", eager))
            assert len(answers) < 500
        refused = answers[-1]
        assert len(answers) > 10
        assert refused.status_code == 429
        assert 1 <= int(refused.headers["retry-after"]) <= 6
        assert refused.json()["detail"].startswith(
            "This token has asked more than 10 times a minute."
        )
        assert api.get("/models", other).status_code == 200
        # A token that opens nothing costs nobody's allowance, and needs none.
        assert api.get("/models", "wrong").status_code == 401


def test_only_whoever_waits_for_a_decision_needs_no_turn(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`wait` is a word of one endpoint, and of no other."""
    turns: list[bool] = []
    counted = authentication.Allowance.request

    def seen(self: authentication.Allowance, token: int, *, waits: bool) -> Any:
        turns.append(waits)
        return counted(self, token, waits=waits)

    monkeypatch.setattr(authentication.Allowance, "request", seen)
    with served(fresh_url("sqlite", request, tmp_path), tmp_path) as api:
        pipeline = api.token()
        asked = api.ask(pipeline).json()["id"]
        for path in (f"/approvals/{asked}", f"/approvals/{asked}?wait=0", "/models?wait=9"):
            assert api.get(path, pipeline).status_code == 200
        assert turns == [False] * 4
        assert api.get(f"/approvals/{asked}?wait=1", pipeline).status_code == 200
        assert turns[-1] is True


def test_requests_come_back_evenly() -> None:
    """By a clock of its own."""
    ran(_evenly())


async def _evenly() -> None:
    at = 0.0
    allowance = authentication.Allowance(60, lambda: at)

    async def ask(token: int = 1) -> bool:
        try:
            async with allowance.request(token, waits=False):
                return True
        except authentication.TooMany as error:
            return error.seconds != 1

    assert [await ask() for _ in range(61)] == [True] * 60 + [False]
    assert await ask(2)
    at = 2.0
    assert [await ask() for _ in range(3)] == [True, True, False]


# --- whatever is sent


ODD = {
    "gzip head": b"\x1f\x8b",
    "gzip in gzip": gzip.compress(gzip.compress(HAND, mtime=0), mtime=0),
    "gzip cut off": gzip.compress(HAND, mtime=0)[:-6],
    "parquet of nothing": b"PAR1PAR1",
    "parquet with an endless footer": b"PAR1" + b"\xff" * 64 + b"PAR1",
    "zip head": b"PK\x03\x04" + b"\0" * 60,
    "deep list": b"[" * 60_000,
    "deep object": b'{"a":' * 20_000,
    "long number": b"9" * 60_000,
    "rows of nothing": b'{"source": "x", "rows": [{}]}',
    "rows of numbers": b'{"source": "x", "rows": [' + b"0," * 30_000 + b"0]}",
    "no numbers": b'{"source": "x", "focus": [{"BilledCost": 1e400, "\\u0000": NaN}]}',
    "half characters": b'{"source": "x", "focus": [{"Tags": {"\\ud800": "\\udfff"}}]}',
    "big measure": b'{"type": "performance_report", "metrics": ["a = 9e99999 >= 1"]}',
    "half a place": b'{"type": "model_card", "card": {}, "uri": "s3://\\ud800"}',
    "no UTF-8": b'"\xff"',
    "a table": HAND,
}
BODIES = st.one_of(st.binary(max_size=200), st.sampled_from(sorted(ODD)))
PATHS = st.sampled_from(
    ["/costs", f"{AT}/evidence", f"{AT}/predictions", f"{AT}/readings", "/models"]
)
KINDS = st.sampled_from(["application/json", "application/x+json", "text/csv", "é", ""])


@pytest.mark.filterwarnings(
    # The bot's own threads draw random numbers meanwhile; that is not the strategies' doing.
    "ignore::hypothesis.errors.HypothesisDeprecationWarning"
)
@pytest.mark.parametrize("api", ["sqlite-http"], indirect=True)
def test_nothing_that_is_sent_breaks_it(api: Api, program: str) -> None:
    unbound = api.token("unbound", scopes=(*BOTH, Scope.COSTS))
    rate = api.office.bot.deps.settings.mlgov_api_per_minute
    assert rate == 600
    tried: list[int] = []

    @settings(
        max_examples=120, deadline=None, database=None, suppress_health_check=list(HealthCheck)
    )
    @given(BODIES, PATHS, KINDS, st.booleans())
    @example("deep list", "/costs", "application/json", False)
    @example("a table", f"{AT}/predictions", "", True)
    def attack(what: bytes | str, path: str, kind: str, is_bound: bool) -> None:
        body = ODD[what] if isinstance(what, str) else what
        token = program if is_bound else unbound
        answer = api.http.post(
            f"/api/v1{path}",
            content=body,
            params=COLUMNS if path.endswith("predictions") else None,
            headers=[
                (b"authorization", f"Bearer {token}".encode()),
                (b"content-type", kind.encode("latin-1")),
            ],
        )
        tried.append(answer.status_code)
        assert answer.status_code < 500, answer.text

    attack()
    assert len(tried) >= 50
    assert 422 in tried


def test_every_refusal_of_a_limit_has_a_word(api: Api, program: str) -> None:
    """The document names the answers that limits give, wherever something is taken."""
    document: dict[str, Any] = api.get("/openapi.json").json()
    for method, path, _ in taking(api):
        answers = document["paths"][path][method.lower()]["responses"]
        assert {"401", "403", "408", "413", "429"} <= answers.keys(), path
