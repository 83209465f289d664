"""Reading tables that people bring: CSV and XLSX, told apart by what is in them and not by their names."""

import hashlib
from pathlib import Path

from workflows.sources import csv_text, workbook
from workflows.sources.sheet import MAX_BYTES, Sheet, TableRefused

_GIVE = "Give a CSV or XLSX file."
_OTHER = (
    (
        b"\xd0\xcf\x11\xe0",
        "an old Excel file (XLS), or one protected by a password. Save it as XLSX without a password",
    ),
    (b"\x1f\x8b", "compressed (gzip). Unpack it first"),
    (b"%PDF", "a PDF. Export the table as CSV or XLSX"),
    (b"PAR1", "a Parquet file. Export the table as CSV or XLSX"),
)


def read(path: Path) -> Sheet:
    """The table in a file. Raises TableRefused with what to do; nothing but this one file is opened."""
    return parse(path.name or str(path), content(path))


def content(path: Path) -> bytes:
    """What a file holds. Raises TableRefused for what is no file, too large, or empty."""
    return _bytes(path, path.name or str(path))


def parse(name: str, raw: bytes) -> Sheet:
    """The table in the content of a file called `name`. Raises TableRefused."""
    for magic, what in _OTHER:
        if raw.startswith(magic):
            raise TableRefused(f"{name} is {what}.")
    reader = workbook if raw.startswith(b"PK\x03\x04") else csv_text
    headings, rows = reader.read(name, raw)
    if not headings:
        raise TableRefused(f"{name} holds no table: its first row must be headings. {_GIVE}")
    if not rows:
        raise TableRefused(f"{name} has headings and no rows.")
    return Sheet(name, hashlib.sha256(raw).hexdigest(), headings, rows)


def _bytes(path: Path, name: str) -> bytes:
    try:
        if path.is_dir():
            raise TableRefused(f"{path} is a directory. {_GIVE}")
        if path.exists() and not path.is_file():
            raise TableRefused(f"{path} is no ordinary file. {_GIVE}")
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise TableRefused(f"{path}: there is no such file.") from None
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or type(error).__name__
        raise TableRefused(f"{path} cannot be read ({why}).") from None
    if len(raw) > MAX_BYTES:
        raise TableRefused(
            f"{name} is larger than {MAX_BYTES:,} bytes. Split it, or leave out what is not imported."
        )
    if not raw.strip():
        raise TableRefused(f"{name} is empty. {_GIVE}")
    return raw
