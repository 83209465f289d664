"""What approvals say on cards, in modals and in App Home alike, so that the same thing has the same words everywhere."""

from bot.slack import blocks
from bot.slack.blocks import Block, Element
from bot.slack.interactions import Request, RequestChoice, RequestOnRecord
from storage.enums import ApprovalState, Ask, ConditionState
from workflows.approvals.records import Card, Condition, Edit, Escalated, Handover, Line, Round

# --- What mlgov reads of its own record about a request, and what is not as it was when
#     somebody asked, in words


def describe_known(card: Card) -> str:
    """`From the inventory, read Mon 26 Jan: tier 1 · EU AI Act class high`; empty where mlgov read nothing itself."""
    lines_ = []
    for source in dict.fromkeys(one["source"] for one in card.known):
        values = " · ".join(
            f"{blocks.escape(one['label'], 40)} {blocks.escape(str(one['value']), 80)}"
            for one in card.known
            if one["source"] == source
        )
        read = f", read {blocks.when(card.known_at)}" if card.known_at else ""
        lines_.append(f"From {blocks.escape(source, 40)}{read}: {values}")
    return "\n".join(lines_)


def list_changes(card: Card) -> list[str]:
    """What is not as it was when this was asked, who decides as well since, and what bars it now: a line each, mrkdwn."""
    lines_ = []
    if card.changes:
        lines_.append(f"*Since it was asked:* {blocks.escape(' · '.join(card.changes), 400)}")
    if card.added:
        decide = "decides" if len(card.added) == 1 else "decide"
        lines_.append(f"So {blocks.join_names(list(card.added))} {decide} as well.")
    if card.bars:
        lines_.append(f"*Can't be approved now:* {blocks.escape('; '.join(card.bars), 400)}")
    if card.stuck:
        lines_.append(f"*Can't go on:* {blocks.escape(card.stuck, 400)}")
    return lines_


def describe_changes(card: Card) -> str:
    """The same in one plain line, where nothing is bold; empty when nothing changed."""
    lines_ = []
    if card.changes:
        lines_.append(f"Since it was asked: {' · '.join(card.changes)}.")
    if card.bars:
        lines_.append(f"Can't be approved now: {'; '.join(card.bars)}.")
    return " ".join(lines_)


def describe_moved_subject(card: Card, *, to_requester: bool = False) -> str:
    """`*Changed since*: January's budget is 2,000 EUR now; it was 1,000 EUR when this was asked. Nobody can approve this
    before Tim says what to ask for now`; empty where what is asked about is as it was. `to_requester` for whoever asked."""
    if card.moved is None:
        return ""
    name = blocks.escape(card.requester.name, 60)
    says = "you say" if to_requester else f"{name} says"
    return (
        f"*Changed since*: {blocks.escape(card.moved.clause, 300)}. "
        f"Nobody can approve this before {says} what to ask for now."
    )


def waits_for_requester(card: Card) -> bool:
    """Whether whoever asked has to say something before anybody can approve."""
    return card.question is not None or card.moved is not None


# --- What approvals say on cards, in modals and in App Home alike, so that the same thing has
#     the same words everywhere

APPROVE = "approvals.approve"
APPROVE_WITH = "approvals.approve_with"
REJECT = "approvals.reject"
DETAILS = "approvals.details"
WITHDRAW = "approvals.withdraw"
GLASS = "approvals.break_glass"
RIGHT = "approvals.review_right"
WRONG = "approvals.review_wrong"
CLAIM = "approvals.claim"
CONFIRM = "approvals.confirm"
UNCONFIRMED = "approvals.unconfirmed"
MORE = "approvals.more"
ANSWER = "approvals.answer"
UNASK = "approvals.unask"
ASK_AGAIN = "approvals.ask_again"
KEEP = "approvals.keep"
TAKE_BACK = "approvals.take_back"
SEVERAL = "approvals.several"
DETAILS_VIEW = "approvals.details_view"

STATES = {
    ApprovalState.PENDING: "⏳ Waiting",
    ApprovalState.APPROVED: "✅ Approved",
    ApprovalState.REJECTED: "❌ Rejected",
    ApprovalState.EXPIRED: "⌛ Expired",
    ApprovalState.WITHDRAWN: "↩️ Withdrawn",
    ApprovalState.LAPSED: "🔻 Lapsed",
}


