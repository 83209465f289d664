"""Folders: what the manifests of AWS and Azure list is read, and nothing twice or from outside."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.sources.bill import row, totals, write
from workflows.sources import focus
from workflows.sources.errors import CostFileRefused, DamagedFile, NotFocus
from workflows.sources.focus import ReadOptions


def put(path: Path, cost: str, **changes: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return write(path, [row(BilledCost=cost, **changes)])


def manifest(path: Path, body: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(body), encoding="utf-8")


def aws(root: Path, month: str, cost: str, *, run: str = "") -> str:
    """One run of an AWS export in `root`: a chunk and the manifest that lists it."""
    place = f"BILLING_PERIOD={month}" + (f"/{run}" if run else "")
    put(root / "data" / place / "bill-00001.csv.gz", cost, SubAccountId=month + run)
    listed = f"s3://bucket/prefix/export/data/{place}/bill-00001.csv.gz"
    manifest(root / "metadata" / place / "bill-Manifest.json", {"dataFiles": [listed]})
    return listed


def azure(root: Path, run: str, submitted: str, cost: str, kind: str = "FocusCost") -> None:
    place = f"20240901-20240930/{run}"
    put(root / place / "part_0_0001.csv", cost, SubAccountId=run)
    manifest(
        root / place / "manifest.json",
        {
            "exportConfig": {"exportName": "focus", "type": kind},
            "runInfo": {"submittedTime": submitted, "startDate": "2024-09-01T00:00:00"},
            "blobs": [{"blobName": f"costs/focus/{place}/part_0_0001.csv"}],
        },
    )


def test_a_folder_without_manifests_is_read_whole(tmp_path: Path) -> None:
    put(tmp_path / "a.csv", "1")
    put(tmp_path / "deep" / "b.csv.gz", "2")
    put(tmp_path / "deep" / "c.parquet", "4", SubAccountId="c")
    put(tmp_path / ".hidden.csv", "8")
    (tmp_path / "README.md").write_text("notes", encoding="utf-8")
    with focus.read([tmp_path], options=ReadOptions()) as read:
        assert [file.name for file in read.files] == ["a.csv", "deep/b.csv.gz", "deep/c.parquet"]
    assert totals(tmp_path) == {"USD": Decimal(7)}


def test_an_aws_export_is_read_by_its_manifests(tmp_path: Path) -> None:
    aws(tmp_path, "2024-08", "1")
    aws(tmp_path, "2024-09", "2")
    put(tmp_path / "data/BILLING_PERIOD=2024-09/bill-00002.csv.gz", "99")  # of a longer, older run
    put(tmp_path / "data/BILLING_PERIOD=2024-10/bill-00001.csv.gz", "99")  # still being written
    assert totals(tmp_path) == {"USD": Decimal(3)}
    with focus.read([tmp_path], options=ReadOptions()) as read:
        assert read.remarks[0].startswith("2 file(s)")


def test_of_several_aws_runs_the_latest_counts(tmp_path: Path) -> None:
    aws(tmp_path, "2024-09", "1", run="20240901T000000Z-1")
    aws(tmp_path, "2024-09", "2", run="20240930T000000Z-2")
    aws(tmp_path, "2024-08", "4", run="20240831T000000Z-3")
    assert totals(tmp_path) == {"USD": Decimal(6)}
    assert totals(tmp_path.parent / tmp_path.name) == {"USD": Decimal(6)}


def test_of_several_azure_runs_the_latest_counts(tmp_path: Path) -> None:
    azure(tmp_path, "1b4e", "2024-09-29T05:00:00Z", "1")
    azure(tmp_path, "0c2d", "2024-09-30T05:00:00Z", "2")
    assert totals(tmp_path) == {"USD": Decimal(2)}


def test_an_azure_export_of_another_type_is_refused(tmp_path: Path) -> None:
    azure(tmp_path, "1b4e", "2024-09-29T05:00:00Z", "1", kind="ActualCost")
    with pytest.raises(NotFocus, match="ActualCost"):
        focus.read([tmp_path], options=ReadOptions())


def test_runs_without_a_manifest_are_refused(tmp_path: Path) -> None:
    azure(tmp_path, "1b4e", "2024-09-29T05:00:00Z", "1")
    azure(tmp_path, "0c2d", "2024-09-30T05:00:00Z", "2")
    for path in tmp_path.rglob("manifest.json"):
        path.unlink()
    with pytest.raises(CostFileRefused, match="2 runs of the same export"):
        focus.read([tmp_path], options=ReadOptions())
    with pytest.raises(CostFileRefused, match="2 runs of the same export"):
        focus.read([tmp_path / "20240901-20240930"], options=ReadOptions())
    assert totals(tmp_path / "20240901-20240930" / "0c2d") == {"USD": Decimal(2)}


@pytest.mark.parametrize(
    ("body", "kind", "match"),
    [
        (
            {"dataFiles": ["s3://b/data/BILLING_PERIOD=2024-09/gone.csv.gz"]},
            CostFileRefused,
            "gone.csv.gz, which is not in",
        ),
        ({"dataFiles": ["s3://b/../../etc/passwd"]}, CostFileRefused, "outside its export"),
        ({"reportKeys": ["x.csv"]}, NotFocus, "native AWS"),
        ("{broken", DamagedFile, "not readable JSON"),
        ("[" * 100_000, DamagedFile, "not readable JSON"),
    ],
)
def test_a_manifest_that_does_not_fit_is_refused(
    tmp_path: Path, body: Any, kind: type[CostFileRefused], match: str
) -> None:
    put(tmp_path / "data/a.csv", "1")
    path = tmp_path / "metadata/bill-Manifest.json"
    manifest(path, {})
    path.write_text(body if isinstance(body, str) else json.dumps(body), encoding="utf-8")
    with pytest.raises(kind, match=match):
        focus.read([tmp_path], options=ReadOptions())


def test_a_link_out_of_the_folder_is_refused(tmp_path: Path) -> None:
    outside = put(tmp_path / "outside" / "secret.csv", "1")
    inside = tmp_path / "inside"
    put(inside / "a.csv", "2")
    (inside / "link.csv").symlink_to(inside / "a.csv")
    assert totals(inside) == {"USD": Decimal(2)}  # a link within the folder is the same file
    for target in (outside, outside.parent, Path("/etc/passwd")):
        link = inside / "out.csv"
        link.symlink_to(target)
        with pytest.raises(CostFileRefused, match="is a link to something outside"):
            focus.read([inside], options=ReadOptions())
        link.unlink()
    (inside / "loop").symlink_to(inside)
    assert totals(inside) == {"USD": Decimal(2)}
    given = tmp_path / "given.csv"
    given.symlink_to(outside)
    assert totals(given) == {"USD": Decimal(1)}  # whoever names a link means what it leads to


def test_a_manifest_cannot_lead_out_by_a_link(tmp_path: Path) -> None:
    outside = put(tmp_path / "outside" / "secret.csv", "1")
    root = tmp_path / "inside"
    manifest(root / "bill-Manifest.json", {"dataFiles": ["x/secret.csv"]})
    (root / "x").symlink_to(outside.parent)
    with pytest.raises(CostFileRefused, match="outside the folder"):
        focus.read([root], options=ReadOptions())
