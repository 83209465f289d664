"""The manifests that AWS Data Exports and Azure Cost Management put beside their files.

A manifest is delivered last and lists the files of one run; of several runs of one period only the latest counts.
What no manifest lists belongs to an older run or to one that is still being written.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from workflows.sources.errors import CostFileRefused, DamagedFile, NotFocus
from workflows.sources.focus.wording import shown

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


def _aws(path: Path, data_files: list[Any]) -> Manifest:
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


def _keys(entries: list[Any]) -> Iterator[str]:
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