def asks(card: Card, limit: int = 200) -> str:
    """`Ticket triage asks to raise January's budget: 40,000 → 52,000 EUR (+30 %)`, for mrkdwn."""
    return (
        f"{blocks.escape(card.words.project, 80)} asks to {blocks.escape(card.words.asks, limit)}"
    )


def describe_tally(stage: Round) -> str:
    """`0 of 2 approved`; for a stage of groups `Validation 1 of 1 and Model risk 0 of 2 approved`."""
    if not stage.parts:
        return f"{stage.approved} of {stage.quorum} approved"
    joint = " or " if stage.mode == "any" else " and "
    counts = [
        f"{blocks.escape(part.name, 60)} {part.approved} of {part.quorum}" for part in stage.parts
    ]
    return f"{joint.join(counts)} approved"


def describe_progress(card: Card) -> str:
    """`Finance: 0 of 2 approved`, for mrkdwn."""
    return f"{blocks.escape(card.round.name, 60)}: {describe_tally(card.round)}"


def describe_asked(card: Card, position: int) -> str:
    """`Finance (Finance partners, 2 of them)`: a stage and whom it asks; `Release (Validators and 2 of Model risk)`."""
    stage = card.rounds[position]
    name = blocks.escape(stage.name, 60)
    if stage.parts:
        joint = " or " if stage.mode == "any" else " and "
        clauses = [
            (f"{part.quorum} of " if part.quorum > 1 else "")
            + (blocks.join_names(list(part.asked)) or "nobody")
            for part in stage.parts
        ]
        return f"{name} ({joint.join(clauses)})"
    who = blocks.join_names(list(stage.asked)) or "nobody"
    many = f", {stage.quorum} of them" if stage.quorum > 1 else ""
    instead = ", in place of nobody" if stage.has_fallback else ""
    return f"{name} ({who}{many}{instead})"


def describe_passed(card: Card) -> str:
    """`Budget owner approved: Ana Ruiz`, for the stages that are behind; empty in the first."""
    clauses = []
    for stage in card.rounds[: card.stage]:
        names = [line.person.name for line in card.approvers if line.position == stage.position]
        clauses.append(f"{blocks.escape(stage.name, 60)} approved: {blocks.join_names(names)}")
    return " · ".join(clauses)


def describe_step(card: Card) -> str:
    """`step 2 of 2`; empty when there is only one."""
    return f"step {card.stage + 1} of {len(card.rounds)}" if len(card.rounds) > 1 else ""


def describe_silence(card: Card, *, to_requester: bool = False) -> str:
    """What happens if nobody does anything, and when, in the order of time; `to_requester` for whoever asked."""
    name = blocks.escape(card.requester.name, 60)
    if card.paused_at is not None:
        answer = "you answer" if to_requester else f"{name} answers"
        return f"The clock stands still until {answer}. Without an answer this expires {blocks.when(card.expires_at)} and {blocks.escape(card.words.stays, 200)}."
    stays = blocks.escape(card.words.stays, 200)
    if card.moved is not None:
        silent = "you don't" if to_requester else f"{name} doesn't"
        return f"If {silent} say so by {blocks.when(card.expires_at)} this expires and {stays}."
    sentence = f"If nobody decides by {blocks.when(card.expires_at)} this expires and {stays}."
    step = card.round.escalation
    if step is None or step.at is None:
        return sentence
    return f"From {blocks.when(step.at)} {describe_escalation(step)}. {sentence}"


def describe_escalation(step: Escalated) -> str:
    """`this also goes to ML admins`: what escalating does, whether they are one or many."""
    who = blocks.join_names(list(step.who)) or "nobody else"
    if step.way == "notify":
        return f"a message goes to {who}"
    return f"this goes to {who} instead" if step.way == "replace" else f"this also goes to {who}"


def ask_again_button(card: Card) -> Element | None:
    """`Ask for 2,200 EUR`: the same change to what there is now; None where that can't be asked."""
    if card.moved is None or not card.moved.again:
        return None
    return blocks.button(
        blocks.plain(card.moved.again, 70),
        ASK_AGAIN,
        RequestOnRecord(card.id, card.revision, card.moved.mark).text,
        style="primary",
        confirm=_ask_doubt(card.moved.doubt),
        hint=f"{blocks.plain(card.moved.again, 60)} in request {card.id}",
    )


def _ask_doubt(doubt: str) -> Element | None:
    return blocks.confirm("Is that right?", doubt, yes="Yes, ask") if doubt else None


