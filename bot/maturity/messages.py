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


def asked(found: MyCheckIn, notice: CheckInAsked, scene: Scene) -> Rendered:
    """A person's own card: the invitation, then how far they are, then one line."""
    news = words.news(found)
    ends = blocks.instant(found.closes_at, scene.policy.organisation.zone)
    text = f"{news} · until {ends}" if found.waits else news
    return Rendered(text, card(found), is_final=not found.is_open)


def card(found: MyCheckIn) -> list[Block]:
    """What stands in a person's card, and in the private answer to `/mlgov maturity`."""
    news = words.news(found)
    if not found.waits:
        return short(found)
    shown = [blocks.section(f"*{news}* · {words.until(found.closes_at)}")]
    if not found.answered:
        shown.append(
            blocks.section(
                f"How does machine learning work here? {len(found.dimensions)} short parts, {found.total} statements, each "
                "answered yes, partly, no or don't know. Every tap is kept: stop when you like, go on later or on another "
                "device, and change your answers until it closes."
            )
        )
        shown.append(blocks.section(words.who_sees(found.terms)))
        by = found.started_by
        started = f" · started by {blocks.mention(*by)}" if by else ""
        shown.append(
            blocks.context(
                f"You are asked as {words.part(found.asked_as)}{started}. If you do nothing you are reminded twice, then not again."
            )
        )
    else:
        shown.append(blocks.section(words.progress(found)))
        shown.append(blocks.context(words.seen_shortly(found.terms).capitalize()))
    shown.append(blocks.actions(buttons(found), block_id=f"check-in-{found.id}"))
    return shown


def in_home(found: MyCheckIn) -> list[Block]:
    """A check-in that waits, where everything stands that waits for somebody; the card has said who sees what."""
    return [
        blocks.section(
            f"*{words.news(found)}*\n{words.progress(found) if found.answered else 'Every tap is kept: stop when you like, and go on later.'}"
        ),
        blocks.context(f"Open {words.until(found.closes_at)} · {words.seen_shortly(found.terms)}"),
        blocks.actions(buttons(found), block_id=f"check-in-{found.id}-home"),
    ]


def buttons(found: MyCheckIn) -> list[Element]:
    """What can be done with a check-in that waits."""
    made = [
        blocks.button(
            "Go on" if found.answered else "Start",
            words.OPEN,
            CheckInPart(found.id, found.next_dimension).text,
            style="primary",
        )
    ]
    if found.answered:
        made.append(blocks.button("What I said", words.SAID, CheckInRef(found.id).text))
    made.append(blocks.button("Skip", words.SKIP, CheckInRef(found.id).text))
    return made


def short(found: MyCheckIn) -> list[Block]:
    """A card that asks for nothing any more."""
    said = blocks.button("What I said", words.SAID, CheckInRef(found.id).text)
    if found.state is InvitationState.LEFT:
        return [blocks.section(words.news(found))]
    if not found.is_open:
        return [
            blocks.section(f"*{words.news(found)}* · `/mlgov maturity` shows the result"),
            blocks.actions([said], block_id=f"check-in-{found.id}"),
        ]
    if found.state is InvitationState.SKIPPED:
        again = blocks.button("Take part after all", words.OPEN, CheckInPart(found.id).text)
        return [
            blocks.section(
                f"*{words.news(found)}* · “{blocks.escape(found.skip_reason, 200)}”"
                if found.skip_reason
                else f"*{words.news(found)}*"
            ),
            blocks.context("You are not reminded."),
            blocks.actions([again], block_id=f"check-in-{found.id}"),
        ]
    change = blocks.button("Change", words.OPEN, CheckInPart(found.id).text)
    return [
        blocks.section(
            f"*{words.news(found)}*, thank you · you can change them {words.until(found.closes_at)}"
        ),
        blocks.actions([said, change], block_id=f"check-in-{found.id}"),
    ]


