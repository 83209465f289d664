"""What a table says about models."""

import re
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, field_validator

from storage.enums import EuClass, Exposure, ModelKind, PurposeClass
from storage.inventory import queries
from workflows.errors import GovernanceError
from workflows.inventory import reads, service
from workflows.inventory.forms import KEY, AssessTier, RegisterModel
from workflows.inventory.records import ModelRecord
from workflows.sources.rows import Item, NamingTable, faults_of
from workflows.sources.tables import Somebody, chosen, cleared, words_of
from workflows.sources.text import NAME

_KEY = re.compile(KEY)
_KINDS = words_of(
    ModelKind,
    {
        "own": ModelKind.INTERNAL,
        "in-house": ModelKind.INTERNAL,
        "third party": ModelKind.VENDOR,
        "bought": ModelKind.VENDOR,
        "llm": ModelKind.GENERATIVE,
        "genai": ModelKind.GENERATIVE,
    },
)
_EXPOSURES = words_of(Exposure, {"moderate": Exposure.MEDIUM})
_PURPOSES = words_of(
    PurposeClass,
    {
        "information": PurposeClass.INFORMATIONAL,
        "support": PurposeClass.DECISION_SUPPORT,
        "automatic": PurposeClass.AUTOMATED,
        "regulatory": PurposeClass.AUTOMATED,
    },
)
_EU = words_of(
    EuClass,
    {
        "high risk": EuClass.HIGH,
        "limited risk": EuClass.LIMITED,
        "transparency": EuClass.LIMITED,
        "minimal risk": EuClass.MINIMAL,
    },
)
_YES = dict.fromkeys(("yes", "y", "true", "1"), True) | dict.fromkeys(
    ("no", "n", "false", "0"), False
)


