"""What a file is, told by its first bytes and never by its name; and the heading of a CSV file."""

import csv
import os
import zlib
from dataclasses import dataclass

from workflows.sources.errors import DamagedFile, FileTooLarge, NotFocus
from workflows.sources.focus import columns

HEAD_BYTES = 1_000_000
GZIP = b"\x1f\x8b"
PARQUET = b"PAR1"
_ELSE = {
    b"PK\x03\x04": "a ZIP archive or a workbook (XLSX). Unpack it, or save the sheet as CSV UTF-8",
    b"\x28\xb5\x2f\xfd": "packed with zstd. Unpack it (zstd -d) or pack it with gzip",
    b"BZh": "packed with bzip2. Unpack it (bunzip2) or pack it with gzip",
    b"\xfd7zXZ\x00": "packed with xz. Unpack it (unxz) or pack it with gzip",
    b"PARE": "an encrypted Parquet file. Export it without encryption",
    b"%PDF": "a PDF, perhaps the invoice itself. Give the cost export",
    b"ORC": "an ORC file. Export CSV or Parquet",
    b"Obj\x01": "an Avro file. Export CSV or Parquet",
}


@dataclass(frozen=True, slots=True)
class CsvLayout:
    """How the text of a CSV file is laid out."""

    heading: tuple[str, ...]
    delimiter: str
    line_end: bytes
    """The byte that ends a line: b"\\n", also after \\r; or b"\\r" alone."""
    gzip: bool


def csv_layout(descriptor: int, file: str) -> CsvLayout | None:
    """The layout of a CSV or gzipped CSV file, or None for Parquet. Raises NotFocus or DamagedFile for anything else."""
    start = os.pread(descriptor, HEAD_BYTES, 0)
    if start.startswith(PARQUET):
        return None
    for magic, what in _ELSE.items():
        if start.startswith(magic):
            raise NotFocus(f"{file} is {what}.")
    packed = start.startswith(GZIP)
    if packed:
        start = _unpacked_head(start, file)
    return _layout(start, file, packed)


def _unpacked_head(start: bytes, file: str) -> bytes:
    try:
        head = zlib.decompressobj(wbits=31).decompress(start, HEAD_BYTES)
    except zlib.error:
        raise DamagedFile(f"{file} is a damaged gzip file. Download or export it again.") from None
    if not head:
        raise DamagedFile(f"{file} is a gzip file with nothing in it. Download or export it again.")
    if head.startswith((GZIP, PARQUET)):
        raise NotFocus(f"{file} is packed twice. Unpack it once (gunzip) and give the result.")
    return head


def _layout(head: bytes, file: str, packed: bool) -> CsvLayout:
    # ASCII in UTF-16 has a NUL in every other byte, with or without the mark at the start
    halves = [head[offset:100:2].count(0) for offset in (0, 1)]
    if head.startswith((b"\xff\xfe", b"\xfe\xff")) or abs(halves[0] - halves[1]) > 20:
        raise DamagedFile(
            f"{file} is UTF-16 text. Save it as UTF-8 (in a spreadsheet program: “CSV UTF-8”) and give that."
        )
    if b"\x00" in head[:4000]:
        raise NotFocus(f"{file} is not a text file. Give a FOCUS export as CSV, gzip or Parquet.")
    body = head.removeprefix(b"\xef\xbb\xbf")
    ends = [place for place in (body.find(b"\n"), body.find(b"\r")) if place >= 0]
    if not ends and len(head) >= HEAD_BYTES:
        raise FileTooLarge(
            f"The first line of {file} is longer than {HEAD_BYTES:,} bytes, so it is not the heading of a FOCUS file."
        )
    end = min(ends, default=len(body))
    line_end = b"\r" if ends and b"\n" not in body[end : end + 2] else b"\n"
    try:
        line = body[:end].decode("utf-8")
    except UnicodeDecodeError:
        raise DamagedFile(
            f"{file} is not UTF-8 text (it looks like Latin-1 or Windows-1252). Save it as UTF-8 and give that."
        ) from None
    if line.count('"') % 2:
        raise DamagedFile(
            f"In {file} a quotation mark in the first line is never closed, or a column name holds a line break. Export it again."
        )
    heading, delimiter = _split(line)
    return CsvLayout(heading, delimiter, line_end, packed)


def _split(line: str) -> tuple[tuple[str, ...], str]:
    """The heading by the separator that shows the most FOCUS columns; the comma unless another is better."""
    best: tuple[int, tuple[str, ...], str] = (-1, (), ",")
    for delimiter in (",", ";", "\t", "|"):
        try:
            names = tuple(next(csv.reader([line], delimiter=delimiter), []))
        except csv.Error:  # a field beyond the module's limit: no heading by this separator
            continue
        score = columns.known(names)
        if score > best[0]:
            best = (score, names, delimiter)
    return best[1], best[2]
