"""Keeping evidence: handed in, accepted, rejected, waived. Who may is told by the inventory, which calls this."""

import hashlib
import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, time, timedelta
from typing import Any

from pydantic import BaseModel, ValidationError
from sqlalchemy.orm import Session

from storage.enums import EvidenceStatus
from storage.evidence import queries
from storage.evidence.tables import Evidence, SharedFile
from storage.people import lookups
from workflows.audit import service as audit
from workflows.calendar import local_instant
from workflows.context import Actor, ActorKind, Context
from workflows.errors import GovernanceError, InvalidInput, NotFound, Stale, refuse
from workflows.evidence import explanations as evidence_explanations
from workflows.evidence import fairness, rules
from workflows.evidence.explanations import Explained
from workflows.evidence.fairness import Counts
from workflows.evidence.forms import (
    CARD,
    EXPLAINED,
    FAIRNESS,
    NOT_REJECTED,
    NOT_WAIVED,
    CardText,
    SubmitEvidence,
)
from workflows.evidence.records import Item
from workflows.sources import explanations, model_cards
from workflows.sources.text import storable

TYPE = "evidence"
ERASED = "(erased)"


def load_counting_items(
    session: Session, version_ids: Collection[int]
) -> dict[int, dict[str, Item]]:
    """Version id → type → the item that counts."""
    by_version: dict[int, list[Item]] = {one: [] for one in version_ids}
    for item in load_items(session, version_ids):
        by_version[item.version_id].append(item)
    return {one: rules.choose_counting(each) for one, each in by_version.items()}


def load_items(session: Session, version_ids: Collection[int]) -> list[Item]:
    """Every item of these versions, oldest first."""
    rows = queries.list_items(session, version_ids) if version_ids else ()
    ids = {
        one for row in rows for one in (row.produced_by, row.decided_by, row.waiver_owner_id) if one
    }
    texts = {one for row in rows for one in (row.text_id, row.word_id) if one}
    people = lookups.find_people(session, ids) if ids else {}
    words = lookups.find_texts(session, texts) if texts else {}

    def text(text_id: int | None) -> str:
        return (words.get(text_id, "") or ERASED) if text_id else ""

    def name(person_id: str | None) -> str:
        person = people.get(person_id) if person_id else None
        return person.name if person else ""

    items = []
    for row in rows:
        bare = Item(
            id=row.id,
            version_id=row.version_id,
            type=row.type,
            status=EvidenceStatus(row.status),
            sha256=row.sha256,
            uri=row.uri,
            content=row.content,
            summary=text(row.text_id),
            producer=name(row.produced_by) or row.source,
            producer_id=row.produced_by,
            produced_at=row.produced_at,
            valid_until=row.valid_until,
            decider=name(row.decided_by),
            decided_at=row.decided_at,
            word=text(row.word_id),
            waiver_owner=name(row.waiver_owner_id),
            revision=row.revision,
        )
        failed = tuple(metric for metric in bare.metrics if not metric.is_met)
        items.append(replace(bare, failed=failed) if failed else bare)
    return items


def submit_item(ctx: Context, version_id: int, form: SubmitEvidence, request_key: str) -> int:
    """Keep an item; its id. The same `request_key` again changes nothing."""
    known = queries.find_by_key(ctx.session, request_key)
    if known is not None:
        return known.id
    rule = ctx.policy.evidence.all_types.get(form.type)
    if rule is None:
        listed = ", ".join(sorted(ctx.policy.evidence.all_types))
        raise InvalidInput(
            f"There is no evidence of the type {form.type!r}. There are: {listed}.", field="type"
        )
    until = (
        local_instant(form.valid_until + timedelta(days=1), time(0), ctx.policy.organisation.zone)
        if form.valid_until
        else ctx.now + rule.valid_for
        if rule.valid_for
        else None
    )
    if until is not None and until <= ctx.now:
        raise InvalidInput("That day has passed already.", field="valid_until")
    text = (
        audit.write_text(ctx.session, ctx.actor, form.summary, now=ctx.now)
        if form.summary
        else None
    )
    content = form.content()
    if form.fairness is not None:
        judged = fairness.judge_counts(form.fairness, ctx.policy.evidence.fairness)
        content |= {"fairness": judged.model_dump(mode="json"), "flags": list(judged.flags)}
    digest = (form.sha256 or "").removeprefix("sha256:") or _digest(
        form, content, text.sha256 if text else ""
    )
    is_person = ctx.actor.kind is ActorKind.PERSON
    row = Evidence(
        version_id=version_id,
        type=form.type,
        sha256=digest,
        uri=form.uri,
        content=content,
        text_id=text.id if text else None,
        status=EvidenceStatus.SUBMITTED.value,
        produced_by=ctx.actor.id if is_person else None,
        source="" if is_person else ctx.actor.name,
        produced_at=ctx.now,
        valid_until=until,
        request_key=request_key,
    )
    ctx.session.add(row)
    ctx.session.flush()
    audit.record(
        ctx,
        "evidence.submitted",
        (TYPE, row.id),
        version=version_id,
        type=form.type,
        sha256=digest,
        content_sha256=_digest_canonical(content),
        **_ledger_facts(content),
        **({"text": audit.text_fact(text)} if text else {}),
    )
    return row.id