def keep_button(card: Card) -> Element:
    """`Keep 2,000 EUR`: takes the request back."""
    label = card.moved.keep if card.moved is not None else "Withdraw"
    return blocks.button(
        blocks.plain(label, 70),
        KEEP,
        RequestOnRecord(card.id, card.revision, card.moved.mark).text
        if card.moved is not None
        else value(card),
        hint=f"Take request {card.id} back: nobody decides it then",
    )


def moved_buttons(card: Card) -> list[Element]:
    """What the requester can answer when what they asked about has changed."""
    again = ask_again_button(card)
    return [
        *([again] if again is not None else []),
        keep_button(card),
        *([change_button(card)] if card.is_editable else []),
    ]


def describe_left_out(card: Card) -> str:
    """`Finance is not asked: increase.percent > 20.0 does not hold`; empty when every stage is asked."""
    return " · ".join(
        f"{blocks.escape(one.name, 60)} is not asked: `{blocks.escape(one.when, 120)}` does not hold"
        for one in card.dropped
    )


def describe_outcome(card: Card, *, in_thread: bool = False) -> str:
    """The one line that is left of a finished card."""
    state = f"*{STATES[card.state]}*"
    at = blocks.when(card.decided_at or card.expires_at)
    project, what = blocks.escape(card.words.project, 80), asks(card)
    stays = blocks.escape(card.words.stays, 200)
    more = " · _details in the thread_" if in_thread else ""
    if card.state is ApprovalState.APPROVED and card.by_rule:
        rule = f"`{blocks.escape(card.by_rule, 120)}`"
        return f"{state} by rule, {at} · {blocks.escape(card.words.done, 200)} · nobody was asked: {rule}{_holds(card)}"
    if card.state is ApprovalState.APPROVED:
        names = [line.person.name for line in card.approvers]
        by = (
            f"{len(names)} people decided, last {at}"
            if in_thread and len(names) > 1
            else f"by {blocks.join_names(names)}, {at}"
        )
        if card.extras.review is not None:
            by = describe_glass(card)
        return f"{state} · {blocks.escape(card.words.done, 200)} · {by}{_holds(card)}{more}"
    if card.state is ApprovalState.REJECTED and card.rejection is not None:
        by_whom = blocks.escape(card.rejection.person.name, 60)
        return f"{state} by {by_whom}, {at} · {what} · {stays}{more}"
    if card.state is ApprovalState.WITHDRAWN:
        by_whom = blocks.escape(card.requester.name, 60)
        return f"{state} by {by_whom}, {at} · {what} · {stays}{more}"
    if card.state is ApprovalState.EXPIRED:
        return f"{state} {at} · {what} · {describe_progress(card)} · {stays}{more}"
    if card.state is ApprovalState.LAPSED:
        undone = blocks.escape(card.words.undone or card.words.stays, 200)
        unmet = [one for one in card.conditions if one.state is ConditionState.UNMET]
        why = (
            f"not met by {blocks.day(unmet[0].due)}: {blocks.quote(unmet[0].text, 120)}"
            if unmet
            else "a condition was not met in time"
        )
        return f"{state} · {what} · {why} · {undone}{more}"
    return f"{state} · {project}"


def _holds(card: Card) -> str:
    return f" · holds until {blocks.when(card.valid_until)}" if card.valid_until else ""


def describe_outcome_plainly(card: Card) -> str:
    """The same for a notification: no emoji, no emphasis, no date syntax."""
    state = STATES[card.state].split()[-1]
    if card.state is ApprovalState.APPROVED:
        by = " by rule" if card.by_rule else ""
        return f"{state}{by}: {blocks.escape(card.words.done, 200)}"
    if card.state is ApprovalState.LAPSED:
        undone = blocks.escape(card.words.undone or card.words.stays, 200)
        return f"{state}: {asks(card)}; a condition was not met in time, so {undone}"
    return f"{state}: {asks(card)}; {blocks.escape(card.words.stays, 200)}"


def describe_verdict(line: Line) -> str:
    """`Ana Ruiz approved`."""
    did = "approved" if line.verdict == "approve" else "rejected"
    for_whom = f" for {blocks.escape(line.instead_of, 60)}" if line.instead_of else ""
    return f"{blocks.escape(line.person.name, 60)} {did}{for_whom}"


def value(card: Card) -> str:
    """What a button carries: the request, and the revision that its card showed."""
    return Request(card.id, card.revision).text


