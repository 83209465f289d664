"""Clicks on budgets, the window that asks for more, and `/mlgov budget [project]`."""

from decimal import Decimal

from pydantic import ValidationError
from sqlalchemy.orm import Session

from bot import blocks, door, routes
from bot.budgets import pictures, views, words
from bot.context import Deps
from bot.replies import Done, FieldErrors, Open, Private, Reply, Show
from bot.requests import Click, Command, Submission
from bot.router import Router
from workflows import decisions, status
from workflows.actors import Actor
from workflows.approvals.forms import Edit, SubmitRequest
from workflows.approvals.records import Card
from workflows.budgets import service
from workflows.budgets.doubts import AmountDoubted
from workflows.budgets.forms import IncreaseBudget, parse_amount
from workflows.budgets.increase import BUDGET_INCREASE, TYPE
from workflows.errors import InvalidInput, NotAllowed
from workflows.projects import service as projects

SHOWN = 8


def register(router: Router) -> None:
    """Answer clicks, the window and the word `budget`."""
    router.action(words.ACKNOWLEDGE, acknowledge)
    router.action(words.INCREASE, open_increase)
    router.action(words.BREAK_DOWN, break_down)
    router.action(f"{TYPE}.change", open_change)
    router.action(f"{TYPE}.again", open_again)
    router.submission(words.SUBMIT_INCREASE, ask)
    router.submission(words.SUBMIT_CHANGE, change)
    router.word(
        "budget", "budget [project]", "what was spent, of how much, and through which day", budget
    )


def _ids(value: str, least: int = 1) -> list[int]:
    """The numbers that a button or a window carries, at least so many of them. Raises InvalidInput."""
    try:
        ids = [int(part) for part in value.split(":")]
        if len(ids) < least:
            raise ValueError(value)
        return ids
    except ValueError:
        raise InvalidInput(
            "This button is from another release of mlgov. Use `/mlgov budget` instead."
        ) from None


def acknowledge(click: Click) -> Reply:
    """Someone has seen the alert."""
    alert_id = _ids(click.value)[0]
    click.deps.db.run(
        lambda session: service.acknowledge_alert(
            session,
            click.actor,
            alert_id,
            policy=click.deps.policy,
            now=click.deps.now(session),
            clicked=click.card,
        )
    )
    return Done()


def open_increase(click: Click) -> Reply:
    """Open the window that asks for more."""
    return _window(click, _ids(click.value)[0])


def open_change(click: Click) -> Reply:
    """Open the same window for a request that waits."""
    approval_id = _ids(click.value)[0]
    deps = click.deps
    with deps.db.read() as session:
        card = decisions.require_editable(
            session,
            click.actor,
            approval_id,
            policy=deps.policy,
            now=deps.now(session),
            org_key=deps.team.org_key,
            clicked=click.card,
        )
    where = ":".join(click.card) if click.card else ":"
    return _window(
        click, card.facts["budget_id"], _entered(card), f"{approval_id}:{where}:{card.revision}"
    )


def open_again(click: Click) -> Reply:
    """Open the window for a new request, as one that ended was filled in."""
    with click.deps.db.read() as session:
        card = decisions.require_card(
            session,
            click.actor,
            _ids(click.value)[0],
            policy=click.deps.policy,
            now=click.deps.now(session),
            clicked=click.card,
        )
    if card.requester.id != click.actor.id:
        raise NotAllowed(
            "Somebody else asked for this. `/mlgov budget` has a button to ask yourself."
        )
    return _window(click, card.facts["budget_id"], _entered(card))


def _entered(card: Card) -> views.Entered:
    return views.Entered(words.exact(Decimal(card.facts["new"])), card.facts["scope"], card.reason)


def _window(
    click: Click, budget_id: int, before: views.Entered | None = None, changes: str = ""
) -> Reply:
    return Open(_view(click.deps, click.actor, budget_id, click.card, before, changes=changes))


def _view(
    deps: Deps,
    actor: Actor,
    budget_id: int,
    card: tuple[str, str] | None,
    before: views.Entered | None,
    *,
    changes: str = "",
    doubted: AmountDoubted | None = None,
) -> blocks.Block:
    with deps.db.read() as session:
        detail = service.load_detail_for(
            session, actor, budget_id, policy=deps.policy, now=deps.now(session), clicked=card
        )
        route = decisions.preview_route(
            session,
            actor,
            BUDGET_INCREASE.gate,
            BUDGET_INCREASE.people(session, budget_id),
            policy=deps.policy,
            org_key=deps.team.org_key,
        )
    return views.increase(
        detail,
        routes.describe_route(route),
        before=before,
        changes=changes,
        opened_on=":".join(card or ("", "")),
        doubted=doubted,
    )


