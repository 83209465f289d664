"""Checking an installation: each check says in one line what it found, and how to mend what is wrong."""

import email.utils
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.web import SlackResponse
from sqlalchemy.exc import SQLAlchemyError

from bot import installation, manifest
from bot.audit import anchor
from bot.inventory import watching
from bot.registry import syncing
from bot.settings import Settings, SettingsRefused, another_host
from storage import migrate, runtime
from storage.db import Database
from storage.host import AnotherHost
from storage.people import readings
from workflows import clock, policy
from workflows.errors import GovernanceError, InvalidInput
from workflows.inventory import asking
from workflows.inventory.asking import Asked
from workflows.sources.prometheus import NOTHING

SKEW_SECONDS = 60
"""Slack refuses signatures that are five minutes off; a minute is the time to mend it."""


@dataclass(frozen=True, slots=True)
class Check:
    """One line of the report."""

    name: str
    ok: bool
    words: str


def run(settings: Settings) -> Iterator[Check]:
    """All checks, in the order in which things are set up."""
    yield from _slack(settings)
    yield _transport(settings)
    yield _database(settings)
    yield _mirror(settings)
    yield _policy(settings)
    yield _anchor(settings)
    if settings.mlgov_mlflow_url is not None:
        yield _registry(settings)
    if settings.mlgov_prometheus_url is not None:
        yield _prometheus(settings)


def _slack(settings: Settings) -> Iterator[Check]:
    try:
        slack: WebClient = installation.client(settings)
        answer = slack.auth_test()
    except SettingsRefused as error:
        yield Check("token", False, str(error))
        return
    except SlackApiError as error:
        code = error.response.get("error")
        yield Check(
            "token",
            False,
            f"Slack refused SLACK_BOT_TOKEN ({code}). Install the app again and copy its token.",
        )
        return
    except (SlackClientError, OSError) as error:
        yield Check(
            "token",
            False,
            f"{settings.slack_api_url} cannot be reached ({type(error).__name__}). Check SLACK_API_URL and the network.",
        )
        return
    yield Check("token", True, f"{answer.get('user')} in {answer.get('team')}")
    yield _scopes(answer)
    yield _clock(answer)


OPTIONAL = {
    "an ambiguous send becomes a dead letter": ("channels:history", "groups:history"),
    "pictures are said in words, and no file is sent": ("files:write",),
    "files that people hand in are not read, and a picture that Slack is slow to take is said in words": (
        "files:read",
    ),
}
"""What is lost without optional scopes."""


def _scopes(answer: SlackResponse) -> Check:
    granted = installation.granted(answer)
    needed, optional = manifest.scopes()
    if missing := sorted(needed - granted):
        return Check(
            "scopes",
            False,
            f"missing {', '.join(missing)}. Add them on your app's page and install it again.",
        )
    if without := sorted(optional - granted):
        costs = [
            words
            for words, scopes in OPTIONAL.items()
            if not granted.issuperset(scopes)
        ]
        return Check(
            "scopes",
            True,
            f"all needed; without {', '.join(without)} {'; '.join(costs)}",
        )
    return Check("scopes", True, "all, the optional ones too")


def _clock(answer: SlackResponse) -> Check:
    try:
        theirs = email.utils.parsedate_to_datetime(installation.header(answer, "date"))
    except (TypeError, ValueError):
        return Check(
            "clock", True, "Slack did not tell its time, so the skew is not known"
        )
    skew = (datetime.now(UTC) - theirs).total_seconds()
    if abs(skew) > SKEW_SECONDS:
        return Check(
            "clock",
            False,
            f"this machine is {skew:+.0f} s off Slack's time, which makes signatures fail. Turn on time synchronisation.",
        )
    return Check("clock", True, f"within {max(1, abs(skew)):.0f} s of Slack's")


def _transport(settings: Settings) -> Check:
    if settings.slack_app_token is not None:
        return Check("transport", True, "Socket Mode (SLACK_APP_TOKEN is set)")
    if settings.slack_signing_secret is not None:
        return Check(
            "transport", True, "HTTP (`mlgov run --http`, SLACK_SIGNING_SECRET is set)"
        )
    return Check(
        "transport",
        False,
        "set SLACK_APP_TOKEN for Socket Mode, or SLACK_SIGNING_SECRET for `mlgov run --http`.",
    )


def _database(settings: Settings) -> Check:
    def look() -> str:
        database = Database(settings.mlgov_database_url.get_secret_value())
        try:
            if database.is_sqlite and not Path(database.url.database or "").exists():
                return "not there yet; `mlgov run` makes it"
            database.hold_host()
            current = migrate.current(database)
            if current == migrate.head():
                return f"{database.url.get_backend_name()}, revision {current}"
            if current is not None and current not in migrate.known():
                raise GovernanceError(
                    f"is at revision {current}, made by a newer mlgov. Install that release."
                )
            return f"at revision {current}; `mlgov run` brings it to {migrate.head()}"
        except AnotherHost as error:
            raise GovernanceError(another_host(error.host)) from None
        finally:
            database.close()

    return _guarded("database", look)


