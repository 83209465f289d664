"""A digest in Slack, and the cards of its owner. Pure."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sqlalchemy.orm import Session

from bot.charts.drawing import Bars, Picture, Row
from bot.delivery.rendering import Rendered, Renderer, Scene
from bot.slack import blocks
from bot.slack.blocks import Block
from bot.slack.interactions import DigestPart
from storage.enums import ReleaseState
from workflows.approvals.records import Card
from workflows.digests import releases, service
from workflows.digests.notices import DigestPreview, DigestSent, DigestTroubled
from workflows.digests.records import Content, Line, PictureFacts, Release, ShownDigest, Trouble

# --- What the buttons of digests are called, and the words that their cards share

OPEN = "digests.open"
SEND = "digests.send"
SKIP = "digests.skip"
DETAIL_VIEW = "digests.detail_view"

EVERYTHING = "all"
"""The part that a button opens when it opens all of them."""


def week_words(week: str) -> str:
    """`2026-W05` as `week 5 of 2026`."""
    year, number = week.split("-W")
    return f"week {int(number)} of {year}"


def audience_words(word: str) -> str:
    """A word of the policy as people say it."""
    if word.startswith("role:"):
        return f"the role {word.removeprefix('role:')}"
    return word


# --- The pictures of a digest, from the facts that it keeps


def chart(facts: PictureFacts) -> Bars:
    """What is drawn."""
    return Bars(
        tuple(Row(bar.name, bar.value, bar.words, bar.is_marked) for bar in facts.bars),
        facts.limit,
        facts.limit_words,
    )


def picture(facts: PictureFacts) -> Picture:
    """The picture with its title, which states the answer, and its numbers in words."""
    return Picture(chart(facts), facts.title, facts.alt)


# --- A digest in Slack, and the cards of its owner
#
# Pure.

DecisionBlocks = Callable[[Card, bool], list[Block]]
"""How a request is shown inside a digest: the request, and whether it is the first one."""

LINE = 400
"""Characters of one line; the rules keep lines far shorter."""


def digest(
    record: ShownDigest, decision: DecisionBlocks, *, with_pictures: bool = True
) -> Rendered:
    """The headline, the decisions, then a part with its details and its picture for each thing told.

    Without pictures where they cannot be shown; the lines say the same in words.
    """
    content = record.content
    body = [blocks.header(content.headline)]
    for place, card in enumerate(record.decisions):
        body += decision(card, place == 0)
    if record.decisions and content.lines:
        body.append(blocks.divider())
    drawn = {one.part: picture(one) for one in content.pictures if with_pictures}
    body += _parts(record, drawn)
    body.append(
        blocks.context(f"{blocks.escape(content.footer, 300)} · as of {blocks.when(content.as_of)}")
    )
    if content.details:
        body.append(
            blocks.actions(
                [_open_button("More", record, EVERYTHING)], block_id=f"digest:{record.id or 0}:more"
            )
        )
    return Rendered(
        blocks.plain(content.headline, 300),
        body,
        is_final=not any(card.is_pending for card in record.decisions),
        pictures=tuple(drawn.values()),
    )


def _parts(record: ShownDigest, drawn: Mapping[str, Picture]) -> list[Block]:
    body: list[Block] = []
    for part in dict.fromkeys(line.part for line in record.content.lines):
        lines = [line for line in record.content.lines if line.part == part]
        body.append(
            blocks.section(
                "\n".join(line_words(line) for line in lines),
                accessory=_open_button("Details", record, part)
                if part in record.content.details
                else None,
                block_id=f"digest:{record.id or 0}:{part}",
            )
        )
        if part in drawn:
            body.append(drawn[part].block())
    return body


def line_words(line: Line) -> str:
    """A line for mrkdwn."""
    return f"*{blocks.escape(line.label, 60)}* · {blocks.escape(line.text, LINE)}"


def _open_button(label: str, record: ShownDigest, part: str) -> Block:
    return blocks.button(
        label,
        OPEN,
        DigestPart(record.id or 0, part).text,
        hint=f"{label}: {part if part != EVERYTHING else 'everything'}",
    )


def sent(decision: DecisionBlocks) -> Callable[[ShownDigest, DigestSent, Scene], Rendered]:
    """How a digest is shown in its reader's direct message."""

    def show(record: ShownDigest, notice: DigestSent, scene: Scene) -> Rendered:
        return digest(record, decision)

    return show


# --- the owner's cards


