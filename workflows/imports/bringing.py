"""Each noun's table, with what it needs of other nouns."""

from collections.abc import Iterator, Sequence
from typing import Any

from storage.enums import ProjectCategory
from storage.people import queries as people_queries
from storage.people import readings
from storage.people.channels import find_channel
from workflows.actors import Actor
from workflows.budgets import allocation
from workflows.budgets.intake import BudgetTable
from workflows.errors import GovernanceError
from workflows.imports.reports import Request, counted, list_some
from workflows.inventory.intake import ModelItem, ModelTable
from workflows.inventory.rows import ModelRow
from workflows.maturity import advice
from workflows.milestones.forms import MilestoneRow
from workflows.milestones.intake import MilestoneTable
from workflows.milestones.writing import MilestoneItem
from workflows.people.roster import NamesPeople, PeopleTable
from workflows.policy import Policy
from workflows.projects.forms import ProjectRow
from workflows.projects.register import ProjectItem, ProjectTable
from workflows.sources.rows import Table
from workflows.sources.sheet import Sheet
from workflows.sources.text import storable


class _Projects(ProjectTable, NamesPeople[ProjectRow, ProjectItem]):
    is_dry_run = False

    def __init__(self, actor: Actor, *, policy: Policy, org_key: str) -> None:
        super().__init__(actor, policy=policy, org_key=org_key)
        self._planned: dict[str, None] = {}
        self._has_changed = False

    def find_channel(self, word: str) -> tuple[str | None, bool]:
        """By the mirror: nothing is asked inside a transaction. An id is taken as it is; a name has to be known."""
        slack_id = find_channel(self.session, self.org_key, word)
        if slack_id is None:
            return (None if word.startswith("#") else word), False
        channel = people_queries.find_channel_by_id(self.session, self.org_key, slack_id)
        return slack_id, channel is not None and channel.bot_is_member

    def follow_up(self, items: Sequence[ProjectItem]) -> None:
        super().follow_up(items)
        innovation = ProjectCategory.INNOVATION.value
        for item in items:
            self._has_changed |= item.is_new or bool(item.fields)
            if any(
                change.field == "category" and change.new == innovation for change in item.fields
            ):
                self._planned[item.name] = None

    def list_notes(self) -> Iterator[str]:
        yield from super().list_notes()
        low = advice.find_caution(
            self.session,
            ProjectCategory.INNOVATION.value if self._planned else None,
            policy=self.policy,
            now=self.now,
        )
        if low is not None:
            yield advice.describe_caution(low, list(self._planned))
            # The cost that is there goes to the projects that it belongs to now.
        if self._has_changed and (moved := allocation.reallocate(self.session, self.policy)):
            yield f"{counted(moved, 'group')} of cost {'would belong' if self.is_dry_run else 'belong'} to another project now."
        if self.uninvited:
            if readings.WORDS["channels"] in readings.list_unread(self.session):
                yield "mlgov hasn't read yet which channels it is in. It writes in these once it has (`mlgov run` and `mlgov sync` read them) and is a member; invite it with `/invite @mlgov` where it isn't:"
            else:
                yield "mlgov is not in these channels, so it cannot write there. Invite it in each with `/invite @mlgov`; it finds them then:"
            yield from list_some([storable(word, 90) for word in self.uninvited], "channel")


class _Milestones(MilestoneTable, NamesPeople[MilestoneRow, MilestoneItem]):
    pass


class _Models(ModelTable, NamesPeople[ModelRow, ModelItem]):
    pass


def table_of(
    request: Request, sheet: Sheet, actor: Actor, *, policy: Policy, org_key: str
) -> Table[Any, Any]:
    """The table that takes the rows of a file. Raises GovernanceError for a kind that there isn't."""
    match request.kind:
        case "people":
            return PeopleTable(actor, policy=policy, org_key=org_key)
        case "projects":
            projects = _Projects(actor, policy=policy, org_key=org_key)
            projects.is_dry_run = request.dry_run
            return projects
        case "budgets":
            return BudgetTable(actor, policy=policy, org_key=org_key, are_meant=request.are_meant)
        case "models":
            return _Models(actor, policy=policy, org_key=org_key)
        case "milestones":
            return _Milestones(
                actor,
                policy=policy,
                org_key=org_key,
                file=sheet.name,
                sha256=sheet.sha256,
                list_to=request.list_to,
            )
        case _:
            raise GovernanceError(
                f"There is no import of {request.kind!r}; there is people, projects, budgets, milestones and models."
            )
