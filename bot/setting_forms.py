"""The forms of settings: what is wrong with a value, as words after its name. Pure; no word quotes a value.

Each function answers an empty text for a value that may be right, and for one that is not set.
"""

import re
from urllib.parse import urlsplit

_KINDS = (
    ("xoxb-", "a bot token"),
    ("xoxe.xoxb-", "a bot token"),
    ("xapp-", "an app-level token"),
    ("xoxp-", "a user token"),
    ("xoxe.xoxp-", "a user token"),
    ("xoxe-", "a refresh token"),
    ("xoxa-", "a workspace token of old"),
    ("xoxc-", "a browser's token"),
    ("xoxs-", "a browser's token"),
)
_ONE_WORD = re.compile(r"^[!-~]+$")
_BLANKS = "holds a blank or a sign that isn't ASCII; copy it again, in one piece"
SHORTEST_KEY = 32
"""Characters of the key from which webhooks' secrets are made."""
_SHORTEST_SECRET = 16


def kind(token: str) -> str:
    """What a Slack token is, by how it starts; empty when it starts like none."""
    return next((words for start, words in _KINDS if token.startswith(start)), "")


def bot_token(value: str | None, is_real_slack: bool) -> str:
    """A stand-in for Slack may write its tokens as it likes, but not as Slack writes others."""
    where = "the bot token starts with xoxb- and is under OAuth & Permissions"
    return _slack_token(value, "a bot token", where, is_real_slack)


def app_token(value: str | None, is_real_slack: bool) -> str:
    """The same for the app-level token."""
    where = "the app-level token starts with xapp- and is under Basic Information"
    return _slack_token(value, "an app-level token", where, is_real_slack)


def _slack_token(value: str | None, wanted: str, where: str, is_real_slack: bool) -> str:
    if value is None:
        return ""
    if not _ONE_WORD.match(value):
        return _BLANKS
    is_a = kind(value)
    if is_a == wanted or (not is_a and not is_real_slack):
        return ""
    return f"this is {is_a}; {where}" if is_a else f"this isn't {wanted}; {where}"


def signing_secret(value: str | None) -> str:
    """Slack writes 32 hexadecimal digits today and promises nothing, so only what is surely another thing is refused."""
    where = "the signing secret is under Basic Information, 32 letters and digits"
    if value is None:
        return ""
    if is_a := kind(value):
        return f"this is {is_a}; {where}"
    if not _ONE_WORD.match(value):
        return _BLANKS
    return f"this is too short; {where}" if len(value) < _SHORTEST_SECRET else ""


def bearer(value: str | None) -> str:
    """What goes into the header of a request."""
    return "" if value is None or _ONE_WORD.match(value) else _BLANKS


def webhook_key(value: str | None) -> str:
    """Whoever guesses it can forge events."""
    if value is None or len(value) >= SHORTEST_KEY:
        return ""
    return f"this is too short; it takes {SHORTEST_KEY} random characters or more, like `openssl rand -hex 32` prints"


def web_address(value: str | None, example: str) -> str:
    """An http(s) address with a host."""
    if value is None:
        return ""
    wrong = f"isn't a web address; write one like {example}"
    try:
        parsed = urlsplit(value)
        _ = parsed.port
    except ValueError:
        return wrong
    is_right = parsed.scheme in ("http", "https") and parsed.hostname
    return "" if is_right and _ONE_WORD.match(value) else wrong


def anchor(value: str | None) -> str:
    """A path, or an address that takes what is posted."""
    if value is None or "://" not in value:
        return ""
    if web_address(value, ""):
        return "write a file's path, or an http(s) address that takes what is posted"
    return ""


def database_url(value: str) -> str:
    """A file of SQLite's, or a PostgreSQL server."""
    scheme, separator, rest = value.partition("://")
    if not separator:
        return "isn't a database URL; write sqlite:///mlgov.db or postgresql://user:password@host/mlgov"
    dialect, _, driver = scheme.casefold().partition("+")
    if dialect == "sqlite":
        return _sqlite(driver, rest)
    if dialect not in ("postgresql", "postgres"):
        return (
            "names a database that mlgov doesn't speak; it keeps its record in SQLite (sqlite:///mlgov.db) or "
            "PostgreSQL (postgresql://user:password@host/mlgov)"
        )
    if driver not in ("", "psycopg"):
        return "names a driver that mlgov doesn't use; start it with postgresql:// alone"
    try:
        _ = urlsplit(value).port
    except ValueError:
        return (
            "has a port that isn't a number; write postgresql://user:password@host:5432/mlgov, and in the password "
            "%40 for @, %3A for : and %2F for /"
        )
    return ""


def _sqlite(driver: str, rest: str) -> str:
    if driver not in ("", "pysqlite"):
        return "names a driver that mlgov doesn't use; start it with sqlite:/// alone"
    if not rest.startswith("/"):
        return "needs three slashes before a file's name: sqlite:///mlgov.db"
    if rest[1:].partition("?")[0] in ("", ":memory:"):
        return "names no file; the record has to outlive the process: sqlite:///mlgov.db"
    return ""
