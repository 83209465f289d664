"""Whose the database is, against where the token is of: looked at before anything is written, and moved once."""

import threading
from collections.abc import Mapping

from slack_sdk import WebClient

from bot.context import Team
from bot.people.asking import SlackReads, SlackSilent
from storage import migrate
from storage.db import Database
from workflows import clock
from workflows.actors import OPERATOR
from workflows.errors import GovernanceError, InvalidInput
from workflows.people import organisation, tombstones
from workflows.people.organisation import Installed, Known, Plan

SECONDS = 10


class SlackRefuses(GovernanceError):
    """Slack does not say who is who in the Grid; nothing was moved."""


def of(team: Team) -> Installed:
    """Where a token is of."""
    return Installed(team.org_key, team.team_id, team.enterprise_id, team.name)


def find_organisation(database: Database) -> Known | None:
    """Whose a database is, at whatever revision it stands; None for one that is empty, or has met nobody."""
    if migrate.read_revision(database) is None:
        return None
    with database.read() as session:
        return organisation.find_organisation(session)


def require(database: Database, team: Team) -> None:
    """Raises OtherOrganisation for a token of another organisation than the database's. Writes nothing."""
    organisation.require(find_organisation(database), of(team))


def count_left_behind(database: Database) -> int:
    """People who still stand under the key of the workspace although the database is the Grid's."""
    with database.read() as session:
        here = organisation.find_organisation(session)
        return organisation.count_left_behind(session, here) if here is not None else 0


class Watch:
    """Called with each tick: notices that the database was moved while this process serves it as it was."""

    def __init__(self, database: Database, team: Team) -> None:
        self._database = database
        self._team = team
        self.moved = threading.Event()

    def __call__(self) -> None:
        """Look."""
        with self._database.read() as session:
            here = organisation.find_organisation(session)
        if here is not None and here.org_key != self._team.org_key:
            self.moved.set()

    @property
    def sentence(self) -> str:
        """What to do."""
        return (
            f"This database was moved to another organisation than {self._team.org_key}, for which this process was "
            "started. Start mlgov again."
        )


class Mover:
    """Asks Slack who is who in the Grid, then says what a move would do, or does it."""

    def __init__(self, database: Database, slack: WebClient, team: Team) -> None:
        self._database = database
        self._reads = SlackReads.patient(slack, timeout=SECONDS)
        self._team = team

    def plan(self) -> Plan:
        """What a move would do. Raises GovernanceError."""
        here, exchanged = self._asked()
        with self._database.read() as session:
            return organisation.plan(session, here, self._team.org_key, exchanged)

    def move(self, *, leaves: bool) -> Plan:
        """Move, in one transaction. Raises GovernanceError; nothing has changed then."""
        here, exchanged = self._asked()
        with self._database.begin(patient=True) as session:
            return organisation.move(
                session,
                OPERATOR,
                here,
                of(self._team),
                exchanged,
                leaves=leaves,
                now=clock.now(session),
            )

    def _asked(self) -> tuple[Known, Mapping[str, str]]:
        there = of(self._team)
        with self._database.read() as session:
            here = organisation.find_organisation(session)
            if here is None:
                raise InvalidInput(
                    "This database has met no organisation yet, so there is nothing to move. Start `mlgov run`."
                )
            if not organisation.may_move(here, there) and not (
                here.org_key == there.org_key and organisation.count_left_behind(session, here)
            ):
                organisation.require(here, there)
                raise InvalidInput(
                    f"This database governs {here.org_key} already, and nobody is left behind: there is nothing to move."
                )
            ids = organisation.list_slack_ids(session, here)
            has_erased = tombstones.is_anybody_erased(session)
        team_id = organisation.find_source_key(here)
        try:
            if has_erased:
                ids = sorted({*ids, *self._listed(team_id)})
            enterprise, exchanged = self._reads.exchange(
                ids, team_id if there.is_org_wide else None
            )
        except SlackSilent as error:
            raise SlackRefuses(_why(error.code)) from None
        if exchanged and enterprise != there.org_key:
            raise SlackRefuses(
                f"Slack exchanges the ids of {team_id} for those of {enterprise}, and SLACK_BOT_TOKEN is of {there.org_key}. "
                "Nothing was moved; set the token of the Grid that the workspace joined."
            )
        return here, exchanged

    def _listed(self, team_id: str) -> set[str]:
        """Everybody of the workspace, those who left too: some may be people who were erased here."""
        is_org_wide = of(self._team).is_org_wide
        return {
            str(user["id"])
            for page in self._reads.users(team_id if is_org_wide else None)
            for user in page
        }


def _why(code: str) -> str:
    match code:
        case "missing_scope":
            return (
                "Slack gives the Grid's ids only with the scope `tokens.basic`. Add it on your app's page under OAuth & "
                "Permissions, install the app again, set its token, and try again; afterwards the scope can go. Nothing was "
                "moved."
            )
        case "not_enterprise_team":
            return (
                "Slack says that this workspace is not part of an Enterprise Grid (yet), so nobody has other ids. Nothing was "
                "moved; try again when Slack has finished."
            )
        case _:
            return f"Slack did not say who is who in the Grid ({code}). Nothing was moved; try again in a minute."
