"""The anchor: a file or an http(s) URL outside the database that keeps every head that was published."""

import json
import os
from pathlib import Path

import httpx

from workflows.audit.records import PublishedHead
from workflows.errors import GovernanceError


class AnchorUnreachable(GovernanceError):
    """The place that keeps the ledger's heads could not be written or read."""


def _is_url(anchor: str) -> bool:
    return anchor.startswith(("http://", "https://"))


def place_fault(anchor: str | None) -> str:
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
    if wrong := place_fault(anchor):
        raise AnchorUnreachable(wrong)


def keep(anchor: str, head: PublishedHead) -> None:
    """Add a head: a line of JSON at the end of the file, or the body of a POST. Raises AnchorUnreachable."""
    line = json.dumps({"seq": head.seq, "hash": head.hash, "at": head.at.isoformat()})
    if _is_url(anchor):
        try:
            httpx.post(
                anchor,
                content=line,
                headers={"content-type": "application/json"},
                timeout=10,
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


def kept(anchor: str) -> list[tuple[int, str]]:
    """Every head that the anchor kept, as (entries, hash). A URL must answer GET with the same lines.

    Raises AnchorUnreachable for what cannot be read, and for a line that is no head: an anchor that was tampered with
    must not pass for an empty one.
    """
    if _is_url(anchor):
        try:
            answer = httpx.get(anchor, timeout=10)
            answer.raise_for_status()
        except httpx.HTTPError as error:
            raise AnchorUnreachable(
                f"The anchor {anchor} could not be read ({type(error).__name__})."
            ) from error
        text = answer.text
    else:
        path = Path(anchor)
        if not path.exists():
            raise AnchorUnreachable(
                f"The anchor {anchor} is not there. If it was never written, verify without MLGOV_ANCHOR."
            )
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise AnchorUnreachable(
                f"The anchor {anchor} cannot be read ({type(error).__name__})."
            ) from error
    heads = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        try:
            data = json.loads(line)
            heads.append((int(data["seq"]), str(data["hash"])))
        except (ValueError, KeyError, TypeError):
            raise AnchorUnreachable(
                f"The anchor {anchor}, line {number}, holds no head of a ledger."
            ) from None
    return heads