def preview(record: Release, notice: DigestPreview, scene: Scene) -> Rendered:
    """The first digests to an audience, for their owner: what their own would say, who would get one, and Send."""
    people = blocks.counted(record.readers, "person", "people")
    audience = blocks.escape(audience_words(record.audience), 60)
    if record.state is not ReleaseState.WAITING:
        return _decided(record, people, audience)
    news = f"The first {record.kind} digests to {audience} are ready: {people} would get one"
    body = [
        blocks.section(
            f"*{news}*\nEach reads only what they may see. This is yours; nobody else has got one yet."
        ),
        blocks.divider(),
        *_quoted(record.content),
        blocks.divider(),
        blocks.context(
            "You are asked because you own this digest. If you send them, later weeks come by themselves; "
            "if nobody does, these are not sent, and you are asked again next week."
        ),
        blocks.actions(
            [
                blocks.button(f"Send to {people}", SEND, str(record.id), style="primary"),
                blocks.button("Not this week", SKIP, str(record.id)),
            ],
            block_id=f"digest-release:{record.id}",
        ),
    ]
    return Rendered(f"{news}. You decide whether they are sent.", body)


def _quoted(content: Content | None) -> Sequence[Block]:
    if content is None:
        return [blocks.section("There is no preview for you.")]
    lines = [f"> *{blocks.escape(content.headline, 300)}*"]
    lines += [f"> {line_words(line)}" for line in content.lines]
    lines.append(f"> {blocks.escape(content.footer, 300)}")
    return [blocks.section("\n".join(lines))]


def _decided(record: Release, people: str, audience: str) -> Rendered:
    who = blocks.mention(*record.decided_by) if record.decided_by else "an owner"
    at = f" · {blocks.when(record.decided_at)}" if record.decided_at else ""
    if record.state is ReleaseState.SENT:
        text = f"*Sent* by {who}{at} · the {record.kind} digest goes to {audience} from now on ({people})"
        plain = f"Sent: the {record.kind} digest goes to {audience} from now on"
    else:
        text = f"*Not sent*, {who} decided{at} · {audience} got no {record.kind} digest in {week_words(record.week)}"
        plain = f"Not sent: {audience} got no {record.kind} digest in {week_words(record.week)}"
    return Rendered(plain, [blocks.section(text)], is_final=True)


def troubled(record: Trouble, notice: DigestTroubled, scene: Scene) -> Rendered:
    """What went wrong with a week's digests; readers are told nothing."""
    name = f"{record.kind.title()} digests, {week_words(record.week)}"
    counts = []
    if record.failing:
        counts.append(f"{record.failing} could not be built yet")
    if record.previews:
        counts.append("the preview could not be built yet")
    if record.missed:
        counts.append(f"{record.missed} missed")
    if record.held and not record.failing:
        counts.append(f"{record.held} held")
    news = f"{name}: {', '.join(counts) or 'all well again'}"
    lines = []
    if record.failing or record.previews:
        lines.append(
            "They are tried again, with growing pauses, until each reader's working week is over. Readers are told nothing."
        )
    if record.last_error:
        lines.append(f"Last error: {blocks.escape(record.last_error, 200)}")
    if record.example:
        lines.append(
            f"To look into it: `mlgov digest render --person {record.example} --format text`"
        )
    if record.missed:
        lines.append(
            "What is missed is not sent later: its readers' working week is over. `/mlgov digest preview` shows how things stand."
        )
    if record.held and not record.failing:
        lines.append(
            "Held digests wait for their owner to send the first ones; a digest's `owner` in governance.yml must name somebody."
        )
    body = [blocks.section(f"*{news}*"), *(blocks.context(line) for line in lines)]
    return Rendered(news, body)


# --- What notices about digests look like
#
# which record each one reads, and which message it becomes.


def _digest(session: Session, notice: DigestSent, scene: Scene) -> ShownDigest | None:
    return service.load_shown(scene.context(session), notice.digest_id)


def _release(session: Session, notice: DigestPreview, scene: Scene) -> Release | None:
    return releases.load_release(session, notice.release_id, notice.person_id)


def _trouble(session: Session, notice: DigestTroubled, scene: Scene) -> Trouble:
    return service.load_trouble(session, notice.digest, notice.week)


def renderers(decision: DecisionBlocks) -> tuple[Renderer[Any, Any], ...]:
    """The renderers, given how a request is shown inside a digest."""
    return (
        Renderer(DigestSent, _digest, sent(decision)),
        Renderer(DigestPreview, _release, preview),
        Renderer(DigestTroubled, _trouble, troubled),
    )
