"""Putting an approval pack together from the record, as it stands."""

import json
from collections.abc import Sequence

from sqlalchemy.orm import Session

from storage import ledger
from storage.approvals import activity
from storage.approvals import queries as approval_queries
from storage.audit import queries as audit_queries
from storage.enums import Part
from storage.evidence import queries as evidence_queries
from storage.inventory import queries
from workflows.approvals import reads as approval_reads
from workflows.approvals.records import Card, Line
from workflows.approvals.stages import Bound
from workflows.audit import heads
from workflows.context import Context
from workflows.evidence import rules as evidence_rules
from workflows.evidence import service as evidence
from workflows.inventory import model_approval, reads, service
from workflows.inventory.records import ModelCard, ModelRecord, VersionRecord
from workflows.packs import records
from workflows.policies import service as policies
from workflows.statements import service as statements


def make_pack(ctx: Context, version_id: int) -> records.Pack:
    """Everything that an auditor asks about one version. Raises NotFound for who does not see its model."""
    row = queries.find_version(ctx.session, version_id)
    if row is None:
        raise reads.out_of_sight()
    reads.require_sight(ctx, row.model_id)
    card = reads.load_card(ctx, row.model_id, version_id)
    model, version = card.model, card.version
    if version is None:
        raise reads.out_of_sight()
    asked = activity.list_about(ctx.session, model_approval.TYPE, version_id)
    about = [approval_reads.card(ctx, one) for one in asked]
    bound = sorted({one.policy_id for one in about})
    return records.Pack(
        organisation=ctx.policy.organisation.name,
        made_at=ctx.now,
        made_for=ctx.actor.name,
        subject=_subject(model, version, row.approved_digest),
        tier=_tier(model),
        lineage=records.Lineage(
            data_sources=model.data_sources,
            upstream=model.upstream,
            downstream=model.downstream,
            registry_name=model.registry_name,
            run_id=version.run_id,
        ),
        missing={step: tuple(lack.words for lack in lacks) for step, lacks in card.lacks.items()},
        evidence=_evidence(ctx, version_id),
        steps=_steps(ctx.session, model, version),
        requests=tuple(_request(ctx.session, one) for one in about),
        policies=tuple(_policy(ctx.session, one) for one in bound),
        findings=_findings(ctx.session, model, version),
        watched=_watched(card),
        ledger=_ledger(ctx, model, version, asked),
        crosswalk_day=records.DAY,
        crosswalk_note=records.NOTE,
        crosswalk=tuple(
            records.Crossing(part=one.part, nist=one.nist, iso=one.iso, sr=one.sr)
            for one in records.ROWS
        ),
    )


def _subject(model: ModelRecord, version: VersionRecord, approved: str | None) -> records.Subject:
    if version.digest is None:
        contents = "not proved"
    elif approved is None:
        contents = "not approved"
    else:
        contents = "changed since approval" if version.digest_changed else "as approved"
    return records.Subject(
        model=model.key,
        name=model.name,
        kind=model.kind.value,
        vendor=model.vendor,
        project=model.project,
        owner=model.owner.name if model.owner else None,
        purpose=model.purpose,
        intended_use=model.intended_use,
        out_of_scope=model.out_of_scope,
        technique=model.technique,
        affects_people=model.affects_people,
        version=version.version,
        state=version.state.value,
        since=version.since,
        digest=f"sha256:{version.digest}" if version.digest else None,
        approved_digest=f"sha256:{approved}" if approved else None,
        contents=contents,
        consists_of=dict(version.about),
        developers=_named(version, Part.DEVELOPER),
        validators=_named(version, Part.VALIDATOR),
        contributors=_named(version, Part.CONTRIBUTOR),
        approved_until=version.approved_until,
        next_review=model.next_review,
    )


def _named(version: VersionRecord, part: Part) -> tuple[str, ...]:
    return tuple(one.name for one in version.named(part))


def _tier(model: ModelRecord) -> records.Tier:
    return records.Tier(
        tier=model.tier,
        exposure=model.exposure.value if model.exposure else None,
        purpose=model.purpose_class.value if model.purpose_class else None,
        eu_class=model.eu_class.value if model.eu_class else None,
        set_by=model.tier_by.name if model.tier_by else None,
        set_at=model.tier_at,
        follows=model.tier_follows,
        reason=model.tier_reason,
    )


def _evidence(ctx: Context, version_id: int) -> tuple[records.ItemTold, ...]:
    items = evidence.load_items(ctx.session, [version_id])
    counting = {one.id for one in evidence_rules.choose_counting(items).values()}
    return tuple(
        records.ItemTold(
            id=one.id,
            type=one.type,
            name=ctx.policy.evidence.words(one.type),
            counts=one.id in counting,
            status=one.status.value,
            sha256=one.sha256,
            uri=one.uri,
            content=dict(one.content),
            summary=one.summary,
            produced_by=one.producer,
            produced_at=one.produced_at,
            valid_until=one.valid_until,
            decided_by=one.decider,
            decided_at=one.decided_at,
            word=one.word,
            flags=one.flags,
        )
        for one in items
    )


