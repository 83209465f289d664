"""The windows of models, sent: what was entered becomes a change, or a sentence under its field."""

import hashlib
from collections.abc import Callable
from typing import Any

from pydantic import ValidationError
from sqlalchemy.orm import Session

from bot.deps import Deps
from bot.inventory import cards, clicks
from bot.inventory import evidence as inventory_evidence
from bot.inventory import windows as inventory_windows
from bot.slack import windows
from bot.slack.interactions import (
    WINDOW_UNREADABLE,
    ClassifyWindow,
    EvidenceWindow,
    ModelRef,
    ModelWindow,
    RegisterWindow,
    ReviewWindow,
    Ticked,
)
from bot.slack.replies import FieldErrors, Reply, Show
from bot.slack.requests import Router, Submission
from workflows.actors import Actor
from workflows.errors import InvalidInput
from workflows.evidence import fairness
from workflows.evidence.forms import Measure, SubmitEvidence, Watched
from workflows.inventory import evidence as inventory_evidence_
from workflows.inventory import findings, reads, service
from workflows.inventory.forms import (
    AddVersion,
    AssessTier,
    FileFinding,
    RegisterModel,
    SettleFinding,
    TakeStep,
    slug,
)
from workflows.people import service as people

# --- What was entered into a window of models, and what stands there afterwards


def details(
    deps: Deps, actor: Actor, model_id: int, version_id: int | None, sentence: str = ""
) -> Show:
    """The window with everything about a model; `sentence` says what just happened."""
    card, spend = clicks.load_model(deps, actor, model_id, version_id)
    with deps.db.read() as session:
        today = reads.today_of(deps.policy, deps.now(session))
    seen, _ = clicks.prefilled(deps, card)
    drawn = cards.draw_pictures(card.evidence.values())
    return Show(
        cards.details_window(
            card, deps.policy, today, drawn, spend=spend, news=sentence, seen=seen
        ),
        tuple(drawn.values()),
    )


def person_id(session: Session, submission: Submission, block: str) -> str | None:
    """The person id of who was picked."""
    picked = submission.text(block)
    if not picked:
        return None
    person = people.find_by_slack_id(session, submission.deps.team.org_key, picked)
    if person is None:
        raise InvalidInput("Choose somebody else: mlgov does not know that person.", field=block)
    return person.id


def confirm(submission: Submission, ref: ModelRef, sentence: str) -> Reply:
    """The window with everything, and what was done."""
    return details(submission.deps, submission.actor, ref.model_id, ref.version_id, sentence)


def run(submission: Submission, work: Callable[[Session], Any]) -> Any:
    """Carry it out in a transaction of its own, with what it returns."""
    return submission.deps.db.run(work)


# --- The windows of models, sent
#
# what was entered becomes a change, or a sentence under its field.


def register(router: Router) -> None:
    """Answer the windows of an entry and of its life."""
    router.submission(inventory_windows.SUBMIT_REGISTER, new, RegisterWindow)
    router.submission(inventory_windows.SUBMIT_CLASSIFY, classify, ClassifyWindow)
    for callback, handler in (
        (inventory_windows.SUBMIT_DESCRIBE, describe),
        (inventory_windows.SUBMIT_ASSESS, assess),
        (inventory_windows.SUBMIT_VERSION, version),
        (inventory_windows.SUBMIT_STEP, step),
    ):
        router.submission(callback, handler, ModelWindow)


def new(submission: Submission, window: RegisterWindow) -> Reply:
    """A model for the inventory, assessed at once where that was said."""
    deps = submission.deps
    is_sealed = windows.is_sealed(deps, submission.actor, window.channel, window.seal)

    def work(session: Session) -> int:
        form = submission.form(
            RegisterModel,
            {
                "key": slug(submission.text(inventory_windows.NAME)),
                "owner_id": person_id(session, submission, inventory_windows.OWNER),
                "request_key": submission.key,
            },
        )
        return service.register_model(
            deps.context(session, submission.actor),
            form,
            channel=window.channel if is_sealed else "",
        )

    model_id = run(submission, work)
    return details(deps, submission.actor, model_id, None, "Registered.")


