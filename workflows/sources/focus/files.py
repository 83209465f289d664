"""Which files a load reads: files as given, folders by their manifests, and never a file outside the folder."""

import os
import re
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from workflows.sources.errors import CostFileRefused, FileTooLarge
from workflows.sources.focus import manifests
from workflows.sources.focus.wording import shown

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
    listed = manifests.listed_files(
        root, [path for path in everything if manifests.is_manifest(path)]
    )
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
