"""The windows of models, sent: what was entered becomes a change, or a sentence under its field."""

import hashlib
from typing import Any

from pydantic import ValidationError

from bot.inventory import cards, clicks
from bot.inventory import evidence as inventory_evidence
from bot.inventory import windows as inventory_windows
from bot.slack import replies
from bot.slack.interactions import (
    WINDOW_UNREADABLE,
    ClassifyWindow,
    EvidenceWindow,
    ModelRef,
    ModelWindow,
    RegisterWindow,
    ReviewWindow,
    Ticked,
    WrongFields,
    missing_of,
)
from bot.slack.replies import Reply, Show
from bot.slack.requests import Interaction, Router, Submission
from workflows.context import Context
from workflows.errors import InvalidInput, first_fault
from workflows.evidence import fairness
from workflows.evidence.forms import NOT_REJECTED, NOT_WAIVED, Measure, SubmitEvidence, Watched
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


def details(on: Interaction, model_id: int, version_id: int | None, sentence: str = "") -> Show:
    """The window with everything about a model; `sentence` says what just happened."""
    deps = on.deps
    card, spend = clicks.load_model(on, model_id, version_id)
    today = clicks.read_today(deps)
    seen, _ = clicks.prefilled(deps, card)
    drawn = cards.draw_pictures(card.evidence.values())
    return Show(
        cards.details_window(
            card, deps.policy, today, drawn, spend=spend, news=sentence, seen=seen
        ),
        tuple(drawn.values()),
    )


def find_picked(
    ctx: Context, submission: Submission, block: str, wrong: dict[str, str]
) -> str | None:
    """The person id of who was picked; somebody unknown is noted as `wrong`, to be said with what else is."""
    picked = submission.text(block)
    if not picked:
        return None
    person = people.find_by_slack_id(ctx.session, ctx.org, picked)
    if person is None:
        wrong[block] = "Choose somebody else: mlgov does not know that person."
        return None
    return person.id


def confirm(submission: Submission, ref: ModelRef, sentence: str) -> Reply:
    """The window with everything, and what was done."""
    return details(submission, ref.model_id, ref.version_id, sentence)


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
    is_sealed = replies.is_sealed(deps, submission.actor, window.channel, window.seal)

    def work(ctx: Context) -> int:
        wrong: dict[str, str] = {}
        form = submission.form(
            RegisterModel,
            {
                "key": slug(submission.text(inventory_windows.NAME)),
                "owner_id": find_picked(ctx, submission, inventory_windows.OWNER, wrong),
                "request_key": submission.key,
            },
            wrong,
        )
        return service.register_model(ctx, form, channel=window.channel if is_sealed else "")

    model_id = submission.act(work)
    return details(submission, model_id, None, "Registered.")


def describe(submission: Submission, at: ModelWindow) -> Reply:
    """What describes a model, anew."""

    def work(ctx: Context) -> None:
        reads.require_sight(ctx, at.model_id)
        wrong: dict[str, str] = {}
        form = submission.form(
            RegisterModel,
            {
                "key": reads.load_model(ctx.session, at.model_id).key,
                "owner_id": find_picked(ctx, submission, inventory_windows.OWNER, wrong),
                "data_sources": submission.listed(inventory_windows.DATA),
                "affects_people": submission.values.get(inventory_windows.PEOPLE) == "yes",
                "request_key": submission.key,
            },
            wrong,
        )
        service.edit_model(ctx, at.model_id, at.model_revision, form)

    submission.act(work)
    return confirm(submission, at, "Kept.")


def assess(submission: Submission, at: ModelWindow) -> Reply:
    """How material it is."""
    form = submission.form(AssessTier, {"model_id": at.model_id, "revision": at.model_revision})
    tier = submission.act(service.assess_tier, form)
    return confirm(submission, at, f"It is tier {tier}.")


def version(submission: Submission, at: ModelWindow) -> Reply:
    """A version, in development."""
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

    def work(ctx: Context) -> int:
        wrong: dict[str, str] = {}
        maker = find_picked(ctx, submission, inventory_windows.DEVELOPER, wrong)
        form = submission.form(
            AddVersion,
            {
                "model_id": at.model_id,
                "digest": submission.text(inventory_windows.DIGEST).lower() or None,
                "generative": generative,
                "developers": (maker,) if maker else (),
            },
            wrong,
        )
        return service.add_version(ctx, form)

    version_id = submission.act(work)
    return details(submission, at.model_id, version_id, "It is in development.")


def classify(submission: Submission, at: ClassifyWindow) -> Reply:
    """It is no model, or one after all."""
    submission.act(
        service.classify_entry,
        at.model_id,
        at.model_revision,
        is_model=at.is_model,
        reason=submission.text(inventory_windows.REASON),
    )
    return confirm(submission, at, "Kept.")