def describe(submission: Submission, at: ModelWindow) -> Reply:
    """What describes a model, anew."""
    deps = submission.deps

    def work(session: Session) -> None:
        reads.require_sight(deps.context(session, submission.actor), at.model_id)
        form = submission.form(
            RegisterModel,
            {
                "key": reads.load_model(session, at.model_id).key,
                "owner_id": person_id(session, submission, inventory_windows.OWNER),
                "data_sources": submission.listed(inventory_windows.DATA),
                "affects_people": submission.values.get(inventory_windows.PEOPLE) == "yes",
                "request_key": submission.key,
            },
        )
        service.edit_model(
            deps.context(session, submission.actor, card=at.card),
            at.model_id,
            at.model_revision,
            form,
        )

    run(submission, work)
    return confirm(submission, at, "Kept.")


def assess(submission: Submission, at: ModelWindow) -> Reply:
    """How material it is."""
    deps = submission.deps
    form = submission.form(AssessTier, {"model_id": at.model_id, "revision": at.model_revision})
    tier = run(
        submission,
        lambda session: service.assess_tier(
            deps.context(session, submission.actor, card=at.card), form
        ),
    )
    return confirm(submission, at, f"It is tier {tier}.")


def version(submission: Submission, at: ModelWindow) -> Reply:
    """A version, in development."""
    deps = submission.deps
    prompt = submission.text(inventory_windows.PROMPT)
    base = submission.text(inventory_windows.BASE)
    generative = (
        {
            "model": base,
            "prompt_sha256": hashlib.sha256(prompt.encode()).hexdigest() if prompt else None,
            "tools": submission.listed(inventory_windows.TOOLS),
        }
        if base
        else None
    )

    def work(session: Session) -> int:
        maker = person_id(session, submission, inventory_windows.DEVELOPER)
        form = submission.form(
            AddVersion,
            {
                "model_id": at.model_id,
                "digest": submission.text(inventory_windows.DIGEST).lower() or None,
                "generative": generative,
                "developers": (maker,) if maker else (),
            },
        )
        return service.add_version(deps.context(session, submission.actor, card=at.card), form)

    version_id = run(submission, work)
    return details(deps, submission.actor, at.model_id, version_id, "It is in development.")


def classify(submission: Submission, at: ClassifyWindow) -> Reply:
    """It is no model, or one after all."""
    deps = submission.deps
    run(
        submission,
        lambda session: service.classify_entry(
            deps.context(session, submission.actor, card=at.card),
            at.model_id,
            at.model_revision,
            is_model=at.is_model,
            reason=submission.text(inventory_windows.REASON),
        ),
    )
    return confirm(submission, at, "Kept.")


def step(submission: Submission, at: ModelWindow) -> Reply:
    """A step, or the request that it is."""
    deps = submission.deps
    with deps.db.read() as session:
        validator = person_id(session, submission, inventory_windows.VALIDATOR)
    form = submission.form(
        TakeStep,
        {
            "version_id": at.version_id or 0,
            "revision": at.version_revision,
            "verb": at.verb,
            "validator_id": validator,
            "request_key": submission.key,
        },
    )
    sentence = clicks.take_step(deps, submission.actor, form, at.card)
    return confirm(submission, at, sentence)


# --- The windows of findings and reviews, sent


def register_findings(router: Router) -> None:
    """Answer the windows of findings and reviews."""
    router.submission(inventory_windows.SUBMIT_REVIEW, review, ReviewWindow)
    for callback, handler in (
        (inventory_windows.SUBMIT_FINDING, finding),
        (inventory_windows.SUBMIT_SETTLE, settle),
    ):
        router.submission(callback, handler, ModelWindow)


def finding(submission: Submission, at: ModelWindow) -> Reply:
    """Something wrong."""
    deps = submission.deps

    def work(session: Session) -> int:
        form = submission.form(
            FileFinding,
            {
                "model_id": at.model_id,
                "version_id": at.version_id,
                "owner_id": person_id(session, submission, inventory_windows.OWNER),
            },
        )
        return findings.file_finding(deps.context(session, submission.actor, card=at.card), form)

    run(submission, work)
    return confirm(submission, at, "Filed. Who mends it is told.")


def settle(submission: Submission, at: ModelWindow) -> Reply:
    """What becomes of a finding."""
    deps = submission.deps
    form = submission.form(
        SettleFinding,
        {
            "finding_id": at.version_revision,
            "revision": at.model_revision,
            "how": submission.values.get(inventory_windows.HOW) or "progress",
        },
    )
    sentence = run(
        submission,
        lambda session: findings.settle_finding(
            deps.context(session, submission.actor, card=at.card), form
        ),
    )
    return details(deps, submission.actor, at.model_id, None, sentence)


