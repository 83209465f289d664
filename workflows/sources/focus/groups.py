"""The SQL over the groups of all files: counting, merging, numbering, summing, telling one bill from another."""

# ruff: noqa: S608 - of the callers' values only tag keys are written into a statement, as quoted literals

from collections.abc import Sequence

from workflows.sources.focus.sql import DIMENSIONS, GROUPS, KEYS, SCALE, tag_columns
from workflows.sources.sealed import literal


def create_groups(tag_keys: Sequence[str]) -> str:
    """The table that the groups of all files are gathered in."""
    tags = "".join(f"{name} VARCHAR, " for name in tag_columns(tag_keys))
    return (
        f"CREATE TABLE {GROUPS} (problem VARCHAR, source VARCHAR, billing_period DATE, charge_date DATE, "
        f"sub_account_id VARCHAR, sub_account_name VARCHAR, {tags}service VARCHAR, charge_category VARCHAR, currency VARCHAR, "
        f"billed DECIMAL(38,{SCALE}), effective DECIMAL(38,{SCALE}), rows BIGINT, odd_tags VARCHAR, unreadable_tags BIGINT, "
        "period_spelling UBIGINT, currency_respelt BOOLEAN, export INTEGER)"
    )


ODD_TAGS = f"SELECT DISTINCT odd_tags FROM {GROUPS} WHERE odd_tags IS NOT NULL ORDER BY ALL"
"""Tags in any other shape than a flat map, which are read apart."""


def read_odd_tags(tag_keys: Sequence[str]) -> list[str]:
    """Two statements: one takes what was read (texts, whether each could be read, values of each key), the other sets it."""
    names = tag_columns(tag_keys)
    given = "".join(f", unnest(${number + 3}) AS {name}" for number, name in enumerate(names))
    sets = "".join(f", {name} = replace(reading.{name}, chr(0), '')" for name in names)
    return [
        f"CREATE OR REPLACE TEMP TABLE reading AS SELECT unnest($1) AS odd_tags, unnest($2) AS is_read{given}",
        f"UPDATE {GROUPS} SET odd_tags = NULL, unreadable_tags = CASE WHEN is_read THEN 0 ELSE rows END{sets} "
        f"FROM reading WHERE {GROUPS}.odd_tags = reading.odd_tags",
    ]


FAULTY_ROWS = f"SELECT coalesce(sum(rows), 0) FROM {GROUPS} WHERE problem IS NOT NULL"
DROP_FAULTY = f"DELETE FROM {GROUPS} WHERE problem IS NOT NULL"
MANY_SPELLINGS = (
    f"SELECT count(DISTINCT period_spelling) > count(DISTINCT billing_period) OR coalesce(bool_or(currency_respelt), false) "
    f"FROM {GROUPS}"
)
"""Whether a period or a currency is written in several ways, so that equal groups may stand apart."""
COUNTED = f"SELECT coalesce(sum(rows), 0), coalesce(sum(unreadable_tags), 0) FROM {GROUPS}"


SOURCES = f"SELECT source, CAST(sum(rows) AS BIGINT) FROM {GROUPS} GROUP BY source ORDER BY source"
RENAME_SOURCE = f"UPDATE {GROUPS} SET source = $2 WHERE source = $1"


SAME_DAYS = (
    "SELECT min(export), max(export), source, billing_period FROM (SELECT DISTINCT export, source, billing_period, "
    f"charge_date, sub_account_id FROM {GROUPS} WHERE list_contains($1, export)) "
    "GROUP BY source, billing_period, charge_date, sub_account_id HAVING min(export) < max(export) ORDER BY ALL LIMIT 1"
)
"""Two of the exports in $1 that tell of one source, billing period, day and sub-account."""


