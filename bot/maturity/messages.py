"""How check-ins are shown in messages. Pure."""

from bot import blocks
from bot.blocks import Block, Element
from bot.interactions import CheckInPart, CheckInRef, CycleRef
from bot.maturity import pictures, words
from bot.pictures import Picture
from bot.rendering import Rendered, Scene
from storage.enums import InvitationState, Level
from workflows.maturity.notices import CheckInAsked, CheckInReminder, CheckInResult
from workflows.maturity.records import CycleResult, DimensionResult, MyCheckIn


def asked(check_in: MyCheckIn, notice: CheckInAsked, scene: Scene) -> Rendered:
    """A person's own card: the invitation, then how far they are, then one line."""
    news = words.news(check_in)
    ends = blocks.instant(check_in.closes_at, scene.policy.organisation.zone)
    text = f"{news} · until {ends}" if check_in.waits else news
    return Rendered(text, card(check_in), is_final=not check_in.is_open)


def card(check_in: MyCheckIn) -> list[Block]:
    """What stands in a person's card, and in the private answer to `/mlgov maturity`."""
    news = words.news(check_in)
    if not check_in.waits:
        return short(check_in)
    body = [blocks.section(f"*{news}* · {words.until(check_in.closes_at)}")]
    if not check_in.answered:
        body.append(
            blocks.section(
                f"How does machine learning work here? {len(check_in.dimensions)} short parts, {check_in.total} statements, each "
                "answered yes, partly, no or don't know. Every tap is kept: stop when you like, go on later or on another "
                "device, and change your answers until it closes."
            )
        )
        body.append(blocks.section(words.who_sees(check_in.terms)))
        by = check_in.started_by
        started = f" · started by {blocks.mention(*by)}" if by else ""
        body.append(
            blocks.context(
                f"You are asked as {words.part(check_in.asked_as)}{started}. If you do nothing you are reminded twice, then not again."
            )
        )
    else:
        body.append(blocks.section(words.progress(check_in)))
        body.append(blocks.context(words.seen_shortly(check_in.terms).capitalize()))
    body.append(blocks.actions(buttons(check_in), block_id=f"check-in-{check_in.id}"))
    return body


def in_home(check_in: MyCheckIn) -> list[Block]:
    """A check-in that waits, where everything stands that waits for somebody; the card has said who sees what."""
    return [
        blocks.section(
            f"*{words.news(check_in)}*\n{words.progress(check_in) if check_in.answered else 'Every tap is kept: stop when you like, and go on later.'}"
        ),
        blocks.context(
            f"Open {words.until(check_in.closes_at)} · {words.seen_shortly(check_in.terms)}"
        ),
        blocks.actions(buttons(check_in), block_id=f"check-in-{check_in.id}-home"),
    ]


def buttons(check_in: MyCheckIn) -> list[Element]:
    """What can be done with a check-in that waits."""
    elements = [
        blocks.button(
            "Go on" if check_in.answered else "Start",
            words.OPEN,
            CheckInPart(check_in.id, check_in.next_dimension).text,
            style="primary",
        )
    ]
    if check_in.answered:
        elements.append(blocks.button("What I said", words.SAID, CheckInRef(check_in.id).text))
    elements.append(blocks.button("Skip", words.SKIP, CheckInRef(check_in.id).text))
    return elements


def short(check_in: MyCheckIn) -> list[Block]:
    """A card that asks for nothing any more."""
    own_answers = blocks.button("What I said", words.SAID, CheckInRef(check_in.id).text)
    if check_in.state is InvitationState.LEFT:
        return [blocks.section(words.news(check_in))]
    if not check_in.is_open:
        return [
            blocks.section(f"*{words.news(check_in)}* · `/mlgov maturity` shows the result"),
            blocks.actions([own_answers], block_id=f"check-in-{check_in.id}"),
        ]
    if check_in.state is InvitationState.SKIPPED:
        again = blocks.button("Take part after all", words.OPEN, CheckInPart(check_in.id).text)
        return [
            blocks.section(
                f"*{words.news(check_in)}* · “{blocks.escape(check_in.skip_reason, 200)}”"
                if check_in.skip_reason
                else f"*{words.news(check_in)}*"
            ),
            blocks.context("You are not reminded."),
            blocks.actions([again], block_id=f"check-in-{check_in.id}"),
        ]
    change = blocks.button("Change", words.OPEN, CheckInPart(check_in.id).text)
    return [
        blocks.section(
            f"*{words.news(check_in)}*, thank you · you can change them {words.until(check_in.closes_at)}"
        ),
        blocks.actions([own_answers, change], block_id=f"check-in-{check_in.id}"),
    ]


