"""Milestones that complete themselves: what was done is on the ledger, and whoever reads it misses nothing."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from storage.cases import journeys as queries
from storage.cases.journeys import AboutRow, EntryRow
from storage.enums import MilestoneType
from storage.milestones import queries as milestone_queries
from storage.milestones.tables import Milestone
from storage.status import queries as readers
from workflows.context import Context
from workflows.job_runner import Registry, Watcher
from workflows.milestones import service as milestones
from workflows.milestones.service import Proven

READER = "milestones"
"""Who reads the ledger for this."""
MOST = 2_000
"""Entries that are looked at in one transaction."""


@dataclass(frozen=True, slots=True)
class Proof:
    """What an action on the ledger proves: milestones of these types, in words with `{name}` for what was acted on."""

    types: frozenset[MilestoneType]
    words: str


def _proof(words: str, *types: MilestoneType) -> Proof:
    return Proof(frozenset(types), words)


T = MilestoneType
PROOFS: Mapping[str, Proof] = {
    "case.agreed": _proof(
        "The business case of {name} was approved", T.INTAKE_APPROVED, T.BUSINESS_CASE_SIGNED
    ),
    "model_version.added": _proof("{name} is on record as a version", T.PROTOTYPE),
    "model_version.submit": _proof("{name} was sent to validation", T.VALIDATION_START),
    "model_version.revalidate": _proof("{name} was sent to validation again", T.VALIDATION_START),
    "model_version.pass": _proof("{name} was validated", T.VALIDATION_DONE),
    "model_version.approve": _proof("{name} was approved for use", T.APPROVAL),
    "model_version.deploy": _proof("{name} was taken into use", T.DEPLOYED),
    "model_version.retire": _proof("{name} was retired", T.RETIRED),
    "return.attested": _proof(
        "What came of {name} was attested", T.FIRST_VALUE, T.BENEFITS_REVIEW_90D
    ),
}
"""What each action proves. Milestones of other types are proved by nothing on record: somebody says that they are met."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """An open milestone, and from when on it is on record."""

    id: int
    project_id: int
    type: MilestoneType
    title: str
    forecast_order: int
    """Its place among those of its project, by forecast."""
    since: datetime


@dataclass(frozen=True, slots=True)
class Happened:
    """Something that was done, on record. `names` are by which people call what it was done to."""

    project_id: int
    at: datetime
    types: frozenset[MilestoneType]
    names: tuple[str, ...]
    is_only: bool
    """Whether nothing else of its kind in the project could be meant."""


def choose_milestones(happened: Happened, candidates: Iterable[Candidate]) -> list[int]:
    """The milestones that this proves, at most one of each type; pure.

    What was written down later isn't proved by it: it is about the next time. Of several of a type it is the only one
    that names what was done, or else the one that is due first where nothing else can be meant. Where two models of a
    project each have one to come and no title says whose it is, somebody has to say so.
    """
    chosen = []
    for type_ in sorted(happened.types):
        fitting = [
            each
            for each in candidates
            if each.project_id == happened.project_id
            and each.type is type_
            and each.since <= happened.at
        ]
        named = [each for each in fitting if _names(each.title, happened.names)]
        if len(named) == 1 or (named and happened.is_only):
            fitting = named
        elif len(fitting) > 1 and not happened.is_only:
            continue
        first = min(fitting, key=lambda each: (each.forecast_order, each.id), default=None)
        if first is not None:
            chosen.append(first.id)
    return chosen


def _names(title: str, names: Iterable[str]) -> bool:
    words = title.casefold()
    return any(name and name.casefold() in words for name in names)


# --- Reading on in the ledger


def has_news(session: Session) -> bool:
    """Whether the ledger holds more than was read, as far as a look without locks tells."""
    return readers.find_position(session, READER) != readers.find_ledger_head(session)


def follow_ledger(ctx: Context) -> int:
    """Read on in the ledger, at most `MOST` entries, and complete the milestones that were proved; how many those are.

    The first time it begins at the end of the ledger: what was done before proves nothing, as nobody knows which of
    several milestones it was about. What is dropped or done stays so.
    """
    head = readers.find_ledger_head(ctx.session)
    if readers.find_position(ctx.session, READER) is None:
        readers.begin_reading(ctx.session, READER, head)
        return 0
    before = readers.lock_reader(ctx.session, READER)
    if before is None or before >= head:
        return 0
    to = min(head, before + MOST)
    readers.move_reader(ctx.session, READER, to)
    entries = queries.list_entries(ctx.session, PROOFS, after=before, to=to)
    about = _load_subjects(ctx.session, entries) if entries else {}
    if not about:
        return 0
    rows = _lock_open(ctx.session, {each.project_id for each in about.values()})
    proven = _find_proven(ctx, entries, about, rows)
    if proven:
        milestones.complete_proven(ctx, proven)
    return len(proven)


def _load_subjects(
    session: Session, entries: Sequence[EntryRow]
) -> dict[tuple[str, int], AboutRow]:
    ids: dict[str, set[int]] = defaultdict(set)
    for entry in entries:
        ids[entry.subject_type].add(entry.subject_id)
    cases = queries.load_cases(session, ids["case"])
    versions = queries.load_versions(session, ids["model_version"])
    returns = queries.load_returns(session, ids["return"])
    return {
        (type_, id_): row
        for type_, rows in (("case", cases), ("model_version", versions), ("return", returns))
        for id_, row in rows.items()
    }


def _lock_open(session: Session, project_ids: Collection[int]) -> dict[int, Milestone]:
    wanted = {type_ for proof in PROOFS.values() for type_ in proof.types}
    return {
        row.id: row
        for row in milestone_queries.every_of_projects(session, project_ids, lock=True)
        if row.actual is None and row.dropped_at is None and row.type in wanted
    }


def _find_proven(
    ctx: Context,
    entries: Sequence[EntryRow],
    about: Mapping[tuple[str, int], AboutRow],
    rows: Mapping[int, Milestone],
) -> list[Proven]:
    models = queries.count_models(ctx.session, {row.project_id for row in about.values()})
    order = sorted(rows.values(), key=lambda row: (row.forecast, row.id))
    candidates = {
        row.id: Candidate(
            row.id, row.project_id, MilestoneType(row.type), row.title, place, row.created_at
        )
        for place, row in enumerate(order)
    }
    proven = []
    for entry in entries:
        subject = about.get((entry.subject_type, entry.subject_id))
        if subject is None:
            continue
        proof = PROOFS[entry.action]
        is_of_model = entry.subject_type == "model_version"
        is_only = not is_of_model or models.get(subject.project_id, 0) < 2
        names = (subject.key, subject.name) if is_of_model else ()
        happened = Happened(subject.project_id, entry.at, proof.types, names, is_only)
        for id_ in choose_milestones(happened, candidates.values()):
            # One thing that was done completes one milestone of a type, and the next one the next.
            del candidates[id_]
            words = proof.words.format(name=f"{subject.name} {subject.version}".strip())
            day = entry.at.astimezone(ctx.policy.organisation.zone).date()
            proven.append(Proven(rows[id_], day, words, entry.seq))
    return proven


def _follow(ctx: Context, real_now: datetime) -> int:
    return follow_ledger(ctx)


PART = Registry(watchers={"milestones.prove": Watcher(has_news, _follow)})
"""What jobs take over from here."""
