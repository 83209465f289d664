"""One bill is counted once: in two spellings, in two exports, through a spreadsheet, with tags in any shape."""

from decimal import Decimal
from pathlib import Path

import pytest

from tests.sources.bill import groups, parquet, row, totals, write
from tests.sources.test_focus_folders import manifest, put
from workflows.sources import focus
from workflows.sources.accounts import are_one, find_tag, is_rounded, read_tags, same_account
from workflows.sources.errors import CostFileRefused
from workflows.sources.focus import ReadOptions

TEAM = ReadOptions(tag_keys=("project", "team"))


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (
            "Microsoft//providers/Microsoft.Billing/billingAccounts/ABCD-1",
            "Microsoft//providers/microsoft.billing/billingaccounts/abcd-1",
        ),
        ("Microsoft//providers/Microsoft.Billing/billingAccounts/ABCD-1", "Azure/abcd-1"),
        ("AWS/123456789012", "Amazon Web Services/123456789012"),
        ("AWS /123456789012", "AWS/ 123456789012"),
        ("AWS/012345678901", "Amazon Web Services, Inc./12345678901"),
        ("AWS/012345678901", "aws/12345678901.0"),
        ("AWS/1234-5678-9012", "AWS/123456789012"),
        ("Google Cloud/01E6E8-AAAAAA-D21FF3", "GCP/billingAccounts/01e6e8-aaaaaa-d21ff3"),
        ("unknown/42", "AWS/42"),
        ("gpu-farm", "GPU-Farm\u200b "),
    ],
)  # fmt: skip
def test_spellings_of_one_source(first: str, second: str) -> None:
    assert are_one(first, second)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("AWS/123456789012", "AWS/123456789013"),
        ("AWS/42", "Databricks/42"),
        ("AWS/120", "AWS/12"),
        ("unknown", "gpu-farm"),
        ("unknown/1", "unknown/2"),
    ],
)
def test_two_sources_stay_two(first: str, second: str) -> None:
    assert not are_one(first, second)


def test_what_a_spreadsheet_makes_of_ids() -> None:
    assert [is_rounded(one) for one in ("4.44456E+11", "4,44456e+11", " 1E+15")] == [True] * 3
    assert not any(is_rounded(one) for one in ("01E6E8-AAAAAA-D21FF3", "12E5", "444455556666"))
    assert same_account("/subscriptions/AB-1") == same_account("ab-1")


@pytest.mark.parametrize("name", ["bill.csv", "bill.parquet"])
@pytest.mark.parametrize("column", ["BillingAccountId", "SubAccountId"])
def test_a_rounded_id_is_a_bad_row(tmp_path: Path, name: str, column: str) -> None:
    bad = row()
    bad[column] = "4.44456E+11"
    bill = write(tmp_path / name, [row(), bad])
    with focus.read([bill], options=ReadOptions()) as read:
        [fault] = read.bad_rows
        assert (fault.column, fault.value, read.rows) == (column, "4.44456E+11", 1)
        assert "spreadsheet" in fault.reason


SHAPES = [
    '[{"key":"team","value":"vision","x_type":"label","x_inherited":false}]',
    '[{"Key": "Team", "Value": "vision"}, {"Key": "env", "Value": "prod"}]',
    '[{"tagKey":"team","tagValue":"vision"}]',
    '[{"key":"team","value":"of the folder","x_inherited":true},{"key":"team","value":"vision","x_inherited":false}]',
    '[["team","vision"],["env","prod"]]',
    '[{"team":"vision"}]',
    '["team:vision","env:prod"]',
    '{"team": {"value": "vision"}}',
    '{"tags": {"team": "vision"}}',
    '{"tags": [{"key": "team", "value": "vision"}]}',
    '{"key":["env","team"],"value":["prod","vision"]}',
    "{'team': 'vision', 'env': None}",
    '{"user:team":"vision"}',
    '"team": "vision", "env": "prod"',
    '"{\\"team\\": \\"vision\\"}"',
    "team:vision",
    "env=prod; Team = vision",
    ' { "TEAM ": "vision" } ',
]  # fmt: skip


