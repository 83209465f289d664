"""How notices about models are shown. Pure."""

from datetime import date
from typing import Any

from sqlalchemy.orm import Session

from bot.delivery.rendering import Rendered, Renderer, Scene
from bot.inventory import cards, words
from bot.slack import blocks
from bot.slack.blocks import Block
from bot.slack.interactions import FindingRef, VersionRef
from storage.enums import FindingStatus, ModelState, Part
from workflows.inventory import reads, rules
from workflows.inventory.notices import (
    AgreementAsked,
    FindingFiled,
    ModelShown,
    ReviewDue,
    StepTold,
    ValidationAsked,
)
from workflows.inventory.records import FindingRecord, ModelCard, ModelRecord, StepTaken

HIDDEN = "A model of this project changed. It is not shown, because people from outside read this channel."


def _local_today(scene: Scene) -> date:
    return scene.now.astimezone(scene.policy.organisation.zone).date()


def _open_button(model_id: int, version_id: int | None = None, *, primary: bool = False) -> Block:
    return blocks.actions(
        [
            blocks.button(
                "Open",
                words.OPEN,
                VersionRef(model_id, version_id).text,
                style="primary" if primary else None,
            )
        ],
        block_id=f"model-{model_id}-{version_id or 0}",
    )


def model_card(record: ModelRecord, notice: ModelShown, scene: Scene) -> Rendered:
    """A model in its project's channel: how it stands now."""
    if not scene.is_closed:
        return Rendered(HIDDEN, [blocks.section(HIDDEN)])
    today = _local_today(scene)
    news = words.headline(record, record.lead)
    lines = [f"*{news}*", f"owned by {words.mention_person(record.owner)}"]
    if record.purpose:
        lines.append(f"“{blocks.escape(record.purpose, 200)}”")
    facts = words.findings_line(record, today)
    if facts:
        lines.append(facts)
    if record.state is ModelState.RETIRED:
        return Rendered(news, [blocks.section("\n".join(lines[:2]))], is_final=True)
    return Rendered(news, [blocks.section("\n".join(lines)), _open_button(record.id)])


def step(happened: tuple[ModelRecord, StepTaken], notice: StepTold, scene: Scene) -> Rendered:
    """One step, as it happened."""
    model, taken = happened
    if not scene.is_closed:
        return Rendered(HIDDEN, [blocks.section(HIDDEN)], is_final=True)
    move = next(
        (one for one in rules.MOVES if one.verb == taken.verb and one.source is taken.source), None
    )
    done = move.done if move else taken.target.value.replace("_", " ")
    name = f"{blocks.escape(model.name, 100)} {blocks.escape(taken.version, 40)}".strip()
    news = f"{name}: {done}"
    lines = [f"*{news}* · by {blocks.escape(taken.actor, 60)}, {blocks.when(taken.at)}"]
    if taken.reason:
        lines.append(f"“{blocks.escape(taken.reason, 600)}”")
    body = [blocks.section("\n".join(lines))]
    if taken.verb == rules.SUSPEND:
        down = blocks.escape(", ".join(model.downstream), 300) if model.downstream else ""
        body.append(
            blocks.context(
                f"Only model risk resumes it. {f'Takes its output: {down}.' if down else 'No other model takes its output.'}"
            )
        )
        body.append(_open_button(model.id))
    return Rendered(news, body, is_final=True)


def validation(card: ModelCard, notice: ValidationAsked, scene: Scene) -> Rendered:
    """To who was named to validate a version."""
    model, version = card.model, card.version
    name = words.model_name(model, version)
    state = version.state if version else model.own_state
    is_mine = version is not None and any(
        one.id == scene.reader_id for one in version.named(Part.VALIDATOR)
    )
    if state is not ModelState.VALIDATION or not is_mine:
        text = f"{name} {words.STANDS[state]}: nothing left to validate here"
        return Rendered(text, [blocks.section(text)])
    news = f"{name} waits for your validation · {words.tier(model)}"
    lines = [
        f"*{news}*",
        f"Made by {words.mention_people(version.named(Part.DEVELOPER) if version else ())}, owned by {words.mention_person(model.owner)}",
    ]
    lines.append(words.missing_line(card))
    body = [blocks.section("\n".join(lines)), *cards.buttons(card)]
    body.append(
        blocks.context(
            "You were named to validate it, because you neither made nor own it. Look at its evidence, file what you find, hand in "
            "your report, then ask for approval or send it back. Until then it is not used."
        )
    )
    return Rendered(news, body)


