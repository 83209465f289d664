"""Checking an installation: each check says in one line what it found, and how to mend what is wrong."""

import email.utils
import re
from collections.abc import Callable, Collection, Generator, Iterator
from datetime import UTC, datetime
from pathlib import Path

from slack_sdk import WebClient
from slack_sdk.web import SlackResponse

from bot import installation, manifest, opening
from bot.checks import workspace
from bot.checks.check import Check, warning
from bot.checks.record import Record
from bot.context import Team
from bot.inventory import watching
from bot.registry import syncing
from bot.settings import Settings, SettingsRefused, unknown_names
from bot.slack_client import web_client
from workflows import clock, policy
from workflows.errors import GovernanceError, InvalidInput
from workflows.inventory import asking
from workflows.inventory.asking import Asked
from workflows.maturity import rubric
from workflows.policy import Policy
from workflows.sources.http import CertificatesUnreadable
from workflows.sources.prometheus import NOTHING
from workflows.wording import counted

SKEW_SECONDS = 60
"""Slack refuses signatures that are five minutes off; a minute is the time to mend it."""
_LIKE_A_SECRET = re.compile(r"^[0-9a-f]{32}$")


def run(settings: Settings, environment: Collection[str] = ()) -> Iterator[Check]:
    """All checks, in the order in which things are set up: what `mlgov run` will ask, and what it cannot know.

    `environment` are the names of the variables that are set.
    """
    yield _names(environment)
    team = yield from _slack(settings)
    yield _transport(settings)
    record = Record(settings)
    yield record.database()
    if team is not None and (whose := record.organisation(team)) is not None:
        yield whose
    if (set_back := record.set_back()) is not None:
        yield set_back
    if (mirror := record.mirror()) is not None:
        yield mirror
    read, check = _policy(settings)
    yield check
    if (left_behind := record.policy()) is not None:
        yield left_behind
    if team is not None and read is not None:
        place = workspace.Workspace(installation.client(settings), team)
        yield from workspace.checks(
            place, read, record.projects(), record.meant_groups(team.org_key)
        )
    yield record.anchor()
    yield record.signing_key()
    if (signed := record.webhook_key()) is not None:
        yield signed
    if (key := record.erasure_key()) is not None:
        yield key
    if (waiting := record.deliveries()) is not None:
        yield waiting
    if settings.mlgov_mlflow_url is not None:
        yield _registry(settings)
    if settings.mlgov_prometheus_url is not None:
        yield _prometheus(settings)


def check_refused(error: SettingsRefused) -> Iterator[Check]:
    """The report where the settings cannot be read: the rest can be looked at once they are mended."""
    for sentence in error.sentences:
        yield Check("settings", False, sentence)


def _names(environment: Collection[str]) -> Check:
    if unknown := unknown_names(environment):
        return warning("settings", " ".join(unknown))
    return Check("settings", True, "every MLGOV_ name that is set is known")


def _slack(settings: Settings) -> Generator[Check, None, Team | None]:
    try:
        slack: WebClient = installation.client(settings)
        answer = installation.call_auth_test(settings, slack)
        team = installation.team_of(answer)
    except SettingsRefused as error:
        yield Check("token", False, str(error))
        return None
    yield Check("token", True, f"{answer.get('user')} in {answer.get('team')}")
    yield _scopes(answer)
    yield _clock(answer)
    return team


OPTIONAL = {
    "an ambiguous send becomes a dead letter": ("channels:history", "groups:history"),
    "pictures are said in words, and no file is sent": ("files:write",),
    "files that people hand in are not read, and a picture that Slack is slow to take is said in words": (
        "files:read",
    ),
}
"""What is lost without optional scopes."""


def _scopes(answer: SlackResponse) -> Check:
    granted = installation.granted_scopes(answer)
    needed, optional = manifest.list_scopes()
    if missing := sorted(needed - granted):
        return Check(
            "scopes",
            False,
            f"missing {', '.join(missing)}. Add them on your app's page and install it again.",
        )
    if without := sorted(optional - granted):
        costs = [words for words, scopes in OPTIONAL.items() if not granted.issuperset(scopes)]
        return Check("scopes", True, f"all needed; without {', '.join(without)} {'; '.join(costs)}")
    return Check("scopes", True, "all, the optional ones too")