def state(card: Card) -> str:
    """`⏳ Waiting`, `✅ Approved`; while a question is open, who is waited for."""
    if card.is_pending and card.paused_at is not None:
        return "⏳ Waiting for the requester"
    return STATES[card.state]


def list_remarks(card: Card) -> list[str]:
    """What changed meanwhile, and what was asked, answered and handed over, one line each, newest last; mrkdwn."""
    lines = list_changes(card)
    for question in card.extras.questions[-2:]:
        asker = blocks.escape(question.asker.name, 60)
        if question.is_open:
            lines.append(f"*{asker} asks:* {blocks.quote(question.text, 300)}")
        elif question.answer is not None:
            lines.append(
                f"{asker} asked: {blocks.quote(question.text, 200)} · {blocks.escape(card.requester.name, 60)} answered: {blocks.quote(question.answer, 300)}"
            )
    if card.is_pending:
        lines += list_conditions(card)
    if card.is_pending and card.extras.edits:
        lines.append(describe_edit(card.extras.edits[-1]))
    lines += [
        f"{blocks.escape(one.giver.name, 60)} handed {_describe_place(one)}over to {blocks.escape(one.taker.name, 60)}"
        for one in card.extras.handovers
        if one.position == card.stage
    ]
    return lines


def _describe_place(handover: Handover) -> str:
    """`Ola's place `, where a stand-in gave it on."""
    if handover.principal is None:
        return ""
    return f"{blocks.escape(handover.principal.name, 60)}'s place "


def describe_edit(edit: Edit) -> str:
    """`Changed Mon 26 Jan at 9:14 · before: raise January's budget: 40,000 → 52,000 EUR`, for mrkdwn."""
    if edit.is_material:
        return f"*Changed* {blocks.when(edit.at)} · before: {blocks.escape(edit.asks, 200)}"
    return f"*Reworded* {blocks.when(edit.at)} · it asks for the same"


CONDITION_STATES = {
    ConditionState.OPEN: "open",
    ConditionState.CLAIMED: "said to be met, to be confirmed",
    ConditionState.MET: "✅ met",
    ConditionState.UNMET: "not met",
    ConditionState.DROPPED: "binds nobody any more",
}


def describe_condition(condition_: Condition) -> str:
    """`“Plan the clean-up” · Tim by Fri 30 Jan · open`, for mrkdwn."""
    owner = blocks.escape(condition_.owner.name, 60)
    return f"{blocks.quote(condition_.text, 300)} · {owner} by {blocks.day(condition_.due)} · {CONDITION_STATES[condition_.state]}"


def list_conditions(card: Card) -> list[str]:
    """What the approval depends on, one line each."""
    return [f"*On condition* · {describe_condition(one)}" for one in card.conditions]


def describe_glass(card: Card) -> str:
    """`glass broken by Ada, today 9:14 · to be reviewed by Wed 09:14`, for mrkdwn."""
    review = card.extras.review
    if review is None:
        return ""
    sentence = (
        f"glass broken by {blocks.escape(review.breaker.name, 60)}, {blocks.when(review.broken_at)}"
    )
    if review.reviewer is None or review.reviewed_at is None:
        late = ", late" if review.times_late else ""
        return f"{sentence} · to be reviewed by {blocks.when(review.due_at)}{late}"
    how = "was right" if review.is_fine else "was not right"
    return f"{sentence} · {blocks.escape(review.reviewer.name, 60)} reviewed it, {blocks.when(review.reviewed_at)}: it {how}"


def glass_button(card: Card) -> Element:
    """Break glass: asks for the reason before anything happens."""
    return blocks.button("Break glass…", GLASS, value(card), style="danger")


def choice(label: str, verb: str, card: Card) -> Element:
    """An entry of More: what it does, and what it was offered on."""
    return blocks.option(label, RequestChoice(verb, Request(card.id, card.revision)).text)