def _asked_twice(
    submission: Submission, form: IncreaseBudget, reason: str, doubted: AmountDoubted
) -> Reply:
    """The window once more with everything that was entered, and a box to tick below the amount that looks odd."""
    box = views.meant_block(doubted.amount)
    if box in submission.values:
        return FieldErrors({box: "Tick this if you mean it, or write another amount above."})
    approval_id, card, revision, _ = _opened_on(submission)
    return Show(
        _view(
            submission.deps,
            submission.actor,
            form.budget_id,
            card if all(card) else None,
            views.Entered(words.exact(form.amount), form.scope, reason),
            changes=f"{approval_id}:{':'.join(card)}:{revision}" if approval_id else "",
            doubted=doubted,
        )
    )


def _meant(submission: Submission) -> object:
    """The amount whose box is ticked; None where there is none, or none that is an amount."""
    ticked = [
        value
        for block, values in submission.values.items()
        if block.startswith(f"{views.MEANT}-") and isinstance(values, list)
        for value in values
    ]
    try:
        return parse_amount(ticked[0]) if ticked else None
    except ValueError:
        return None


def _sent(submission: Submission) -> tuple[IncreaseBudget, str] | FieldErrors:
    """The form and the reason, or what is wrong under which field."""
    budget_id, revision = _ids(":".join(submission.metadata.split(":")[:2]), 2)
    try:
        form = IncreaseBudget(
            budget_id=budget_id,
            revision=revision,
            amount=submission.values.get(views.AMOUNT),
            scope=submission.values.get(views.SCOPE),
            first=_opened_on(submission)[3],
            meant=_meant(submission),
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
    return form, reason


def _opened_on(submission: Submission) -> tuple[str, tuple[str, str], str, str | None]:
    """The request that a window changes, the card from which it was opened, and the revision; empty where there is none.
    Last the first day of the round that it shows; None in a window of an earlier release."""
    parts = (*submission.metadata.split(":"), "", "", "", "", "")
    approval_id, channel, ts, revision, first = parts[2:7]
    return approval_id, (channel, ts), revision, first or None


def change(submission: Submission) -> Reply:
    """The window was sent: change the request."""
    sent = _sent(submission)
    if isinstance(sent, FieldErrors):
        return sent
    form, reason = sent
    approval_id, card, revision, _ = _opened_on(submission)
    at = door.of_parts(submission.deps, submission.actor, approval_id, revision, card)
    edit = Edit(
        approval_id=at.approval_id,
        revision=at.revision,
        form=form,
        reason=reason,
        subject_type=TYPE,
    )
    try:
        return Private(door.act(submission.deps, submission.actor, edit, at.clicked))
    except AmountDoubted as doubted:
        return _asked_twice(submission, form, reason, doubted)


def ask(submission: Submission) -> Reply:
    """The window was sent: open a request."""
    sent = _sent(submission)
    if isinstance(sent, FieldErrors):
        return sent
    form, reason = sent
    _, card, _, _ = _opened_on(submission)
    deps = submission.deps

    def work(session: Session) -> None:
        policy, version = deps.in_force
        service.require_sight(
            session, submission.actor, form.budget_id, policy=policy, clicked=card
        )
        decisions.submit(
            session,
            submission.actor,
            SubmitRequest(
                gate=BUDGET_INCREASE.gate,
                subject_type=TYPE,
                form=form,
                reason=reason,
                request_key=submission.key,
            ),
            policy=policy,
            policy_id=version,
            now=deps.now(session),
            org_key=deps.team.org_key,
        )

    try:
        deps.db.run(work)
    except AmountDoubted as doubted:
        return _asked_twice(submission, form, reason, doubted)
    return Done()


def break_down(click: Click) -> Reply:
    """Open the window with services and days."""
    budget_id = _ids(click.value)[0]
    with click.deps.db.read() as session:
        found = service.load_breakdown(
            session,
            click.actor,
            budget_id,
            policy=click.deps.policy,
            now=click.deps.now(session),
            clicked=click.card,
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
                status.find_project(session, command.actor, command.words[0], policy=deps.policy)
            ]
        else:
            found = list(projects.list_for(session, command.actor))
        burns = service.burns_by_project(
            session, [project.id for project in found], policy=deps.policy, now=now
        )
        open_ = [burn for project in found for burn in burns.get(project.id, ())]
        open_.sort(key=lambda burn: burn.spent / burn.amount, reverse=True)
        details = [
            service.load_detail(session, burn.budget_id, policy=deps.policy, now=now)
            for burn in open_[:SHOWN]
        ]
    if not details:
        text = "No open budget here. An administrator can import one: `mlgov import budgets FILE`."
        return Private(text, [blocks.section(text)])
    first = details[0].burn
    text = f"{details[0].project}: {words.share(first)} of {first.period_words}'s budget, {words.through(first)}"
    shown = [block for detail in details for block in views.budget(detail)]
    if len(open_) > SHOWN:
        shown.append(blocks.context(f"…and {len(open_) - SHOWN} more: `/mlgov budget PROJECT`"))
    return Private(blocks.escape(text, 300), shown)