def same_money() -> list[str]:
    """Two queries for exports that hold the same cost, as (first, second, source, billing period) each.

    One finds those of which at least half is in groups that the other has to the last digit; the other those with the
    same accounts and equal totals for a source and period, however their days are cut.
    """
    group = (
        "source, billing_period, charge_date, sub_account_id, service, charge_category, currency"
    )
    bill = "source, billing_period, currency"
    sums = (
        f"WITH sums AS (SELECT export, {group}, sum(billed) AS billed, sum(effective) AS effective FROM {GROUPS} GROUP BY ALL "
        "HAVING sum(billed) <> 0 OR sum(effective) <> 0), "
        f"totals AS (SELECT export, {bill}, sum(billed) AS total, sum(effective) AS worth, "
        "sum(abs(billed) + abs(effective)) AS weight, list_sort(list(DISTINCT sub_account_id)) AS accounts, "
        "min(charge_date) AS first_day, max(charge_date) AS last_day FROM sums GROUP BY ALL)"
    )
    return [
        f"{sums}, shared AS (SELECT a.export AS first, b.export AS second, {bill}, "
        f"sum(abs(billed) + abs(effective)) AS weight FROM sums a JOIN sums b USING ({group}, billed, effective) "
        "WHERE a.export < b.export GROUP BY ALL) "
        f"SELECT first, second, source, billing_period FROM shared JOIN totals x USING ({bill}) JOIN totals y USING ({bill}) "
        "WHERE x.export = first AND y.export = second AND 2 * shared.weight >= least(x.weight, y.weight) ORDER BY ALL LIMIT 1",
        f"{sums} SELECT x.export, y.export, source, billing_period FROM totals x JOIN totals y "
        f"USING ({bill}, total, worth, accounts) "
        "WHERE x.export < y.export AND x.first_day <= y.last_day AND y.first_day <= x.last_day ORDER BY ALL LIMIT 1",
    ]


def merge(tag_keys: Sequence[str]) -> list[str]:
    """Joins equal groups: those that several files have in common, and those written in several ways."""
    keys = ", ".join((*KEYS, *tag_columns(tag_keys), *DIMENSIONS))
    return [
        f"CREATE TABLE merged AS SELECT NULL::VARCHAR AS problem, {keys}, sum(billed) AS billed, sum(effective) AS effective, "
        f"CAST(sum(rows) AS BIGINT) AS rows FROM {GROUPS} GROUP BY {keys}",
        f"DROP TABLE {GROUPS}",
        f"ALTER TABLE merged RENAME TO {GROUPS}",
    ]


def number_keys(tag_keys: Sequence[str]) -> list[str]:
    """Numbers the periods and the allocation keys, in an order that depends on nothing but their values."""
    keys = ", ".join(("sub_account_id", "sub_account_name", *tag_columns(tag_keys)))
    return [
        f"CREATE TABLE allocation AS SELECT CAST(row_number() OVER (ORDER BY {keys}) - 1 AS INTEGER) AS key, {keys} "
        f"FROM (SELECT DISTINCT {keys} FROM {GROUPS})",
        "CREATE TABLE period AS SELECT CAST(row_number() OVER (ORDER BY source, billing_period) - 1 AS INTEGER) AS period, "
        f"source, billing_period FROM (SELECT DISTINCT source, billing_period FROM {GROUPS})",
    ]


def fingerprints(tag_keys: Sequence[str]) -> str:
    """Per period: rows, last charge, and two sums over a hash of each group, which no order of the groups can change."""
    tags = "".join(
        f"CASE WHEN {name} = '' THEN '' ELSE {literal(key + '=')} || {name} END, "
        for key, name in zip(tag_keys, tag_columns(tag_keys), strict=True)
    )
    group = (
        f"concat_ws(chr(31), charge_date, sub_account_id, sub_account_name, {tags}service, charge_category, currency, "
        "billed, effective, rows)"
    )
    low = "CAST(number & 18446744073709551615::UHUGEINT AS UBIGINT)"
    return (
        "SELECT period, source, billing_period, rows, charges_through, low, high FROM ("
        "SELECT source, billing_period, CAST(sum(rows) AS BIGINT) AS rows, max(charge_date) AS charges_through, "
        f"sum({low}) AS low, sum(CAST(number >> 64 AS UBIGINT)) AS high "
        f"FROM (SELECT source, billing_period, rows, charge_date, md5_number({group}) AS number FROM {GROUPS}) "
        "GROUP BY source, billing_period) JOIN period USING (source, billing_period) ORDER BY period"
    )


CURRENCY_TOTALS = (
    f"SELECT period, currency, sum(billed), sum(effective) FROM {GROUPS} JOIN period USING (source, billing_period) "
    "GROUP BY period, currency ORDER BY period, currency"
)


def canonical(amount: str) -> str:
    """An amount as plain digits without trailing zeros, as the database keeps it."""
    return f"rtrim(rtrim(CAST({amount} AS VARCHAR), '0'), '.')"


def numbered(select: str, tag_keys: Sequence[str], tail: str = "") -> str:
    """A query over the groups with `period` and `key` as numbers."""
    keys = ", ".join(("sub_account_id", "sub_account_name", *tag_columns(tag_keys)))
    return f"SELECT {select} FROM {GROUPS} JOIN allocation USING ({keys}) JOIN period USING (source, billing_period) {tail}"
