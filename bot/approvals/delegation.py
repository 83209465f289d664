"""`/mlgov away`: who decides in one's place, from one day through another; and coming back."""

from collections.abc import Sequence
from datetime import date
from zoneinfo import ZoneInfo

from bot import freshness
from bot.approvals import clicks, words
from bot.delivery.rendering import Rendered, Scene
from bot.slack import blocks
from bot.slack.blocks import Block, Element
from bot.slack.interactions import AbsenceRef, AwayPlan, Request, RequestWindow, ask
from bot.slack.replies import Done, FieldErrors, Open, Private, Reply
from bot.slack.requests import Click, Command, Router, Search, Submission
from workflows.approvals import approvers, delegation
from workflows.approvals.approvers import AbsenceRecord, Away, Offer
from workflows.approvals.delegation import Takers
from workflows.approvals.forms import HandOver
from workflows.approvals.notices import AbsenceTold, AwayOffered
from workflows.approvals.records import Card
from workflows.people.forms import OPEN_END

PLAN, BACK = "approvals.away", "approvals.back"
SUBMIT = "approvals.away_planned"
OFFER = "offer"
STAND_IN, SINCE, UNTIL = "stand_in", "since", "until"
"""Blocks of the fields."""


def register_absences(router: Router) -> None:
    """Answer the word, the buttons and the modal."""
    router.word("away", "away", "who decides for you while you are away", show)
    router.action(PLAN, open_absence, AwayPlan)
    router.action(BACK, back, AbsenceRef)
    router.submission(SUBMIT, plan)


def show(command: Command) -> Reply:
    """My absences, with the way to end them; without any, the modal at once where there can be one."""
    with command.begin_read() as ctx:
        planned = approvers.list_absences(ctx.session, command.actor.id, now=ctx.now)
    if not planned and command.trigger_id:
        return Open(_modal())
    if not planned:
        return Private(
            "You have named nobody to decide for you. Type `/mlgov away` where you can use slash commands to do it."
        )
    text = f"{blocks.escape(planned[0].stand_in, 60)} can decide for you, {_span(planned[0])}"
    body: list[Block] = [
        blocks.section(
            f"*{blocks.escape(absence.stand_in, 60)} can decide for you*, {_span(absence)}",
            accessory=blocks.button("I'm back", BACK, AbsenceRef(absence.id).text),
        )
        for absence in planned
    ]
    body.append(blocks.actions([blocks.button("Plan another", PLAN, AwayPlan("new").text)]))
    return Private(text, body)


def open_absence(click: Click, plan: AwayPlan) -> Reply:
    """Plan another; from an offer, for the days that the status covers."""
    if plan.what != OFFER:
        return Open(_modal())
    with click.begin_read() as ctx:
        zone = ZoneInfo(click.actor.tz) if click.actor.tz else ctx.policy.organisation.zone
        today = ctx.now.astimezone(zone).date()
    return Open(_modal(today, plan.until))


def away_offer(record: Offer, notice: AwayOffered, scene: Scene) -> Rendered:
    """To somebody who is asked while their status says that they are away."""
    if record.is_planned or record.until is None:
        line = (
            "Somebody decides for you while you are away."
            if record.is_planned
            else "Your status does not say any more that you are away."
        )
        return Rendered(
            line, [blocks.section(f"*Settled* · {line} `/mlgov away` shows it.")], is_final=True
        )
    is_open = record.until.year == OPEN_END.year
    until = (
        "" if is_open else f" until {blocks.instant(record.until, scene.policy.organisation.zone)}"
    )
    body = "" if is_open else f" until {blocks.when(record.until)}"
    offer = AwayPlan(OFFER, None if is_open else record.until.date())
    return Rendered(
        f"You are asked to decide, and your status says that you are away{until}. Somebody can decide for you",
        [
            blocks.section(
                f"*You are asked to decide, and your status says that you are away{body}*\n"
                "Somebody you trust can decide in your place: every decision says so, and you can end it at any time."
            ),
            blocks.context(
                "Nothing happens if you leave it: what waits for you waits, or expires as it would."
            ),
            blocks.actions(
                [blocks.button("Choose who decides for you", PLAN, offer.text, style="primary")],
                block_id="away:offer",
            ),
        ],
    )


def _modal(since: date | None = None, until: date | None = None) -> Block:
    return blocks.modal(
        "While you are away",
        [
            blocks.section(
                "Somebody decides in your place and in your name: every decision says so. "
                "What was decided before stays, and a stage can forbid it."
            ),
            blocks.input_(
                "Who decides for you?",
                blocks.person_picker(STAND_IN, placeholder="Somebody you trust with it"),
                block_id=STAND_IN,
            ),
            blocks.input_("First day", blocks.date_picker(SINCE, initial=since), block_id=SINCE),
            blocks.input_("Last day", blocks.date_picker(UNTIL, initial=until), block_id=UNTIL),
        ],
        callback_id=SUBMIT,
        submit="Plan",
    )


