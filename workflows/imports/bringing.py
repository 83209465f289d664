"""Handing the rows of a table to the noun that they are about."""

from collections.abc import Callable, Sequence
from datetime import datetime

from sqlalchemy.orm import Session

from storage.enums import ProjectCategory
from storage.people import queries as people_queries
from storage.people.channels import find_channel
from workflows.actors import Actor
from workflows.budgets import allocation, intake
from workflows.budgets.forms import BudgetRow
from workflows.errors import InvalidInput
from workflows.inventory import intake as model_intake
from workflows.inventory.rows import ModelRow
from workflows.maturity import advice
from workflows.milestones import intake as milestone_intake
from workflows.milestones.forms import MilestoneRow
from workflows.milestones.intake import Origin
from workflows.people import roster
from workflows.people.forms import PersonRow
from workflows.policy import Policy
from workflows.projects import register
from workflows.projects.forms import ProjectRow
from workflows.sources.rows import FieldChange, Outcome, RowChange, RowFault


class Bringing:
    """One import: who does it, under which policy, when."""

    def __init__(
        self,
        session: Session,
        actor: Actor,
        policy: Policy,
        org_key: str,
        now: datetime,
        *,
        are_meant: bool = False,
    ) -> None:
        self._are_meant = are_meant
        self._session = session
        self._actor = actor
        self._policy = policy
        self._org_key = org_key
        self._now = now

    def people(self, rows: Sequence[tuple[int, PersonRow]]) -> Outcome:
        """Bring in people."""
        return roster.apply_rows(
            self._session, self._actor, rows, org_key=self._org_key, now=self._now
        )

    def projects(self, rows: Sequence[tuple[int, ProjectRow]]) -> Outcome:
        """Bring in projects; the people in them are found like those of a table of people."""
        people = roster.People(self._session, self._org_key)
        find_person = _finder(people)
        outcome = register.apply_rows(
            self._session,
            self._actor,
            rows,
            find_person=find_person,
            find_channel=self._find_channel,
            org_key=self._org_key,
            now=self._now,
        )
        roster.note_unseen(people, outcome)
        self._note_innovation(outcome)
        return outcome

    def _note_innovation(self, outcome: Outcome) -> None:
        """Say it once when projects that are new to business-model innovation meet a low level of maturity."""
        innovation = ProjectCategory.INNOVATION.value
        planned = [
            change.name
            for change in outcome.changes
            if any(one.field == "category" and one.new == innovation for one in change.fields)
        ]
        found = advice.find_caution(
            self._session, innovation if planned else None, policy=self._policy, now=self._now
        )
        if found is not None:
            outcome.notes.append(advice.describe_caution(found, planned))

    def _find_channel(self, word: str) -> tuple[str | None, bool]:
        """By the mirror: nothing is asked inside a transaction. An id is taken as it is; a name has to be known."""
        slack_id = find_channel(self._session, self._org_key, word)
        if slack_id is None:
            return (None if word.startswith("#") else word), False
        row = people_queries.find_channel_by_id(self._session, self._org_key, slack_id)
        return slack_id, row is not None and row.bot_is_member

    def budgets(self, rows: Sequence[tuple[int, BudgetRow]]) -> Outcome:
        """Bring in budgets. What is over already is told here once, and alarms nobody."""
        found, crossings = intake.apply_rows(
            self._session,
            self._actor,
            rows,
            policy=self._policy,
            org_key=self._org_key,
            now=self._now,
            are_meant=self._are_meant,
        )
        outcome = Outcome()
        for row in found:
            if row.error is not None:
                field, colon, sentence = row.error.partition(": ")
                is_named = bool(colon) and field in BudgetRow.model_fields
                outcome.faults.append(
                    RowFault(
                        row.line, field if is_named else None, sentence if is_named else row.error
                    )
                )
            elif row.what == "unchanged":
                outcome.unchanged += 1
            else:
                fields = tuple(
                    FieldChange(name, old, new) for name, (old, new) in row.changes.items()
                )
                outcome.changes.append(RowChange(row.line, row.key, row.what == "created", fields))
        for crossing in crossings:
            outcome.notes.append(
                f"{crossing.project_key} is past {crossing.threshold} % already; that is recorded, and nobody is alerted about it."
            )
        return outcome

    def milestones(
        self,
        rows: Sequence[tuple[int, MilestoneRow]],
        *,
        file: str,
        sha256: str,
        list_to: str | None,
    ) -> Outcome:
        """Bring in milestones. What is overdue already goes on a list to `list_to`, or to each project's manager."""
        people = roster.People(self._session, self._org_key)
        find_person = _finder(people)
        receiver = find_person(list_to) if list_to else None
        if isinstance(receiver, str):
            raise InvalidInput(f"--list-to: {receiver}.")
        outcome = milestone_intake.apply_rows(
            self._session,
            self._actor,
            rows,
            origin=Origin(file, sha256, receiver[0] if receiver else None),
            find_person=find_person,
            policy=self._policy,
            org_key=self._org_key,
            now=self._now,
        )
        roster.note_unseen(people, outcome)
        return outcome

    def models(self, rows: Sequence[tuple[int, ModelRow]]) -> Outcome:
        """Bring in models."""
        people = roster.People(self._session, self._org_key)
        outcome = model_intake.apply_rows(
            self._session,
            self._actor,
            rows,
            find_person=_finder(people),
            policy=self._policy,
            org_key=self._org_key,
            now=self._now,
        )
        roster.note_unseen(people, outcome)
        return outcome

    def reallocated(self) -> int:
        """Give the cost that is there to the projects it belongs to now; how many groups of it changed hands."""
        return allocation.reallocate(self._session, self._policy)


def _finder(people: roster.People) -> Callable[[str], tuple[str, str] | str]:
    """Whom a Slack id or e-mail address names."""

    def find(word: str) -> tuple[str, str] | str:
        found = people.named(word)
        return found if isinstance(found, str) else (found.id, found.name)

    return find
