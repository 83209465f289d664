"""Whether the record can be kept: the database, the anchor, the keys, and what waits in it for a person."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

from sqlalchemy import text

from bot import erasure_key, opening, organisation
from bot.audit import anchor
from bot.checks.check import Check, warning
from bot.context import Team
from bot.settings import Settings, SettingsRefused
from bot.statements import issuing
from storage import migrate, runtime
from storage.db import Database
from storage.people import readings, tombstones
from workflows import clock, policy
from workflows.delivery import status
from workflows.errors import GovernanceError
from workflows.people import service as people
from workflows.people import tombstones as erased
from workflows.people.organisation import OtherOrganisation
from workflows.policies import service as policies
from workflows.projects import service as projects
from workflows.projects.records import ProjectRecord
from workflows.statements import envelopes
from workflows.statements import service as statements
from workflows.webhooks import service as webhooks
from workflows.wording import counted

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
                    organisation.require(database, team)
                    here = organisation.find_organisation(database)
                    behind = organisation.count_left_behind(database) if here else 0
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
            key = issuing.load_key(self._settings)
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
        nothing = tombstones.Standing(None, 0)

        def look(database: Database) -> tombstones.Standing:
            with database.read() as session:
                return tombstones.read_standing(session)

        standing, name = self._read(look, nothing), "erasure key"
        database = opening.build(self._settings)
        try:
            key = erasure_key.find(self._settings, erasure_key.database_path(database.url))
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
                return status.measure(session).by_state

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