STALE = timedelta(hours=2)
"""A mirror of Slack that was not read for so long misses readings: it is read every hour."""


def _mirror(settings: Settings) -> Check:
    """When Slack's people, user groups and channels were read."""

    def look() -> str:
        database = Database(settings.mlgov_database_url.get_secret_value())
        try:
            if database.is_sqlite and not Path(database.url.database or "").exists():
                return "not read yet; `mlgov run` reads Slack when it starts"
            if migrate.current(database) != migrate.head():
                return "not looked at: the database is at another revision"
            with database.read() as session:
                standing, now = readings.standing(session), runtime.real_now(session)
        except SQLAlchemyError:
            return "not looked at: the database cannot be used"
        finally:
            database.close()
        if all(row.read_at is None and not row.failures for row in standing.values()):
            return "not read yet; `mlgov run` reads Slack when it starts, `mlgov sync` does it now"
        told, is_bad = [], False
        for kind, row in standing.items():
            age = row.age(now)
            why = f", the last try failed ({row.failure})" if row.failures else ""
            when = "never read" if age is None else f"{row.entries:,}, {_ago(age)}"
            told.append(f"{readings.WORDS[kind]} ({when}{why})")
            is_bad = is_bad or age is None or age > STALE
        words = ", ".join(told)
        if is_bad:
            raise GovernanceError(
                f"{words}. mlgov reads Slack when it starts and every hour: see that `mlgov run` runs and what it logs, or read it now by `mlgov sync`."
            )
        return words

    return _guarded("mirror", look)


def _ago(age: timedelta) -> str:
    minutes = int(age.total_seconds() // 60)
    if minutes < 60:
        return f"{minutes} min ago"
    return (
        f"{minutes // 60} h ago" if minutes < 48 * 60 else f"{minutes // 1440} days ago"
    )


def _policy(settings: Settings) -> Check:
    def look() -> str:
        found = policy.load(settings.mlgov_policy)
        return f"{settings.mlgov_policy} is good ({len(found.policy.gates)} gates)"

    return _guarded("policy", look)


def _anchor(settings: Settings) -> Check:
    place = settings.mlgov_anchor
    if place is None:
        return Check(
            "anchor",
            True,
            "none; set MLGOV_ANCHOR to keep the ledger's heads outside the database",
        )
    if not place.startswith("http") and not Path(place).exists():
        return Check("anchor", True, f"{place} is made with the first head")
    return _guarded(
        "anchor", lambda: f"{len(anchor.kept(place))} heads kept at {place}"
    )


def _registry(settings: Settings) -> Check:
    def look() -> str:
        registry = syncing.client(settings)
        if registry is None:
            return "none"
        try:
            found = sum(1 for _ in registry.models())
        finally:
            registry.close()
        return f"MLflow answers, and has {found} model{'s' if found != 1 else ''}"

    return _guarded("registry", look)


def _prometheus(settings: Settings) -> Check:
    def look() -> str:
        prometheus = watching.client(settings)
        if prometheus is None:
            return "none"
        try:
            prometheus.value(NOTHING)
            asked = _measures(settings)
            wrong = []
            for one in asked:
                try:
                    prometheus.value(one.query)
                except InvalidInput as error:
                    wrong.append(f"{one.words}: {error.sentence}")
        finally:
            prometheus.close()
        told = f"answers; {len(asked)} measure{'s' if len(asked) != 1 else ''} in use {'are' if len(asked) != 1 else 'is'} read from it"
        if wrong:
            raise GovernanceError(
                f"{told}, {len(wrong)} of them without a value. {'; '.join(wrong[:3])}"
            )
        return told

    return _guarded("prometheus", look)


def _measures(settings: Settings) -> list[Asked]:
    database = Database(settings.mlgov_database_url.get_secret_value())
    try:
        if database.is_sqlite and not Path(database.url.database or "").exists():
            return []
        found = policy.load(settings.mlgov_policy).policy
        with database.read() as session:
            return asking.measures(session, policy=found, now=clock.now(session))
    finally:
        database.close()


def _guarded(name: str, look: Callable[[], str]) -> Check:
    try:
        return Check(name, True, look())
    except GovernanceError as error:
        return Check(name, False, error.sentence)
    except SQLAlchemyError as error:
        return Check(
            name,
            False,
            f"cannot be used ({type(error).__name__}). Check MLGOV_DATABASE_URL and that the server runs.",
        )
    except Exception as error:
        return Check(
            name,
            False,
            f"cannot be used ({type(error).__name__}). Check MLGOV_DATABASE_URL.",
        )
