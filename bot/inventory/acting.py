"""What clicks, windows and programs have in common: looking at a model, and steps that may be a request."""

from dataclasses import dataclass

from sqlalchemy.orm import Session

from bot.context import Deps
from bot.requests import Click
from workflows import decisions, visibility
from workflows.actors import Actor
from workflows.approvals.forms import SubmitRequest
from workflows.budgets import service as budgets
from workflows.errors import InvalidInput
from workflows.evidence.records import Item
from workflows.inventory import approving, cards, moving, reads, rules, standings
from workflows.inventory.forms import AskApproval, TakeStep
from workflows.inventory.records import ModelCard
from workflows.registry import reads as registry_reads
from workflows.registry import records as registry
from workflows.wording import counted, spent

OTHER_RELEASE = "This button is from another release of mlgov. Use `/mlgov models` instead."
Clicked = tuple[str, str] | None


@dataclass(frozen=True, slots=True)
class At:
    """What a button of a card carries: the model and the version it showed, each with its revision."""

    verb: str
    model_id: int
    model_revision: int
    version_id: int | None
    version_revision: int

    @classmethod
    def read(cls, value: str) -> "At":
        """`verb:model:revision:version:revision`. Raises InvalidInput."""
        parts = value.split(":")
        try:
            verb, model, revision, version, version_revision = parts[:5]
            return cls(verb, int(model), int(revision), int(version) or None, int(version_revision))
        except ValueError:
            raise InvalidInput(OTHER_RELEASE) from None

    @property
    def text(self) -> str:
        """As it is carried."""
        return f"{self.verb}:{self.model_id}:{self.model_revision}:{self.version_id or 0}:{self.version_revision}"


def remember(at: At, click: Click) -> str:
    """A window's metadata: what the button carried, and the card it stood on."""
    return f"{at.text}:{':'.join(click.card or ('', ''))}"


def clicked_of(metadata: str) -> Clicked:
    """The card on which a window was opened."""
    place = metadata.split(":")[5:7]
    return (place[0], place[1]) if len(place) == 2 and all(place) else None


def prefilled(deps: Deps, found: ModelCard) -> tuple[registry.Found | None, Item | None]:
    """What the registry says of the version, and how the version before it was reported."""
    version = found.version
    if version is None:
        return None, None
    earlier = [one for one in found.model.versions if one.id < version.id]
    with deps.db.read() as session:
        seen = registry_reads.find_of_version(session, version.id)
        items = standings.load_items(session, max(one.id for one in earlier)) if earlier else {}
    return seen, items.get("performance_report")


def takes_files(deps: Deps) -> bool:
    """Whether mlgov may read files that people put into its windows."""
    return "files:read" in deps.team.scopes


def file_of(metadata: str) -> str | None:
    """The shared file that a window of evidence is about, by Slack's id."""
    return ":".join(metadata.split(":")[7:]) or None


def look(
    deps: Deps, actor: Actor, model_id: int, version_id: int | None = None
) -> tuple[ModelCard, str]:
    """A model before somebody who sees it, and what its project spent."""
    with deps.db.read() as session:
        reads.require_sight(session, actor, model_id, policy=deps.policy)
        now = deps.now(session)
        found = cards.load_card(session, actor, model_id, version_id, policy=deps.policy, now=now)
        return found, spend(session, deps, actor, found)


def spend(session: Session, deps: Deps, actor: Actor, found: ModelCard) -> str:
    """What the model's project spent of its budgets, in a line; empty for who sees the model and not its project."""
    project_id = found.model.project_id
    if project_id is None or not visibility.sees_project(
        session, actor, project_id, policy=deps.policy
    ):
        return ""
    burns = budgets.burns_by_project(
        session, [project_id], policy=deps.policy, now=deps.now(session)
    )
    told = [
        spent(one.spent, one.amount, one.currency, one.basis.value)
        for one in burns.get(project_id, [])[:2]
    ]
    return f"Its project spent {'; '.join(told)}" if told else "Its project has no budget"


def take_step(deps: Deps, actor: Actor, form: TakeStep, clicked: Clicked) -> str:
    """Take a step, or ask for approval where the step is a request; a sentence (not escaped). Raises GovernanceError."""

    def work(session: Session) -> str:
        now = deps.now(session)
        policy, version = deps.in_force
        if form.verb != rules.PASS:
            return moving.take_step(
                session,
                actor,
                form,
                policy=policy,
                now=now,
                org_key=deps.team.org_key,
                clicked=clicked,
            )
        request = decisions.submit(
            session,
            actor,
            SubmitRequest(
                gate=approving.GATE,
                subject_type=approving.TYPE,
                form=AskApproval(version_id=form.version_id, revision=form.revision),
                reason=form.reason,
                request_key=form.request_key,
            ),
            policy=policy,
            policy_id=version,
            now=now,
            org_key=deps.team.org_key,
        )
        card = decisions.card(session, request, policy=policy, now=now)
        if card.state.value == "approved":
            return f"Approved by rule: request #{request}. {card.words.done}."
        many = counted(card.round.quorum, "person", "people")
        return f"Asked: request #{request} waits for {card.round.name}, {many}."

    return deps.db.run(work)
