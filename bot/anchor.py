"""The anchor: a file or an http(s) URL outside the database that keeps what a copy of the database cannot know.

It holds one line of JSON for each head of the ledger that was published (`{"seq": …, "hash": …, "at": …}`), for each
person who was erased (`{"erased": "p_…", "seq": …, "at": …}`, no name), and for each copy that was put in place
(`{"restored": …, "hash": …, "known": …, "at": …}`). Lines are only ever added.
"""

import json
import os
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx

from workflows.audit.service import Kept, NotedErasure, NotedRestoration, PublishedHead
from workflows.errors import GovernanceError
from workflows.sources import http

SECONDS = 10.0
"""How long an anchor may take to answer."""

Noted = PublishedHead | NotedErasure | NotedRestoration
"""What the anchor is told."""


class AnchorUnreachable(GovernanceError):
    """The place that keeps the ledger's heads could not be written or read."""


def _is_url(anchor: str) -> bool:
    return anchor.startswith(("http://", "https://"))


def find_place_fault(anchor: str | None) -> str:
    """Why heads could not be kept in the file `anchor`, with the mend; empty when they can, or when it is an address."""
    if anchor is None or _is_url(anchor):
        return ""
    path = Path(anchor).absolute()
    if path.is_dir():
        return f"MLGOV_ANCHOR names a folder, {path}; name a file in it, like {path / 'mlgov-heads.jsonl'}."
    if path.exists():
        if os.access(path, os.R_OK | os.W_OK):
            return ""
        return f"MLGOV_ANCHOR: {path} can't be read and written by this user. Give it to the user that runs mlgov."
    folder = next(one for one in path.parents if one.exists())
    if not folder.is_dir() or not os.access(folder, os.W_OK | os.X_OK):
        return f"MLGOV_ANCHOR: {path} can't be made, as this user may not write in {folder}. Correct one of them."
    return ""


def require_place(anchor: str | None) -> None:
    """Raises AnchorUnreachable when heads could not be kept in the file: the ledger would be without a witness."""
    if wrong := find_place_fault(anchor):
        raise AnchorUnreachable(wrong)


def _line(noted: Noted) -> str:
    facts: dict[str, Any]
    match noted:
        case PublishedHead(seq=seq, hash=digest):
            facts = {"seq": seq, "hash": digest}
        case NotedErasure(person_id=person_id, seq=seq):
            facts = {"erased": person_id, "seq": seq}
        case NotedRestoration(seq=seq, hash=digest, known=known):
            facts = {"restored": seq, "hash": digest, "known": known}
    return json.dumps(facts | {"at": noted.at.isoformat()})


def keep(anchor: str, noted: Noted) -> None:
    """Add a line of JSON at the end of the file, or POST it. Raises AnchorUnreachable."""
    line = _line(noted)
    if _is_url(anchor):
        try:
            with http.make_client(timeout=SECONDS) as client:
                client.post(
                    anchor, content=line, headers={"content-type": "application/json"}
                ).raise_for_status()
        except httpx.HTTPError as error:
            raise AnchorUnreachable(
                f"The anchor {anchor} did not take the head ({type(error).__name__})."
            ) from error
        return
    path = Path(anchor)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a", encoding="utf-8") as file:
            file.write(line + "\n")
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise AnchorUnreachable(
            f"The anchor {anchor} cannot be written ({error.strerror})."
        ) from error


def read_heads(anchor: str) -> list[tuple[int, str]]:
    """Every head with which the ledger must agree, as (entries, hash). Raises AnchorUnreachable."""
    return list(read(anchor).heads)


def read(anchor: str, *, may_be_missing: bool = False) -> Kept:
    """Everything that the anchor keeps. A URL must answer GET with the lines that were posted.

    Raises AnchorUnreachable for what cannot be read, and for a line that is none of ours: an anchor that was tampered
    with must not pass for an empty one. A file that `may_be_missing` was not written yet.
    """
    return _parsed(anchor, _text(anchor, may_be_missing=may_be_missing))


def _text(anchor: str, *, may_be_missing: bool) -> str:
    if _is_url(anchor):
        try:
            with http.make_client(timeout=SECONDS) as client:
                answer = client.get(anchor)
            answer.raise_for_status()
        except httpx.HTTPError as error:
            raise AnchorUnreachable(
                f"The anchor {anchor} could not be read ({type(error).__name__})."
            ) from error
        return answer.text
    path = Path(anchor)
    if not path.exists():
        if may_be_missing:
            return ""
        raise AnchorUnreachable(
            f"The anchor {anchor} is not there. If it was never written, verify without MLGOV_ANCHOR."
        )
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise AnchorUnreachable(
            f"The anchor {anchor} cannot be read ({type(error).__name__})."
        ) from error


def _parsed(anchor: str, text: str) -> Kept:
    heads: list[tuple[int, str]] = []
    erasures: list[NotedErasure] = []
    restorations: list[NotedRestoration] = []
    last_at: datetime | None = None
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        try:
            data = json.loads(line)
            if "erased" in data:
                erasures.append(
                    NotedErasure(str(data["erased"]), int(data["seq"]), _moment(data["at"]))
                )
            elif "restored" in data:
                back_to = int(data["restored"])
                restorations.append(
                    NotedRestoration(
                        back_to, str(data["hash"]), int(data["known"]), _moment(data["at"])
                    )
                )
                heads = [head for head in heads if head[0] <= back_to]
                heads.append((back_to, str(data["hash"])))
                at = _moment(data["at"])
                last_at = max(at, last_at or at)
            else:
                heads.append((int(data["seq"]), str(data["hash"])))
                if "at" in data:
                    at = _moment(data["at"])
                    last_at = max(at, last_at or at)
        except (ValueError, KeyError, TypeError):
            raise AnchorUnreachable(
                f"The anchor {anchor}, line {number}, holds no head of a ledger."
            ) from None
    return Kept(tuple(heads), tuple(erasures), tuple(restorations), last_at)


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("a time without a zone")
    return moment