def reminder(check_in: MyCheckIn, notice: CheckInReminder, scene: Scene) -> Rendered:
    """A second or third message; it asks for nothing once the check-in is done."""
    news = words.news(check_in)
    if not check_in.waits:
        return Rendered(news, [blocks.section(news)], is_final=not check_in.is_open)
    ends = blocks.instant(check_in.closes_at, scene.policy.organisation.zone)
    last = (
        "This is the last reminder."
        if notice.number > 1
        else "You are reminded once more, then not again."
    )
    return Rendered(
        f"Still open: {news} · until {ends}",
        [
            blocks.section(
                f"*Still open: {news}* · {words.until(check_in.closes_at)}\n{words.progress(check_in)}"
            ),
            blocks.context(f"{last} {words.seen_shortly(check_in.terms).capitalize()}."),
            blocks.actions(buttons(check_in), block_id=f"check-in-{check_in.id}-{notice.number}"),
        ],
    )


def result(cycle_result: CycleResult, notice: CheckInResult, scene: Scene) -> Rendered:
    """The result in its channel."""
    if not scene.is_closed:
        text = "A maturity check-in was closed. Its result is not shown here, because people from outside read this channel."
        return Rendered(
            text, [blocks.section(text), blocks.context("Members see it by `/mlgov maturity`.")]
        )
    body, drawn = illustrated(cycle_result)
    return Rendered(words.headline(cycle_result), body, is_final=True, pictures=drawn)


def illustrated(cycle_result: CycleResult) -> tuple[list[Block], tuple[Picture, ...]]:
    """The result with its radar below the levels, and the picture for whoever sends it."""
    body = result_blocks(cycle_result)
    radar = pictures.radar(cycle_result)
    if radar is None:
        return body, ()
    return [*body[:2], radar.block(), *body[2:]], (radar,)


def result_blocks(cycle_result: CycleResult) -> list[Block]:
    """The levels, what moved, and where people see it differently."""
    body = [blocks.section(f"*{words.headline(cycle_result)}*\n{_weakest(cycle_result)}".rstrip())]
    if cycle_result.told:
        body.append(blocks.section("\n".join(line(one) for one in cycle_result.dimensions)))
    differences = [text for text in (words.moved(cycle_result), words.apart(cycle_result)) if text]
    if differences:
        body.append(blocks.section("\n".join(differences)))
    body.append(blocks.context(_facts(cycle_result)))
    if cycle_result.told and not cycle_result.is_early:
        body.append(
            blocks.actions(
                [blocks.button("Details", words.DETAILS, CycleRef(cycle_result.cycle_id).text)],
                block_id=f"maturity-result-{cycle_result.cycle_id}",
            )
        )
    return body


def _weakest(cycle_result: CycleResult) -> str:
    if cycle_result.overall is Level.HIGH or not cycle_result.weakest:
        return ""
    names = ", ".join(blocks.escape(one.name) for one in cycle_result.weakest[:3])
    left_out = len(cycle_result.weakest) - 3
    return f"Holds it back: {names}" + (f" and {left_out} more" if left_out > 0 else "")


def line(dimension: DimensionResult) -> str:
    """One dimension in one line."""
    name = f"*{blocks.escape(dimension.name)}*"
    if dimension.level is None:
        return f"{name}: too few answers to tell"
    holding, of = dimension.toward
    following = {Level.LOW: "medium", Level.MEDIUM: "high"}.get(dimension.level)
    way = f" · {holding} of {of} for {following}" if following else ""
    return f"{name}: *{words.level(dimension.level)}*{way} · {words.agreement(dimension.agreement)}"


def _facts(cycle_result: CycleResult) -> str:
    facts = [
        f"at least {cycle_result.answered:,} of {cycle_result.invited:,} people answered all of it"
        if cycle_result.answered
        else f"{cycle_result.invited:,} people were asked"
    ]
    if cycle_result.is_early:
        facts.append(f"as of {blocks.when(cycle_result.as_of)}, the check-in is open")
    if cycle_result.held_back:
        facts.append(
            f"answers that came after the early result aren't counted where they came from fewer than {cycle_result.fewest} people"
        )
    if cycle_result.as_before:
        facts.append(
            f"a part stays as it was told last time where fewer than {cycle_result.fewest} people say something else by now"
        )
    facts.append(f"no result tells of fewer than {cycle_result.fewest} people")
    return " · ".join(facts)
