"""What is counted, under which key, and how the same bill is known again."""

from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from tests.sources.bill import ROW, groups, parquet, row, totals, write
from workflows.sources import focus
from workflows.sources.errors import CostFileRefused, NotFocus
from workflows.sources.focus import CostGroup, Progress, ReadOptions


def test_rows_of_one_key_are_one_group(tmp_path: Path) -> None:
    bill = write(
        tmp_path / "bill.csv",
        [row(), row(BilledCost="-0.5", ChargePeriodStart="2024-09-18 01:00:00")],
    )
    assert groups(bill) == [
        CostGroup(
            source="AWS/42",
            billing_period=date(2024, 9, 1),
            charge_date=date(2024, 9, 18),
            sub_account_id="a-1",
            sub_account_name="Vision",
            tags="{}",
            service="Compute",
            charge_category="Usage",
            currency="USD",
            billed=Decimal("1.0"),
            effective=Decimal("2.5"),
            rows=2,
        )
    ]


def test_a_day_is_a_day_in_utc(tmp_path: Path) -> None:
    written = [
        "2024-09-18",
        "2024-09-18 22:00:00",
        "2024-09-18T22:00:00Z",
        "2024-09-18T22:00Z",
        "2024-09-18T22:00:00.000Z",
        "2024-09-19T01:00:00+02:00",
        "2024-09-19 01:00+02",
        "2024-09-17T23:00:00-05:00",
    ]
    rows = [row(ChargePeriodStart=moment) for moment in written]
    [group] = groups(write(tmp_path / "bill.csv", rows))
    assert (group.charge_date, group.rows) == (date(2024, 9, 18), len(written))


@pytest.mark.parametrize("name", ["bill.csv", "bill.parquet"])
def test_what_exporters_write_for_nothing_is_nothing(tmp_path: Path, name: str) -> None:
    rows = [
        row(SubAccountName=nothing, Tags=nothing, ServiceName=nothing)
        for nothing in ("", "NULL", "null", "(null)")
    ]
    [group] = groups(write(tmp_path / name, rows))
    assert (group.sub_account_name, group.service, group.tags) == ("", "", "{}")


TAGS = [
    ('{"project":"Fraud","other":"x"}', '{"project":"Fraud"}'),
    ('{" Project ": "Fraud"}', '{"project":"Fraud"}'),
    ('{"PROJECT": "second", "project": "first"}', '{"project":"first"}'),
    ('{"a": "\\"project\\": \\"no\\"", "b": 1}', "{}"),
    ('{"a": {"project": "nested"}}', "{}"),
    ('{"a": {"Project": "nested"}, "Project": "top"}', '{"project":"top"}'),
    ('{"project": ""}', "{}"),
    ('{"project": null}', "{}"),
    ('{"project": 7}', '{"project":"7"}'),
    ('"project": "no braces", "a": "b"', '{"project":"no braces"}'),
    ('{"project": "Pé\\u00e9 \\"q\\" 漢"}', '{"project":"Péé \\"q\\" 漢"}'),
    ('{"project": "nul\\u0000 byte"}', '{"project":"nul byte"}'),
    ("{}", "{}"),
]


@pytest.mark.parametrize("name", ["bill.csv", "bill.parquet"])
def test_tags_are_found_whatever_their_case_and_blanks(tmp_path: Path, name: str) -> None:
    rows = [row(Tags=tags, SubAccountId=str(n)) for n, (tags, _) in enumerate(TAGS)]
    kept = {int(g.sub_account_id): g.tags for g in groups(write(tmp_path / name, rows))}
    assert [kept[n] for n in range(len(TAGS))] == [tags for _, tags in TAGS]


def test_several_tags_and_odd_names_of_tags(tmp_path: Path) -> None:
    bill = write(
        tmp_path / "bill.csv", [row(Tags='{"user:cost/centre~1": "cc", "Team": "t", "it\'s": "q"}')]
    )
    keys = ("team", "user:cost/centre~1", "it's", "absent")
    assert groups(bill, tag_keys=keys)[0].tags == (
        '{"it\'s":"q","team":"t","user:cost/centre~1":"cc"}'
    )
    with pytest.raises(ValueError, match="tag key"):
        ReadOptions(tag_keys=('"',))


def test_unreadable_tags_cost_no_money(tmp_path: Path) -> None:
    bill = write(tmp_path / "bill.csv", [row(Tags="{broken"), row(Tags="{}")])
    with focus.read([bill], options=ReadOptions()) as read:
        assert read.rows == 2
        assert read.bad_rows == ()
        assert any("1 row(s) have Tags that cannot be read" in r for r in read.remarks)


def test_tags_of_a_parquet_map(tmp_path: Path) -> None:
    bill = parquet(
        tmp_path / "bill.parquet",
        [row(Tags="{ Project=Fraud, x=y}"), row(Tags="")],
        {"Tags": "MAP(VARCHAR, VARCHAR)"},
    )
    assert [group.tags for group in groups(bill)] == ['{"project":"Fraud"}', "{}"]


