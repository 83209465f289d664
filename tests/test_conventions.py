"""Promises outside the code that are kept true: the manifest, the rooms, and what a listener may do."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from bot import app, installed
from bot.slack import dispatcher
from sandbox.manifest import Manifest
from sandbox.web_api.endpoint import METHODS

ROOT = Path(__file__).parents[1]
OURS = ("bot", "workflows", "storage", "sandbox")


def sources(*folders: str) -> Iterator[tuple[Path, ast.Module]]:
    for folder in folders:
        for path in sorted((ROOT / folder).rglob("*.py")):
            yield path.relative_to(ROOT), ast.parse(path.read_text(encoding="utf-8"))


ONCE = {"migration.exchange"}
"""Methods of a command that an operator runs once, and gives a scope for."""


def methods_in_use() -> set[str]:
    """Web API methods that the bot calls, by the names of slack_sdk's functions and by `api_call`."""
    known = {name.casefold().replace(".", "_"): name for name in METHODS}
    found = {"apps.connections.open"}
    for _path, tree in sources("bot"):
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and node.attr.casefold() in known:
                found.add(known[node.attr.casefold()])
            if isinstance(node, ast.Constant) and node.value in METHODS:
                found.add(str(node.value))
    return found


def test_the_manifest_asks_for_exactly_the_scopes_in_use() -> None:
    needed, optional = installed.list_scopes()
    asked = needed | optional
    used = methods_in_use() - ONCE
    for method in used:
        scopes = METHODS[method].scopes
        assert not scopes or asked & set(scopes), f"{method} needs one of {scopes}"
    events = set(installed.load_manifest()["settings"]["event_subscriptions"]["bot_events"])
    payloads = (ROOT / "bot" / "people" / "lookup.py").read_text(encoding="utf-8")
    for scope in asked - {"commands"}:
        by_method = any(scope in METHODS[method].scopes for method in used)
        by_field = scope == "users:read.email" and "email" in payloads
        by_event = scope == "im:history" and "message.im" in events
        assert by_method or by_field or by_event, f"nothing uses {scope}"
    files = {"files:read", "files:write"}
    assert optional == {"channels:history", "groups:history", *files}
    assert not needed & optional


def test_the_manifest_subscribes_to_exactly_the_events_that_are_heard() -> None:
    subscribed = set(installed.load_manifest()["settings"]["event_subscriptions"]["bot_events"])
    assert subscribed == {"app_home_opened", "message.im", *dispatcher.DIRECTORY_EVENTS}


def test_the_manifest_has_exactly_the_commands_that_are_answered() -> None:
    commands = {
        command["command"] for command in installed.load_manifest()["features"]["slash_commands"]
    }
    assert commands == {"/mlgov"}


def test_the_manifest_offers_exactly_the_shortcuts_that_are_answered() -> None:
    offered = installed.load_manifest()["features"].get("shortcuts", [])
    assert {one["callback_id"] for one in offered} == set(app.build_router().shortcuts)
    Manifest(installed.load_manifest())  # refuses what Slack would not take


def test_the_usage_hint_names_words_that_exist() -> None:
    (command,) = installed.load_manifest()["features"]["slash_commands"]
    words = set(re.findall(r"[a-z]+", command["usage_hint"])) - {"project"}
    assert words <= set(app.build_router().words)


def test_the_manifest_for_http_has_its_request_urls() -> None:
    made = yaml.safe_load(installed.render_text("https://mlgov.example.com/"))
    url = "https://mlgov.example.com/slack/events"
    assert made["settings"]["event_subscriptions"]["request_url"] == url
    assert made["settings"]["interactivity"]["request_url"] == url
    assert made["features"]["slash_commands"][0]["url"] == url
    assert made["settings"]["socket_mode_enabled"] is False


@pytest.mark.parametrize("url", ["http://mlgov.example.com", "mlgov.example.com", "https://"])
def test_a_url_that_slack_would_refuse_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="https"):
        installed.render_text(url)


HANDLES = {
    "workflows/handles.py",  # resolves them
    "storage/people/queries.py",  # reads who has them
    "workflows/people/groups.py",  # keeps and tells what they mean
}
HAS_HANDLES = {
    "storage/people/exports.py": "a person's own groups are told to them by name and handle",
    "workflows/people/mirror.py": "what Slack says of a group is written as it says it",
}


