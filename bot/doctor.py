"""Checking an installation: each check says in one line what it found, and how to mend what is wrong."""

import email.utils
import re
from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

from slack_sdk import WebClient
from slack_sdk.web import SlackResponse
from sqlalchemy import text

from bot import anchor, installed, opening
from bot.deps import Team
from bot.inventory import monitoring
from bot.people import erasure, lookup
from bot.people.lookup import Organisation, SlackReads, SlackSilent, Workspaces
from bot.registry import sync
from bot.settings import Settings, SettingsRefused, unknown_names
from bot.slack import installation
from bot.slack.client import web_client
from bot.statements import api
from storage import migrate, runtime
from storage.db import Database
from storage.people import erasure as people_erasure
from storage.people import readings
from workflows import clock, handles, operations, policy
from workflows.delivery import reads
from workflows.errors import GovernanceError, InvalidInput
from workflows.handles import Meant
from workflows.inventory import monitoring as inventory_monitoring
from workflows.inventory.monitoring import Asked
from workflows.maturity import rules
from workflows.people import erasure as erased
from workflows.people import service as people
from workflows.people.organisation import OtherOrganisation
from workflows.policies import service as policies
from workflows.policy import Policy, root
from workflows.projects import reads as projects
from workflows.projects.records import ProjectRecord
from workflows.sources.http import CertificatesUnreadable
from workflows.sources.prometheus import NOTHING
from workflows.statements import envelopes
from workflows.statements import service as statements
from workflows.webhooks import service as webhooks
from workflows.wording import counted

# --- One line of `mlgov doctor`


@dataclass(frozen=True, slots=True)
class Check:
    """What was looked at, whether mlgov can run with it, and a sentence; with the mend, unless all is well."""

    name: str
    ok: bool
    words: str
    is_warning: bool = False
    """mlgov runs all the same, and somebody should know."""

    @property
    def line(self) -> str:
        """The line as it is printed."""
        state = "failed" if not self.ok else "warning" if self.is_warning else "ok"
        return f"{state:<8}{self.name}: {self.words}"


def warning(name: str, words: str) -> Check:
    """A check that mlgov can run with, and that somebody should know about."""
    return Check(name, True, words, is_warning=True)


def list_some(names: list[str], last: str = "and", most: int = 5) -> str:
    """`a, b and c`; of many the first, and how many more."""
    if len(names) > most:
        return f"{', '.join(names[:most])} {last} {len(names) - most} more"
    return f" {last} ".join(filter(None, [", ".join(names[:-1]), names[-1]]))


# --- Whether the record can be kept
#
# the database, the anchor, the keys, and what waits in it for a person.

T = TypeVar("T")

STALE = timedelta(hours=2)
"""A mirror of Slack that was not read for so long misses readings: it is read every hour."""
SET_BACK_TOLD = timedelta(days=1)
"""How long a clock that ran back is told."""
SPARE = 10
"""Connections of the server that administrators, backups and commands want for themselves."""