def _clock(answer: SlackResponse) -> Check:
    try:
        theirs = email.utils.parsedate_to_datetime(installation.header(answer, "date"))
    except (TypeError, ValueError):
        return Check("clock", True, "Slack did not tell its time, so the skew is not known")
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
        try:
            opener = web_client(None, base_url=settings.slack_api_url, timeout=10)
            url = installation.open_socket_url(settings, opener)
        except CertificatesUnreadable as error:
            return Check("transport", False, error.sentence)
        except SettingsRefused as error:
            return Check("transport", False, str(error))
        if url is None:
            return warning(
                "transport",
                "Socket Mode; Slack limits how often a connection is asked for, so the token wasn't tried. Try again in a minute.",
            )
        return Check("transport", True, "Socket Mode; Slack takes SLACK_APP_TOKEN")
    if settings.slack_signing_secret is not None:
        if _LIKE_A_SECRET.match(settings.slack_signing_secret.get_secret_value()):
            return Check(
                "transport", True, "HTTP (`mlgov run --http`, SLACK_SIGNING_SECRET is set)"
            )
        return warning(
            "transport",
            "HTTP; SLACK_SIGNING_SECRET isn't 32 hexadecimal digits, as Slack's are. Copy it again from Basic Information.",
        )
    return Check(
        "transport",
        False,
        "set SLACK_APP_TOKEN for Socket Mode, or SLACK_SIGNING_SECRET for `mlgov run --http`.",
    )


def _policy(settings: Settings) -> tuple[Policy | None, Check]:
    place = settings.mlgov_policy
    try:
        running = policy.load(place).policy
        rubric.load(rubric.place(place, running.maturity.rubric))
    except GovernanceError as error:
        return None, Check("policy", False, error.sentence)
    return running, Check(
        "policy", True, f"{place} is good ({counted(len(running.gates), 'gate')})"
    )


def _registry(settings: Settings) -> Check:
    def look() -> str:
        registry = syncing.make_client(settings)
        if registry is None:
            return "none"
        try:
            count = sum(1 for _ in registry.models())
        finally:
            registry.close()
        return f"MLflow answers, and has {count} model{'s' if count != 1 else ''}"

    return _guarded("registry", look)


def _prometheus(settings: Settings) -> Check:
    def look() -> str:
        prometheus = watching.make_client(settings)
        if prometheus is None:
            return "none"
        try:
            prometheus.value(NOTHING)
            asked = _measures(settings)
            wrong = []
            for measure in asked:
                try:
                    prometheus.value(measure.query)
                except InvalidInput as error:
                    wrong.append(f"{measure.words}: {error.sentence}")
        finally:
            prometheus.close()
        summary = f"answers; {len(asked)} measure{'s' if len(asked) != 1 else ''} in use {'are' if len(asked) != 1 else 'is'} read from it"
        if wrong:
            raise GovernanceError(
                f"{summary}, {len(wrong)} of them without a value. {'; '.join(wrong[:3])}"
            )
        return summary

    return _guarded("prometheus", look)


def _measures(settings: Settings) -> list[Asked]:
    database = opening.build(settings)
    try:
        if database.is_sqlite and not Path(database.url.database or "").exists():
            return []
        running = policy.load(settings.mlgov_policy).policy
        with opening.translate_errors(database.url), database.read() as session:
            return asking.list_measures(session, policy=running, now=clock.now(session))
    finally:
        database.close()


def _guarded(name: str, look: Callable[[], str]) -> Check:
    try:
        return Check(name, True, look())
    except GovernanceError as error:
        return Check(name, False, error.sentence)
    except Exception as error:
        return Check(
            name,
            False,
            f"could not be looked at ({type(error).__name__}). Mend what failed above first, then try again.",
        )