class ModelRow(BaseModel):
    """One row of a table of models. Empty leaves what is there; `-` empties it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    key: str
    name: str | None = Field(default=None, max_length=NAME)
    kind: Annotated[ModelKind | None, BeforeValidator(partial(chosen, words=_KINDS))] = None
    vendor: str | None = Field(default=None, max_length=NAME)
    project: str | None = None
    owner: Somebody | None = None
    purpose: str | None = Field(default=None, max_length=3000)
    intended_use: str | None = Field(default=None, max_length=3000)
    out_of_scope: str | None = Field(default=None, max_length=3000)
    technique: str | None = Field(default=None, max_length=NAME)
    data_sources: tuple[str, ...] | None = None
    affects_people: Annotated[bool | None, BeforeValidator(partial(chosen, words=_YES))] = None
    upstream: tuple[str, ...] | None = None
    exposure: Annotated[Exposure | None, BeforeValidator(partial(chosen, words=_EXPOSURES))] = None
    purpose_class: Annotated[
        PurposeClass | None, BeforeValidator(partial(chosen, words=_PURPOSES))
    ] = None
    eu_class: Annotated[EuClass | None, BeforeValidator(partial(chosen, words=_EU))] = None

    @field_validator("key", mode="before")
    @classmethod
    def _is_key(cls, value: object) -> object:
        key = str(value or "").strip().casefold()
        if not _KEY.match(key):
            raise ValueError(
                f"{str(value)[:60]!r} is no key; write 1 to 80 of a-z, 0-9, dot, dash and underscore, like fraud-score"
            )
        return key

    @field_validator("project")
    @classmethod
    def _folded(cls, value: str | None) -> str | None:
        return value.strip().casefold() if value else value

    @field_validator("data_sources", "upstream", mode="before")
    @classmethod
    def _listed(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        if cleared(value):
            return ()
        parts = re.split(r"[;,\r\n]", value)
        return tuple(dict.fromkeys(one.strip() for one in parts if one.strip()))


# --- Models from tables
#
# registered, described and assessed as a file says; the same again changes nothing.

_TEXTS = ("name", "vendor", "purpose", "intended_use", "out_of_scope", "technique")
_ASSESSED = ("exposure", "purpose_class", "eu_class")


@dataclass(slots=True)
class ModelItem(Item[ModelRow]):
    """A row of a table of models."""

    before: ModelRecord | None = None
    """The model as it stands."""
    form: RegisterModel = field(init=False)
    """The model as the row wants it."""


class ModelTable(NamingTable[ModelRow, ModelItem]):
    """Registers, describes and assesses models as a file says.

    What takes whose output is linked once all rows are there, so that a file can name them in any order. Some of what
    cannot be is only found while it is written, so all rows go together.
    """

    form, item = ModelRow, ModelItem
    most = None
    repeated = "{name} stands in line {line} already."
    refusals = (GovernanceError,)

    def load_records(self, rows: Sequence[ModelRow]) -> None:
        """The models that there are, and the keys of what they take output from."""
        known = list(queries.find_by_keys(self.ctx.session, {row.key for row in rows}).values())
        self._before = {record.key: record for record in reads.load_models(self.ctx.session, known)}
        links = queries.list_links(self.ctx.session, [model.id for model in known])
        models = queries.list_by_ids(self.ctx.session, {up for _, up in links})
        self._upstream = {
            down: tuple(model.key for model in models if (down, model.id) in links)
            for down, _ in links
        }

    def find_record(self, item: ModelItem) -> Hashable:
        """A model is known by its key."""
        item.name = item.row.key
        item.before = self._before.get(item.name)
        item.is_new = item.before is None
        return item.name

    def read_cells(self, item: ModelItem) -> None:
        """The model as the row wants it."""
        row, before = item.row, item.before
        owner = self.find_named(item, "owner")
        if owner is None and before is not None and before.owner:
            owner = (before.owner.id, before.owner.name)
        texts = {}
        for name in _TEXTS:
            cell = getattr(row, name)
            old = getattr(before, name, None) or ""
            texts[name] = old if cell is None else "" if cleared(cell) else cell
        project = before.project_key if before else None
        if row.project is not None:
            project = None if cleared(row.project) else row.project
        values = {
            **texts,
            "key": row.key,
            "name": texts["name"] or row.key.replace("-", " ").capitalize(),
            "vendor": texts["vendor"] or None,
            "kind": row.kind or (before.kind if before else ModelKind.INTERNAL),
            "project": project,
            "owner_id": owner[0] if owner else None,
            "request_key": f"import:{row.key}",
        }
        for name, empty in (("data_sources", ()), ("affects_people", False)):
            cell = getattr(row, name)
            values[name] = getattr(before, name, empty) if cell is None else cell
        if before is None:
            values |= {name: getattr(row, name) for name in _ASSESSED}
        else:
            values["upstream"] = self._upstream.get(before.id, ())
            if None in self._assessment(row, before):
                item.fault(
                    "exposure", "say exposure, purpose_class and eu_class together, or none of them"
                )
        try:
            item.form = RegisterModel.model_validate(values)
        except ValidationError as refusal:
            item.faults += faults_of(item.line, refusal, RegisterModel)
        else:
            item.name = item.form.name

    @staticmethod
    def _assessment(row: ModelRow, before: ModelRecord) -> list[object]:
        """How material the row says that a model is, with what stands there; nothing where it says nothing of it."""
        said = [getattr(row, name) for name in _ASSESSED]
        if not any(said):
            return []
        return [cell or getattr(before, name) for cell, name in zip(said, _ASSESSED, strict=True)]

    def write_record(self, item: ModelItem) -> None:
        """Register or change it, and assess it where the row says what does not stand there."""
        before, form = item.before, item.form
        if before is None:
            service.register_model(self.ctx, form)
            return
        self._note_changes(item, before)
        if item.fields:
            service.edit_model(self.ctx, before.id, before.revision, form)
        assessment = self._assessment(item.row, before)
        if assessment and assessment != [getattr(before, name) for name in _ASSESSED]:
            assess = AssessTier(
                model_id=before.id,
                revision=reads.load_model(self.ctx.session, before.id).revision,
                **dict(zip(_ASSESSED, assessment, strict=True)),
            )
            tier = service.assess_tier(self.ctx, assess)
            item.change("tier", before.tier, tier)

    @staticmethod
    def _note_changes(item: ModelItem, before: ModelRecord) -> None:
        form = item.form
        pairs = [
            (name, getattr(before, name) or "", getattr(form, name) or "")
            for name in (*_TEXTS, "kind", "affects_people")
        ]
        pairs.append(("project", before.project_key or "", form.project or ""))
        pairs.append(("owner", before.owner.id if before.owner else "", form.owner_id or ""))
        pairs.append(("data_sources", ", ".join(before.data_sources), ", ".join(form.data_sources)))
        for name, old, new in pairs:
            if old != new:
                item.change(name, old, new)

    def follow_up(self, items: Sequence[ModelItem]) -> None:
        """Each takes the output of the models that its row names, and of no others."""
        models = queries.find_by_keys(self.ctx.session, {item.row.key for item in items})
        for item in items:
            if item.row.upstream is None:
                continue
            upstream = [key.casefold() for key in item.row.upstream]
            try:
                service.link_upstream(self.ctx, models[item.row.key], upstream)
            except GovernanceError as refusal:
                item.fault("upstream", refusal.sentence)
