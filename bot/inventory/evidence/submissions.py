"""The windows of evidence, sent."""

from pydantic import ValidationError

from bot.inventory import acting, entered, fields
from bot.inventory.acting import At
from bot.inventory.evidence import sharing
from bot.replies import FieldErrors, Reply
from bot.requests import UNREADABLE, Submission
from bot.router import Router
from workflows.errors import InvalidInput
from workflows.evidence import fairness
from workflows.evidence.forms import Measure, SubmitEvidence, Watched
from workflows.inventory import evidencing


def register(router: Router) -> None:
    """Answer the windows of evidence."""
    for callback, handler in (
        (fields.SUBMIT_EVIDENCE, evidence),
        (fields.SUBMIT_LOOK, look),
        (fields.SUBMIT_WAIVE, waive),
    ):
        router.submission(callback, entered.told(handler))


def evidence(submission: Submission) -> Reply:
    """An item of evidence."""
    deps, at = submission.deps, At.read(submission.metadata)
    type_ = str(submission.values.get(fields.TYPE) or "")
    lines = [one for one in entered.text(submission, fields.METRICS).splitlines() if one.strip()]
    try:
        is_plan = type_ == "monitoring_plan"
        watched = tuple(Watched.read(one) for one in lines) if is_plan else ()
        measured = () if is_plan else tuple(Measure.read(one) for one in lines)
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
    link = entered.text(submission, fields.URI)
    form = SubmitEvidence.model_validate(
        {
            "type": type_,
            **sharing.read_fields(submission, type_),
            **({"uri": link} if link else {}),
            "summary": entered.text(submission, fields.SUMMARY),
            "metrics": measured,
            "watched": watched,
            "outcome": submission.values.get(fields.OUTCOME),
            "valid_until": entered.day(submission, fields.UNTIL),
        }
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
            clicked=acting.clicked_of(submission.metadata),
        ),
    )
    return entered.done(submission, at, f"Handed in: {deps.policy.evidence.words(type_)}.")


def _picked(block: str) -> tuple[int, int]:
    """The evidence and its revision that a box stands for."""
    try:
        _, item_id, revision = block.split(":")
        return int(item_id), int(revision)
    except ValueError:
        raise InvalidInput(UNREADABLE) from None


def look(submission: Submission) -> Reply:
    """Evidence accepted or rejected, all that was ticked at once."""
    deps, at = submission.deps, At.read(submission.metadata)
    ticked = [
        block
        for block, value in submission.values.items()
        if block.startswith(f"{fields.PICK}:") and value
    ]
    if not ticked:
        offered = [
            one["block_id"]
            for one in submission.view["blocks"]
            if one.get("block_id", "").startswith(f"{fields.PICK}:")
        ]
        if not offered:
            raise InvalidInput(UNREADABLE)
        return FieldErrors({offered[0]: "Tick what you looked at, or close the window."})
    chosen = [_picked(block) for block in ticked]
    accept = submission.values.get(fields.VERDICT) != "reject"
    entered.run(
        submission,
        lambda session: evidencing.decide_evidence(
            session,
            submission.actor,
            chosen,
            accept=accept,
            word=entered.text(submission, fields.WORD),
            policy=deps.policy,
            now=deps.now(session),
            clicked=acting.clicked_of(submission.metadata),
        ),
    )
    many = f"{len(chosen)} item{'s' if len(chosen) != 1 else ''}"
    return entered.done(submission, at, f"{many} {'accepted' if accept else 'rejected'}.")


def waive(submission: Submission) -> Reply:
    """A waiver, with its end."""
    deps, at = submission.deps, At.read(submission.metadata)
    until = entered.day(submission, fields.UNTIL)
    if until is None:
        return FieldErrors({fields.UNTIL: "Choose a day."})
    entered.run(
        submission,
        lambda session: evidencing.waive_evidence(
            session,
            submission.actor,
            at.version_id or 0,
            str(submission.values[fields.TYPE]),
            reason=entered.text(submission, fields.REASON),
            until=until,
            policy=deps.policy,
            now=deps.now(session),
            clicked=acting.clicked_of(submission.metadata),
        ),
    )
    return entered.done(submission, at, "Waived; it is shown as waived, with your name.")
