"""What clicks, windows and programs have in common: looking at a model, and steps that may be a request."""

from datetime import date

from bot.deps import Deps
from bot.slack.interactions import ModelRef, ModelWindow
from bot.slack.requests import Click, Interaction
from workflows import permissions
from workflows.approvals import reads as approval_reads
from workflows.approvals import submission
from workflows.approvals.forms import SubmitRequest
from workflows.budgets import service as budgets
from workflows.context import Context
from workflows.evidence.records import Item
from workflows.inventory import model_approval, reads, rules, transitions
from workflows.inventory import permissions as inventory_permissions
from workflows.inventory.forms import AskApproval, TakeStep
from workflows.inventory.records import ModelCard
from workflows.registry import reads as registry_reads
from workflows.registry import records as registry
from workflows.wording import counted, spent


def remember(ref: ModelRef, click: Click) -> str:
    """A window's metadata: what the button carried, and the card it stood on."""
    return window_of(ref, click).text


def window_of(ref: ModelRef, click: Click) -> ModelWindow:
    """A window about what the button carried, and the card it stood on."""
    return ModelWindow(**{**vars(ref), "card": click.card})


def prefilled(deps: Deps, model: ModelCard) -> tuple[registry.Found | None, Item | None]:
    """What the registry says of the version, and how the version before it was reported."""
    version = model.version
    if version is None:
        return None, None
    earlier = [one for one in model.model.versions if one.id < version.id]
    with deps.db.read() as session:
        seen = registry_reads.find_of_version(session, version.id)
        items = (
            inventory_permissions.load_items(session, max(one.id for one in earlier))
            if earlier
            else {}
        )
    return seen, items.get("performance_report")


def read_today(deps: Deps) -> date:
    """The organisation's day."""
    with deps.begin_read() as ctx:
        return reads.today_of(ctx.policy, ctx.now)


def takes_files(deps: Deps) -> bool:
    """Whether mlgov may read files that people put into its windows."""
    return "files:read" in deps.team.scopes


def load_model(
    on: Interaction, model_id: int, version_id: int | None = None
) -> tuple[ModelCard, str]:
    """A model before somebody who sees it, and what its project spent."""
    with on.begin_read() as ctx:
        reads.require_sight(ctx, model_id)
        model = reads.load_card(ctx, model_id, version_id)
        return model, _describe_spend(ctx, model)


def _describe_spend(ctx: Context, model: ModelCard) -> str:
    """What the model's project spent of its budgets, in a line; empty for who sees the model and not its project."""
    project_id = model.model.project_id
    if project_id is None or not permissions.sees_project(ctx, project_id):
        return ""
    burns = budgets.burns_by_project(ctx, [project_id])
    amounts = [
        spent(burn.spent, burn.amount, burn.currency, burn.basis.value)
        for burn in burns.get(project_id, [])[:2]
    ]
    return f"Its project spent {'; '.join(amounts)}" if amounts else "Its project has no budget"


def take_step(ctx: Context, form: TakeStep) -> str:
    """Take a step, or ask for approval where the step is a request; a sentence (not escaped). Raises GovernanceError."""
    if form.verb != rules.PASS:
        return transitions.take_step(ctx, form)
    request = submission.submit_request(
        ctx,
        SubmitRequest(
            gate=model_approval.GATE,
            subject_type=model_approval.TYPE,
            form=AskApproval(version_id=form.version_id, revision=form.revision),
            reason=form.reason,
            request_key=form.request_key,
        ),
    )
    card = approval_reads.card(ctx, request)
    if card.state.value == "approved":
        return f"Approved by rule: request #{request}. {card.words.done}."
    many = counted(card.round.quorum, "person", "people")
    return f"Asked: request #{request} waits for {card.round.name}, {many}."