def test_tags_in_every_shape(tmp_path: Path) -> None:
    bill = write(
        tmp_path / "bill.csv",
        [row(Tags=shape, ServiceName=str(n)) for n, shape in enumerate(SHAPES)],
    )
    with focus.read([bill], options=TEAM) as read:
        found = {SHAPES[int(one.service)]: one.tags for batch in read.groups() for one in batch}
        assert found == dict.fromkeys(SHAPES, '{"team":"vision"}')
        assert read.remarks == ()


def test_tags_of_a_parquet_list(tmp_path: Path) -> None:
    bill = parquet(
        tmp_path / "bill.parquet",
        [row(Tags="[{'key': team, 'value': vision}]"), row(Tags="[]")],
        {"Tags": 'STRUCT("key" VARCHAR, "value" VARCHAR)[]'},
    )
    assert [one.tags for one in groups(bill, tag_keys=("team",))] == ['{"team":"vision"}', "{}"]


@pytest.mark.parametrize("text", ["{broken", "vision", "[1]", "[[[[", "{'a': print()}", "(" * 9000])
def test_tags_that_cannot_be_read_are_counted(tmp_path: Path, text: str) -> None:
    assert read_tags(text) is None
    bill = write(tmp_path / "bill.csv", [row(Tags=text), row(Tags='{"team":"x"}')])
    with focus.read([bill], options=TEAM) as read:
        assert read.rows == 2
        assert any("1 row(s) have Tags that cannot be read" in r for r in read.remarks)


def test_the_exact_spelling_of_a_tag_goes_first() -> None:
    tags = {"Team": "a", "team": "b", "user:team": "c"}
    assert find_tag(tags, "team") == "b"
    assert find_tag({"user:team": "c", "Team": "a"}, "team") == "a"
    assert find_tag({"team": ""}, "team") == ""


def test_two_spellings_in_one_load_are_refused(tmp_path: Path) -> None:
    first = write(tmp_path / "a.csv", [row(BilledCost="10")])
    second = write(tmp_path / "b.csv", [row(ProviderName="Amazon Web Services")])
    with pytest.raises(
        CostFileRefused,
        match=r"“AWS/42” and “Amazon Web Services/42”|“Amazon Web Services/42” and “AWS/42”",
    ):
        focus.read([first, second], options=ReadOptions())
    assert totals(first, second, source="bill") == {"USD": Decimal("11.5")}


def test_a_row_without_provider_belongs_to_its_account(tmp_path: Path) -> None:
    bill = write(tmp_path / "b.csv", [row(), row(ProviderName="", BilledCost="4")])
    with focus.read([bill], options=ReadOptions()) as read:
        assert [period.source for period in read.periods] == ["AWS/42"]
        assert any("1 row(s) name no provider" in remark for remark in read.remarks)
    # two companies on one bill: which of them the row is of can't be told
    rows = [row(), row(ProviderName="Databricks"), row(ProviderName="")]
    with focus.read([write(tmp_path / "c.csv", rows)], options=ReadOptions()) as read:
        assert len(read.periods) == 3
        assert any("1 row(s) name no provider" in remark for remark in read.remarks)


def test_headings_from_before_focus_1(tmp_path: Path) -> None:
    old = {"ProviderName": "Provider"}
    rows = [{old.get(name, name): value for name, value in row().items()}]
    with focus.read([write(tmp_path / "b.csv", rows)], options=ReadOptions()) as read:
        assert [period.source for period in read.periods] == ["AWS/42"]
        assert read.unknown_columns == ()


def test_columns_that_were_not_read_are_said(tmp_path: Path) -> None:
    rows = [{**row(), "Team": "vision"}]
    del rows[0]["Tags"], rows[0]["ProviderName"]
    with focus.read([write(tmp_path / "b.csv", rows)], options=ReadOptions()) as read:
        told = " ".join(read.remarks)
    assert "not read: Team" in told
    assert "no column Tags" in told
    assert "1 row(s) name no provider" in told