class Record:
    """The database as `mlgov run` will meet it. Nothing is made or changed by looking."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.is_current = False
        """Whether it is there and at this release's revision, so that what stands in it can be read."""

    def database(self) -> Check:
        """Whether it can be reached and written, and where it stands."""
        try:
            database = opening.build(self._settings)
            try:
                with opening.translate_errors(database.url):
                    return self._look(database)
            finally:
                database.close()
        except GovernanceError as error:
            return Check("database", False, error.sentence)

    def _look(self, database: Database) -> Check:
        if database.is_sqlite and not Path(database.url.database or "").exists():
            return Check(
                "database", True, f"{database.url.database} isn't there yet; `mlgov run` makes it"
            )
        database.hold_host()
        standing = migrate.read_standing(database)
        if standing.is_newer and standing.problem is not None:
            return Check("database", False, standing.problem)
        name = "SQLite" if database.is_sqlite else "PostgreSQL"
        where = f"{name}, revision {standing.revision or 'none yet'}"
        if standing.is_newer:
            where += ", made by a newer mlgov and good for this one"
        elif not standing.fits:
            where += f"; `mlgov run` brings it to {standing.head}"
        self.is_current = standing.fits
        if database.is_sqlite:
            return _owners_alone(Path(database.url.database or ""), where)
        may_create, allowed = _asked_of_server(database)
        if not standing.fits and not may_create:
            return Check(
                "database",
                False,
                f"{where}, and this role may make no tables there. Let it: GRANT CREATE, USAGE ON SCHEMA public TO …, "
                "or make it the owner of the database.",
            )
        if self._settings.mlgov_database_pool > allowed - SPARE:
            return warning(
                "database",
                f"{where}; the server allows {allowed} connections in all, and MLGOV_DATABASE_POOL lets each replica "
                f"open {self._settings.mlgov_database_pool}. Lower it, or raise max_connections.",
            )
        return Check("database", True, where)

    def organisation(self, team: Team) -> Check | None:
        """Whether the database is the organisation's whose token is set; None where nobody can tell."""
        try:
            database = opening.build(self._settings)
            try:
                name = database.url.database or ""
                if database.is_sqlite and not Path(name).exists():
                    return None
                with opening.translate_errors(database.url):
                    opening.require(database, team)
                    here = opening.find_organisation(database)
                    behind = opening.count_left_behind(database) if here else 0
            finally:
                database.close()
        except OtherOrganisation as error:
            return Check("organisation", False, error.sentence)
        except GovernanceError:
            return None  # told with the database
        if here is None:
            return Check("organisation", True, f"`mlgov run` introduces {team.org_key}")
        if behind:
            return Check(
                "organisation",
                False,
                f"{counted(behind, 'person', 'people')} still under {here.team_id}, though the database is {here.org_key}'s. "
                "See `mlgov organisation move --dry-run`.",
            )
        return Check("organisation", True, f"the database governs {here.org_key}")

    def policy(self) -> Check | None:
        """A policy file that says a version which another has replaced; None where the file is what is in force, or new."""
        if not self.is_current:
            return None
        place = self._settings.mlgov_policy
        try:
            running = policy.load(place)
        except GovernanceError:
            return None  # said where the file is looked at
        database = opening.build(self._settings)
        try:
            with database.read() as session:
                was = policies.replaced(session, running)
        finally:
            database.close()
        if was is None:
            return None
        return warning("policy in force", policies.replaced_words(str(place), *was))

    def set_back(self) -> Check | None:
        """A clock that lately ran back; None where it did not, or where nobody can tell."""
        if not self.is_current:
            return None
        database = opening.build(self._settings)
        try:
            with database.read() as session:
                seen = runtime.last_set_back(session)
                now = clock.now(session)
        finally:
            database.close()
        if seen is None or now - seen.at >= SET_BACK_TOLD:
            return None
        return warning(
            "clock went back",
            f"by {seen.by.total_seconds():.0f} s on {seen.at:%d %b %Y %H:%M} UTC. Nothing is held up by it; turn on time synchronisation.",
        )

    def mirror(self) -> Check | None:
        """When Slack's people, user groups and channels were read; None where the record can't be read."""
        if not self.is_current:
            return None
        database = opening.build(self._settings)
        try:
            with database.read() as session:
                standing, now = readings.read_standing(session), runtime.real_now(session)
        finally:
            database.close()
        if all(row.read_at is None and not row.failures for row in standing.values()):
            return Check(
                "mirror",
                True,
                "not read yet; `mlgov run` reads Slack when it starts, `mlgov sync` does it now",
            )
        parts, is_stale = [], False
        for kind, row in standing.items():
            age = row.age(now)
            why = f", the last try failed ({row.failure})" if row.failures else ""
            when = "never read" if age is None else f"{row.entries:,}, {_ago(age)}"
            parts.append(f"{readings.WORDS[kind]} ({when}{why})")
            is_stale = is_stale or age is None or age > STALE
        words = ", ".join(parts)
        if not is_stale:
            return Check("mirror", True, words)
        return Check(
            "mirror",
            False,
            f"{words}. mlgov reads Slack when it starts and every hour: see that `mlgov run` runs and what it logs, or read it now by `mlgov sync`.",
        )

    def anchor(self) -> Check:
        """Whether heads can be kept outside."""
        place = self._settings.mlgov_anchor
        if place is None:
            return Check(
                "anchor",
                True,
                "none; set MLGOV_ANCHOR to keep the ledger's heads outside the database",
            )
        if wrong := anchor.find_place_fault(place):
            return Check("anchor", False, wrong)
        if "://" not in place and not Path(place).exists():
            folder = Path(place).absolute().parent
            if folder.is_dir():
                return Check("anchor", True, f"{place} is made with the first head")
            return warning(
                "anchor",
                f"the folder {folder} isn't there and is made with the first head. If a disk belongs there, mount it first.",
            )
        try:
            return Check("anchor", True, f"{len(anchor.read_heads(place))} heads kept at {place}")
        except GovernanceError as error:
            return Check("anchor", False, error.sentence)

    def signing_key(self) -> Check:
        """Whether statements can be signed."""
        try:
            key = api.load_key(self._settings)
        except SettingsRefused as error:
            return Check("signing key", False, str(error))
        if key is None:
            return Check(
                "signing key",
                True,
                "none, so no statements are handed out; `mlgov keys new` makes one",
            )
        name = envelopes.key_id(key.public_key())
        if name in self._retired_keys():
            return Check(
                "signing key",
                False,
                f"{name[:12]}… was retired. Set MLGOV_SIGNING_KEY to the key in use; `mlgov keys list` names it.",
            )
        return Check("signing key", True, f"statements are signed with {name[:12]}…")

    def _retired_keys(self) -> set[str]:
        def look(database: Database) -> set[str]:
            with database.read() as session:
                return {one.key_id for one in statements.list_keys(session) if one.retired_at}

        return self._read(look, set())

    def webhook_key(self) -> Check | None:
        """Whether events can be signed; None where there is neither a key nor anybody who follows."""

        def look(database: Database) -> int:
            with database.read() as session:
                return len(webhooks.list_webhooks(session))

        followers = self._read(look, 0)
        if self._settings.mlgov_webhook_key is not None:
            return Check(
                "webhook key", True, f"events to {counted(followers, 'webhook')} are signed"
            )
        if followers:
            return Check(
                "webhook key",
                False,
                f"{counted(followers, 'webhook')} {'waits' if followers == 1 else 'wait'} for events, and MLGOV_WEBHOOK_KEY isn't set, so nothing can be signed and sent. Set it.",
            )
        return None

    def erasure_key(self) -> Check | None:
        """Whether people can be erased, and those who were are known; None where there is no record yet."""
        if not self.is_current:
            return None
        nothing = people_erasure.Standing(None, 0)

        def look(database: Database) -> people_erasure.Standing:
            with database.read() as session:
                return people_erasure.read_standing(session)

        standing, name = self._read(look, nothing), "erasure key"
        database = opening.build(self._settings)
        try:
            key = erasure.find(self._settings, erasure.database_path(database.url))
        except GovernanceError as error:
            return Check(name, False, error.sentence)
        if standing.people and not standing.is_of(key.key):
            missing = erased.key_missing(standing.people, key.key is not None)
            return Check(name, False, missing.sentence)
        if key.key is None and key.place is None:
            return warning(name, f"none, so nobody can be erased. {erased.WANTED}")
        if key.key is None:
            return Check(name, True, f"none yet; {key.place} is made at the start")
        if key.place is not None and key.place.stat().st_mode & 0o077:
            return warning(
                name,
                f"{key.place} can be read by others than its owner; `chmod 600 {key.place}` mends that.",
            )
        known = counted(standing.people, "erased person is", "erased people are")
        return Check(name, True, f"{known} known again by it")

    def deliveries(self) -> Check | None:
        """Dead letters; None where there is no record yet."""

        def look(database: Database) -> dict[str, int]:
            with database.read() as session:
                return reads.measure(session).by_state

        nothing: dict[str, int] = {}
        standing = self._read(look, nothing)
        if not standing:
            return None
        if dead := standing["dead"]:
            return warning(
                "deliveries",
                f"{counted(dead, 'dead letter')} {'waits' if dead == 1 else 'wait'} for a person to decide: `mlgov outbox list` shows why, "
                "`mlgov outbox retry` sends one again.",
            )
        waits = standing["pending"] + standing["sending"]
        return Check("deliveries", True, f"no dead letters, {counted(waits, 'message')} on the way")

    def projects(self) -> list[ProjectRecord]:
        """The projects on the record that are not over."""

        def look(database: Database) -> list[ProjectRecord]:
            with database.read() as session:
                return projects.list_going_on(session)

        return self._read(look, [])

    def meant_groups(self, org_key: str) -> dict[str, str]:
        """Handle → Slack id of the user group that it means by the record."""

        def look(database: Database) -> dict[str, str]:
            with database.read() as session:
                return people.meant_groups(session, org_key)

        return self._read(look, {})

    def _read(self, look: Callable[[Database], T], otherwise: T) -> T:
        if not self.is_current:
            return otherwise
        database = opening.build(self._settings)
        try:
            with opening.translate_errors(database.url):
                return look(database)
        except GovernanceError:
            return otherwise
        finally:
            database.close()


