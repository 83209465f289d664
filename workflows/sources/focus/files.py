"""Which files a load reads: files as given, folders by their manifests, and never a file outside the folder."""

import csv
import json
import os
import re
import stat
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from workflows.sources.errors import CostFileRefused, DamagedFile, FileTooLarge, NotFocus
from workflows.sources.focus import columns
from workflows.sources.focus.columns import shown

# --- What a file is, told by its first bytes and never by its name; and the heading of a CSV
#     file

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


# --- The manifests that AWS Data Exports and Azure Cost Management put beside their files
#
# A manifest is delivered last and lists the files of one run; of several runs of one period
# only the latest counts. What no manifest lists belongs to an older run or to one that is still
# being written.

MAX_BYTES = 20_000_000
_PERIOD = re.compile(r"BILLING_PERIOD=\d{4}-\d{2}")


@dataclass(frozen=True, slots=True)
class Manifest:
    """One run of an export: `export` and `period` say what it replaces, the greatest `run` counts."""

    path: Path
    export: str
    period: str
    run: str
    files: tuple[PurePosixPath, ...]


def is_manifest(path: Path) -> bool:
    """Whether the name is one that AWS (`<export>-Manifest.json`) or Azure (`manifest.json`) gives."""
    return path.name.lower().endswith("manifest.json")


def listed_files(root: Path, candidates: list[Path]) -> dict[Path, str] | None:
    """The files of the latest run of each export and period, with their export; None where there is no manifest at all.

    Raises CostFileRefused when a manifest is broken, lists a file that is not in the folder, or is not of a FOCUS export.
    """
    latest: dict[tuple[str, str], Manifest] = {}
    for path in candidates:
        manifest = _read(root, path)
        if manifest is None:
            continue
        key = (manifest.export, manifest.period)
        if key not in latest or latest[key].run < manifest.run:
            latest[key] = manifest
    if not latest:
        return None
    exports: dict[Path, str] = {}
    for manifest in latest.values():
        for listed in manifest.files:
            exports[_locate(root, manifest, listed)] = manifest.export
    return exports


def _read(root: Path, path: Path) -> Manifest | None:
    name = shown(path.relative_to(root).as_posix())
    if path.stat().st_size > MAX_BYTES:
        raise DamagedFile(f"The manifest {name} is larger than any manifest. Export again.")
    try:
        body = json.loads(path.read_bytes())
    except (ValueError, RecursionError):
        raise DamagedFile(
            f"The manifest {name} is not readable JSON. Copy the export folder again."
        ) from None
    if not isinstance(body, dict):
        return None
    if isinstance(body.get("blobs"), list):
        return _azure(path, name, body)
    if isinstance(body.get("dataFiles"), list):
        return _aws(path, body["dataFiles"])
    if isinstance(body.get("reportKeys"), list):
        raise NotFocus(
            f"The manifest {name} is of a native AWS Cost and Usage Report, not FOCUS. "
            "In AWS Billing, under Data Exports, create an export of a FOCUS table and give its folder."
        )
    return None


def _aws(path: Path, data_files: list[object]) -> Manifest:
    """.../metadata/BILLING_PERIOD=YYYY-MM[/<time>-<run>]/<export>-Manifest.json with s3:// addresses in dataFiles."""
    files = tuple(PurePosixPath(key) for key in _keys(data_files))
    places = [*path.parent.parts, *(part for file in files for part in file.parts)]
    period = next((part for part in places if _PERIOD.fullmatch(part)), "")
    run = "" if _PERIOD.fullmatch(path.parent.name) else path.parent.name
    # the folder above metadata/ tells two exports of one name apart
    owner = next((p.parent for p in path.parents if p.name == "metadata"), path.parent)
    return Manifest(path, f"{owner}|{path.name}", period, run, files)


