"""GitHub milestones as rows of a table: webhook payloads, or lists that the API gives."""

import hashlib
import json
import re
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, ValidationError

from workflows.sources.sheet import MAX_ROWS, Sheet, SheetRow, TableRefused

HEADINGS = (
    "project",
    "title",
    "forecast",
    "actual",
    "github",
    "github_at",
    "github_state",
)

_PACIFIC = ZoneInfo("America/Los_Angeles")
"""GitHub keeps the due date of a milestone as midnight there."""
_PAGE = re.compile(r"/([\w.-]+/[\w.-]+)/milestones?/\d+$")


class _Milestone(BaseModel):
    """The fields that matter; GitHub gives many more."""

    model_config = ConfigDict(extra="ignore")

    number: int
    title: str
    state: str = "open"
    due_on: datetime | None = None
    closed_at: datetime | None = None
    updated_at: datetime | None = None
    url: str = ""
    html_url: str = ""


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
        content = json.loads(raw.decode("utf-8-sig"))
    except (UnicodeDecodeError, ValueError, RecursionError) as error:
        raise TableRefused(f"{name} is no JSON that can be read ({error}).") from None
    told = content if isinstance(content, list) else [content]
    if len(told) > MAX_ROWS:
        raise TableRefused(f"{name} holds more than {MAX_ROWS:,} milestones. Split it.")
    newest: dict[str, tuple[datetime, int, tuple[str, ...]]] = {}
    undated = 0
    for position, one in enumerate(told, start=1):
        found, state, where = _milestone(name, position, one)
        if found.due_on is None and state != "deleted":
            undated += 1
            continue
        key = f"{where.casefold()}#{found.number}"
        at = _utc(found.updated_at)
        closed = _utc(found.closed_at).astimezone(zone) if found.closed_at else None
        cells = (
            project or where.partition("/")[2].casefold(),
            found.title,
            due_day(found.due_on).isoformat() if found.due_on else "",
            closed.date().isoformat() if state == "closed" and closed else "",
            key,
            at.isoformat() if found.updated_at else "",
            state,
        )
        if key not in newest or newest[key][0] <= at:
            newest[key] = (at, position, cells)
    if not newest:
        raise TableRefused(f"{name} holds no milestone with a due date.")
    rows = tuple(
        SheetRow(line, cells)
        for _, line, cells in sorted(newest.values(), key=lambda item: item[1])
    )
    notes = (
        (f"Left out, as GitHub gives them no due date: {undated}.",) if undated else ()
    )
    return Sheet(name, hashlib.sha256(raw).hexdigest(), HEADINGS, rows), notes


def _utc(moment: datetime | None) -> datetime:
    if moment is None:
        return datetime(1970, 1, 1, tzinfo=UTC)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _milestone(name: str, position: int, told: Any) -> tuple[_Milestone, str, str]:
    """A milestone, its state (`open`, `closed` or `deleted`), and its repository."""
    where = f"{name}, entry {position}"
    if not isinstance(told, dict):
        raise TableRefused(f"{where} is no GitHub milestone.")
    payload = told.get("milestone")
    if payload is None and isinstance(told.get("issue"), dict):
        payload = told["issue"].get("milestone")
    if payload is None:
        payload = told
    try:
        found = _Milestone.model_validate(payload)
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        at = ".".join(str(part) for part in fault["loc"])
        raise TableRefused(
            f"{where} is no GitHub milestone: {at}: {str(fault['msg']).lower()}."
        ) from None
    repository = told.get("repository")
    full_name = repository.get("full_name") if isinstance(repository, dict) else None
    page = _PAGE.search(found.html_url) or _PAGE.search(found.url)
    known = str(full_name) if full_name else page[1] if page else ""
    if not known:
        raise TableRefused(
            f"{where} does not say which repository it is of; give the payload whole."
        )
    is_deleted = (
        "milestone" in told and "issue" not in told and told.get("action") == "deleted"
    )
    state = "deleted" if is_deleted else "closed" if found.state == "closed" else "open"
    return found, state, known