@pytest.mark.parametrize(
    "types",
    [
        {"BilledCost": "DECIMAL(30,10)", "EffectiveCost": "DECIMAL(38,20)"},
        {"BilledCost": "DOUBLE", "EffectiveCost": "FLOAT"},
        {
            "BillingPeriodStart": "TIMESTAMP",
            "ChargePeriodStart": "TIMESTAMPTZ",
            "BillingAccountId": "BIGINT",
        },
        {"BillingPeriodStart": "DATE", "ChargePeriodStart": "TIMESTAMP_NS"},
    ],
)
def test_parquet_types(tmp_path: Path, types: dict[str, str]) -> None:
    bill = parquet(tmp_path / "bill.parquet", [row()], types)
    plain = write(tmp_path / "bill.csv", [row()])
    assert groups(bill) == groups(plain)


def test_a_float_is_the_shortest_decimal_and_said_so(tmp_path: Path) -> None:
    bill = parquet(
        tmp_path / "bill.parquet",
        [row(BilledCost="0.1"), row(BilledCost="0.2"), row(BilledCost="1.2e-7")],
        {"BilledCost": "DOUBLE"},
    )
    assert totals(bill) == {"USD": Decimal("0.30000012")}
    with focus.read([bill], options=ReadOptions()) as read:
        assert any("floating-point" in remark for remark in read.remarks)


def test_currencies_are_never_added(tmp_path: Path) -> None:
    bill = write(
        tmp_path / "bill.csv", [row(), row(BillingCurrency="EUR"), row(BillingCurrency="eur")]
    )
    assert totals(bill) == {"USD": Decimal("1.5"), "EUR": Decimal("3.0")}


def test_a_correction_keeps_its_day_and_its_later_period(tmp_path: Path) -> None:
    bill = write(tmp_path / "bill.csv", [row(BillingPeriodStart="2024-10-01T00:00:00Z")])
    [group] = groups(bill)
    assert (group.billing_period, group.charge_date) == (date(2024, 10, 1), date(2024, 9, 18))


def test_the_provider_follows_the_version(tmp_path: Path) -> None:
    newest = dict(ROW)
    del newest["ProviderName"]
    newest |= {"ServiceProviderName": "Solora", "HostProviderName": "AWS"}
    bill = write(tmp_path / "bill.csv", [newest])
    with focus.read([bill], options=ReadOptions()) as read:
        assert read.files[0].focus_version == "1.4"
        assert [period.source for period in read.periods] == ["Solora/42"]
    named = groups(bill, source="it's one")
    assert named[0].source == "it's one"


def test_columns_that_are_unknown_or_absent_are_named_and_tolerated(tmp_path: Path) -> None:
    bare = {k: v for k, v in ROW.items() if k not in {"Tags", "ProviderName"}}
    bill = write(tmp_path / "bill.csv", [bare | {"Id": "1", "x_Mine": "2"}])
    with focus.read([bill], options=ReadOptions()) as read:
        assert read.unknown_columns == ("Id",)
        assert read.missing_columns == ("Tags", "ProviderName")
        assert read.periods[0].source == "unknown/42"


def test_names_of_columns_may_be_spelt_otherwise(tmp_path: Path) -> None:
    spelt = {
        name.lower() if i % 2 else f" {name} ": value for i, (name, value) in enumerate(ROW.items())
    }
    spelt["billing_currency"] = spelt.pop(" BillingCurrency ")
    bill = write(tmp_path / "bill.csv", [spelt])
    assert groups(bill) == groups(write(tmp_path / "plain.csv", [row()]))


@pytest.mark.parametrize(
    ("delimiter", "line_end"), [(";", "\n"), ("\t", "\r\n"), ("|", "\n"), (",", "\r\n")]
)
def test_other_layouts_of_csv(tmp_path: Path, delimiter: str, line_end: str) -> None:
    rows = [row(SubAccountName='a "b", c;d|e'), row(SubAccountName="two\nlines")]
    bill = tmp_path / "bill.csv"
    write(bill, rows, delimiter=delimiter, line_end=line_end)
    marked = tmp_path / "marked.csv"
    marked.write_bytes(b"\xef\xbb\xbf" + bill.read_bytes())
    assert [g.sub_account_name for g in groups(bill)] == ['a "b", c;d|e', "two\nlines"]
    assert groups(marked) == groups(bill)


def test_lines_may_end_in_carriage_returns_alone(tmp_path: Path) -> None:
    bill = write(tmp_path / "bill.csv", [row(), row()], line_end="\r")
    assert groups(bill)[0].rows == 2


