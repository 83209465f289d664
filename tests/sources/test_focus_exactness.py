"""Money is exact whatever the rows, their order, the files they are split into and the format of those."""

import tempfile
from collections import defaultdict
from decimal import Context, Decimal, localcontext
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.sources.bill import row, write
from workflows.sources import focus
from workflows.sources.focus import ReadOptions

pytestmark = pytest.mark.slow

EXACT = Context(prec=60)
amounts = st.decimals(
    min_value=Decimal(-(10**12)), max_value=Decimal(10**12), allow_nan=False, places=18
) | st.sampled_from([Decimal(0), Decimal("-0.000000000000000001"), Decimal("0.00000080000")])
texts = st.sampled_from(["", "a", "A", "=1+1", 'q"u,o\nte', "漢字", "\u202eabc", "NULL "])
rows = st.builds(
    lambda billed, effective, currency, name, tag, day, period: row(
        BilledCost=format(billed, "f"),
        EffectiveCost=str(effective),
        BillingCurrency=currency,
        SubAccountName=name,
        Tags=f'{{"project": "{tag}"}}',
        ChargePeriodStart=f"2024-09-{day:02}T{day % 24:02}:59:59Z",
        BillingPeriodStart=f"2024-{period:02}-01 00:00:00",
    ),
    amounts,
    amounts,
    st.sampled_from(["USD", "EUR", "JPY"]),
    texts,
    st.sampled_from(["p", "q"]),
    st.integers(1, 30),
    st.sampled_from([9, 10]),
)


@settings(max_examples=25, deadline=None)
@given(bill=st.lists(rows, min_size=1, max_size=40), data=st.data())
def test_groups_and_totals_are_exact(bill: list[dict[str, str]], data: st.DataObject) -> None:
    wanted: dict[tuple[str, ...], list[Decimal]] = defaultdict(lambda: [Decimal(0)] * 3)
    with localcontext(EXACT):
        for one in bill:
            key = (
                one["BillingPeriodStart"][:10],
                one["ChargePeriodStart"][:10],
                one["SubAccountName"],
                one["Tags"].replace(": ", ":"),
                one["BillingCurrency"],
            )
            parts = (Decimal(one["BilledCost"]), Decimal(one["EffectiveCost"]), 1)
            wanted[key] = [a + b for a, b in zip(wanted[key], parts, strict=True)]
        mixed = data.draw(st.permutations(bill))
        cut = data.draw(st.integers(0, len(mixed)))
        parts_of_bill = [part for part in (mixed[:cut], mixed[cut:]) if part]
        if len(parts_of_bill) == 2 and parts_of_bill[0] == parts_of_bill[1]:
            parts_of_bill = [mixed]  # a copy would be refused
        with tempfile.TemporaryDirectory() as folder:
            paths = [
                write(
                    Path(
                        folder,
                        f"{number}{data.draw(st.sampled_from(['.csv', '.csv.gz', '.parquet']))}",
                    ),
                    part,
                )
                for number, part in enumerate(parts_of_bill)
            ]
            with focus.read(paths, options=ReadOptions()) as read:
                assert read.bad_rows == ()
                found = {
                    (
                        str(group.billing_period),
                        str(group.charge_date),
                        group.sub_account_name,
                        group.tags,
                        group.currency,
                    ): [group.billed, group.effective, group.rows]
                    for batch in read.groups()
                    for group in batch
                }
                periods = read.periods
                months = read.months()
                ids = [key.index for key in read.allocation_keys]
                entries = [
                    entry
                    for batch in read.entries({p.index: p.index for p in periods}, ids)
                    for entry in batch
                ]
        assert found == wanted
        for currency in ("USD", "EUR", "JPY"):
            total = sum((one[0] for key, one in wanted.items() if key[4] == currency), Decimal(0))
            by_period = sum((p.billed.get(currency, Decimal(0)) for p in periods), Decimal(0))
            by_month = sum((m.billed for m in months if m.currency == currency), Decimal(0))
            by_entry = sum((Decimal(e[6]) for e in entries if e[5] == currency), Decimal(0))
            assert by_period == by_month == by_entry == total
        assert sum(p.rows for p in periods) == len(bill)
        for entry in entries:
            for text in entry[6:8]:
                assert text == "0" or not ("." in text and text.endswith("0"))
                assert "E" not in text
                assert text != "-0"
