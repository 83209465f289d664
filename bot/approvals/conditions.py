"""Approving on conditions, saying that one is met, and confirming it."""

from datetime import date

from bot import blocks, door
from bot.approvals import acting, words
from bot.replies import Done, FieldErrors, Open, Private, Reply
from bot.requests import Click, Submission
from bot.router import Router
from storage.enums import Verdict
from workflows.approvals.forms import ClaimMet, ConfirmMet, Decide, OnCondition, Terms
from workflows.approvals.records import Card, Condition
from workflows.errors import NotFound

SUBMIT_TERMS = "approvals.conditions"
SUBMIT_PROOF = "approvals.proof"
SUBMIT_MISSING = "approvals.missing"
TEXT, OWNER, DUE, PROOF, MISSING = "text", "owner", "due", "proof", "missing"
"""Blocks of the fields; those of a condition end in its number."""
MOST = 2


def register(router: Router) -> None:
    """Answer the buttons and the three modals."""
    router.action(words.CLAIM, open_claim)
    router.action(words.CONFIRM, confirm)
    router.action(words.UNCONFIRMED, open_missing)
    router.submission(SUBMIT_TERMS, approve)
    router.submission(SUBMIT_PROOF, claim)
    router.submission(SUBMIT_MISSING, missing)


def open_modal(click: Click) -> Reply:
    """On which conditions?"""
    at = acting.seen(click)
    form = Decide(approval_id=at.approval_id, revision=at.revision, verdict=Verdict.APPROVE)
    door.require_entitled(click.deps, click.actor, form, click.card)
    card = acting.card(click, at.approval_id)
    fields = [
        blocks.section(
            f"*{words.asks(card)}*\nYour approval counts now. If a condition is not met by the end of its day, the approval lapses."
        )
    ]
    for number in range(MOST):
        is_first = number == 0
        which = "" if is_first else "Another: "
        fields += [
            blocks.input_(
                f"{which}What has to happen?",
                blocks.text_input(TEXT, multiline=is_first, max_length=1000),
                block_id=f"{TEXT}_{number}",
                optional=not is_first,
            ),
            blocks.input_(
                "Who sees to it?",
                blocks.person_picker(OWNER, placeholder="Its owner"),
                block_id=f"{OWNER}_{number}",
                optional=not is_first,
            ),
            blocks.input_(
                "By the end of",
                blocks.date_picker(DUE),
                block_id=f"{DUE}_{number}",
                optional=not is_first,
            ),
        ]
    return Open(
        blocks.modal(
            "Approve on conditions",
            fields,
            callback_id=SUBMIT_TERMS,
            submit="Approve",
            metadata=acting.remember(card, click),
        )
    )


def approve(submission: Submission) -> Reply:
    """The conditions were written."""
    at = acting.of_window(submission)
    terms: list[Terms] = []
    wrong: dict[str, str] = {}
    for number in range(MOST):
        entered = {
            name: acting.words_of(submission, f"{name}_{number}") for name in (TEXT, OWNER, DUE)
        }
        if number and not any(entered.values()):
            continue
        lacks = {
            TEXT: "Say what has to happen.",
            OWNER: "Choose who sees to it.",
            DUE: "Choose a day.",
        }
        wrong |= {f"{name}_{number}": lacks[name] for name, text in entered.items() if not text}
        if len(entered[TEXT]) < 3 and f"{TEXT}_{number}" not in wrong:
            wrong[f"{TEXT}_{number}"] = "Say it in a sentence."
        if not wrong:
            terms.append(
                Terms(
                    text=entered[TEXT], owner=entered[OWNER], due=date.fromisoformat(entered[DUE])
                )
            )
    if wrong:
        return FieldErrors(wrong)
    form = Decide(
        approval_id=at.approval_id,
        revision=at.revision,
        verdict=Verdict.APPROVE,
        conditions=tuple(terms),
    )
    door.act(submission.deps, submission.actor, form, at.clicked)
    return Done()


def open_claim(click: Click) -> Reply:
    """How does one see that it is met?"""
    at = acting.seen(click)
    condition_id, revision = acting.condition_of(click, at)
    form = ClaimMet(
        approval_id=at.approval_id,
        revision=at.revision,
        condition_id=condition_id,
        condition_revision=revision,
        proof="",
    )
    card, condition = _condition(click, form)
    return Open(
        blocks.modal(
            "Condition met",
            [
                blocks.section(words.describe_condition(condition)),
                blocks.input_(
                    "How does one see that it is met?",
                    blocks.text_input(PROOF, multiline=True, max_length=2000),
                    block_id=PROOF,
                    hint=f"{condition.setter.name} reads it and confirms.",
                ),
            ],
            callback_id=SUBMIT_PROOF,
            submit="Met",
            metadata=acting.remember(card, click, condition.id, condition.revision),
        )
    )


def claim(submission: Submission) -> Reply:
    """A word of proof."""
    proof = acting.words_of(submission, PROOF)
    if not proof:
        return FieldErrors({PROOF: "Say in a sentence how one sees that it is met."})
    at = acting.of_window(submission)
    condition_id, revision = acting.condition_of(submission, at)
    form = ClaimMet(
        approval_id=at.approval_id,
        revision=at.revision,
        condition_id=condition_id,
        condition_revision=revision,
        proof=proof,
    )
    door.act(submission.deps, submission.actor, form, at.clicked)
    return Done()


def confirm(click: Click) -> Reply:
    """It is met."""
    at = acting.seen(click)
    condition_id, revision = acting.condition_of(click, at)
    form = ConfirmMet(
        approval_id=at.approval_id,
        revision=at.revision,
        condition_id=condition_id,
        condition_revision=revision,
        is_met=True,
    )
    return Private(door.act(click.deps, click.actor, form, click.card))


def open_missing(click: Click) -> Reply:
    """What is missing?"""
    at = acting.seen(click)
    condition_id, revision = acting.condition_of(click, at)
    form = ConfirmMet(
        approval_id=at.approval_id,
        revision=at.revision,
        condition_id=condition_id,
        condition_revision=revision,
        is_met=False,
    )
    card, condition = _condition(click, form)
    return Open(
        blocks.modal(
            "Not met yet",
            [
                blocks.section(words.describe_condition(condition)),
                blocks.input_(
                    "What is missing?",
                    blocks.text_input(MISSING, multiline=True, max_length=2000),
                    block_id=MISSING,
                    hint=f"{condition.owner.name} reads it, and can say again that it is met until the day is over.",
                ),
            ],
            callback_id=SUBMIT_MISSING,
            submit="Not met yet",
            metadata=acting.remember(card, click, condition.id, condition.revision),
        )
    )


def missing(submission: Submission) -> Reply:
    """Said what is missing."""
    at = acting.of_window(submission)
    condition_id, revision = acting.condition_of(submission, at)
    form = ConfirmMet(
        approval_id=at.approval_id,
        revision=at.revision,
        condition_id=condition_id,
        condition_revision=revision,
        is_met=False,
        why=acting.words_of(submission, MISSING),
    )
    door.act(submission.deps, submission.actor, form, at.clicked)
    return Done()


def _condition(click: Click, form: OnCondition) -> tuple[Card, Condition]:
    """What the window is about, for whoever may do what it is for. Raises the refusal of everybody else."""
    door.require_entitled(click.deps, click.actor, form, click.card)
    card = acting.card(click, form.approval_id)
    condition = next((one for one in card.conditions if one.id == form.condition_id), None)
    if condition is None:
        raise NotFound("This condition binds nobody any more. The card shows why.")
    return card, condition
