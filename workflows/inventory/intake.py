"""Models from tables: registered, described and assessed as a file says; the same again changes nothing."""

from collections.abc import Callable, Sequence
from datetime import datetime

from pydantic import ValidationError
from sqlalchemy.orm import Session

from storage.enums import EuClass, Exposure, ModelKind, PurposeClass
from storage.inventory import queries
from workflows.actors import Actor
from workflows.errors import GovernanceError
from workflows.inventory import reads, service
from workflows.inventory.forms import AssessTier, RegisterModel
from workflows.inventory.records import ModelRecord
from workflows.inventory.rows import ModelRow
from workflows.policy import Policy
from workflows.sources.cells import cleared
from workflows.sources.rows import FieldChange, Outcome, RowChange, RowFault, faults_of

Rows = Sequence[tuple[int, ModelRow]]
FindPerson = Callable[[str], tuple[str, str] | str]
"""Whom a Slack id or e-mail address names: (opaque id, name), or a sentence that says why nobody."""

_TEXTS = ("name", "vendor", "purpose", "intended_use", "out_of_scope", "technique")


def apply_rows(
    session: Session,
    actor: Actor,
    rows: Rows,
    *,
    find_person: FindPerson,
    policy: Policy,
    org_key: str,
    now: datetime,
) -> Outcome:
    """Bring in models. Rows with faults change nothing; the caller decides about the others.

    What takes whose output is linked once all rows are there, so that a file can name them in any order.
    """
    outcome = Outcome()
    seen: dict[str, int] = {}
    kept: list[tuple[int, ModelRow]] = []
    for line, row in rows:
        if row.key in seen:
            outcome.faults.append(
                RowFault(line, "key", f"{row.key} stands in line {seen[row.key]} already.")
            )
            continue
        seen[row.key] = line
        one = _Row(session, actor, row, find_person, policy, org_key, now)
        try:
            change = one.write(line)
        except GovernanceError as refusal:
            outcome.faults.append(RowFault(line, refusal.field, refusal.sentence))
            continue
        except ValidationError as refusal:
            outcome.faults += faults_of(line, refusal, RegisterModel)
            continue
        kept.append((line, row))
        if change is None:
            outcome.unchanged += 1
        else:
            outcome.changes.append(change)
    for line, row in kept:
        if row.upstream is None:
            continue
        try:
            _Row(session, actor, row, find_person, policy, org_key, now).link(row.upstream)
        except GovernanceError as refusal:
            outcome.faults.append(RowFault(line, "upstream", refusal.sentence))
    return outcome