def review(submission: Submission, at: ReviewWindow) -> Reply:
    """A review that was done."""
    deps = submission.deps
    due = at.due
    if due is None:
        raise InvalidInput(WINDOW_UNREADABLE)
    sentence = run(
        submission,
        lambda session: findings.record_review(
            deps.context(session, submission.actor, card=at.card),
            at.model_id,
            due,
            words=submission.text(inventory_windows.WORD),
        ),
    )
    return confirm(submission, at, sentence)


# --- The windows of evidence, sent


def register_evidence(router: Router) -> None:
    """Answer the windows of evidence."""
    router.submission(inventory_windows.SUBMIT_EVIDENCE, evidence, EvidenceWindow)
    for callback, handler in (
        (inventory_windows.SUBMIT_LOOK, look),
        (inventory_windows.SUBMIT_WAIVE, waive),
    ):
        router.submission(callback, handler, ModelWindow)


def evidence(submission: Submission, at: EvidenceWindow) -> Reply:
    """An item of evidence."""
    deps = submission.deps
    type_ = str(submission.values.get(inventory_windows.TYPE) or "")
    lines = [
        line for line in submission.text(inventory_windows.METRICS).splitlines() if line.strip()
    ]
    try:
        is_plan = type_ == "monitoring_plan"
        watched = tuple(Watched.read(line) for line in lines) if is_plan else ()
        measured = () if is_plan else tuple(Measure.read(line) for line in lines)
    except ArithmeticError:
        return FieldErrors({inventory_windows.METRICS: "A number in there is not written right."})
    except ValueError as error:
        words = (
            str(error) if not isinstance(error, ValidationError) else str(error.errors()[0]["msg"])
        )
        return FieldErrors({inventory_windows.METRICS: f"{words[:1].upper()}{words[1:]}."})
    with deps.db.read() as session:
        inventory_evidence_.require_may_hand_in(
            deps.context(session, submission.actor), at.version_id or 0, type_
        )
    link = submission.text(inventory_windows.URI)
    form = submission.form(
        SubmitEvidence,
        {
            "type": type_,
            **inventory_evidence.read_fields(submission, at.file_id, type_),
            **({"uri": link} if link else {}),
            "metrics": measured,
            "watched": watched,
        },
    )
    if form.fairness is not None:
        fairness.load_metrics()
    run(
        submission,
        lambda session: inventory_evidence_.submit_evidence(
            deps.context(session, submission.actor, card=at.card),
            at.version_id or 0,
            form,
            submission.key,
        ),
    )
    return confirm(submission, at, f"Handed in: {deps.policy.evidence.words(type_)}.")


def look(submission: Submission, at: ModelWindow) -> Reply:
    """Evidence accepted or rejected, all that was ticked at once."""
    deps = submission.deps
    boxes = [
        block["block_id"]
        for block in submission.view["blocks"]
        if block.get("block_id", "").startswith(f"{inventory_windows.PICK}:")
    ]
    ticked = [
        Ticked.read(block)
        for block, value in submission.values.items()
        if block.startswith(f"{inventory_windows.PICK}:") and value
    ]
    if not ticked:
        if not boxes:
            raise Ticked.refusal()
        return FieldErrors({boxes[0]: "Tick what you looked at, or close the window."})
    chosen = [(box.id, box.revision) for box in ticked]
    accept = submission.values.get(inventory_windows.VERDICT) != "reject"
    run(
        submission,
        lambda session: inventory_evidence_.decide_evidence(
            deps.context(session, submission.actor, card=at.card),
            chosen,
            accept=accept,
            word=submission.text(inventory_windows.WORD),
        ),
    )
    many = f"{len(chosen)} item{'s' if len(chosen) != 1 else ''}"
    return confirm(submission, at, f"{many} {'accepted' if accept else 'rejected'}.")


def waive(submission: Submission, at: ModelWindow) -> Reply:
    """A waiver, with its end."""
    deps = submission.deps
    until = submission.day(inventory_windows.UNTIL)
    if until is None:
        return FieldErrors({inventory_windows.UNTIL: "Choose a day."})
    run(
        submission,
        lambda session: inventory_evidence_.waive_evidence(
            deps.context(session, submission.actor, card=at.card),
            at.version_id or 0,
            str(submission.values[inventory_windows.TYPE]),
            reason=submission.text(inventory_windows.REASON),
            until=until,
        ),
    )
    return confirm(submission, at, "Waived; it is shown as waived, with your name.")
