"""The read model behind `/mlgov`, `/mlgov status` and App Home: what a person may see, in few statements."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from sqlalchemy.orm import Session

from workflows import decisions
from workflows.actors import Actor
from workflows.approvals.records import Card
from workflows.budgets import service as budgets
from workflows.budgets.records import Burn
from workflows.policy import Policy
from workflows.projects import service as projects
from workflows.projects.records import ProjectRecord


@dataclass(frozen=True, slots=True)
class ProjectLine:
    """A project and how its open budgets stand."""

    project: ProjectRecord
    burns: tuple[Burn, ...]

    @property
    def name(self) -> str:
        """The project's name, unescaped."""
        return self.project.name

    @property
    def share(self) -> Decimal:
        """How much of its most used budget is spent, 1 being all of it; 0 without a budget."""
        return max(
            (burn.spent / burn.amount for burn in self.burns), default=Decimal(0)
        )

    @property
    def is_over(self) -> bool:
        """Whether more was spent than an open budget allows."""
        return any(burn.spent > burn.amount for burn in self.burns)


@dataclass(frozen=True, slots=True)
class Summary:
    """One look: how many decisions wait, how many requests are with others, and the projects."""

    waiting: int
    asked: int
    projects: tuple[ProjectLine, ...]


@dataclass(frozen=True, slots=True)
class ProjectStatus:
    """Everything about one project."""

    line: ProjectLine
    pending: tuple[Card, ...]
    now: datetime


@dataclass(frozen=True, slots=True)
class HomeStatus:
    """What App Home shows."""

    waiting: tuple[Card, ...]
    asked: tuple[Card, ...]
    projects: tuple[ProjectLine, ...]
    now: datetime


def _lines(
    session: Session, found: list[ProjectRecord], *, policy: Policy, now: datetime
) -> tuple[ProjectLine, ...]:
    burns = budgets.burn(
        session, [project.id for project in found], policy=policy, now=now
    )
    lines = (
        ProjectLine(project, tuple(burns.get(project.id, ()))) for project in found
    )
    return tuple(sorted(lines, key=lambda line: (-line.share, line.name.casefold())))


def summary(
    session: Session, actor: Actor, *, policy: Policy, now: datetime
) -> Summary:
    """What `/mlgov` says."""
    home_ = home(session, actor, policy=policy, now=now)
    pending = sum(card.is_pending for card in home_.asked)
    return Summary(len(home_.waiting), pending, home_.projects)


def home(
    session: Session, actor: Actor, *, policy: Policy, now: datetime
) -> HomeStatus:
    """What waits for a person, what they asked for, and the projects they own, sponsor or manage."""
    mine = list(projects.list_for(session, actor))
    return HomeStatus(
        waiting=decisions.waiting_for(session, actor, policy=policy, now=now),
        asked=decisions.asked_by(session, actor, policy=policy, now=now),
        projects=_lines(session, mine, policy=policy, now=now),
        now=now,
    )


def project(
    session: Session, actor: Actor, key: str, *, policy: Policy, now: datetime
) -> ProjectStatus:
    """One project by its key. Raises NotFound with the nearest right one."""
    found = projects.get_by_key(session, key, actor)
    (line,) = _lines(session, [found], policy=policy, now=now)
    return ProjectStatus(
        line,
        decisions.pending_of_project(session, found.id, policy=policy, now=now),
        now,
    )