def _steps(
    session: Session, model: ModelRecord, version: VersionRecord
) -> tuple[records.Step, ...]:
    taken = reads.list_every_step(session, model, version)
    return tuple(
        records.Step(
            step=one.verb,
            source=one.source.value,
            target=one.target.value,
            by=one.actor,
            reason=one.reason,
            evidence_sha256=digest,
            at=one.at,
        )
        for one, digest in taken
    )


def _request(session: Session, card: Card) -> records.Request:
    envelope = statements.find_envelope(session, card.id)
    head = approval_queries.list_cards(session, [card.id])[card.id]
    return records.Request(
        id=card.id,
        gate=card.gate,
        state=card.state.value,
        asks=card.words.asks,
        reason=card.reason,
        requested_by=card.requester.name,
        requested_at=card.created_at,
        decided_at=card.decided_at,
        valid_until=card.valid_until,
        passed_by_rule=card.by_rule,
        left_out=tuple(f"{one.name}: {one.when} did not hold" for one in card.dropped),
        asked=dict(card.facts),
        told=dict(Bound.of(head.bound).facts),
        stages=tuple(
            records.Stage(name=one.name, quorum=one.quorum, asked=one.asked, approved=one.approved)
            for one in card.rounds
        ),
        votes=tuple(_vote(one) for one in (*card.lines, *card.taken_back)),
        conditions=tuple(
            records.Condition(words=one.text, state=one.state.value, due=one.due_at)
            for one in card.conditions
        ),
        policy=card.policy_id,
        statement=json.loads(envelope) if envelope else None,
    )


def _vote(line: Line) -> records.Vote:
    return records.Vote(
        by=line.person.name,
        verdict=line.verdict.value,
        reason=line.reason,
        at=line.at,
        rule=line.rule,
        group=line.group,
        membership_read_at=line.read_at,
        instead_of=line.instead_of,
        taken_back_at=line.taken_back_at,
    )


def _policy(session: Session, version_id: int) -> records.PolicyTold:
    policy = policies.text(session, version_id)
    return records.PolicyTold(id=version_id, sha256=policy.sha256, text=policy.text)


def _findings(
    session: Session, model: ModelRecord, version: VersionRecord
) -> tuple[records.FoundTold, ...]:
    rows = [
        row
        for row in queries.list_findings(session, model.id)
        if row.version_id in (None, version.id)
    ]
    told_findings = []
    for row in rows:
        finding = reads.find_finding(session, row.id)
        if finding is None:
            continue
        told_findings.append(
            records.FoundTold(
                id=finding.id,
                version=finding.version,
                severity=finding.severity.value,
                status=finding.status.value,
                words=finding.words,
                owner=finding.owner.name if finding.owner else None,
                due=finding.due,
                accepted_by=finding.accepter.name if finding.accepter else None,
                accepted_until=finding.accepted_until,
                word=finding.word,
                found_at=finding.created_at,
                source=row.source,
            )
        )
    return tuple(told_findings)


def _watched(card: ModelCard) -> tuple[records.WatchedTold, ...]:
    return tuple(
        records.WatchedTold(
            metric=one.metric,
            threshold=one.threshold,
            better=one.better,
            every_days=one.every_days,
            value=one.value,
            at=one.at,
            is_breach=one.is_breach,
        )
        for one in card.readings
    )


def _ledger(
    ctx: Context, model: ModelRecord, version: VersionRecord, requests: Sequence[int]
) -> records.Ledger:
    subjects = {(service.VERSION_TYPE, str(version.id)), ("model", str(model.id))}
    subjects |= {("approval", str(one)) for one in requests}
    subjects |= {
        (evidence.TYPE, str(row.id))
        for row in evidence_queries.list_items(ctx.session, [version.id])
    }
    subjects |= {("finding", str(row.id)) for row in queries.list_findings(ctx.session, model.id)}
    entries = audit_queries.list_about(ctx.session, subjects)
    before = audit_queries.find_hashes(ctx.session, [one.seq - 1 for one in entries])
    head = heads.read_current(ctx.session, now=ctx.now)
    return records.Ledger(
        entries=tuple(
            records.Entry(
                seq=one.seq,
                at=one.at,
                action=one.action,
                body=one.body,
                previous=before.get(one.seq - 1, ledger.GENESIS),
                hash=one.hash,
            )
            for one in entries
        ),
        head_seq=head.seq,
        head_hash=head.hash,
    )
