"""What an approval of a version rests on: what conditions are told, what cards show as it changes, what must be the same."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy.orm import Session

from storage.enums import (
    ApprovalState,
    EuClass,
    EvidenceStatus,
    Exposure,
    ModelState,
    Part,
    Severity,
)
from storage.inventory import queries
from storage.inventory.tables import Model, ModelPerson, ModelVersion
from storage.projects.tables import Project
from workflows.approvable import (
    Known,
    Prepared,
    ReadAgain,
    Reread,
    Rest,
    Words,
    project_facts,
    project_rests,
)
from workflows.audit import service as audit
from workflows.calendar import last_day
from workflows.context import Context
from workflows.errors import GovernanceError, Stale
from workflows.evidence import rules as evidence_rules
from workflows.evidence.records import Item
from workflows.inventory import permissions, reads, rules, service, transitions
from workflows.inventory.forms import AskApproval
from workflows.inventory.records import FindingRecord, ModelRecord
from workflows.policy.conditions import Facts


def list_changes(
    version: ModelVersion, items: Mapping[str, Item], facts: dict[str, Any]
) -> tuple[str, ...]:
    """What was asked about has to be what stands there: these contents, on this evidence."""
    others = [
        what
        for what, is_same in (
            ("evidence", evidence_rules.digest_items(items) == facts["evidence"]),
            ("contents", (version.digest or "") == facts["digest"]),
        )
        if not is_same
    ]
    if not others:
        return ()
    return (
        f"what was asked about is not what stands there now, its {' and '.join(others)} changed",
    )


def list_waived(items: Mapping[str, Item]) -> list[str]:
    """The types of evidence that were waived."""
    return [one.type for one in items.values() if one.status is EvidenceStatus.WAIVED]


def condition_facts(
    model: Model,
    version: ModelVersion,
    project: Project,
    items: Mapping[str, Item],
    open_: Sequence[FindingRecord],
) -> Facts:
    """What conditions of the gate are told."""
    return {
        "model.name": model.key,
        "model.version": version.version,
        "model.tier": model.tier or 1,
        "model.kind": model.kind,
        "model.eu_class": model.eu_class or "",
        "model.exposure": model.exposure or "",
        "model.affects_people": model.affects_people,
        "evidence.waived": len(list_waived(items)),
        "evidence.flagged": sum(bool(one.flags) for one in items.values()),
        "findings.open": len(open_),
        "findings.high": sum(one.severity in (Severity.HIGH, Severity.CRITICAL) for one in open_),
        **project_facts(project),
    }


_EXPOSED = tuple(Exposure)
_STRICTEST = tuple(EuClass)
"""From the strictest class on."""


def list_rests(
    model: Model, project: Project, items: Mapping[str, Item], open_: Sequence[FindingRecord]
) -> tuple[Rest, ...]:
    """What an approval rests on. Less grave findings are told, and nobody has to decide anew for them."""
    eu_class = EuClass(model.eu_class) if model.eu_class else None
    exposure = Exposure(model.exposure) if model.exposure else None
    by_severity = Counter(one.severity for one in open_)
    critical, high = by_severity[Severity.CRITICAL], by_severity[Severity.HIGH]
    lesser = len(open_) - critical - high

    def counted(name: str, label: str, number: int, *, weighs: bool = True) -> Rest:
        return Rest(name, label, number, weight=number if weighs else 0, manner="count")

    return (
        Rest("model.tier", "tier", model.tier or 1, weight=-(model.tier or 1)),
        Rest(
            "model.eu_class",
            "EU AI Act class",
            model.eu_class or "",
            model.eu_class or "not said",
            -_STRICTEST.index(eu_class) if eu_class else -len(_STRICTEST),
        ),
        Rest(
            "model.exposure",
            "exposure",
            model.exposure or "",
            model.exposure or "not said",
            _EXPOSED.index(exposure) if exposure else -1,
        ),
        Rest(
            "model.affects_people",
            "bears on people",
            model.affects_people,
            weight=int(model.affects_people),
        ),
        counted("findings.critical", "critical finding", critical),
        counted("findings.high", "high finding", high),
        counted("findings.lesser", "lesser finding", lesser, weighs=False),
        counted("evidence.waived", "waiver", len(list_waived(items))),
        counted("evidence.flagged", "flagged item", sum(bool(one.flags) for one in items.values())),
        Rest("model.kind", "kind", model.kind, by_condition=True),
        *project_rests(project),
    )


def list_known(model: Model) -> tuple[Known, ...]:
    """What is shown as read from the inventory."""
    values = (("tier", "tier", model.tier), ("eu_class", "EU AI Act class", model.eu_class))
    return tuple(
        Known(name, label, value, "the inventory")
        for name, label, value in values
        if value is not None
    )


# --- A validated version, asked for at the gate `model_approval` and approved when its last
#     stage is

TYPE = service.VERSION_TYPE
GATE = "model_approval"
HAND_IN = "Evidence is handed in once the request is withdrawn, and then it's asked again."


class ModelApproval:
    """A subject type (see `workflows.approvable`): its subject is a version of a model, its form `AskApproval`.

    Whoever developed, contributed to or validated the version never decides, whatever the gate says.
    """

    gate = GATE
    is_editable = False

    def prepare(self, ctx: Context, form: AskApproval, *, replacing: int | None = None) -> Prepared:
        """Lock the version, judge it by the table, and say exactly what is asked: these contents, on this evidence."""
        version, model = transitions.lock_version(ctx, form.version_id, form.revision)
        move = rules.find_move(ModelState(version.state), rules.PASS)
        if move is None:
            raise Stale(
                f"Version {version.version} of {model.name} is {transitions.describe_state(ModelState(version.state))}, so approval can't be asked for now."
            )
        transitions.require_free(ctx, version, move)
        record = reads.load_model(ctx.session, model.id)
        items = permissions.load_items(ctx.session, version.id)
        transitions.apply_step(ctx, model, version, move)
        project = queries.find_project_by_id(ctx.session, model.project_id)
        if project is None:
            raise GovernanceError(
                f"{model.name} belongs to no project, so nobody could decide. Give it one first."
            )
        parts = queries.list_parts(ctx.session, [version.id])
        everybody = tuple(dict.fromkeys(one.person_id for one in parts))
        today = reads.today_of(ctx.policy, ctx.now)
        open_ = [one for one in record.findings if one.is_open(today)]
        return Prepared(
            subject_id=version.id,
            project_id=project.id,
            facts={
                "model": model.key,
                "version": version.version,
                "tier": model.tier,
                "digest": version.digest or "",
                "evidence": evidence_rules.digest_items(items),
                "items": len(items),
                "waived": sorted(list_waived(items)),
                "flagged": sorted(one.type for one in items.values() if one.flags),
                "findings": [one.id for one in open_],
            },
            people=_people(model, project, parts),
            contributors=everybody,
            is_apart=True,
            conditions=condition_facts(model, version, project, items, open_),
            known=list_known(model),
            rests=list_rests(
                model,
                project,
                items,
                [one for one in open_ if permissions.concerns(one, version, record)],
            ),
        )

    def reread(self, ctx: Context, subject_id: int, facts: dict[str, Any]) -> Reread:
        """What the inventory says of the version now; nothing where its model belongs to no project any more."""
        version, model = _find_pair(ctx.session, subject_id)
        project = queries.find_project_by_id(ctx.session, model.project_id)
        if project is None:
            return Reread(None)
        today = reads.today_of(ctx.policy, ctx.now)
        record = reads.load_model(ctx.session, model.id)
        open_ = [one for one in record.findings if one.is_open(today)]
        items = permissions.load_items(ctx.session, version.id)
        mine = [one for one in open_ if permissions.concerns(one, version, record)]
        parts = queries.list_parts(ctx.session, [version.id])
        at = permissions.load_situation(ctx, record, version, items)
        again = ReadAgain(
            condition_facts(model, version, project, items, open_),
            list_known(model),
            never=tuple(dict.fromkeys(one.person_id for one in parts)),
            rests=list_rests(model, project, items, mine),
            bars=(
                *list_changes(version, items, facts),
                *rules.summarise_bars(_approving_move(), at),
            ),
            way_on=HAND_IN if at.lacks["approval"] else "",
        )
        return Reread(again)

    def people(self, session: Session, version_id: int) -> dict[str, str | None]:
        """Who stands for what in what would be asked for, before it is."""
        version, model = _find_pair(session, version_id)
        project = queries.find_project_by_id(session, model.project_id)
        parts = queries.list_parts(session, [version.id])
        return _people(model, project, parts)

    def lock(self, session: Session, subject_id: int) -> None:
        """Lock the model's and the version's row."""
        queries.lock_version(session, subject_id)

    def apply(self, ctx: Context, approval_id: int, subject_id: int, facts: dict[str, Any]) -> None:
        """Approved: exactly the contents and the evidence that were asked about. Raises when they are not that any more."""
        version, model = _find_pair(ctx.session, subject_id)
        items = permissions.load_items(ctx.session, version.id)
        if version.state != ModelState.APPROVAL:
            raise GovernanceError(
                f"{model.name} {version.version} does not wait for approval any more. The request can be withdrawn."
            )
        record = reads.load_model(ctx.session, model.id)
        at = permissions.load_situation(ctx, record, version, items)
        # What a check of the version lists, read under its lock.
        bars = (*list_changes(version, items, facts), *rules.summarise_bars(_approving_move(), at))
        if bars:
            raise GovernanceError(
                f"{model.name} {version.version} can't be approved now: {'; '.join(bars)}. Nothing was approved."
            )
        move = _approving_move()
        version.approval_id = approval_id
        version.approved_until = queries.find_valid_until(ctx.session, approval_id)
        version.approved_digest = version.digest or ""
        transitions.apply_step(ctx, model, version, move)

    def close(
        self,
        ctx: Context,
        approval_id: int,
        subject_id: int,
        facts: dict[str, Any],
        *,
        outcome: ApprovalState,
    ) -> None:
        """Rejected: back to development. Expired or withdrawn: back to who validates it. Silence approves nothing."""
        version, model = _find_pair(ctx.session, subject_id)
        was_rejected = outcome is ApprovalState.REJECTED
        move = rules.find_move(
            ModelState(version.state), rules.REJECTED if was_rejected else rules.TAKEN_BACK
        )
        if move is not None:
            transitions.apply_step(ctx, model, version, move)

    def lapse(
        self,
        ctx: Context,
        approval_id: int,
        subject_id: int,
        facts: dict[str, Any],
        *,
        spared: Collection[str] = (),
    ) -> None:
        """A condition was not met: the version is not approved any more; one in use is suspended."""
        version, model = _find_pair(ctx.session, subject_id)
        if version.approval_id != approval_id:
            return
        version.approved_digest = version.approved_until = None
        source = ModelState(version.state)
        suspend = rules.find_move(source, rules.SUSPEND)
        reason = f"A condition of request {approval_id} was not met in time."
        if suspend is not None:
            transitions.apply_step(ctx, model, version, suspend, reason=reason)
        elif source is ModelState.APPROVED:
            back = rules.Move(
                "lapse", "", source, ModelState.VALIDATION, frozenset({rules.Who.REQUEST})
            )
            transitions.apply_step(ctx, model, version, back, reason=reason)
        else:
            # It stays where it is, and is approved no more: the ledger says that too.
            audit.record(
                ctx,
                "model_version.approval_lapsed",
                (service.VERSION_TYPE, version.id),
                approval=approval_id,
            )

    def words(self, ctx: Context, subject_id: int, facts: dict[str, Any]) -> Words:
        """What is asked, in plain words."""
        version, model = _find_pair(ctx.session, subject_id)
        record = reads.load_model(ctx.session, model.id)
        name = f"{model.name} {version.version}"
        waits = version.state == ModelState.APPROVAL
        today = reads.today_of(ctx.policy, ctx.now)
        open_now = sum(one.is_open(today) for one in record.findings)
        tier = _describe_number(facts["tier"] or 1, model.tier or 1, waits)
        detail = [
            ("Tier", f"{tier}, 1 of 3 is the most material"),
            ("EU AI Act", (record.eu_class.value if record.eu_class else "not said")),
            ("Purpose", record.purpose or "not said"),
            ("Developed by", _names(record, version, Part.DEVELOPER)),
            ("Validated by", _names(record, version, Part.VALIDATOR)),
            *_describe_evidence(ctx, version),
            ("Open findings", _describe_number(len(facts["findings"]), open_now, waits)),
        ]
        if facts["digest"]:
            detail.append(("Contents", f"sha256:{facts['digest']}"))
        detail.append(("Evidence, as a digest", f"sha256:{facts['evidence']}"))
        notes = [f"{len(facts[what])} {what}" for what in ("waived", "flagged") if facts.get(what)]
        noted = "".join(f", {note}" for note in notes)
        return Words(
            project=record.project or model.name,
            asks=f"approve {name} for use (tier {facts['tier']}, {facts['items']} items of evidence{noted})",
            stays=f"{name} is not used",
            done=f"{name} is approved for use",
            facts=tuple(detail),
            undone=f"{name} is not approved any more",
        )


def _describe_number(asked: int, now: int, waits: bool) -> str:
    """A number as it was when it was asked, and while it waits as it is now: `1 now, 2 when it was asked`."""
    if waits and asked != now:
        return f"{now or 'none'} now, {asked or 'none'} when it was asked"
    return str(asked or "none")


def _approving_move() -> rules.Move:
    move = rules.find_move(ModelState.APPROVAL, rules.APPROVED)
    if move is None:
        raise RuntimeError("the table has no way to approved")
    return move


def _people(
    model: Model, project: Project | None, parts: Sequence[ModelPerson]
) -> dict[str, str | None]:
    """Whom `subject.owner`, `subject.validator` and so on mean."""

    def first(part: Part) -> str | None:
        return next((one.person_id for one in parts if one.part == part), None)

    return {
        "owner": model.owner_id,
        "sponsor": project.sponsor_id if project else None,
        "manager": project.manager_id if project else None,
        "developer": first(Part.DEVELOPER),
        "validator": first(Part.VALIDATOR),
    }


def _describe_evidence(ctx: Context, version: ModelVersion) -> list[tuple[str, str]]:
    """Each item in a line: its metrics against their thresholds, who waived it."""
    lines = []
    for item in permissions.load_items(ctx.session, version.id).values():
        text = item.status.value
        if item.status is EvidenceStatus.WAIVED:
            zone = ctx.policy.organisation.zone
            until = (
                f" until {last_day(item.valid_until, zone):%d %b %Y}" if item.valid_until else ""
            )
            text = f"WAIVED{until} by {item.waiver_owner}: {item.word}"
        elif item.metrics:
            text = ", ".join(
                f"{one.name} {one.value.normalize():f} ({'at least' if one.better == 'higher' else 'at most'} {one.threshold.normalize():f})"
                for one in item.metrics[:4]
            )
        elif item.outcome:
            text = item.outcome
        if item.flags:
            text += f"; FLAGGED: {'; '.join(item.flags[:3])}" + (
                f". {item.decider}: {item.word}" if item.word else ""
            )
        lines.append((ctx.policy.evidence.words(item.type).capitalize(), text))
    return lines


def _names(record: ModelRecord, version: ModelVersion, part: Part) -> str:
    own = next((one for one in record.versions if one.id == version.id), None)
    people = own.named(part) if own else ()
    return ", ".join(one.name for one in people) or "nobody"


def _find_pair(session: Session, version_id: int) -> tuple[ModelVersion, Model]:
    version = queries.find_version(session, version_id)
    model = queries.find_model(session, version.model_id) if version else None
    if version is None or model is None:
        raise reads.out_of_sight()
    return version, model


MODEL_APPROVAL = ModelApproval()