def _azure(path: Path, name: str, body: dict[str, Any]) -> Manifest:
    config, run = body.get("exportConfig"), body.get("runInfo")
    config = config if isinstance(config, dict) else {}
    run = run if isinstance(run, dict) else {}
    kind = str(config.get("type", "FocusCost"))
    if not kind.lower().startswith("focus"):
        raise NotFocus(
            f"The manifest {name} is of an Azure export of the type {shown(kind)}, not FOCUS. "
            "In Cost Management, under Exports, create one of the type “Cost and usage details (FOCUS)”."
        )
    return Manifest(
        path,
        str(config.get("resourceId") or config.get("exportName") or ""),
        str(run.get("startDate", ""))[:10],
        str(run.get("submittedTime", "")),
        tuple(PurePosixPath(key) for key in _keys(body["blobs"])),
    )


def _keys(entries: list[object]) -> Iterator[str]:
    for entry in entries:
        key = entry
        if isinstance(entry, dict):
            key = entry.get("blobName") or entry.get("key") or entry.get("s3Key")
        if isinstance(key, str) and key:
            yield key.removeprefix("s3://")


def _locate(root: Path, manifest: Manifest, listed: PurePosixPath) -> Path:
    """The listed file in the folder, which may be a copy of any part of the bucket: the longest matching end of its address."""
    name = shown(listed.name)
    if ".." in listed.parts:
        raise CostFileRefused(
            f"The manifest {shown(manifest.path.name)} lists a file outside its export. Copy the export folder again."
        )
    parts = listed.parts[1:] if listed.is_absolute() else listed.parts
    bases = [manifest.path.parent, *manifest.path.parent.parents]
    for start in range(len(parts)):
        for base in bases:
            if not base.is_relative_to(root):
                break
            path = base.joinpath(*parts[start:])
            if path.is_file():
                if not path.resolve().is_relative_to(root):
                    raise CostFileRefused(
                        f"{name} is a link to something outside the folder. Copy the file itself into the folder."
                    )
                return path
    raise CostFileRefused(
        f"The manifest {shown(manifest.path.relative_to(root).as_posix())} lists {name}, which is not in the folder. "
        "Copy the whole export folder once its export has ended."
    )


# --- Which files a load reads
#
# files as given, folders by their manifests, and never a file outside the folder.

SUFFIXES = (".csv", ".gz", ".parquet")
MAX_FILES = 10_000
_PART = re.compile(r"(?i)(part|chunk)[-_.]?\d|\d{4,}")
"""How exporters number the parts of one export: `part_0_0001.csv`, `focus-00003.snappy.parquet`."""
_RUN_PARENT = re.compile(r"BILLING_PERIOD=.*|\d{8}-\d{8}")


@dataclass(frozen=True, slots=True)
class Given:
    """A file to read, and how it is named to people: as given, or by its path inside the folder given."""

    path: Path
    name: str
    export: str = ""
    """What the file is a part of: files of one export add up, those of two should not tell of the same days."""
    is_told_apart: bool = False
    """Whether the layout of a provider says which export it is; otherwise each file may be one."""


def collect(paths: Sequence[Path]) -> tuple[list[Given], list[str]]:
    """The files to read, each once, and remarks on what was left out.

    Raises CostFileRefused for what is not there, not a regular file, outside its folder, or ambiguous.
    """
    if not paths:
        raise CostFileRefused("No cost file was given.")
    given: dict[tuple[int, int], Given] = {}
    remarks: list[str] = []
    for path in paths:
        if path.is_dir():
            members, left_out = _folder(path)
            remarks += left_out
        else:
            members = [Given(path, shown(path.name), _part_of(path))]
        for member in members:
            about = _regular(member)
            given.setdefault((about.st_dev, about.st_ino), member)
    if len(given) > MAX_FILES:
        raise FileTooLarge(
            f"{len(given):,} files are more than one load reads ({MAX_FILES:,}). Give one billing period at a time."
        )
    return list(given.values()), remarks