@pytest.mark.parametrize(
    "written",
    [
        "2026-10-05 23:30:00.000 -0700",
        "2026-10-05 23:30:00 -07:00",
        "2026-10-05T23:30:00-07:00",
        "2026-10-06 06:30:00.000 Z",
        "2026-10-06 06:30:00 UTC",
        "2026-10-06 12:00:00.123456 +05:30",
    ],
)
def test_an_offset_after_a_blank(tmp_path: Path, written: str) -> None:
    bill = write(tmp_path / "bill.csv", [row(ChargePeriodStart=written)])
    assert [str(one.charge_date) for one in groups(bill)] == ["2026-10-06"]


def export(root: Path, name: str, days: dict[str, str], *, manifests: bool) -> None:
    """An AWS export of September with a cost for each day."""
    place = "BILLING_PERIOD=2024-09"
    rows = [
        row(ChargePeriodStart=f"{day}T00:00:00Z", BilledCost=cost, EffectiveCost=cost)
        for day, cost in days.items()
    ]
    folder = root / name / "data" / place
    folder.mkdir(parents=True)
    write(folder / f"{name}-00001.csv.gz", rows)
    if manifests:
        listed = f"s3://bucket/{name}/data/{place}/{name}-00001.csv.gz"
        manifest(
            root / name / "metadata" / place / f"{name}-Manifest.json", {"dataFiles": [listed]}
        )


@pytest.mark.parametrize("manifests", [True, False])
def test_two_exports_of_one_bill_are_refused(tmp_path: Path, manifests: bool) -> None:
    export(tmp_path, "daily", {"2024-09-01": "3", "2024-09-02": "5"}, manifests=manifests)
    export(tmp_path, "monthly", {"2024-09-01": "9"}, manifests=manifests)
    with pytest.raises(CostFileRefused, match=r"daily/.* and monthly/.*--separate"):
        focus.read([tmp_path], options=ReadOptions())
    assert totals(tmp_path, separate=True) == {"USD": Decimal(17)}
    assert totals(tmp_path / "daily") == {"USD": Decimal(8)}


def test_exports_of_several_subscriptions_add_up(tmp_path: Path) -> None:
    for name in ("first", "second"):
        put(tmp_path / name / "20240901-20240930" / "part_0.csv", "2", SubAccountId=name)
    assert totals(tmp_path) == {"USD": Decimal(4)}


def test_the_same_cost_in_another_file_is_refused(tmp_path: Path) -> None:
    days = [
        row(ChargePeriodStart=f"2024-09-{day:02d}T00:00:00Z", BilledCost=f"{day}")
        for day in range(1, 11)
    ]
    whole = write(tmp_path / "export.csv", days)
    again = write(tmp_path / "once.csv", days[4:])  # a one-time export of some days
    month = write(
        tmp_path / "month.csv",
        [row(ChargePeriodStart="2024-09-01T00:00:00Z", BilledCost="55", EffectiveCost="12.5")],
    )
    for pair in ([whole, again], [whole, month]):
        with pytest.raises(CostFileRefused, match="look like two exports of one bill"):
            focus.read(pair, options=ReadOptions())
    with pytest.raises(CostFileRefused, match="look like two exports"):
        focus.read([whole, again], options=ReadOptions(source="cloud"))


def test_parts_and_days_of_one_export_add_up(tmp_path: Path) -> None:
    for number in range(1, 4):  # equal cost on each day
        put(
            tmp_path / "d" / f"2024-09-{number:02d}.csv",
            "5",
            ChargePeriodStart=f"2024-09-{number:02d}",
        )
        put(tmp_path / "p" / f"focus-{number:05d}.csv", "5", RegionId=str(number))
    assert totals(tmp_path / "d") == totals(tmp_path / "p") == {"USD": Decimal(15)}