def test_a_handle_is_resolved_in_one_place() -> None:
    """Whatever matches a user group by its handle elsewhere would mean another group than the rest of mlgov does."""
    files = (
        path for folder in ("bot", "workflows", "storage") for path in (ROOT / folder).rglob("*.py")
    )
    for path in files:
        place, text = path.relative_to(ROOT).as_posix(), path.read_text("utf-8")
        if place in HANDLES or place.startswith("storage/migrations/"):
            continue
        if ".handle" not in text and 'startswith("@' not in text:
            continue
        nodes = list(ast.walk(ast.parse(text)))
        called = {id(node.func) for node in nodes if isinstance(node, ast.Call)}
        for node in nodes:
            where = f"{place}:{getattr(node, 'lineno', 0)}"
            if isinstance(node, ast.Attribute) and node.attr == "handle":
                # A method of that name is called; a column or a field is read.
                assert id(node) in called or place in HAS_HANDLES, f"{where} reads one"
            elif isinstance(node, ast.Compare | ast.JoinedStr):
                assert "handle" not in {
                    each.attr for each in ast.walk(node) if isinstance(each, ast.Attribute)
                }, f"{where} compares one"
            elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("startswith"):
                told = ast.unparse(node)
                assert "'@'" not in told, f"{where} looks for handles itself"


def test_nothing_commits_but_the_edges() -> None:
    for path, tree in sources("workflows", "storage"):
        if path.as_posix() in {"storage/db.py"}:
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                assert node.func.attr not in {"commit", "rollback"}, f"{path}:{node.lineno} commits"


def test_clients_are_made_in_one_place() -> None:
    """So that the company's proxy and certificates hold everywhere."""
    calls = {
        "Client",
        "AsyncClient",
        "get",
        "post",
        "put",
        "delete",
        "head",
        "patch",
        "request",
        "stream",
    }
    places = {"workflows/sources/http.py", "bot/slack/client.py"}
    made: dict[str, set[str]] = {}
    for path, tree in sources("bot", "workflows", "storage"):
        for node in ast.walk(tree):
            if not isinstance(node, ast.Call):
                continue
            called = ast.unparse(node.func)
            module, _, name = called.rpartition(".")
            if (module in {"httpx", "requests"} and name in calls) or called.endswith(
                ("WebClient", "WebhookClient", "urlopen", "create_default_context")
            ):
                made.setdefault(path.as_posix(), set()).add(called)
            assert (
                not {"verify", "trust_env"} & {word.arg for word in node.keywords}
                or path.as_posix() in places
            ), f"{path}:{node.lineno} decides by itself"
    assert set(made) == places, made


CLOCKS = re.compile(
    r"(.*\b)?((datetime|date|dt)\.(now|utcnow|today)|time\.(time|time_ns|localtime|gmtime)|\w+\.(utcnow|today))"
)
"""Calls that read the time of day. A monotonic clock measures how long something takes, and decides nothing."""


def test_services_never_read_a_clock() -> None:
    assert CLOCKS.fullmatch("datetime.now")
    assert CLOCKS.fullmatch("datetime.datetime.now")
    assert not CLOCKS.fullmatch("clock.now")
    for path, tree in sources("workflows", "storage"):
        if path.as_posix() == "storage/runtime.py":
            continue  # the clock that everybody is told
        for node in ast.walk(tree):
            if isinstance(node, ast.Call | ast.Attribute | ast.Name):
                asked = node.func if isinstance(node, ast.Call) else node
                if isinstance(node, ast.Attribute) and node.attr == "today":
                    continue  # a column, unless it is called
                assert not CLOCKS.fullmatch(ast.unparse(asked)), (
                    f"{path}:{node.lineno} reads a clock"
                )


def test_every_kind_of_notice_can_be_shown_once() -> None:
    kinds = [renderer.notice.kind for renderer in app.RENDERERS]
    assert len(kinds) == len(set(kinds))
    assert all(kinds)


def test_the_formatter_decides_but_on_tables_of_data() -> None:
    kept = re.compile(r"^[\])}]+  # fmt: skip$|^(?!.*# fmt: )")
    for folder in (*OURS, "tests", "benchmarks"):
        for path in (ROOT / folder).rglob("*.py"):
            for line in path.read_text(encoding="utf-8").splitlines():
                assert kept.match(line) or path == Path(__file__), f"{path}: {line}"


def test_links_in_the_documents_lead_somewhere() -> None:
    for page in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]:
        for target in re.findall(
            r"\]\((?!https?://|#|mailto:)([^)#\s]+)", page.read_text(encoding="utf-8")
        ):
            assert (page.parent / target).exists(), (
                f"{page.relative_to(ROOT)} links to {target}, which is not there"
            )
