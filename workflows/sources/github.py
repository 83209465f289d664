"""GitHub milestones as rows of a table: webhook payloads, or lists that the API gives."""

import hashlib
import json
import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, time
from pathlib import Path
from zoneinfo import ZoneInfo

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, ValidationError, field_validator

from workflows.sources.tables import MAX_ROWS, Sheet, SheetRow, TableRefused

HEADINGS = ("project", "title", "forecast", "actual", "github", "github_at", "github_state")

_PACIFIC = ZoneInfo("America/Los_Angeles")
"""GitHub keeps the due date of a milestone as midnight there."""
_PAGE = re.compile(r"/([\w.-]+/[\w.-]+)/milestones?/\d+$")


class _Milestone(BaseModel):
    """The fields that matter; GitHub gives many more."""

    model_config = ConfigDict(extra="ignore")

    number: int
    title: str
    id: int | None = Field(default=None, validation_alias=AliasChoices("databaseId", "id"))
    """Stays when its repository is renamed or moves."""
    state: str = "open"
    due_on: datetime | None = Field(default=None, validation_alias=AliasChoices("due_on", "dueOn"))
    closed_at: datetime | None = Field(
        default=None, validation_alias=AliasChoices("closed_at", "closedAt")
    )
    updated_at: datetime | None = Field(
        default=None, validation_alias=AliasChoices("updated_at", "updatedAt")
    )
    url: str = ""
    html_url: str = ""

    @field_validator("id", mode="before")
    @classmethod
    def _number_alone(cls, value: object) -> object:
        """GraphQL's `id` is a word of its own, which no other answer has."""
        return value if isinstance(value, int) else None

    @field_validator("url", "html_url", "state", mode="before")
    @classmethod
    def _text(cls, value: object) -> object:
        return "" if value is None else value


def is_json(raw: bytes) -> bool:
    """Whether a file begins as JSON does, and no table."""
    return raw.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] in (b"{", b"[")


def due_day(due_on: datetime) -> date:
    """The calendar day on which a milestone is due.

    GitHub keeps a day as midnight in California: `2019-05-23T07:00:00Z` is 23 May, whoever reads it from wherever. A
    day written as midnight UTC, as some programs do, is that day and not the one before.
    """
    moment = due_on if due_on.tzinfo else due_on.replace(tzinfo=UTC)
    in_utc = moment.astimezone(UTC)
    return (in_utc if in_utc.time() == time(0) else moment.astimezone(_PACIFIC)).date()


def read(
    path: Path, raw: bytes, *, project: str | None, zone: ZoneInfo
) -> tuple[Sheet, tuple[str, ...]]:
    """The milestones in a file, the newest tale of each, and what was left out. Raises TableRefused.

    `project` says whose they are; else it is the project with the repository's name as its key. `zone` is the one in
    whose calendar something was closed.
    """
    name = path.name
    try:
        entries = list(_list_entries(list(_list_documents(raw.decode("utf-8-sig")))))
    except (UnicodeDecodeError, ValueError, RecursionError) as error:
        raise TableRefused(f"{name} is no JSON that can be read ({error}).") from None
    if len(entries) > MAX_ROWS:
        raise TableRefused(f"{name} holds more than {MAX_ROWS:,} milestones. Split it.")
    newest: dict[str, tuple[datetime, int, tuple[str, ...]]] = {}
    undated = 0
    for position, entry in enumerate(entries, start=1):
        milestone, state, where = _read_milestone(name, position, entry)
        if milestone.due_on is None and state != "deleted":
            undated += 1
            continue
        key = f"{where.casefold()}#{milestone.number}" + (
            f"@{milestone.id}" if milestone.id else ""
        )
        at = _utc(milestone.updated_at)
        closed = _utc(milestone.closed_at).astimezone(zone) if milestone.closed_at else None
        cells = (
            project or where.partition("/")[2].casefold(),
            milestone.title,
            due_day(milestone.due_on).isoformat() if milestone.due_on else "",
            closed.date().isoformat() if state == "closed" and closed else "",
            key,
            at.isoformat() if milestone.updated_at else "",
            state,
        )
        same = f"@{milestone.id}" if milestone.id else key
        if same not in newest or newest[same][0] <= at:
            newest[same] = (at, position, cells)
    if not newest:
        raise TableRefused(f"{name} holds no milestone with a due date.")
    rows = tuple(
        SheetRow(line, cells)
        for _, line, cells in sorted(newest.values(), key=lambda item: item[1])
    )
    notes = (f"Left out, as GitHub gives them no due date: {undated}.",) if undated else ()
    return Sheet(name, hashlib.sha256(raw).hexdigest(), HEADINGS, rows), notes


def _list_documents(text: str) -> Iterator[object]:
    """The JSON of a file; `gh api --paginate` writes one document after the other."""
    decoder, place = json.JSONDecoder(), 0
    text = text.strip()
    while place < len(text):
        document, place = decoder.raw_decode(text, place)
        yield document
        while text[place : place + 1].isspace():
            place += 1


def _list_entries(content: object) -> Iterator[object]:
    """The milestones in lists, pages of lists, and what GraphQL wraps around its nodes."""
    if isinstance(content, list):
        for part in content:
            yield from _list_entries(part)
        return
    if isinstance(content, dict) and not {"milestone", "number"} & content.keys():
        for name in ("data", "repository", "milestones", "node"):
            if isinstance(content.get(name), dict) and "title" not in content:
                is_named = name != "repository" or "milestones" in content[name]
                if is_named:
                    yield from _list_entries(content[name])
                    return
        for name in ("nodes", "edges", "milestones"):
            if isinstance(content.get(name), list):
                yield from _list_entries(content[name])
                return
    yield content


def _utc(moment: datetime | None) -> datetime:
    if moment is None:
        return datetime(1970, 1, 1, tzinfo=UTC)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _read_milestone(name: str, position: int, entry: object) -> tuple[_Milestone, str, str]:
    """A milestone, its state (`open`, `closed` or `deleted`), and its repository."""
    where = f"{name}, entry {position}"
    if not isinstance(entry, dict):
        raise TableRefused(f"{where} is no GitHub milestone.")
    payload = entry.get("milestone")
    if payload is None and isinstance(entry.get("issue"), dict):
        payload = entry["issue"].get("milestone")
    if payload is None:
        payload = entry
    try:
        milestone = _Milestone.model_validate(payload)
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        at = ".".join(str(part) for part in fault["loc"])
        raise TableRefused(
            f"{where} is no GitHub milestone: {at}: {str(fault['msg']).lower()}."
        ) from None
    repository = entry.get("repository")
    full_name = repository.get("full_name") if isinstance(repository, dict) else None
    page = _PAGE.search(milestone.html_url) or _PAGE.search(milestone.url)
    known = str(full_name) if full_name else page[1] if page else ""
    if not known:
        raise TableRefused(
            f"{where} does not say which repository it is of; give the payload whole."
        )
    if isinstance(payload, dict) and not {"due_on", "dueOn"} & payload.keys():
        raise TableRefused(
            f"{where} says nothing of a due date (`due_on`, or `dueOn` from GraphQL). Ask GitHub for that field, too."
        )
    is_deleted = "milestone" in entry and "issue" not in entry and entry.get("action") == "deleted"
    state = (
        "deleted" if is_deleted else "closed" if milestone.state.casefold() == "closed" else "open"
    )
    return milestone, state, known