def step(submission: Submission, at: ModelWindow) -> Reply:
    """A step, or the request that it is."""
    wrong: dict[str, str] = {}
    validator = submission.read(find_picked, submission, inventory_windows.VALIDATOR, wrong)
    form = submission.form(
        TakeStep,
        {
            "version_id": at.version_id or 0,
            "revision": at.version_revision,
            "verb": at.verb,
            "validator_id": validator,
            "request_key": submission.key,
        },
        wrong,
    )
    sentence = submission.act(clicks.take_step, form)
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

    def work(ctx: Context) -> int:
        wrong: dict[str, str] = {}
        form = submission.form(
            FileFinding,
            {
                "model_id": at.model_id,
                "version_id": at.version_id,
                "owner_id": find_picked(ctx, submission, inventory_windows.OWNER, wrong),
            },
            wrong,
        )
        return findings.file_finding(ctx, form)

    submission.act(work)
    return confirm(submission, at, "Filed. Who mends it is told.")


def settle(submission: Submission, at: ModelWindow) -> Reply:
    """What becomes of a finding."""
    form = submission.form(
        SettleFinding,
        {
            "finding_id": at.version_revision,
            "revision": at.model_revision,
            "how": submission.values.get(inventory_windows.HOW) or "progress",
        },
    )
    sentence = submission.act(findings.settle_finding, form)
    return details(submission, at.model_id, None, sentence)


def review(submission: Submission, at: ReviewWindow) -> Reply:
    """A review that was done."""
    due = at.due
    if due is None:
        raise InvalidInput(WINDOW_UNREADABLE)
    sentence = submission.act(
        findings.record_review, at.model_id, due, words=submission.text(inventory_windows.WORD)
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
    is_plan = type_ == "monitoring_plan"
    items, wrong = _read_lines(submission, Watched if is_plan else Measure)
    with submission.begin_read() as ctx:
        inventory_evidence_.require_may_hand_in(ctx, at.version_id or 0, type_)
    link = submission.text(inventory_windows.URI)
    contents: dict[str, Any] = {}
    try:
        contents = inventory_evidence.read_fields(submission, at.file_id, type_)
    except WrongFields as columns:
        wrong |= columns.faults
    form = submission.form(
        SubmitEvidence,
        {
            "type": type_,
            **contents,
            **({"uri": link} if link else {}),
            "watched" if is_plan else "metrics": items,
        },
        wrong,
    )
    if form.fairness is not None:
        fairness.load_metrics()
    submission.act(inventory_evidence_.submit_evidence, at.version_id or 0, form, submission.key)
    return confirm(submission, at, f"Handed in: {deps.policy.evidence.words(type_)}.")


def _read_lines(
    submission: Submission, kind: type[Measure] | type[Watched]
) -> tuple[tuple[Measure | Watched, ...], dict[str, str]]:
    """What the lines of metrics say, and what is wrong in them by their block: of several lines each by its number."""
    lines = [
        line for line in submission.text(inventory_windows.METRICS).splitlines() if line.strip()
    ]
    items: list[Measure | Watched] = []
    wrong: list[str] = []
    for number, line in enumerate(lines, 1):
        try:
            items.append(kind.read(line))
        except (ArithmeticError, ValueError) as error:
            sentence = _describe_line(error)
            wrong.append(f"Line {number}: {sentence}" if len(lines) > 1 else sentence)
    return tuple(items), {inventory_windows.METRICS: " ".join(wrong)} if wrong else {}


def _describe_line(error: Exception) -> str:
    if isinstance(error, ArithmeticError):
        return "A number in there is not written right."
    if isinstance(error, ValidationError):
        return first_fault(error)[1]
    words = str(error)
    return f"{words[:1].upper()}{words[1:]}."


def look(submission: Submission, at: ModelWindow) -> Reply:
    """Evidence accepted or rejected, all that was ticked at once."""
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
    accept = submission.values.get(inventory_windows.VERDICT) != "reject"
    if not ticked:
        if not boxes:
            raise Ticked.refusal()
        no_word = {} if accept else {inventory_windows.WORD: NOT_REJECTED}
        raise WrongFields(
            {boxes[0]: "Tick what you looked at, or close the window."}
            | missing_of(no_word, submission.values)
        )
    chosen = [(box.id, box.revision) for box in ticked]
    submission.act(
        inventory_evidence_.decide_evidence,
        chosen,
        accept=accept,
        word=submission.text(inventory_windows.WORD),
    )
    many = f"{len(chosen)} item{'s' if len(chosen) != 1 else ''}"
    return confirm(submission, at, f"{many} {'accepted' if accept else 'rejected'}.")


def waive(submission: Submission, at: ModelWindow) -> Reply:
    """A waiver, with its end."""
    no_day = {inventory_windows.UNTIL: "Choose a day."}
    submission.require(no_day, also={inventory_windows.REASON: NOT_WAIVED})
    until = submission.day(inventory_windows.UNTIL)
    if until is None:
        raise WrongFields(no_day)
    submission.act(
        inventory_evidence_.waive_evidence,
        at.version_id or 0,
        str(submission.values[inventory_windows.TYPE]),
        reason=submission.text(inventory_windows.REASON),
        until=until,
    )
    return confirm(submission, at, "Waived; it is shown as waived, with your name.")