def agreement(card: ModelCard, notice: AgreementAsked, scene: Scene) -> Rendered:
    """To whom a step of two still needs."""
    model, version = card.model, card.version
    choice = next((one for one in card.choices if one.move.verb == notice.step), None)
    name = words.model_name(model, version)
    if choice is None:
        text = f"{words.headline(model, version)}: nothing left to agree to here"
        return Rendered(text, [blocks.section(text)])
    what = choice.move.label.rstrip("…").lower()
    news = f"{name}: {what} needs you, too"
    lines = [f"*{news}*", *(blocks.escape(one, 200) for one in card.agreed)]
    body = [blocks.section("\n".join(lines)), *cards.buttons(card)]
    body.append(
        blocks.context(
            f"It needs two people, {' and '.join(sorted(rules.WHO_WORDS[one] for one in choice.move.who))}. Until then it stays as it is."
        )
    )
    return Rendered(news, body)


def review(record: ModelRecord, notice: ReviewDue, scene: Scene) -> Rendered:
    """A review that is due."""
    today = _local_today(scene)
    due = record.next_review
    if due is None or due > today:
        text = f"{words.model_name(record, record.lead)} was reviewed" + (
            f" · next on {words.day(due, today)}" if due else ""
        )
        return Rendered(text, [blocks.section(f"✅ {text}")])
    late = (today - due).days
    how = (
        f"was due {words.day(due, today)}, {blocks.counted(late, 'day')} ago"
        if late
        else "is due today"
    )
    news = f"The review of {words.model_name(record, record.lead)} {how} · {words.tier(record)}"
    why = (
        "You own it."
        if record.owner and record.owner.id == scene.reader_id
        else "You are told because nobody did it in time, and you are model risk."
    )
    grace = blocks.counted(scene.policy.inventory.review_grace.days, "day")
    return Rendered(
        news,
        [
            blocks.section("\n".join([f"*{news}*", *_open_findings(record, today)])),
            _open_button(record.id, primary=True),
            blocks.context(
                f"{why} Open it, look, and say what you saw. If nobody does, it is said again every {grace}, to model risk as well; nothing is approved by that."
            ),
        ],
    )


def _open_findings(record: ModelRecord, today: date) -> list[str]:
    """How many there are, and the newest in words: one of them may be why a review is due before its day."""
    open_ = [each for each in record.findings if each.is_open(today)]
    newest = sorted(open_, key=lambda each: each.created_at, reverse=True)[:2]
    return [
        words.findings_line(record, today) or "No open finding",
        *(f"• {blocks.escape(each.words, 200)}" for each in newest),
    ]


def finding(record: FindingRecord, notice: FindingFiled, scene: Scene) -> Rendered:
    """A finding, to who mends it."""
    today = _local_today(scene)
    name = f"{blocks.escape(record.model, 100)} {blocks.escape(record.version, 40)}".strip()
    if not record.is_open(today):
        text = f"{name}: a finding is {words.FINDINGS[record.status]}"
        return Rendered(text, [blocks.section(f"{text}\n{words.finding_line(record, today)}")])
    by = f", to be mended by {words.day(record.due, today)}" if record.due else ""
    news = f"{name} has a {record.severity.value} finding{by}"
    is_mine = record.owner is not None and record.owner.id == scene.reader_id
    why = "You are asked because it is yours to mend." if is_mine else "You accepted it until now."
    if record.status is FindingStatus.IN_PROGRESS:
        why += " Somebody is on it."
    return Rendered(
        news,
        [
            blocks.section(f"*{news}*\n{blocks.escape(record.words, 600)}"),
            blocks.actions(
                [
                    blocks.button(
                        "Settle…",
                        words.SETTLE,
                        FindingRef(record.id, record.revision).text,
                        style="primary",
                    ),
                    blocks.button("Open", words.OPEN, VersionRef(record.model_id).text),
                ],
                block_id=f"finding-{record.id}",
            ),
            blocks.context(why),
        ],
    )


# --- What notices about models look like


def _model(session: Session, notice: ModelShown | ReviewDue, scene: Scene) -> ModelRecord:
    return reads.load_model(session, notice.model_id)


def _card(
    session: Session, notice: ValidationAsked | AgreementAsked, scene: Scene
) -> ModelCard | None:
    return reads.load_version_card(scene.context(session), scene.reader_id or "", notice.version_id)


def _step(session: Session, notice: StepTold, scene: Scene) -> tuple[ModelRecord, StepTaken] | None:
    return reads.find_step(session, notice.step_id)


def _finding(session: Session, notice: FindingFiled, scene: Scene) -> FindingRecord | None:
    return reads.find_finding(session, notice.finding_id)


RENDERERS: tuple[Renderer[Any, Any], ...] = (
    Renderer(ModelShown, _model, model_card),
    Renderer(StepTold, _step, step),
    Renderer(ValidationAsked, _card, validation),
    Renderer(AgreementAsked, _card, agreement),
    Renderer(ReviewDue, _model, review),
    Renderer(FindingFiled, _finding, finding),
)
