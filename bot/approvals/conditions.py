"""Approving on conditions, saying that one is met, and confirming it."""

from datetime import date
from typing import Any

from bot.approvals import clicks, words
from bot.slack import blocks
from bot.slack.interactions import ConditionWindow, Request, RequestCondition, RequestWindow, ask
from bot.slack.replies import Done, FieldErrors, Open, Private, Reply
from bot.slack.requests import Click, Router, Submission
from storage.enums import Verdict
from workflows.approvals.forms import ClaimMet, ConfirmMet, Decide, OnRequest, Terms
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
    router.action(words.CLAIM, open_claim, RequestCondition)
    router.action(words.CONFIRM, confirm, RequestCondition)
    router.action(words.UNCONFIRMED, open_missing, RequestCondition)
    router.submission(SUBMIT_TERMS, approve, RequestWindow)
    router.submission(SUBMIT_PROOF, claim, ConditionWindow)
    router.submission(SUBMIT_MISSING, missing, ConditionWindow)


def open_modal(click: Click, request: Request) -> Reply:
    """On which conditions?"""
    card = clicks.load_entitled(click, request, Decide, verdict=Verdict.APPROVE)
    body = [
        blocks.section(
            f"*{words.asks(card)}*\nYour approval counts now. If a condition is not met by the end of its day, the approval lapses."
        )
    ]
    for number in range(MOST):
        is_first = number == 0
        which = "" if is_first else "Another: "
        body += [
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
            body,
            callback_id=SUBMIT_TERMS,
            submit="Approve",
            metadata=clicks.remember(card, click),
        )
    )


def approve(submission: Submission, request: RequestWindow) -> Reply:
    """The conditions were written."""
    terms: list[Terms] = []
    wrong: dict[str, str] = {}
    for number in range(MOST):
        typed = {name: submission.text(f"{name}_{number}") for name in (TEXT, OWNER, DUE)}
        if number and not any(typed.values()):
            continue
        lacks = {
            TEXT: "Say what has to happen.",
            OWNER: "Choose who sees to it.",
            DUE: "Choose a day.",
        }
        wrong |= {f"{name}_{number}": lacks[name] for name, text in typed.items() if not text}
        if len(typed[TEXT]) < 3 and f"{TEXT}_{number}" not in wrong:
            wrong[f"{TEXT}_{number}"] = "Say it in a sentence."
        if not wrong:
            terms.append(
                Terms(text=typed[TEXT], owner=typed[OWNER], due=date.fromisoformat(typed[DUE]))
            )
    if wrong:
        return FieldErrors(wrong)
    clicks.act(submission, request, Decide, verdict=Verdict.APPROVE, conditions=tuple(terms))
    return Done()


def open_claim(click: Click, condition: RequestCondition) -> Reply:
    """How does one see that it is met?"""
    card, bound = _load_condition(click, condition, ClaimMet, proof="")
    return Open(
        blocks.modal(
            "Condition met",
            [
                blocks.section(words.describe_condition(bound)),
                ask(ClaimMet, "proof", hint=f"{bound.setter.name} reads it and confirms."),
            ],
            callback_id=SUBMIT_PROOF,
            submit="Met",
            metadata=_remember(card, click, bound),
        )
    )


def claim(submission: Submission, condition: ConditionWindow) -> Reply:
    """A word of proof."""
    proof = submission.text(PROOF)
    if not proof:
        return FieldErrors({PROOF: "Say in a sentence how one sees that it is met."})
    clicks.act(submission, condition, ClaimMet, proof=proof)
    return Done()


def confirm(click: Click, condition: RequestCondition) -> Reply:
    """It is met."""
    return Private(clicks.act(click, condition, ConfirmMet, is_met=True))


def open_missing(click: Click, condition: RequestCondition) -> Reply:
    """What is missing?"""
    card, bound = _load_condition(click, condition, ConfirmMet, is_met=False)
    return Open(
        blocks.modal(
            "Not met yet",
            [
                blocks.section(words.describe_condition(bound)),
                ask(
                    ConfirmMet,
                    "why",
                    optional=False,
                    hint=f"{bound.owner.name} reads it, and can say again that it is met until the day is over.",
                ),
            ],
            callback_id=SUBMIT_MISSING,
            submit="Not met yet",
            metadata=_remember(card, click, bound),
        )
    )


def missing(submission: Submission, condition: ConditionWindow) -> Reply:
    """Said what is missing."""
    clicks.act(submission, condition, ConfirmMet, is_met=False, why=submission.text(MISSING))
    return Done()


def _load_condition(
    click: Click, condition: RequestCondition, kind: type[OnRequest], **entered: Any
) -> tuple[Card, Condition]:
    """What the window is about, for whoever may do what it is for. Raises the refusal of everybody else."""
    card = clicks.load_entitled(click, condition, kind, **entered)
    bound = next((each for each in card.conditions if each.id == condition.condition_id), None)
    if bound is None:
        raise NotFound("This condition binds nobody any more. The card shows why.")
    return card, bound


def _remember(card: Card, click: Click, bound: Condition) -> str:
    return ConditionWindow(card.id, card.revision, click.card, bound.id, bound.revision).text