def _regular(given: Given) -> os.stat_result:
    try:
        os.fsencode(given.path).decode("utf-8")
        about = given.path.stat()
    except UnicodeDecodeError:
        raise CostFileRefused(f"The name of {given.name} is not UTF-8. Rename the file.") from None
    except FileNotFoundError:
        raise CostFileRefused(
            f"{given.name} is not there. Check the name and the folder."
        ) from None
    except OSError as error:
        raise CostFileRefused(f"{given.name} cannot be opened: {error.strerror}.") from None
    if not stat.S_ISREG(about.st_mode):
        raise CostFileRefused(
            f"{given.name} is not a regular file. Give a CSV, gzip or Parquet file, or a folder of them."
        )
    if about.st_size == 0:
        raise CostFileRefused(
            f"{given.name} is empty (0 bytes). Export it again; the copy may have been interrupted."
        )
    return about


def _folder(folder: Path) -> tuple[list[Given], list[str]]:
    root = folder.resolve()
    everything = _walk(root)
    listed = listed_files(root, [path for path in everything if is_manifest(path)])
    data = [path for path in everything if path.name.lower().endswith(SUFFIXES)]
    remarks: list[str] = []
    if listed is not None:
        chosen = list(listed)
        left_out = len(set(data) - set(chosen))
        if left_out:
            remarks.append(
                f"{left_out} file(s) in {shown(folder.name)} were not read, because no current manifest lists them."
            )
    else:
        _refuse_several_runs(root, data)
        chosen = data
    if not chosen:
        raise CostFileRefused(
            f"The folder {shown(folder.name)} holds no cost files (.csv, .csv.gz or .parquet). Give the folder of the export."
        )
    return [_given(root, path, (listed or {}).get(path)) for path in chosen], remarks


def _given(root: Path, path: Path, export: str | None) -> Given:
    relative = path.relative_to(root)
    if export is None:
        parts = relative.parts
        place = next((i for i, part in enumerate(parts) if _RUN_PARENT.fullmatch(part)), None)
        export = str(root.joinpath(*parts[:place])) if place is not None else None
    return Given(path, shown(relative.as_posix()), export or _part_of(path), export is not None)


def _part_of(path: Path) -> str:
    is_part = _PART.search(path.name) is not None
    return str(path.parent / re.sub(r"\d+", "#", path.name)) if is_part else str(path)


def _walk(root: Path) -> list[Path]:
    """All visible files under `root`, sorted. A link that leaves the folder is refused; a linked folder is not entered."""
    files: list[Path] = []
    for place, folders, names in os.walk(root, followlinks=False):
        folders[:] = sorted(name for name in folders if not name.startswith((".", "_")))
        for name in sorted(names) + folders:
            path = Path(place, name)
            if path.is_symlink():
                if not path.resolve().is_relative_to(root):
                    raise CostFileRefused(
                        f"{shown(path.relative_to(root).as_posix())} is a link to something outside the folder. "
                        "Copy the file itself into the folder."
                    )
                if path.is_dir():
                    continue
            if name in names and not name.startswith("."):
                files.append(path)
        if len(files) > MAX_FILES * 2:
            raise FileTooLarge(
                f"The folder {shown(root.name)} holds more than {MAX_FILES * 2:,} files. Give one billing period at a time."
            )
    return files


def _refuse_several_runs(root: Path, data: list[Path]) -> None:
    """Exports that keep every run would be counted once per run, were all their files read."""
    runs: dict[Path, set[str]] = {}
    for path in data:
        parts = path.relative_to(root.parent).parts
        for place, part in enumerate(parts[:-2]):
            if _RUN_PARENT.fullmatch(part):
                runs.setdefault(Path(*parts[: place + 1]), set()).add(parts[place + 1])
    for period, names in runs.items():
        if len(names) > 1:
            raise CostFileRefused(
                f"{shown(period.name)} holds {len(names)} runs of the same export and no manifest that says which counts; "
                "reading all would count the cost several times. Give the whole export folder with its manifests, or one run."
            )