def _ledger_facts(content: Mapping[str, Any]) -> dict[str, Any]:
    """What the ledger itself holds of the contents: figures, and never examples or words, which can be about a person."""
    names = ("metrics", "watched", "outcome", "flags")
    return {name: content[name] for name in names if name in content}


def _digest_canonical(content: object) -> str:
    text = json.dumps(content, separators=(",", ":"), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _digest(form: SubmitEvidence, content: object, text: str) -> str:
    """What stands for an item without a document: its figures, its place and its words."""
    whole = {"content": content, "text": text, "type": form.type, "uri": form.uri}
    return _digest_canonical(whole)


def decide_item(ctx: Context, evidence_id: int, revision: int, *, accept: bool, word: str) -> None:
    """Accept or reject an item as it was shown."""
    row = queries.find_item(ctx.session, evidence_id)
    if row is None:
        raise NotFound("This evidence is not in the record any more.")
    if row.revision != revision or row.status != EvidenceStatus.SUBMITTED:
        raise Stale(
            "This evidence changed since it was shown to you. Nothing was changed; look at it again."
        )
    if not accept and not word:
        raise InvalidInput(NOT_REJECTED, field="word")
    if accept and not word and row.content.get("flags"):
        flag = str(row.content["flags"][0])
        raise InvalidInput(
            f"Say in a sentence why it can be accepted all the same. Flagged: {flag[:300]}.",
            field="word",
        )
    text = audit.write_text(ctx.session, ctx.actor, word, now=ctx.now) if word else None
    row.status = (EvidenceStatus.ACCEPTED if accept else EvidenceStatus.REJECTED).value
    row.decided_by, row.decided_at = ctx.actor.id, ctx.now
    row.word_id = text.id if text else None
    row.revision += 1
    audit.record(
        ctx,
        f"evidence.{row.status}",
        (TYPE, row.id),
        version=row.version_id,
        type=row.type,
        sha256=row.sha256,
        **({"text": audit.text_fact(text)} if text else {}),
    )


def waive_item(ctx: Context, version_id: int, type_: str, *, reason: str, until: datetime) -> int:
    """Let a version go on without this evidence until a day. It stays shown as waived, with who answers for it."""
    if type_ not in ctx.policy.evidence.all_types:
        raise InvalidInput("There is no evidence of that type.", field="type")
    faults = {} if reason else {"reason": NOT_WAIVED}
    if not ctx.now < until <= ctx.now + ctx.policy.evidence.waive_at_most + timedelta(days=1):
        most = ctx.policy.evidence.waive_at_most.days
        faults["until"] = f"Choose a day to come, at most {most} days ahead."
    refuse(faults)
    text = audit.write_text(ctx.session, ctx.actor, reason, now=ctx.now)
    row = Evidence(
        version_id=version_id,
        type=type_,
        content={},
        status=EvidenceStatus.WAIVED.value,
        produced_by=ctx.actor.id,
        source="",
        produced_at=ctx.now,
        valid_until=until,
        decided_by=ctx.actor.id,
        decided_at=ctx.now,
        word_id=text.id,
        waiver_owner_id=ctx.actor.id,
    )
    ctx.session.add(row)
    ctx.session.flush()
    audit.record(
        ctx,
        "evidence.waived",
        (TYPE, row.id),
        version=version_id,
        type=type_,
        until=until.isoformat(timespec="microseconds"),
        text=audit.text_fact(text),
    )
    return row.id


# --- Files that people share in Slack
#
# what mlgov reads in them, and the evidence that they become.

KEPT = timedelta(days=7)
"""For how long somebody can say what a file is that they shared."""
MOST_READ = 8_000_000
"""Bytes of a file that is looked into."""
_ROWS = (".csv", ".tsv", ".parquet", ".xlsx", ".gz")


@dataclass(frozen=True, slots=True)
class Shared:
    """A shared file as it was read. `name` is unescaped."""

    slack_id: str
    name: str
    size: int
    sha256: str
    permalink: str
    content: Mapping[str, Any]

    @property
    def type(self) -> str | None:
        """The type of evidence that its contents tell; None for any document."""
        if "explained" in self.content:
            return EXPLAINED
        return FAIRNESS if "fairness" in self.content else CARD if "card" in self.content else None

    @property
    def has_rows(self) -> bool:
        """Whether it is a table that mlgov does not know as counts of groups: it may hold rows of people."""
        return "fairness" not in self.content and self.name.casefold().endswith(_ROWS)

    @property
    def sentences(self) -> tuple[str, ...]:
        """What its contents say, a sentence each; unescaped."""
        if "explained" in self.content:
            return evidence_explanations.describe_drivers(
                Explained.model_validate(self.content["explained"])
            )
        if "fairness" in self.content:
            counts = Counts.model_validate(self.content["fairness"])
            named = ", ".join(" × ".join(one.columns) for one in counts.counted)
            return (f"It counts groups of people by {named}; mlgov compares them.",)
        if "card" in self.content:
            missing = CardText.model_validate(self.content["card"]).missing
            return (
                f"It reads as a model card; it says nothing of: {', '.join(missing).lower()}."
                if missing
                else "It reads as a model card with all nine sections.",
            )
        return ()


def read_content(name: str, data: bytes) -> dict[str, Any]:
    """What is understood of a file, as JSON; empty for a document that mlgov only keeps the digest of."""
    is_text = name.casefold().endswith((".md", ".markdown", ".txt"))
    known: tuple[tuple[str, Callable[..., Any], type[BaseModel]], ...] = (
        (("card", model_cards.read, CardText),)
        if is_text
        else (
            ("fairness", explanations.read_groups, Counts),
            ("explained", explanations.read_explanations, Explained),
        )
    )
    for key, reader, form in known:
        try:
            return {key: form.model_validate(reader(data, name=name)).model_dump(mode="json")}
        except (GovernanceError, ValidationError):
            continue
    return {}


def keep_file(
    ctx: Context,
    *,
    slack_id: str,
    name: str,
    data_size: int,
    sha256: str,
    permalink: str,
    content: Mapping[str, Any],
) -> Shared:
    """Remember a file until its sharer says what it is."""
    row = queries.find_file(ctx.session, slack_id)
    if row is None:
        row = SharedFile(
            slack_id=slack_id,
            person_id=ctx.actor.id,
            name=storable(name, 120),
            size=data_size,
            sha256=sha256,
            permalink=permalink,
            content=dict(content),
            created_at=ctx.now,
        )
        ctx.session.add(row)
        ctx.session.flush()
    return _file_record(row)


def forget_files(ctx: Context) -> None:
    """Let go of what nobody said what it is."""
    queries.forget_files(ctx.session, ctx.now - KEPT)


def find_file(session: Session, actor: Actor, slack_id: str) -> Shared:
    """A file that the actor shared. Raises NotFound."""
    row = queries.find_file(session, slack_id)
    if row is None or row.person_id != actor.id:
        raise NotFound("mlgov does not have this file any more: share it again.")
    return _file_record(row)


def _file_record(row: SharedFile) -> Shared:
    return Shared(row.slack_id, row.name, row.size, row.sha256, row.permalink, row.content)


def list_fields(file: Shared, type_: str, counted: Counts | None = None) -> dict[str, Any]:
    """What a file gives to evidence of a type; `counted` are the groups in it, where its rows were counted.

    Raises InvalidInput for rows of people that nobody counted.
    """
    if type_ == FAIRNESS and counted is None and file.has_rows:
        raise InvalidInput(
            "Rows of people are not taken here. `mlgov fairness FILE --truth … --prediction … --group … --submit NAME:VERSION` counts them on your "
            "own machine and hands in the groups alone.",
            field="type",
        )
    given: dict[str, Any] = {"sha256": file.sha256, "uri": file.permalink or None}
    if counted is not None:
        given["fairness"] = counted.model_dump(mode="json")
    if type_ == FAIRNESS and "fairness" in file.content:
        given["fairness"] = file.content["fairness"]
    if type_ == CARD and "card" in file.content:
        given["card"] = file.content["card"]
    if type_ == EXPLAINED and "explained" in file.content:
        given["explained"] = file.content["explained"]
    return given
