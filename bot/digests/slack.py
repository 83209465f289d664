"""The window that opens behind a line of a digest. Pure."""

from dataclasses import dataclass

from bot.digests import messages
from bot.digests.messages import DecisionBlocks
from bot.slack import blocks
from bot.slack.blocks import Block, Element
from bot.slack.interactions import DigestPart, MilestoneChoice, MilestoneRef, ReleaseRef
from bot.slack.replies import Done, Open, Private, Reply
from bot.slack.requests import Click, Command, Router
from storage.enums import DigestState
from workflows.context import SYSTEM
from workflows.digests import releases, service
from workflows.digests.records import Row, ShownDigest, Standing
from workflows.digests.words import LABELS
from workflows.errors import InvalidInput, Stale

BREAK_DOWN, MILESTONE = "budgets.break_down", "milestones.more"
MOST = 90
"""Blocks of a window; Slack takes 100."""
ROW = 500


def detail(record: ShownDigest, part: str) -> Block:
    """All that stands behind one part, or behind all of them."""
    content = record.content
    parts = [name for name in content.details if part in (name, messages.EVERYTHING)] or list(
        content.details
    )
    body: list[Block] = [blocks.section(f"*{blocks.escape(content.headline, 300)}*")]
    for name in parts:
        body.append(blocks.header(LABELS.get(name, name.title())))
        body += _rows(content.details[name])
    body = body[:MOST]
    body.append(
        blocks.context(f"As of {blocks.when(content.as_of)} · {blocks.escape(content.footer, 300)}")
    )
    return blocks.modal(
        f"Week {content.week}", body, callback_id=messages.DETAIL_VIEW, close="Close"
    )


def _rows(rows: tuple[Row, ...]) -> list[Block]:
    """Rows that lead further each have their button; those in between are told together."""
    sections: list[Block] = []
    together: list[str] = []

    def flush() -> None:
        if together:
            sections.append(blocks.section("\n".join(together)))
            together.clear()

    for row in rows:
        text = blocks.escape(row.text, ROW)
        further = _further(row)
        if further is None:
            together.append(text)
            continue
        flush()
        sections.append(blocks.section(text, accessory=further))
    flush()
    return sections


def _further(row: Row) -> Element | None:
    """The button that leads on from a row."""
    if row.budget_id is not None:
        return blocks.button("Break down", BREAK_DOWN, str(row.budget_id))
    if row.milestone_id is not None:
        return blocks.button(
            "Details", MILESTONE, MilestoneChoice("details", MilestoneRef(row.milestone_id, 0)).text
        )
    return None


# --- Clicks on digests, and `/mlgov digest preview|last|subscribe|unsubscribe`

KIND = "weekly"
_ASK = "`/mlgov digest preview` shows yours now, `last` the one you got last, `subscribe` and `unsubscribe` decide whether you get it."

_STATES = {
    DigestState.WAITING: "is being made",
    DigestState.HELD: "waits for its owner, who looks at the first ones",
    DigestState.SENT: "was sent",
    DigestState.MISSED: "was missed",
    DigestState.WITHHELD: "was not sent: mlgov messages only some people so far",
    DigestState.SKIPPED: "was left out",
}


@dataclass(frozen=True, slots=True)
class Digests:
    """Answers for digests; `decision` says how a request is shown inside one."""

    decision: DecisionBlocks

    def register(self, router: Router) -> None:
        """Answer the buttons and the word `digest`."""
        router.action(messages.OPEN, open_detail, DigestPart)
        router.action(messages.SEND, send, ReleaseRef)
        router.action(messages.SKIP, skip, ReleaseRef)
        router.word(
            "digest",
            "digest [preview | last | subscribe | unsubscribe]",
            "your week on one screen",
            self.digest,
        )

    def digest(self, command: Command) -> Reply:
        """`/mlgov digest …`."""
        what = command.words[0] if command.words else ""
        if what == "preview":
            return self._private(_preview(command))
        if what == "last":
            return self._private(_last(command))
        if what in ("subscribe", "unsubscribe"):
            return _subscribe(command, what == "subscribe")
        if what:
            raise InvalidInput(f"A digest has no word `{what[:40]}`. {_ASK}")
        standing = command.read(service.load_standing, KIND)
        return Private(f"{_standing(standing)}\n{_ASK}")

    def _private(self, record: ShownDigest | None) -> Reply:
        if record is None:
            return Private(
                "You have not got a digest yet. `/mlgov digest preview` shows what it would say now."
            )
        message = messages.digest(record, self.decision)
        return Private(message.text, message.blocks, message.pictures)


def _preview(command: Command) -> ShownDigest:
    return command.read(service.preview_digest)


def _last(command: Command) -> ShownDigest | None:
    return command.read(service.load_last, KIND)


def _subscribe(command: Command, is_wanted: bool) -> Reply:
    standing = command.act(service.subscribe, KIND, is_wanted)
    return Private(_standing(standing))


def _standing(standing: Standing) -> str:
    if standing.through is None:
        sentence = f"You get no {standing.kind} digest."
    else:
        why = (
            "because you subscribed"
            if standing.through == "self"
            else f"because you are in {messages.audience_words(standing.through)}"
        )
        sentence = f"You get the {standing.kind} digest every {blocks.escape(standing.at_words, 20)} ({blocks.escape(standing.tz, 60)}), {why}."
    if standing.last is not None:
        week, state = standing.last
        sentence += f" The one due in {messages.week_words(week)} {_STATES[state]}."
    return sentence


def open_detail(click: Click, of: DigestPart) -> Reply:
    """What stands behind a part of a digest: of the clicker's own, as it was sent."""
    with click.begin_read() as ctx:
        if of.digest_id:
            digest = service.load_own(ctx, of.digest_id)
        else:
            digest = service.preview_digest(ctx)
    return Open(detail(digest, of.part))


def send(click: Click, release: ReleaseRef) -> Reply:
    """The owner sends the first digests to an audience."""
    return _decide(click, release.release_id, is_sent=True)


def skip(click: Click, release: ReleaseRef) -> Reply:
    """The owner leaves this week out."""
    return _decide(click, release.release_id, is_sent=False)


def _decide(click: Click, release_id: int, *, is_sent: bool) -> Reply:
    deps = click.deps
    try:
        click.act(releases.decide_release, release_id, send=is_sent)
    except Stale:
        deps.act_on(click.card, SYSTEM, releases.refresh_release, release_id)
        raise
    return Done()
