"""Broken and hostile files: each is told apart, with what to do about it, and nothing of it is counted."""

import gzip
import os
import re
import zlib
from decimal import Decimal
from pathlib import Path

import pytest

from tests.sources.bill import ROW, csv_text, groups, parquet, row, totals, write
from workflows.sources import focus
from workflows.sources.errors import CostFileRefused, DamagedFile, FileTooLarge, NotFocus
from workflows.sources.focus import BadRow, ReadOptions

pytestmark = pytest.mark.slow

GOOD = csv_text([row(SubAccountName=f"n{n}") for n in range(50)]).encode()
MIXED_ENDS = csv_text([row(Tags="{}")] * 9).encode().replace(b"\n", b"\r\n", 4)
LEAKS = re.compile(r"/proc|/tmp|duckdb|Traceback|Error:", re.IGNORECASE)


def refused(path: Path, kind: type[CostFileRefused], match: str, **options: int) -> None:
    """Reads `path` and holds its refusal against what is expected; its sentence shows nothing of the inside."""
    with pytest.raises(kind, match=match) as caught:
        focus.read([path], options=ReadOptions(**options)).close()
    assert type(caught.value) is kind
    assert not LEAKS.search(caught.value.sentence)
    assert caught.value.sentence.endswith(".")


def bad_rows(path: Path, **options: int) -> tuple[int, tuple[BadRow, ...], int]:
    """How many rows are bad, those listed, and how many rows are counted."""
    with focus.read([path], options=ReadOptions(**options)) as read:
        return read.bad_row_count, read.bad_rows, read.rows


def utf16() -> bytes:
    return GOOD.decode().encode("utf-16")


