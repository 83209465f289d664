"""Clicks on budgets, the window that asks for more, and `/mlgov budget [project]`."""

from pydantic import ValidationError

from bot import blocks, routes
from bot.budgets import pictures, views, words
from bot.replies import Done, FieldErrors, Open, Private, Reply
from bot.requests import Click, Command, Submission
from bot.router import Router
from workflows import decisions, permissions, status
from workflows.approvals.forms import SubmitRequest
from workflows.budgets import service
from workflows.budgets.forms import IncreaseBudget
from workflows.budgets.increase import BUDGET_INCREASE, TYPE
from workflows.errors import InvalidInput
from workflows.projects import service as projects

SHOWN = 8


def register(router: Router) -> None:
    """Answer clicks, the window and the word `budget`."""
    router.action(words.ACKNOWLEDGE, acknowledge)
    router.action(words.INCREASE, open_increase)
    router.action(words.BREAK_DOWN, break_down)
    router.submission(words.SUBMIT_INCREASE, ask)
    router.word(
        "budget",
        "budget [project]",
        "what was spent, of how much, and through which day",
        budget,
    )


def _ids(value: str) -> list[int]:
    try:
        return [int(part) for part in value.split(":")]
    except ValueError:
        raise InvalidInput(
            "This button is from another release of mlgov. Use `/mlgov budget` instead."
        ) from None


def acknowledge(click: Click) -> Reply:
    """Someone has seen the alert."""
    alert_id = _ids(click.value)[0]
    click.deps.db.run(
        lambda session: service.acknowledge(
            session,
            click.actor,
            alert_id,
            now=click.deps.now(session),
            clicked=click.card,
        )
    )
    return Done()


def open_increase(click: Click) -> Reply:
    """Open the window that asks for more."""
    budget_id = _ids(click.value)[0]
    permissions.require_member(
        click.actor, "budget.increase", subject=(TYPE, budget_id)
    )
    with click.deps.db.read() as session:
        detail = service.detail(
            session, budget_id, policy=click.deps.policy, now=click.deps.now(session)
        )
        route = decisions.route(
            session,
            click.actor,
            BUDGET_INCREASE.gate,
            BUDGET_INCREASE.people(session, budget_id),
            policy=click.deps.policy,
            org_key=click.deps.team.org_key,
        )
    return Open(views.increase(detail, routes.words(route)))


def ask(submission: Submission) -> Reply:
    """The window was sent: open a request."""
    budget_id, revision = _ids(submission.metadata)
    try:
        form = IncreaseBudget(
            budget_id=budget_id,
            revision=revision,
            amount=submission.values.get(views.AMOUNT),
            scope=submission.values.get(views.SCOPE),
        )
    except ValidationError as error:
        return FieldErrors(
            {
                str(fault["loc"][0]): str(fault["msg"]).removeprefix("Value error, ")
                for fault in error.errors()
            }
        )
    reason = str(submission.values.get(views.REASON) or "").strip()
    if not reason:
        return FieldErrors(
            {views.REASON: "Say why, in a sentence; those who decide read this first."}
        )
    deps = submission.deps
    deps.db.run(
        lambda session: decisions.submit(
            session,
            submission.actor,
            SubmitRequest(
                gate=BUDGET_INCREASE.gate,
                subject_type=TYPE,
                form=form,
                reason=reason,
                request_key=submission.key,
            ),
            policy=deps.policy,
            policy_id=deps.holder.version_id,
            now=deps.now(session),
            org_key=deps.team.org_key,
        )
    )
    return Done()


def break_down(click: Click) -> Reply:
    """Open the window with services and days."""
    budget_id = _ids(click.value)[0]
    with click.deps.db.read() as session:
        found = service.breakdown(
            session,
            click.actor,
            budget_id,
            policy=click.deps.policy,
            now=click.deps.now(session),
        )
    shown = pictures.spend(found)
    return Open(views.break_down(found, shown), (shown,) if shown else ())


def budget(command: Command) -> Reply:
    """My projects' budgets, or those of one project."""
    deps = command.deps
    with deps.db.read() as session:
        now = deps.now(session)
        if command.words:
            found = [
                status.find_project(
                    session, command.actor, command.words[0], policy=deps.policy
                )
            ]
        else:
            found = list(projects.list_for(session, command.actor))
        burns = service.burn(
            session, [project.id for project in found], policy=deps.policy, now=now
        )
        open_ = [burn for project in found for burn in burns.get(project.id, ())]
        open_.sort(key=lambda burn: burn.spent / burn.amount, reverse=True)
        details = [
            service.detail(session, burn.budget_id, policy=deps.policy, now=now)
            for burn in open_[:SHOWN]
        ]
    if not details:
        text = "No open budget here. An administrator can import one: `mlgov import budgets FILE`."
        return Private(text, [blocks.section(text)])
    first = details[0].burn
    text = f"{details[0].project}: {words.share(first)} of {first.period_words}'s budget, {words.through(first)}"
    shown = [block for detail in details for block in views.budget(detail)]
    if len(open_) > SHOWN:
        shown.append(
            blocks.context(f"…and {len(open_) - SHOWN} more: `/mlgov budget PROJECT`")
        )
    return Private(blocks.escape(text, 300), shown)
