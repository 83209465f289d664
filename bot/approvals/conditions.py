"""Approving on conditions, saying that one is met, and confirming it."""

from datetime import date
from typing import Any

from pydantic import ValidationError

from bot import blocks
from bot.approvals import acting, deciding, words
from bot.replies import Done, FieldErrors, Open, Private, Reply
from bot.requests import Click, Submission
from bot.router import Router
from storage.enums import Verdict
from workflows.approvals.forms import ClaimMet, ConfirmMet, Terms
from workflows.approvals.records import Condition
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
    card = acting.card(click, acting.id_of(click.value))
    shown = [
        blocks.section(
            f"*{words.asks(card)}*\nYour approval counts now. If a condition is not met by the end of its day, the approval lapses."
        )
    ]
    for number in range(MOST):
        is_first = number == 0
        which = "" if is_first else "Another: "
        shown += [
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
            shown,
            callback_id=SUBMIT_TERMS,
            submit="Approve",
            metadata=acting.remember(click.value, click),
        )
    )


def approve(submission: Submission) -> Reply:
    """The conditions were written."""
    value, where = acting.split(submission.metadata)
    terms: list[Terms] = []
    wrong: dict[str, str] = {}
    for number in range(MOST):
        said = {
            name: acting.words_of(submission, f"{name}_{number}")
            for name in (TEXT, OWNER, DUE)
        }
        if number and not any(said.values()):
            continue
        lacks = {
            TEXT: "Say what has to happen.",
            OWNER: "Choose who sees to it.",
            DUE: "Choose a day.",
        }
        wrong |= {
            f"{name}_{number}": lacks[name] for name, text in said.items() if not text
        }
        if len(said[TEXT]) < 3 and f"{TEXT}_{number}" not in wrong:
            wrong[f"{TEXT}_{number}"] = "Say it in a sentence."
        if not wrong:
            terms.append(
                Terms(
                    text=said[TEXT],
                    owner=said[OWNER],
                    due=date.fromisoformat(said[DUE]),
                )
            )
    if wrong:
        return FieldErrors(wrong)
    form = acting.form_of(value, Verdict.APPROVE)
    deciding.decide(
        submission.deps,
        submission.actor,
        form.model_copy(update={"conditions": tuple(terms)}),
        where,
    )
    return Done()


def open_claim(click: Click) -> Reply:
    """How does one see that it is met?"""
    one = _condition(click)
    return Open(
        blocks.modal(
            "Condition met",
            [
                blocks.section(words.condition(one)),
                blocks.input_(
                    "How does one see that it is met?",
                    blocks.text_input(PROOF, multiline=True, max_length=2000),
                    block_id=PROOF,
                    hint=f"{one.setter.name} reads it and confirms.",
                ),
            ],
            callback_id=SUBMIT_PROOF,
            submit="Met",
            metadata=click.value,
        )
    )


def claim(submission: Submission) -> Reply:
    """A word of proof."""
    proof = acting.words_of(submission, PROOF)
    if not proof:
        return FieldErrors({PROOF: "Say in a sentence how one sees that it is met."})
    approval_id, condition_id = _ids(submission.metadata)
    form = ClaimMet(approval_id=approval_id, condition_id=condition_id, proof=proof)
    acting.do(submission.deps, submission.actor, form, None)
    return Done()


def confirm(click: Click) -> Reply:
    """It is met."""
    approval_id, condition_id = _ids(click.value)
    form = ConfirmMet(approval_id=approval_id, condition_id=condition_id, is_met=True)
    return Private(acting.do(click.deps, click.actor, form, click.card))


def open_missing(click: Click) -> Reply:
    """What is missing?"""
    one = _condition(click)
    return Open(
        blocks.modal(
            "Not met yet",
            [
                blocks.section(words.condition(one)),
                blocks.input_(
                    "What is missing?",
                    blocks.text_input(MISSING, multiline=True, max_length=2000),
                    block_id=MISSING,
                    hint=f"{one.owner.name} reads it, and can say again that it is met until the day is over.",
                ),
            ],
            callback_id=SUBMIT_MISSING,
            submit="Not met yet",
            metadata=click.value,
        )
    )


def missing(submission: Submission) -> Reply:
    """Said what is missing."""
    approval_id, condition_id = _ids(submission.metadata)
    form = ConfirmMet(
        approval_id=approval_id,
        condition_id=condition_id,
        is_met=False,
        why=acting.words_of(submission, MISSING),
    )
    acting.do(submission.deps, submission.actor, form, None)
    return Done()


def _ids(value: str) -> tuple[int, int]:
    try:
        approval_id, _, condition_id, *_ = value.split(":")
        form: dict[str, Any] = {
            "approval_id": approval_id,
            "condition_id": condition_id,
        }
        known = ConfirmMet(is_met=True, **form)
    except (ValueError, ValidationError):
        raise NotFound(
            "This button is from another release of mlgov. `/mlgov approvals` lists what waits for you."
        ) from None
    return known.approval_id, known.condition_id


def _condition(click: Click) -> Condition:
    approval_id, condition_id = _ids(click.value)
    card = acting.card(click, approval_id)
    found = next((one for one in card.conditions if one.id == condition_id), None)
    if found is None:
        raise NotFound("This condition binds nobody any more. The card shows why.")
    return found