@pytest.mark.parametrize(
    ("content", "kind", "match"),
    [
        (b"", CostFileRefused, "empty"),
        (b"\n", NotFocus, "not a FOCUS file"),
        (b"\x1f\x8b", DamagedFile, "gzip"),
        (gzip.compress(b"", mtime=0), DamagedFile, "nothing in it"),
        (gzip.compress(GOOD, mtime=0)[:-20], DamagedFile, "cut off"),
        (gzip.compress(GOOD, mtime=0)[:-8] + b"\0" * 8, DamagedFile, "damaged gzip"),
        (gzip.compress(GOOD, mtime=0) + b"more", DamagedFile, "damaged gzip"),
        (gzip.compress(gzip.compress(GOOD, mtime=0), mtime=0), NotFocus, "packed twice"),
        (b"PAR1" + b"x" * 100, DamagedFile, "Parquet"),
        (b"PARE" + b"x" * 100, NotFocus, "encrypted"),
        (b"PK\x03\x04" + b"x" * 100, NotFocus, "XLSX"),
        (b"\x28\xb5\x2f\xfd" + b"x" * 100, NotFocus, "zstd"),
        (b"%PDF-1.7", NotFocus, "PDF"),
        (b"\x7fELF" + b"\0" * 100, NotFocus, "not a text file"),
        (GOOD.decode().encode("utf-16"), DamagedFile, "UTF-16"),
        (GOOD.decode().encode("utf-16-le"), DamagedFile, "UTF-16"),
        (GOOD.replace(b"ServiceName", b"Service\xe9"), DamagedFile, "Latin-1"),
        (GOOD + b"a\x00b\n", DamagedFile, "NUL"),
        (b"," * 1_000_000 + b"\n" + GOOD, FileTooLarge, "heading|columns"),
        (b"," * 900_000 + b"\n" + GOOD, FileTooLarge, "900,001 columns"),
        (b"x" * 2_000_000, FileTooLarge, "first line"),
        (b'"open,' + GOOD, DamagedFile, "quotation mark"),
        (MIXED_ENDS, DamagedFile, "line ends"),
        (GOOD + b'1,"never closed\n' + GOOD, DamagedFile, "line 52 is never closed"),
        (b"name,amount\na,1\n", NotFocus, "not a FOCUS file"),
        (b"<html><body>Sign in</body></html>\n", NotFocus, "not a FOCUS file"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused(
    tmp_path: Path, content: bytes, kind: type[CostFileRefused], match: str
) -> None:
    path = tmp_path / "bill.csv"
    path.write_bytes(content)
    refused(path, kind, match)


@pytest.mark.parametrize("missing", ["BilledCost", "BillingCurrency", "ChargeCategory"])
@pytest.mark.parametrize("name", ["bill.csv", "bill.parquet"])
def test_a_missing_column_is_named(tmp_path: Path, missing: str, name: str) -> None:
    one = {name: value for name, value in ROW.items() if name != missing}
    refused(write(tmp_path / name, [one]), NotFocus, f"looks like FOCUS but lacks {missing}")


@pytest.mark.parametrize(
    ("heading", "match"),
    [
        ("identity/LineItemId,lineItem/UnblendedCost", "AWS Cost and Usage Report"),
        ("line_item_unblended_cost,bill_payer_account_id", "AWS Cost and Usage Report"),
        ("SubscriptionGuid,PreTaxCost,Currency", "native Azure"),
        ("Abonnement-GUID (SubscriptionGuid),PreTaxCost (PreTaxCost)", "native Azure"),
        ("lineItem/referenceNo,cost/myCost", "Oracle"),
        ("billing_account_id,service.id,usage_start_time,cost", "Google"),
    ],
)
def test_another_format_is_named(tmp_path: Path, heading: str, match: str) -> None:
    path = tmp_path / "bill.csv"
    path.write_text(heading + "\n1,2\n", encoding="utf-8")
    refused(path, NotFocus, match)


def test_a_cut_off_parquet_file(tmp_path: Path) -> None:
    path = write(tmp_path / "bill.parquet", [row()])
    whole = path.read_bytes()
    for length in (len(whole) - 1, len(whole) // 2, 8):
        path.write_bytes(whole[:length])
        refused(path, DamagedFile, "Parquet")
    path.write_bytes(whole[:300] + bytes(reversed(whole[300:-8])) + whole[-8:])
    refused(path, DamagedFile, "Parquet|table")


def test_a_gzip_bomb_is_stopped(tmp_path: Path) -> None:
    path = tmp_path / "bill.csv.gz"
    packer = zlib.compressobj(9, wbits=31)
    rows = b"".join([b"," * 11 + b"\n"] * 100_000)
    with path.open("wb") as sink:
        sink.write(packer.compress(GOOD))
        for _ in range(60):
            sink.write(packer.compress(rows))
        sink.write(packer.flush())
    assert path.stat().st_size < 2_000_000
    refused(path, FileTooLarge, "more than 200 times its size")
    refused(path, FileTooLarge, "more than 0.01 GB", max_unpacked_bytes=10_000_000)


def test_too_little_memory_and_disk_is_a_refusal(tmp_path: Path) -> None:
    many = [row(SubAccountName=f"{n}" * 300) for n in range(30_000)]
    path = write(tmp_path / "bill.csv", many)
    refused(path, FileTooLarge, "memory", memory_mb=12, threads=1, max_spill_gb=0)


def test_what_is_not_a_file(tmp_path: Path) -> None:
    refused(tmp_path / "absent.csv", CostFileRefused, "not there")
    (tmp_path / "empty").mkdir()
    refused(tmp_path / "empty", CostFileRefused, "no cost files")
    os.mkfifo(tmp_path / "pipe.csv")
    refused(tmp_path / "pipe.csv", CostFileRefused, "not a regular file")
    refused(Path("/dev/zero"), CostFileRefused, "not a regular file")
    with pytest.raises(CostFileRefused, match="No cost file"):
        focus.read([], options=ReadOptions())


@pytest.mark.parametrize(
    "name",
    [
        "it's; DROP TABLE groups; --.csv",
        'quo"te.csv',
        "glob*[ab]?.csv",
        "https:__evil.csv",
        "new\nline.csv",
        "Ünïcode 漢 \u202e.csv",
        "-v.csv",
    ],
)
def test_any_file_name_is_only_a_name(tmp_path: Path, name: str) -> None:
    bill = write(tmp_path / name, [row()])
    decoy = write(tmp_path / "globa.csv", [row(BilledCost="99")])
    assert totals(bill) == {"USD": Decimal("1.5")}
    assert decoy.exists()


def test_names_of_parquet_columns_are_only_names(tmp_path: Path) -> None:
    bill = parquet(tmp_path / "b.parquet", [row() | {"x_1 FROM y; --'": "1"}])
    assert groups(bill)[0].rows == 1


def test_duckdb_can_reach_nothing_else(tmp_path: Path) -> None:
    import duckdb

    other = write(tmp_path / "other.csv", [row()])
    with focus.read([write(tmp_path / "bill.csv", [row()])], options=ReadOptions()) as read:
        inside = read._engine._connection
        for statement in (
            f"SELECT * FROM read_csv('{other}')",
            "SELECT * FROM read_text('/etc/hostname')",
            f"COPY (SELECT 1) TO '{tmp_path / 'out.csv'}'",
            f"ATTACH '{tmp_path / 'out.db'}' AS out",
            "SELECT * FROM 'https://example.org/x.csv'",
            "INSTALL httpfs",
            "LOAD httpfs",
            "SET memory_limit = '64GB'",
            "SET enable_external_access = true",
            "SELECT * FROM read",
        ):
            with pytest.raises(duckdb.Error):
                inside.execute(statement)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bill.csv", "other.csv"]


def test_nothing_is_left_behind(tmp_path: Path) -> None:
    spill = tmp_path / "spill"
    spill.mkdir()
    open_before = len(os.listdir("/proc/self/fd"))
    with focus.read(
        [write(tmp_path / "bill.csv", [row()])], options=ReadOptions(spill_directory=spill)
    ):
        assert len(list(spill.iterdir())) == 1
    (tmp_path / "bad.csv").write_bytes(b"a,b\n")
    with pytest.raises(NotFocus):
        focus.read([tmp_path / "bad.csv"], options=ReadOptions(spill_directory=spill))
    assert list(spill.iterdir()) == []
    assert len(os.listdir("/proc/self/fd")) == open_before


BAD_VALUES = [
    ("BilledCost", "", "empty"),
    ("BilledCost", "NULL", "empty"),
    ("BilledCost", "1,50", "comma"),
    ("BilledCost", "1,234.50", "comma"),
    ("BilledCost", "$5", "not a number"),
    ("BilledCost", "=1+1", "not a number"),
    ("BilledCost", "NaN", "not a number"),
    ("BilledCost", "inf", "not a number"),
    ("BilledCost", "0x10", "not a number"),
    ("EffectiveCost", "1.1234567890123456789", "more than 18 decimals"),
    ("EffectiveCost", "1e-19", "more than 18 decimals"),
    ("EffectiveCost", "-12345678901.123456789012345678901", "more than 18 decimals"),
    ("BilledCost", "1000000000000000", "larger than any cost"),
    ("BilledCost", "9" * 40, "larger than any cost"),
    ("BilledCost", "1e400", "too large"),
    ("ChargePeriodStart", "4/1/25", "local style"),
    ("BillingPeriodStart", "18.09.2024", "local style"),
    ("ChargePeriodStart", "2024-02-30T00:00:00Z", "not a date"),
    ("ChargePeriodStart", "0024-09-18", "not a date"),
    ("ChargePeriodStart", "infinity", "not a date"),
    ("ChargePeriodStart", "45553", "not a date"),
    ("BillingPeriodStart", "(null)", "empty"),
    ("BillingCurrency", "Dollars", "three letters"),
    ("BillingCurrency", "", "empty"),
    ("BillingAccountId", "NULL", "empty"),
    ("ChargeCategory", "", "empty"),
]


@pytest.mark.parametrize("name", ["bill.csv", "bill.csv.gz", "bill.parquet"])
def test_a_bad_value_is_named_with_its_line(tmp_path: Path, name: str) -> None:
    faulty = [row(**{column: value}) for column, value, _ in BAD_VALUES]
    path = write(tmp_path / name, [row(), row(SubAccountName="two\nlines"), *faulty])
    count, listed, counted = bad_rows(path)
    assert (count, counted) == (len(BAD_VALUES), 2)
    first = 3 if name == "bill.parquet" else 5  # Parquet has rows and no lines
    for line, bad, (column, value, reason) in zip(
        range(first, first + count), listed, BAD_VALUES, strict=True
    ):
        nothing = value in {"", "NULL", "(null)"}
        assert (bad.line, bad.column) == (line, column)
        assert bad.value == (None if nothing else value)
        assert reason in bad.reason


def test_every_way_to_write_an_exact_amount_is_read(tmp_path: Path) -> None:
    ways = "0.123456789012345678 -1.5E-3 1e3 +2 .5 7. -0.0 1.50000000000000000000000"
    rows = [row(BilledCost=way, ServiceName=way) for way in [*ways.split(), " 8 "]]
    for group in groups(write(tmp_path / "bill.csv", rows)):
        assert group.billed == Decimal(group.service.strip())


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"1,2", "fewer fields"),
        (b"1," * 30, "more fields"),
        (b'1,"x"y,3,4,5,6,7,8,9,10,11,12', "quotation mark"),
        (GOOD.splitlines()[1].replace(b"n0", b"caf\xe9"), "not UTF-8"),
        (b"1," + b"x" * 1_100_000, "longer than 1,000,000 bytes"),
    ],
)
@pytest.mark.parametrize("name", ["bill.csv", "bill.csv.gz"])
def test_a_line_that_is_no_row_is_named(
    tmp_path: Path, name: str, line: bytes, reason: str
) -> None:
    content = GOOD + line + b"\n" + GOOD.partition(b"\n")[2]
    path = tmp_path / name
    path.write_bytes(gzip.compress(content) if name.endswith("gz") else content)
    count, [bad], counted = bad_rows(path)
    assert (count, bad.line, counted) == (1, 52, 100)
    assert reason in bad.reason


def test_bad_rows_are_counted_beyond_those_listed(tmp_path: Path) -> None:
    rows = [row(BilledCost="x" if n % 2 else "1") for n in range(200)]
    for name in ("bill.csv", "bill.csv.gz", "bill.parquet"):
        count, listed, counted = bad_rows(write(tmp_path / name, rows), max_bad_rows=7)
        assert (count, len(listed), counted) == (100, 7, 100)
        first = 3 if "csv" in name else 2
        assert [bad.line for bad in listed] == [first + 2 * n for n in range(7)]


def test_a_thousand_times_too_many_broken_lines_are_a_broken_file(tmp_path: Path) -> None:
    path = tmp_path / "bill.csv"
    path.write_bytes(GOOD + b"1,2\n" * 20_000)
    refused(
        path, DamagedFile, "rows that cannot be split into fields. The first, on line 52, has fewer"
    )


def test_sums_beyond_what_can_be_kept(tmp_path: Path) -> None:
    rows = [row(BilledCost="999999999999999")] * 100_001
    refused(write(tmp_path / "bill.csv.gz", rows), DamagedFile, "add up to more")


def test_amounts_that_are_none_are_bad_rows_however_large(tmp_path: Path) -> None:
    rows = [row(BilledCost="9" * 20)] * 50 + [row()]
    count, [first, *_], counted = bad_rows(write(tmp_path / "bill.csv", rows))
    assert (count, counted, first.line) == (50, 1, 2)


def test_text_of_a_bad_value_is_cut_and_flat(tmp_path: Path) -> None:
    bill = write(tmp_path / "bill.csv", [row(BilledCost="a\nb\x1b" + "c" * 500)])
    _, [bad], _ = bad_rows(bill)
    assert bad.value is not None
    assert bad.value.startswith("a b c")
    assert len(bad.value) == 81


def test_a_file_that_changes_underway_is_refused(tmp_path: Path) -> None:
    bill = write(tmp_path / "bill.csv", [row()] * 20_000)

    def grow(_: object) -> None:
        with bill.open("a", encoding="utf-8") as more:
            more.write(csv_text([row()]).partition("\n")[2])

    with pytest.raises(CostFileRefused, match=r"changed while it was read|reliably"):
        focus.read([bill], options=ReadOptions(), progress=grow)