def decide_buttons(card: Card) -> list[Element]:
    """Approve, Reject, Details, and more; no Approve while the requester has to answer first, or to say what the question
    is, or while something bars it."""
    hand_over = choice("Hand over to somebody else…", "hand_over", card)
    if card.paused_at is not None:
        rest = [blocks.overflow(MORE, [hand_over])]
        own = card.question is not None and card.reader is not None
        if own and card.question.asker.id == card.reader.person_id:  # type: ignore[union-attr]
            rest = [blocks.button("Take question back", UNASK, value(card)), *rest]
        return [_reject_button(card), details_button(card), *rest]
    if card.moved is not None or card.bars:
        ask = choice("Ask for information…", "ask", card)
        return [_reject_button(card), details_button(card), blocks.overflow(MORE, [ask, hand_over])]
    now = card.round
    sure = blocks.confirm(
        "Approve this?",
        f"{blocks.plain(card.words.project, 80)} asks to {blocks.plain(card.words.asks, 180)}.",
        yes="Approve",
        no="Not yet",
    )
    return [
        blocks.button(
            "Approve…" if now.comment else "Approve",
            APPROVE_WITH if now.comment else APPROVE,
            value(card),
            style="primary",
            hint=f"Approve request {card.id}" + (", with a comment" if now.comment else ""),
            confirm=sure if now.confirm and not now.comment else None,
        ),
        _reject_button(card),
        details_button(card),
        blocks.overflow(
            MORE,
            [
                choice("Ask for information…", "ask", card),
                choice("Approve on conditions…", "conditions", card),
                hand_over,
            ],
        ),
    ]


def _reject_button(card: Card) -> Element:
    return blocks.button(
        "Reject", REJECT, value(card), hint=f"Reject request {card.id}, with a reason"
    )


def answer_button(card: Card) -> Element:
    """Answer: the request waits for it."""
    return blocks.button(
        "Answer",
        ANSWER,
        value(card),
        style="primary",
        hint=f"Answer the question about request {card.id}",
    )


def details_button(card: Card) -> Element:
    """Details: everything, and the history."""
    return blocks.button("Details", DETAILS, value(card))


def withdraw_button(card: Card) -> Element:
    """Withdraw, after a question: it cannot be taken back."""
    return blocks.button(
        "Withdraw",
        WITHDRAW,
        value(card),
        confirm=blocks.confirm(
            "Withdraw this request?",
            "Nobody decides it then. You can ask again with a new request.",
            yes="Withdraw",
            no="Keep it",
            danger=True,
        ),
    )


def change_button(card: Card) -> Element:
    """Change…: opens the window in which it was asked; what kind of request it is says which one."""
    return blocks.button(
        "Change…", f"{card.subject_type}.change", value(card), hint=f"Change request {card.id}"
    )


def again_button(card: Card) -> Element:
    """Ask again…: the same window for a new request, filled in as the old one was."""
    return blocks.button(
        "Ask again…",
        f"{card.subject_type}.again",
        value(card),
        hint=f"Ask again for what request {card.id} asked",
    )


def can_ask_again(card: Card) -> bool:
    """Whether a request that ended without what it asked can be asked again from where it says so."""
    return card.is_editable and not card.is_pending and card.state is not ApprovalState.APPROVED


def take_back_button(card: Card) -> Element:
    """Take back, after a question: others may have decided on the word of it."""
    return blocks.button(
        "Take back",
        TAKE_BACK,
        value(card),
        confirm=blocks.confirm(
            "Take your approval back?",
            "It counts no more, and a stage that passed with it is asked again. You can decide again while the request waits.",
            yes="Take back",
            no="Keep it",
        ),
    )


def requester_buttons(card: Card) -> list[Element]:
    """What the requester can do while it waits: answer, or change, nudge and withdraw."""
    if card.question is not None:
        return [answer_button(card), withdraw_button(card)]
    if card.moved is not None:
        return moved_buttons(card)
    rest = []
    if card.round.ask is not Ask.QUIET:
        rest.append(choice("Nudge those who are asked", "nudge", card))
    return [
        *([change_button(card)] if card.is_editable else []),
        withdraw_button(card),
        *([blocks.overflow(MORE, rest)] if rest else []),
    ]


def own_buttons(card: Card) -> list[Element]:
    """What the reader of a card can do in private, beside deciding."""
    reader = card.reader
    if reader is None or not card.is_pending:
        return []
    glass_ = [glass_button(card)] if reader.may_break_glass else []
    if reader.is_requester:
        return [*requester_buttons(card), *glass_]
    mine = [take_back_button(card)] if reader.line is not None else []
    return [*mine, *glass_]


def buttons(card: Card, elements: list[Element], where: str = "card") -> Block:
    """A row of buttons; its id changes with the revision, so that no client keeps an old one's state."""
    return blocks.actions(elements, block_id=f"approval:{card.id}:{card.revision}:{where}")
