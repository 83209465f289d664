"""Files that nobody here wrote; they lie outside the project and the tests are skipped where they do not."""

import os
from decimal import Decimal
from pathlib import Path

import pytest

from tests.sources.bill import totals
from workflows.sources import focus
from workflows.sources.errors import NotFocus
from workflows.sources.focus import ReadOptions

SAMPLES = (
    Path(os.environ.get("MLGOV_SHARED", Path(__file__).parents[3] / "shared")) / "data" / "focus"
)

pytestmark = pytest.mark.skipif(
    not SAMPLES.is_dir(), reason="the folder of real bills is not beside the project"
)


def test_a_real_aws_bill_to_the_last_digit() -> None:
    path = SAMPLES / "aws_focus_1.0_942_rows.csv"
    assert totals(path) == {"USD": Decimal("18.00663861840")}
    with focus.read([path], options=ReadOptions(tag_keys=("application",))) as read:
        assert (read.rows, read.bad_row_count) == (942, 0)
        assert read.unknown_columns == ("Id",)
        assert str(read.charges_through) == "2024-09-30"
        [period] = read.periods
        assert (period.source, str(period.billing_period)) == ("AWS/1234567890123", "2024-09-01")
        by_category: dict[str, Decimal] = {}
        tagged = 0
        for batch in read.groups():
            for group in batch:
                kind = group.charge_category
                by_category[kind] = by_category.get(kind, Decimal(0)) + group.billed
                tagged += group.rows if group.tags != "{}" else 0
    assert by_category == {"Usage": Decimal("20.62033861840"), "Credit": Decimal("-2.61370000000")}
    assert tagged > 600


def test_native_exports_are_named_for_what_they_are() -> None:
    with pytest.raises(NotFocus, match="AWS Cost and Usage Report"):
        focus.read([SAMPLES / "aws_cur_1281_rows.csv"], options=ReadOptions())
    found = sorted((SAMPLES / "azure_native_quirks").glob("*.csv"))
    assert found
    for path in found:
        with pytest.raises(NotFocus, match="native Azure cost export"):
            focus.read([path], options=ReadOptions())


def test_the_examples_of_the_specification() -> None:
    """Read whole, or refused for what they leave out; never half."""
    assert totals(SAMPLES / "ai_billing" / "multi_model_usage.csv") == {"USD": Decimal("104.5")}
    found = sorted([*SAMPLES.glob("spec_*/**/*.csv"), *SAMPLES.glob("corrections/*.csv")])
    assert found
    for path in found:
        try:
            with focus.read([path], options=ReadOptions()) as read:
                assert read.rows == 0
                assert all("local style" in bad.reason for bad in read.bad_rows)
                assert len(read.bad_rows) == read.bad_row_count > 0
        except NotFocus:
            with pytest.raises(NotFocus, match="BillingCurrency"):
                focus.read([path], options=ReadOptions())