class _Row:
    def __init__(
        self,
        session: Session,
        actor: Actor,
        row: ModelRow,
        find_person: FindPerson,
        policy: Policy,
        org_key: str,
        now: datetime,
    ) -> None:
        self.session, self.actor, self.row = session, actor, row
        self.find_person, self.policy = find_person, policy
        self.org_key, self.now = org_key, now

    def write(self, line: int) -> RowChange | None:
        """Register or change what the row means; None when it says nothing new. Raises GovernanceError."""
        row = self.row
        known = queries.find_by_key(self.session, row.key)
        before = reads.load_models(self.session, [known])[0] if known else None
        form = self._form(before)
        if before is None:
            service.register_model(
                self.session,
                self.actor,
                form,
                policy=self.policy,
                now=self.now,
                org_key=self.org_key,
            )
            return RowChange(line, form.name, True)
        self._said(before)
        fields = self._changes(before, form)
        if fields:
            service.edit_model(
                self.session,
                self.actor,
                before.id,
                before.revision,
                form,
                policy=self.policy,
                now=self.now,
                org_key=self.org_key,
            )
        tier = self._assess(before)
        if tier is not None:
            fields.append(FieldChange("tier", str(before.tier or ""), str(tier)))
        return RowChange(line, form.name, False, tuple(fields)) if fields else None

    def link(self, upstream: tuple[str, ...]) -> None:
        """Take the output of these models, and of no others."""
        model = queries.find_by_key(self.session, self.row.key)
        if model is not None:
            service.link_upstream(
                self.session,
                self.actor,
                model,
                [one.casefold() for one in upstream],
                policy=self.policy,
            )

    def _form(self, before: ModelRecord | None) -> RegisterModel:
        row = self.row
        owner_id = before.owner.id if before and before.owner else None
        if row.owner is not None:
            found = self.find_person(row.owner)
            if isinstance(found, str):
                raise _fault(found, "owner")
            owner_id = found[0]
        upstream = ()
        if before is not None:
            ids = [
                up
                for down, up in queries.list_links(self.session, [before.id])
                if down == before.id
            ]
            upstream = tuple(one.key for one in queries.list_by_ids(self.session, ids))  # type: ignore[assignment]
        texts = {}
        for name in _TEXTS:
            said, old = (getattr(row, name), getattr(before, name, None) if before else None)
            texts[name] = old if said is None else ("" if cleared(said) else said)
        project = before.project_key if before else None
        if row.project is not None:
            project = None if cleared(row.project) else row.project
        return RegisterModel.model_validate(
            {
                "key": row.key,
                **{
                    name: value or ""
                    for name, value in texts.items()
                    if name not in ("name", "vendor")
                },
                "name": texts["name"] or row.key.replace("-", " ").capitalize(),
                "vendor": texts["vendor"] or None,
                "kind": row.kind or (before.kind if before else ModelKind.INTERNAL),
                "project": project,
                "owner_id": owner_id,
                "data_sources": row.data_sources
                if row.data_sources is not None
                else (before.data_sources if before else ()),
                "affects_people": row.affects_people
                if row.affects_people is not None
                else bool(before and before.affects_people),
                "upstream": upstream,
                **(
                    {}
                    if before
                    else {
                        "exposure": row.exposure,
                        "purpose_class": row.purpose_class,
                        "eu_class": row.eu_class,
                    }
                ),
                "request_key": f"import:{row.key}",
            }
        )

    def _changes(self, before: ModelRecord, form: RegisterModel) -> list[FieldChange]:
        pairs: list[tuple[str, object, object]] = [
            (name, getattr(before, name) or "", getattr(form, name) or "")
            for name in (*_TEXTS, "kind", "affects_people")
        ]
        pairs.append(("project", before.project_key or "", form.project or ""))
        pairs.append(("owner", before.owner.id if before.owner else "", form.owner_id or ""))
        pairs.append(("data_sources", ", ".join(before.data_sources), ", ".join(form.data_sources)))
        return [FieldChange(name, str(old), str(new)) for name, old, new in pairs if old != new]

    def _said(self, before: ModelRecord) -> tuple[Exposure, PurposeClass, EuClass] | None:
        """How material the row says that it is, with what stands there; None when it says nothing. Raises for half of it."""
        row = self.row
        if not (row.exposure or row.purpose_class or row.eu_class):
            return None
        exposure: Exposure | None = row.exposure or before.exposure
        purpose: PurposeClass | None = row.purpose_class or before.purpose_class
        eu: EuClass | None = row.eu_class or before.eu_class
        if exposure is None or purpose is None or eu is None:
            raise _fault(
                "say exposure, purpose_class and eu_class together, or none of them", "exposure"
            )
        return exposure, purpose, eu

    def _assess(self, before: ModelRecord) -> int | None:
        """Assess it where the row says what does not stand there; the new tier."""
        said = self._said(before)
        if said is None or said == (before.exposure, before.purpose_class, before.eu_class):
            return None
        exposure, purpose, eu = said
        revision = reads.load_model(self.session, before.id).revision
        form = AssessTier(
            model_id=before.id,
            revision=revision,
            exposure=exposure,
            purpose_class=purpose,
            eu_class=eu,
        )
        return service.assess_tier(self.session, self.actor, form, policy=self.policy, now=self.now)


def _fault(words: str, field: str) -> GovernanceError:
    return GovernanceError(f"{words[:1].upper()}{words[1:].rstrip('.')}.", field=field)