def test_the_format_is_told_by_content_not_by_name(tmp_path: Path) -> None:
    packed = write(tmp_path / "a.csv.gz", [row()]).rename(tmp_path / "a.csv")
    columns = write(tmp_path / "b.parquet", [row(BilledCost="9")]).rename(tmp_path / "b.csv.gz")
    with focus.read([packed, columns], options=ReadOptions()) as read:
        assert [file.format for file in read.files] == ["csv.gz", "parquet"]
        assert read.rows == 2


def test_text_stays_text(tmp_path: Path) -> None:
    names = ["=1+1", "@cmd|x", "<!channel>", "'; DROP TABLE groups; --", "x" * 5000]
    bill = write(tmp_path / "bill.csv", [row(SubAccountName=name) for name in names])
    assert sorted(group.sub_account_name for group in groups(bill)) == sorted(names)


def test_a_heading_alone_is_a_bill_of_nothing(tmp_path: Path) -> None:
    with focus.read([write(tmp_path / "b.csv", [])], options=ReadOptions()) as read:
        assert (read.rows, read.periods, read.charges_through) == (0, (), None)
        assert list(read.groups()) == []
        assert list(read.entries({}, [])) == []


def test_the_same_bill_is_known_however_it_comes(tmp_path: Path) -> None:
    rows = [row(ServiceName=f"s{n % 3}", BilledCost=f"{n}.5") for n in range(9)]
    ways = [
        [write(tmp_path / "all.csv", rows)],
        [write(tmp_path / "back.csv.gz", rows[::-1])],
        [write(tmp_path / "p.parquet", rows[:4]), write(tmp_path / "q.csv", rows[4:])],
    ]
    prints = set()
    for paths in ways:
        with focus.read(paths, options=ReadOptions()) as read:
            prints.add((read.periods[0].content_sha256, read.periods[0].rows))
    assert len(prints) == 1
    for changed in (rows[1:], [*rows[1:], row(ServiceName="s0", BilledCost="0.6")]):
        with focus.read([write(tmp_path / "other.csv", changed)], options=ReadOptions()) as read:
            assert read.periods[0].content_sha256 not in {one for one, _ in prints}


def test_a_file_and_its_copy_are_refused(tmp_path: Path) -> None:
    rows = [row()]
    files = [write(tmp_path / "a.csv", rows), write(tmp_path / "b.csv.gz", rows)]
    with pytest.raises(CostFileRefused, match="counted twice"):
        focus.read(files, options=ReadOptions())
    assert totals(files[0], files[0]) == {"USD": Decimal("1.5")}


def test_entries_and_months_are_ready_for_the_database(tmp_path: Path) -> None:
    bill = write(
        tmp_path / "bill.csv",
        [
            row(Tags='{"project":"b"}'),
            row(Tags='{"project":"a"}', BilledCost="-0.10"),
            row(BillingPeriodStart="2024-10-01", ChargePeriodStart="2024-10-02"),
        ],
    )
    with focus.read([bill], options=ReadOptions()) as read:
        assert [key.tags for key in read.allocation_keys] == [
            "{}",
            '{"project":"a"}',
            '{"project":"b"}',
        ]
        [batch] = read.entries({0: 700}, [10, 11, 12])
        assert batch == [
            (700, "2024-09-18", 11, "Compute", "Usage", "USD", "-0.1", "1.25", 1),
            (700, "2024-09-18", 12, "Compute", "Usage", "USD", "1.5", "1.25", 1),
        ]
        assert [(m.period, m.key, m.month, m.billed) for m in read.months()] == [
            (0, 1, date(2024, 9, 1), Decimal("-0.1")),
            (0, 2, date(2024, 9, 1), Decimal("1.5")),
            (1, 0, date(2024, 10, 1), Decimal("1.5")),
        ]
        assert read.charges_through == date(2024, 10, 2)


def test_progress_reaches_its_end(tmp_path: Path) -> None:
    told: list[Progress] = []
    files = [
        write(tmp_path / f"{n}.csv", [row(SubAccountId=str(n), BilledCost=f"{n}.5")])
        for n in range(3)
    ]
    focus.read(files, options=ReadOptions(), progress=told.append).close()
    assert told[-1].bytes_done == told[-1].bytes_total > 0
    assert (told[-1].files_done, told[-1].files_total, told[-1].rows) == (3, 3, 3)


def test_a_column_given_twice_is_refused(tmp_path: Path) -> None:
    bill = write(tmp_path / "bill.csv", [row() | {"billedcost": "9"}])
    with pytest.raises(NotFocus, match="BilledCost twice"):
        focus.read([bill], options=ReadOptions())


def test_one_period_and_currency_written_in_two_ways_are_one(tmp_path: Path) -> None:
    rows = [
        row(),
        row(BillingPeriodStart="2024-09-01"),
        row(BillingPeriodStart="2024-09-01 02:00:00+02:00", BillingCurrency="usd"),
    ]
    [group] = groups(write(tmp_path / "bill.csv", rows))
    assert (group.rows, group.billed) == (3, Decimal("4.5"))