def _owners_alone(file: Path, where: str) -> Check:
    """A file that an earlier release made may be open to everybody on the machine: it holds names and reasons."""
    if not file.stat().st_mode & 0o077:
        return Check("database", True, where)
    return warning(
        "database",
        f"{where}; other users of this machine can read {file}. Keep it to its owner: chmod 600 {file}*",
    )


def _asked_of_server(database: Database) -> tuple[bool, int]:
    """Whether the role may make tables, and how many connections the server allows."""
    with database.engine.connect() as connection:
        may_create = connection.execute(
            text("SELECT coalesce(has_schema_privilege(current_schema(), 'CREATE'), false)")
        ).scalar_one()
        allowed = connection.execute(text("SHOW max_connections")).scalar_one()
    return bool(may_create), int(allowed)


def _ago(age: timedelta) -> str:
    minutes = int(age.total_seconds() // 60)
    if minutes < 60:
        return f"{minutes} min ago"
    return f"{minutes // 60} h ago" if minutes < 48 * 60 else f"{minutes // 1440} days ago"


# --- Whether Slack has the groups and channels that the policy names, whether mlgov is in them,
#     and who administers

SECONDS = 10
MOST_PAGES = 40
"""Pages of channels that are read to tell a channel that is not there from one that mlgov is not in: 20,000 channels."""
SHOWN_PEOPLE = 4


class Workspace:
    """What Slack says at this moment. Asks for each thing once; raises SlackSilent where Slack does not answer."""

    def __init__(self, slack: WebClient, team: Team) -> None:
        self._reads = SlackReads(slack, timeout=SECONDS)
        self._team = team
        self._ours = Organisation(team.org_key, team.team_id, team.enterprise_id)
        self._teams: list[str | None] | None = None

    def teams(self) -> list[str | None]:
        """The workspaces to name in questions; None stands for the bot's own."""
        if self._teams is None:
            is_org_wide = Workspaces(self._ours).is_org_wide
            self._teams = list(self._reads.teams()) if is_org_wide else [None]
        return self._teams

    def groups(self) -> list[dict[str, Any]]:
        """Every user group with its members."""
        return [one for team in self.teams() for one in self._reads.groups(team)]

    def own_channels(self) -> dict[str, str]:
        """Name by id of the channels that mlgov is in."""
        return {
            str(one["id"]): str(one.get("name", ""))
            for team in self.teams()
            for page in self._reads.channels_of(self._team.bot_user_id, team)
            for one in page
        }

    def other_channels(self, wanted: set[str]) -> set[str]:
        """Those of these names and ids that Slack shows among all channels."""
        left, seen = set(wanted), set()
        for team in self.teams():
            for number, page in enumerate(self._reads.all_channels(team)):
                names = {str(one[key]) for one in page for key in ("id", "name") if one.get(key)}
                seen |= left & names
                left -= seen
                if not left or number >= MOST_PAGES:
                    break
        return seen

    def active_name(self, user_id: str) -> str | None:
        """What an active full member of ours is called; None for anybody else."""
        described = self._reads.user(user_id)
        if described is None:
            return None
        seen = lookup.person(described, self._ours)
        is_out = seen.is_bot or seen.is_guest or seen.is_stranger or seen.is_deactivated
        return None if is_out else seen.name


def checks(
    workspace: Workspace, policy: Policy, projects: Sequence[ProjectRecord], kept: Mapping[str, str]
) -> Iterator[Check]:
    """Groups, channels, administrators and the projects' channels, each a line.

    `kept` are the Slack ids of the groups that handles of the policy (without the at sign) mean by the record.
    """
    try:
        groups = workspace.groups()
        yield _groups(groups, policy, kept)
        yield _administrators(workspace, groups, policy, kept)
    except SlackSilent as error:
        yield warning("groups", _silent("user groups", error))
    try:
        own = workspace.own_channels()
        yield _channels(workspace, own, policy)
        if any(project.channel for project in projects):
            yield _projects(own, projects)
    except SlackSilent as error:
        yield warning("channels", _silent("channels", error))


def _silent(what: str, error: SlackSilent) -> str:
    if error.code == "missing_scope":
        return f"Slack's {what} couldn't be read for lack of a scope; mend the scopes first."
    return f"Slack's {what} couldn't be read just now ({error.code}); try again in a minute."


def _meant(
    groups: Sequence[Mapping[str, Any]], words: Iterable[str], kept: Mapping[str, str]
) -> Meant:
    """What the handles among these words mean by Slack's answer; `kept` has the groups that they meant before."""
    having = [
        (str(one.get("handle")), str(one["id"])) for one in groups if not one.get("date_delete")
    ]
    wanted = {word[1:] for word in words if handles.is_handle(word)}
    return handles.judge_handles(wanted, having, kept)


def _groups(groups: Sequence[Mapping[str, Any]], policy: Policy, kept: Mapping[str, str]) -> Check:
    wanted = sorted(word for word in root.people(policy) if word[0] in "@S")
    meant = _meant(groups, wanted, kept)
    known = {
        word: one
        for one in groups
        for word in (handles.AT + str(one.get("handle")), str(one["id"]))
    }
    unclear = [one for one in meant.unclear.values() if one.having]
    without = [
        word
        for word in wanted
        if (word in meant.unclear and not meant.unclear[word].having)
        or (word[0] == "S" and (word not in known or known[word].get("date_delete")))
    ]
    missing = [word for word in without if word not in known]
    disabled = [word for word in without if word in known]
    if without or unclear:
        complaints = [
            *([f"Slack has no {list_some(missing, 'or')}"] if missing else []),
            *(
                [f"{list_some(disabled)} {'is' if len(disabled) == 1 else 'are'} disabled"]
                if disabled
                else []
            ),
        ]
        sentences = [
            f"{', and '.join(complaints)}. Mend it in Slack, or correct the policy."
            if complaints
            else "",
            *(f"{one.word} names nobody: {one.clause}. Next: {one.remedy}." for one in unclear),
        ]
        return Check("groups", False, " ".join(each for each in sentences if each))
    if not wanted:
        return Check("groups", True, "the policy names none")
    return Check("groups", True, f"Slack has {list_some(wanted)}")


def _administrators(
    workspace: Workspace,
    groups: Sequence[Mapping[str, Any]],
    policy: Policy,
    kept: Mapping[str, str],
) -> Check:
    words = policy.roles.get("admin", ())
    if not words:
        return warning(
            "administrators",
            "nobody: name people or a group under roles: admin in the policy, else nobody hears of trouble or may set things right.",
        )
    ids: dict[str, None] = {}
    for word in _meant(groups, words, kept).who(words):
        if word[0] in "UW":
            ids[word] = None
        for group in groups:
            if word == group["id"] and not group.get("date_delete"):
                ids |= dict.fromkeys(str(member) for member in group.get("users") or ())
    names: list[str] = []
    looked_at = 0
    for user_id in ids:
        if len(names) >= SHOWN_PEOPLE:
            break
        looked_at += 1
        if name := workspace.active_name(user_id):
            names.append(name)
    if not names:
        return warning(
            "administrators",
            f"nobody: {list_some(list(words))} (roles: admin) holds no active member of the workspace. Add somebody in Slack, or correct the policy.",
        )
    more = len(ids) - looked_at
    return Check("administrators", True, list_some([*names, f"{more} more"] if more else names))


def _channels(workspace: Workspace, own: Mapping[str, str], policy: Policy) -> Check:
    wanted = root.channels(policy)
    is_in = {*own, *own.values()}
    outside = sorted({name for name in wanted.values() if name.lstrip("#") not in is_in})
    if not wanted:
        return Check("channels", True, "the policy names none")
    if not outside:
        return Check("channels", True, f"mlgov is in {list_some(sorted(set(wanted.values())))}")
    there = workspace.other_channels({name.lstrip("#") for name in outside})
    to_join = [name for name in outside if name.lstrip("#") in there]
    unseen = [name for name in outside if name.lstrip("#") not in there]
    complaints = []
    if to_join:
        complaints.append(f"mlgov isn't in {list_some(to_join, 'or')}: type /invite @mlgov there.")
    if unseen:
        complaints.append(
            f"Slack shows mlgov no {list_some(unseen, 'or')}: make it, or correct the policy; if it's private, type /invite @mlgov there."
        )
    return Check("channels", False, " ".join(complaints))


def _projects(own: Mapping[str, str], projects: Sequence[ProjectRecord]) -> Check:
    outside = [one.key for one in projects if one.channel and one.channel not in own]
    if not outside:
        return Check("projects", True, "mlgov is in the channel of each project that has one")
    whose = (
        f"the channel of {list_some(outside)}"
        if len(outside) == 1
        else f"the channels of {list_some(outside)}"
    )
    return warning(
        "projects",
        f"mlgov isn't in {whose}, so what belongs there goes to single people. Type /invite @mlgov there.",
    )


# --- Checking an installation
#
# each check says in one line what it found, and how to mend what is wrong.

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
        place = Workspace(installation.client(settings), team)
        yield from checks(place, read, record.projects(), record.meant_groups(team.org_key))
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
    needed, optional = installed.list_scopes()
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
        rules.load(rules.place(place, running.maturity.rubric))
    except GovernanceError as error:
        return None, Check("policy", False, error.sentence)
    return running, Check(
        "policy", True, f"{place} is good ({counted(len(running.gates), 'gate')})"
    )


def _registry(settings: Settings) -> Check:
    def look() -> str:
        registry = sync.make_client(settings)
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
        prometheus = monitoring.make_client(settings)
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
            return inventory_monitoring.list_measures(
                operations.load_context(session, policy=running)
            )
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
