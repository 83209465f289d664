"""The windows of evidence, sent."""

from pydantic import ValidationError

from bot.interactions import EvidenceWindow, ModelWindow, Ticked
from bot.inventory import entered, fields
from bot.inventory.evidence import sharing
from bot.replies import FieldErrors, Reply
from bot.requests import Submission
from bot.router import Router
from workflows.evidence import fairness
from workflows.evidence.forms import Measure, SubmitEvidence, Watched
from workflows.inventory import evidencing


def register(router: Router) -> None:
    """Answer the windows of evidence."""
    router.submission(fields.SUBMIT_EVIDENCE, evidence, EvidenceWindow)
    for callback, handler in (
        (fields.SUBMIT_LOOK, look),
        (fields.SUBMIT_WAIVE, waive),
    ):
        router.submission(callback, handler, ModelWindow)


def evidence(submission: Submission, at: EvidenceWindow) -> Reply:
    """An item of evidence."""
    deps = submission.deps
    type_ = str(submission.values.get(fields.TYPE) or "")
    lines = [line for line in submission.text(fields.METRICS).splitlines() if line.strip()]
    try:
        is_plan = type_ == "monitoring_plan"
        watched = tuple(Watched.read(line) for line in lines) if is_plan else ()
        measured = () if is_plan else tuple(Measure.read(line) for line in lines)
    except ArithmeticError:
        return FieldErrors({fields.METRICS: "A number in there is not written right."})
    except ValueError as error:
        words = (
            str(error) if not isinstance(error, ValidationError) else str(error.errors()[0]["msg"])
        )
        return FieldErrors({fields.METRICS: f"{words[:1].upper()}{words[1:]}."})
    with deps.db.read() as session:
        evidencing.require_may_hand_in(
            session, submission.actor, at.version_id or 0, type_, policy=deps.policy
        )
    link = submission.text(fields.URI)
    form = submission.form(
        SubmitEvidence,
        {
            "type": type_,
            **sharing.read_fields(submission, at.file_id, type_),
            **({"uri": link} if link else {}),
            "metrics": measured,
            "watched": watched,
        },
    )
    if form.fairness is not None:
        fairness.load_metrics()
    entered.run(
        submission,
        lambda session: evidencing.submit_evidence(
            session,
            submission.actor,
            at.version_id or 0,
            form,
            submission.key,
            policy=deps.policy,
            now=deps.now(session),
            clicked=at.card,
        ),
    )
    return entered.confirm(submission, at, f"Handed in: {deps.policy.evidence.words(type_)}.")


def look(submission: Submission, at: ModelWindow) -> Reply:
    """Evidence accepted or rejected, all that was ticked at once."""
    deps = submission.deps
    boxes = [
        block["block_id"]
        for block in submission.view["blocks"]
        if block.get("block_id", "").startswith(f"{fields.PICK}:")
    ]
    ticked = [
        Ticked.read(block)
        for block, value in submission.values.items()
        if block.startswith(f"{fields.PICK}:") and value
    ]
    if not ticked:
        if not boxes:
            raise Ticked.refusal()
        return FieldErrors({boxes[0]: "Tick what you looked at, or close the window."})
    chosen = [(box.id, box.revision) for box in ticked]
    accept = submission.values.get(fields.VERDICT) != "reject"
    entered.run(
        submission,
        lambda session: evidencing.decide_evidence(
            session,
            submission.actor,
            chosen,
            accept=accept,
            word=submission.text(fields.WORD),
            policy=deps.policy,
            now=deps.now(session),
            clicked=at.card,
        ),
    )
    many = f"{len(chosen)} item{'s' if len(chosen) != 1 else ''}"
    return entered.confirm(submission, at, f"{many} {'accepted' if accept else 'rejected'}.")


def waive(submission: Submission, at: ModelWindow) -> Reply:
    """A waiver, with its end."""
    deps = submission.deps
    until = submission.day(fields.UNTIL)
    if until is None:
        return FieldErrors({fields.UNTIL: "Choose a day."})
    entered.run(
        submission,
        lambda session: evidencing.waive_evidence(
            session,
            submission.actor,
            at.version_id or 0,
            str(submission.values[fields.TYPE]),
            reason=submission.text(fields.REASON),
            until=until,
            policy=deps.policy,
            now=deps.now(session),
            clicked=at.card,
        ),
    )
    return entered.confirm(submission, at, "Waived; it is shown as waived, with your name.")