def plan(submission: Submission) -> Reply:
    """Days and a person were chosen."""
    submission.require(dict.fromkeys((STAND_IN, SINCE, UNTIL), "Choose one."))
    form = submission.form(
        Away,
        {
            "stand_in": submission.text(STAND_IN),
            "since": submission.day(SINCE),
            "until": submission.day(UNTIL),
        },
    )
    planned = submission.act(delegation.plan_absence, form)
    return Private(
        f"{blocks.escape(planned.stand_in, 60)} can decide for you, {_span(planned)}, and was told. `/mlgov away` shows and ends it."
    )


def back(click: Click, absence: AbsenceRef) -> Reply:
    """They are back."""
    planned = click.act(approvers.end_absence, absence.absence_id)
    return Private(
        f"Welcome back. {blocks.escape(planned.stand_in, 60)} does not decide for you any more."
    )


def _span(absence: AbsenceRecord) -> str:
    return f"from {blocks.when(absence.since)} until {blocks.when(absence.until)}"


def absence_note(record: AbsenceRecord, notice: AbsenceTold, scene: Scene) -> Rendered:
    """To the stand-in: for whom, and when."""
    who = blocks.escape(record.person, 60)
    if record.ended_at is not None or record.until <= scene.now:
        line = f"*{who} is back*; you do not decide in their place any more."
        return Rendered(line, [blocks.section(line)], is_final=True)
    zone = scene.policy.organisation.zone
    return Rendered(
        f"{who} asks you to decide in their place from {blocks.instant(record.since, zone)} until {blocks.instant(record.until, zone)}",
        [
            blocks.section(f"*{who} asks you to decide in their place*, {_span(record)}"),
            blocks.context(
                f"You decide in {who}'s name: each decision says so. Each request comes to you as a card, and `/mlgov approvals` lists what waits. "
                "Nothing happens if you don't: requests wait or expire as they would."
            ),
        ],
    )


# --- Giving one's place in a stage to somebody else

SUBMIT_HANDOVER = "approvals.hand_over"
TO, NOTE = "to", "note"
"""Blocks of the two fields."""
SEARCH = "approvals.takers"
"""The menu in which more people than a menu holds are looked up."""


def register_handover(router: Router) -> None:
    """Answer the modal, and its menu where that is looked up."""
    router.submission(SUBMIT_HANDOVER, hand_over, RequestWindow)
    router.search(SEARCH, search)


def open_handover(click: Click, request: Request) -> Reply:
    """To whom? Only those are offered who can take the place; where nobody can, the way out is said."""
    form = clicks.form(click, request, HandOver, to="")
    takers = freshness.list_takers(click.deps, click.actor, form, click.card)
    card = clicks.load_card(click, request.approval_id)
    if not takers.people and not takers.others:
        return Open(_nobody(card))
    hint = f"Only people who can decide this in your place: {card.round.name} asks them too, or the policy allows it."
    return Open(
        blocks.modal(
            "Hand over",
            [
                blocks.section(f"*{words.asks(card)}*"),
                ask(HandOver, "to", _menu(takers), hint=hint),
                ask(HandOver, "note"),
            ],
            callback_id=SUBMIT_HANDOVER,
            submit="Hand over",
            metadata=clicks.remember(card, click),
        )
    )


def _menu(takers: Takers) -> Element:
    if takers.others:
        return blocks.search_select(SEARCH, placeholder="Type a name")
    return blocks.select(
        TO,
        [blocks.option(each.name, each.slack_id) for each in takers.people],
        placeholder="Somebody who can decide",
    )


def _nobody(card: Card) -> Block:
    """Where nobody can take the place: why, and what to do instead."""
    stage = blocks.escape(card.round.name, 60)
    return blocks.modal(
        "Hand over",
        [
            blocks.section(f"*{words.asks(card)}*"),
            blocks.section(
                f"Nobody can take your place here: {stage} asks nobody else who could decide this, and the policy names "
                "nobody who may take over."
            ),
            blocks.section(
                "*What you can do*\n"
                "• Decide it yourself, or ask for information first: the deadline waits for the answer.\n"
                "• Going away? `/mlgov away` names somebody who decides for you.\n"
                "• Ask an administrator. They can let somebody take over at this gate (`hand_over_to` in governance.yml), "
                "or name who decides when nobody is left (`nobody: fallback`)."
            ),
        ],
        callback_id="notice",
        close="Close",
    )


def search(asked: Search) -> Sequence[tuple[str, str]]:
    """Those who can take the place and whose names hold what was typed."""
    request = RequestWindow.read(asked.metadata)
    revision = freshness.shown_revision(asked.deps, asked.actor, request, request.card)
    form = HandOver(approval_id=request.approval_id, revision=revision, to="")
    takers = freshness.list_takers(asked.deps, asked.actor, form, request.card, query=asked.query)
    return [(each.slack_id, each.name) for each in takers.people]


def hand_over(submission: Submission, request: RequestWindow) -> Reply:
    """Somebody was chosen."""
    to = submission.text(TO)
    if not to:
        return FieldErrors({TO: "Choose somebody."})
    clicks.act(submission, request, HandOver, to=to, note=submission.text(NOTE))
    return Done()
