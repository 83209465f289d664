"""The anchor: a file or an http(s) URL outside the database that keeps every head that was published."""

import json
import os
from pathlib import Path

import httpx

from workflows.audit.records import PublishedHead
from workflows.errors import GovernanceError
from workflows.sources import http

SECONDS = 10.0
"""How long an anchor may take to answer."""


class AnchorUnreachable(GovernanceError):
    """The place that keeps the ledger's heads could not be written or read."""


def _is_url(anchor: str) -> bool:
    return anchor.startswith(("http://", "https://"))


def keep(anchor: str, head: PublishedHead) -> None:
    """Add a head: a line of JSON at the end of the file, or the body of a POST. Raises AnchorUnreachable."""
    line = json.dumps({"seq": head.seq, "hash": head.hash, "at": head.at.isoformat()})
    if _is_url(anchor):
        try:
            with http.client(timeout=SECONDS) as client:
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


def kept(anchor: str) -> list[tuple[int, str]]:
    """Every head that the anchor kept, as (entries, hash). A URL must answer GET with the same lines.

    Raises AnchorUnreachable for what cannot be read, and for a line that is no head: an anchor that was tampered with
    must not pass for an empty one.
    """
    if _is_url(anchor):
        try:
            with http.client(timeout=SECONDS) as client:
                answer = client.get(anchor)
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