def reminder(found: MyCheckIn, notice: CheckInReminder, scene: Scene) -> Rendered:
    """A second or third message; it asks for nothing once the check-in is done."""
    news = words.news(found)
    if not found.waits:
        return Rendered(news, [blocks.section(news)], is_final=not found.is_open)
    ends = blocks.instant(found.closes_at, scene.policy.organisation.zone)
    last = (
        "This is the last reminder."
        if notice.number > 1
        else "You are reminded once more, then not again."
    )
    return Rendered(
        f"Still open: {news} · until {ends}",
        [
            blocks.section(
                f"*Still open: {news}* · {words.until(found.closes_at)}\n{words.progress(found)}"
            ),
            blocks.context(f"{last} {words.seen_shortly(found.terms).capitalize()}."),
            blocks.actions(buttons(found), block_id=f"check-in-{found.id}-{notice.number}"),
        ],
    )


def result(found: CycleResult, notice: CheckInResult, scene: Scene) -> Rendered:
    """The result in its channel."""
    if not scene.is_closed:
        text = "A maturity check-in was closed. Its result is not shown here, because people from outside read this channel."
        return Rendered(
            text, [blocks.section(text), blocks.context("Members see it by `/mlgov maturity`.")]
        )
    shown, drawn = illustrated(found)
    return Rendered(words.headline(found), shown, is_final=True, pictures=drawn)


def illustrated(found: CycleResult) -> tuple[list[Block], tuple[Picture, ...]]:
    """The result with its radar below the levels, and the picture for whoever sends it."""
    shown = result_blocks(found)
    radar = pictures.radar(found)
    if radar is None:
        return shown, ()
    return [*shown[:2], radar.block(), *shown[2:]], (radar,)


def result_blocks(found: CycleResult) -> list[Block]:
    """The levels, what moved, and where people see it differently."""
    shown = [blocks.section(f"*{words.headline(found)}*\n{_weakest(found)}".rstrip())]
    if found.told:
        shown.append(blocks.section("\n".join(line(one) for one in found.dimensions)))
    said = [text for text in (words.moved(found), words.apart(found)) if text]
    if said:
        shown.append(blocks.section("\n".join(said)))
    shown.append(blocks.context(_facts(found)))
    if found.told and not found.is_early:
        shown.append(
            blocks.actions(
                [blocks.button("Details", words.DETAILS, CycleRef(found.cycle_id).text)],
                block_id=f"maturity-result-{found.cycle_id}",
            )
        )
    return shown


def _weakest(found: CycleResult) -> str:
    if found.overall is Level.HIGH or not found.weakest:
        return ""
    names = ", ".join(blocks.escape(one.name) for one in found.weakest[:3])
    more = len(found.weakest) - 3
    return f"Holds it back: {names}" + (f" and {more} more" if more > 0 else "")


def line(one: DimensionResult) -> str:
    """One dimension in one line."""
    name = f"*{blocks.escape(one.name)}*"
    if one.level is None:
        return f"{name}: too few answers to tell"
    held, of = one.toward
    following = {Level.LOW: "medium", Level.MEDIUM: "high"}.get(one.level)
    way = f" · {held} of {of} for {following}" if following else ""
    return f"{name}: *{words.level(one.level)}*{way} · {words.agreement(one.agreement)}"


def _facts(found: CycleResult) -> str:
    facts = [
        f"at least {found.answered:,} of {found.invited:,} people answered all of it"
        if found.answered
        else f"{found.invited:,} people were asked"
    ]
    if found.is_early:
        facts.append(f"as of {blocks.when(found.as_of)}, the check-in is open")
    if found.held_back:
        facts.append(
            f"answers that came after the early result aren't counted where they came from fewer than {found.fewest} people"
        )
    if found.as_before:
        facts.append(
            f"a part stays as it was told last time where fewer than {found.fewest} people say something else by now"
        )
    facts.append(f"no result tells of fewer than {found.fewest} people")
    return " · ".join(facts)
