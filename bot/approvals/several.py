"""Deciding several requests at once: tick them, say what you decide, and read what became of each."""

from collections.abc import Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from bot import blocks
from bot.approvals import acting, changed, words
from bot.blocks import Block, Element
from bot.context import Deps
from bot.interactions import Request, SeveralWindow
from bot.replies import Done, FieldErrors, Open, Private, Reply, Show
from bot.requests import Click, Submission
from bot.router import Router
from storage.enums import Verdict
from workflows import decisions
from workflows.actors import Actor
from workflows.approvals.forms import Decide
from workflows.approvals.records import Card
from workflows.errors import GovernanceError

SUBMIT = "approvals.several_decided"
VERDICT, REASON, PICK = "verdict", "reason", "pick"
"""Blocks of the fields; each request's is `pick:id:revision`."""
MOST = 10
"""Requests in one window: as many as a person looks at before they stop reading."""


def register(router: Router) -> None:
    """Answer the button and the window."""
    router.action(words.SEVERAL, open_window)
    router.submission(SUBMIT, decide, SeveralWindow)


def open_window(click: Click) -> Reply:
    """Everything that waits for whoever clicked, the most urgent first."""
    waiting = _waiting(click.deps, click.actor)
    if not waiting:
        return Private("Nothing waits for you any more.")
    tz = click.actor.tz
    return Open(_window(waiting, ZoneInfo(tz) if tz else click.deps.policy.organisation.zone))


def _waiting(deps: Deps, actor: Actor) -> list[Card]:
    with deps.db.read() as session:
        cards = decisions.list_waiting(session, actor, policy=deps.policy, now=deps.now(session))
    return [card for card in cards if card.paused_at is None]


def _window(waiting: Sequence[Card], zone: ZoneInfo) -> Block:
    more = len(waiting) - MOST
    parts = [
        blocks.input_(
            "What do you decide?",
            blocks.radio(
                VERDICT,
                [_VERDICTS[Verdict.APPROVE], _VERDICTS[Verdict.REJECT]],
                initial=_VERDICTS[Verdict.APPROVE],
            ),
            block_id=VERDICT,
        ),
        *(_pick(card, zone) for card in waiting[:MOST]),
        blocks.input_(
            "Why?",
            blocks.text_input(REASON, multiline=True, max_length=3000),
            block_id=REASON,
            hint="Needed to reject, and where a request asks for a comment. It is said for each that you ticked.",
            optional=True,
        ),
    ]
    if more > 0:
        parts.insert(-1, blocks.context(f"…and {more} more: decide these, and they move up."))
    return blocks.modal(
        "Decide several",
        parts,
        callback_id=SUBMIT,
        submit="Decide",
        close="Cancel",
        metadata=SeveralWindow(
            tuple(words.value(card) for card in waiting[:MOST] if card.round.comment)
        ).text,
    )


_VERDICTS: dict[Verdict, Element] = {
    Verdict.APPROVE: blocks.option("Approve what I tick", Verdict.APPROVE.value),
    Verdict.REJECT: blocks.option("Reject what I tick", Verdict.REJECT.value),
}


def _pick(card: Card, zone: ZoneInfo) -> Block:
    """What is asked in full as the label, one box to tick under it, why it is asked and until when."""
    by = f"By {blocks.instant(card.expires_at, zone)}."
    new = changed.describe_changes(card)
    comment = " It asks for a comment." if card.round.comment else ""
    sure = " It asks you to be sure: ticking it says so." if card.round.confirm else ""
    return blocks.input_(
        f"{card.words.project} asks to {card.words.asks}",
        blocks.checkboxes(PICK, [blocks.option(f"Decide request #{card.id}", "yes")]),
        block_id=f"{PICK}:{words.value(card)}",
        hint=f"{by}{comment}{sure}{f' {new}' if new else ''} {card.requester.name}: “{card.reason}”",
        optional=True,
    )


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What became of one request; `refusal` is the sentence why it was not decided."""

    value: str
    label: str
    refusal: str


def decide(submission: Submission, window: SeveralWindow) -> Reply:
    """Each that was ticked, on its own: one that does not count holds up no other."""
    verdict = submission.choice(VERDICT, Verdict, Verdict.APPROVE)
    reason = submission.text(REASON)
    fields = [
        block for block in submission.view["blocks"] if block["block_id"].startswith(f"{PICK}:")
    ]
    ticked = [one for one in fields if submission.values.get(one["block_id"])]
    if not ticked:
        first = fields[0]["block_id"] if fields else REASON
        return FieldErrors({first: "Tick at least one, or close the window."})
    if verdict is Verdict.REJECT and not reason:
        return FieldErrors({REASON: "Say in a sentence why you reject; each requester reads it."})
    asks = [block for block in ticked if _value(block) in window.commented]
    if verdict is Verdict.APPROVE and asks and not reason:
        return FieldErrors({REASON: "Say why you approve: a request that you ticked asks for it."})
    outcomes = [_decide_one(submission, block, verdict, reason) for block in ticked]
    if all(not one.refusal for one in outcomes) and len(outcomes) == len(fields):
        return Done()
    return Show(_result(outcomes, verdict))


def _value(block: Block) -> str:
    """`id:revision` of the request that a field is about."""
    return str(block["block_id"]).removeprefix(f"{PICK}:")


def _decide_one(submission: Submission, block: Block, verdict: Verdict, reason: str) -> _Outcome:
    value, label = _value(block), block["label"]["text"]
    try:
        acting.act(submission, Request.read(value), Decide, verdict=verdict, reason=reason)
    except GovernanceError as refusal:
        return _Outcome(value, label, refusal.sentence)
    return _Outcome(value, label, "")


def _result(outcomes: Sequence[_Outcome], verdict: Verdict) -> Block:
    did = "approved" if verdict is Verdict.APPROVE else "rejected"
    done = [one for one in outcomes if not one.refusal]
    left = [one for one in outcomes if one.refusal]
    head = f"{blocks.counted(len(done), 'request')} {did}"
    if left:
        head += f", {len(left)} not decided" if done else ""
        head = head if done else "Nothing was decided"
    parts: list[Block] = [blocks.section(f"*{head}*")]
    if done:
        lines = [f"• {blocks.escape(one.label, 200)}" for one in done]
        parts.append(blocks.section("\n".join(lines)))
    parts += [
        blocks.section(
            f"*{blocks.escape(one.label, 200)}*\nNot decided: {blocks.escape(one.refusal, 400)}",
            accessory=blocks.button("Details", words.DETAILS, one.value),
            block_id=f"left:{one.value}",
        )
        for one in left
    ]
    return blocks.modal("Decided", parts, callback_id="notice", close="Close")
