"""The SQL that turns one file's rows into groups.

Nothing of a file is written into it but the names of Parquet columns, quoted as identifiers; the path is a parameter,
and tag keys and the source's name, which come from whoever runs the import, are quoted as literals.
"""

# ruff: noqa: S608 - the docstring says what goes into a statement and how

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from workflows.sources.focus.columns import PROVIDERS

NULL_WORDS = ("", "NULL", "null", "(null)")
"""What exporters write for nothing. FOCUS says NULL; an empty field means the same."""

SCALE = 18
MAX_LINE_BYTES = 1_000_000
BUFFER_BYTES = 4_000_000
REJECTS_LIMIT = 10_000
"""Faults, of which one row may have several, at which DuckDB stops to list them."""
FLOATS = frozenset({"DOUBLE", "FLOAT"})
_RENAMED = "_mlgov_tag"
_LIMIT = f"'1000000000000000'::DECIMAL(38,{SCALE})"

GROUPS = "groups"
KEYS = ("source", "billing_period", "charge_date", "sub_account_id", "sub_account_name")
DIMENSIONS = ("service", "charge_category", "currency")


@dataclass(frozen=True, slots=True)
class Field:
    """A wanted column in one file: how to name it in SQL, and its DuckDB type (VARCHAR for all of CSV)."""

    expression: str
    type: str
    nulls_read: bool
    """Whether the reader has already made NULL of what exporters write for nothing, as the CSV reader does."""


def literal(text: str) -> str:
    """`text` as an SQL string."""
    return "'" + text.replace("'", "''") + "'"


def identifier(name: str) -> str:
    """`name` as a quoted SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def tag_columns(tag_keys: Sequence[str]) -> list[str]:
    """The columns of the groups that hold the tags asked for."""
    return [f"tag_{number}" for number in range(len(tag_keys))]


def create_groups(tag_keys: Sequence[str]) -> str:
    """The table that the groups of all files are gathered in."""
    tags = "".join(f"{name} VARCHAR, " for name in tag_columns(tag_keys))
    return (
        f"CREATE TABLE {GROUPS} (problem VARCHAR, source VARCHAR, billing_period DATE, charge_date DATE, "
        f"sub_account_id VARCHAR, sub_account_name VARCHAR, {tags}service VARCHAR, charge_category VARCHAR, currency VARCHAR, "
        f"billed DECIMAL(38,{SCALE}), effective DECIMAL(38,{SCALE}), rows BIGINT, unreadable_tags BIGINT)"
    )


def csv_source(columns: int, delimiter: str, gzip: bool, *, again: bool = False) -> str:
    """Reads a CSV file as text, by position. Rows that are no rows go to DuckDB's rejects with their line.

    `again` reads a second time, when the rejects are known.
    """
    faulty = (
        "ignore_errors=true"
        if again
        else f"store_rejects=true, rejects_limit={REJECTS_LIMIT}"
    )
    named = ", ".join(f"'c{number}': 'VARCHAR'" for number in range(columns))
    nulls = ", ".join(literal(word) for word in NULL_WORDS)
    return (
        f"read_csv(?, auto_detect=false, header=true, delim={literal(delimiter)}, quote='\"', escape='\"', comment='', "
        f"columns={{{named}}}, nullstr=[{nulls}], compression={literal('gzip' if gzip else 'none')}, "
        f"{faulty}, max_line_size={MAX_LINE_BYTES}, buffer_size={BUFFER_BYTES})"
    )


PARQUET_SOURCE = "read_parquet(?, file_row_number=true)"


def text(field: Field | None) -> str:
    """A field as text, NULL for what exporters write for nothing."""
    if field is None:
        return "NULL::VARCHAR"
    if field.nulls_read:
        return field.expression
    words = ", ".join(literal(word) for word in NULL_WORDS)
    plain = f"replace(CAST({field.expression} AS VARCHAR), chr(0), '')"
    return f"CASE WHEN {plain} IN ({words}) THEN NULL ELSE {plain} END"


def _moment(field: Field) -> str:
    """A field as a UTC timestamp. What has no zone is UTC; DuckDB's TIMESTAMP ignores an offset, so it is not used for one."""
    if field.type.startswith(("TIMESTAMP", "DATE")):
        return f"CAST({field.expression} AS TIMESTAMP)"
    value = text(field)
    return (
        f"CASE WHEN suffix({value}, 'Z') OR strlen({value}) = 10 OR (strlen({value}) = 19 AND substring({value}, 17, 1) = ':') "
        f"THEN TRY_CAST({value} AS TIMESTAMP) ELSE CAST(TRY_CAST({value} AS TIMESTAMPTZ) AS TIMESTAMP) END"
    )


def _is_float(field: Field) -> bool:
    return field.type in FLOATS


def _amount(field: Field) -> str:
    # a float is read as the shortest decimal that stands for it, which is what the exporter meant
    value = (
        f"CAST({field.expression} AS VARCHAR)"
        if _is_float(field)
        else text(field)
        if field.type == "VARCHAR"
        else field.expression
    )
    return f"TRY_CAST({value} AS DECIMAL(38,{SCALE}))"


def _exact(field: Field, amount: str) -> str:
    """Whether no digit was lost: DuckDB rounds in silence what is beyond the scale."""
    if _is_float(field):
        return "true"
    if field.type != "VARCHAR":
        return f"CAST({amount} AS {field.type}) = {field.expression}"
    value = text(field)
    decimals = rf"length(rtrim(regexp_extract({value}, '\.(\d*)', 1), '0'))"
    exponent = rf"coalesce(TRY_CAST(nullif(regexp_extract({value}, '[eE]([+-]?\d+)', 1), '') AS INTEGER), 0)"
    # 19 characters without an exponent cannot hold more than 18 decimals; CASE and not OR, which would match every row
    return (
        f"CASE WHEN strlen({value}) <= 19 AND NOT contains({value}, 'e') AND NOT contains({value}, 'E') THEN true "
        f"ELSE {decimals} - {exponent} <= {SCALE} END"
    )


def _tag(json: str, key: str) -> str:
    """A tag's value: the key as written if the row has it, else one that differs in case and surrounding blanks only."""
    pointer = literal("/" + key.replace("~", "~0").replace("/", "~1"))
    pattern = literal(rf'(?i)"\s*{re.escape(key.strip())}\s*"\s*:')
    renamed = f"regexp_replace({json}, {pattern}, '\"{_RENAMED}\":', 'g')"
    loose = f"CASE WHEN regexp_matches({json}, {pattern}) THEN json_extract_string({renamed}, '/{_RENAMED}') END"
    return f"coalesce(replace(coalesce(json_extract_string({json}, {pointer}), {loose}), chr(0), ''), '')"


def _json(field: Field | None) -> str:
    if field is None:
        return "NULL::VARCHAR"
    if field.type in {"VARCHAR", "JSON"}:
        return text(field)
    return f"CAST(to_json({field.expression}) AS VARCHAR)"  # AWS writes tags as a MAP in Parquet


CHECKS = {
    "BillingAccountId": "source IS NOT NULL",
    "BillingPeriodStart": "billing_period BETWEEN DATE '2000-01-01' AND DATE '2199-12-31'",
    "ChargePeriodStart": "charge_date BETWEEN DATE '2000-01-01' AND DATE '2199-12-31'",
    "BillingCurrency": "regexp_full_match(currency, '[A-Z]{3}')",
    "ChargeCategory": "charge_category IS NOT NULL",
    "BilledCost": f"abs(billed) < {_LIMIT} AND billed_exact",
    "EffectiveCost": f"abs(effective) < {_LIMIT} AND effective_exact",
}
"""What a row must satisfy to be counted, in the order in which the first fault is named. Each looks at its column only."""


def rows_of(
    source: str,
    fields: Mapping[str, Field],
    tag_keys: Sequence[str],
    source_name: str | None,
) -> str:
    """One row per row of the file: typed values, and `problem` naming the first column that cannot be used."""
    tag_values = "".join(
        f"{_tag('tags', key)} AS {name}, "
        for key, name in zip(tag_keys, tag_columns(tag_keys), strict=True)
    )
    return (
        f"SELECT {_PROBLEM} AS problem, {', '.join(KEYS)}, {tag_values}{', '.join(DIMENSIONS)}, billed, effective, "
        f"(raw_tags IS NOT NULL AND tags IS NULL) AS unreadable_tags FROM ({_typed(source, fields, source_name)})"
    )


def faults_of(
    source: str,
    fields: Mapping[str, Field],
    source_name: str | None,
    *,
    row_number: bool,
    limit: int,
) -> str:
    """The faulty values: column, text, and with `row_number` (Parquet) the row's number; without it, each value once."""
    checked = {name: field for name, field in fields.items() if name in CHECKS}
    raw = "".join(
        f"CAST({field.expression} AS VARCHAR) AS raw_{name}, "
        for name, field in checked.items()
    )
    value = " ".join(f"WHEN '{name}' THEN raw_{name}" for name in checked)
    number = "file_row_number + 1" if row_number else "NULL"
    return (
        f"SELECT DISTINCT problem, CASE problem {value} END AS value, row FROM (SELECT {_PROBLEM} AS problem, * "
        f"FROM ({_typed(source, fields, source_name, raw + number + ' AS row, ')})) "
        f"WHERE problem IS NOT NULL {'ORDER BY row ' if row_number else ''}LIMIT {limit}"
    )


def _typed(
    source: str, fields: Mapping[str, Field], source_name: str | None, more: str = ""
) -> str:
    providers = [text(fields[name]) for name in PROVIDERS if name in fields]
    provider = (
        f"coalesce({', '.join(providers)}, 'unknown')" if providers else "'unknown'"
    )
    account = text(fields.get("BillingAccountId"))
    naming = literal(source_name) if source_name else f"{provider} || '/' || {account}"
    tags = _json(fields.get("Tags"))
    braced = f"'{{' || {tags} || '}}'"  # an Azure export may lack the braces
    billed, effective = fields["BilledCost"], fields["EffectiveCost"]
    return (
        f"SELECT {more}{naming} AS source, "
        f"CAST({_moment(fields['BillingPeriodStart'])} AS DATE) AS billing_period, "
        f"CAST({_moment(fields['ChargePeriodStart'])} AS DATE) AS charge_date, "
        f"coalesce({text(fields.get('SubAccountId'))}, '') AS sub_account_id, "
        f"coalesce({text(fields.get('SubAccountName'))}, '') AS sub_account_name, {tags} AS raw_tags, "
        f"CASE WHEN json_valid({tags}) THEN {tags} WHEN json_valid({braced}) THEN {braced} END AS tags, "
        f"coalesce({text(fields.get('ServiceName'))}, '') AS service, {text(fields['ChargeCategory'])} AS charge_category, "
        f"upper({text(fields['BillingCurrency'])}) AS currency, "
        f"{_amount(billed)} AS billed, {_exact(billed, _amount(billed))} AS billed_exact, "
        f"{_amount(effective)} AS effective, {_exact(effective, _amount(effective))} AS effective_exact FROM {source}"
    )


_PROBLEM = (
    "CASE "
    + " ".join(
        f"WHEN ({check}) IS NOT TRUE THEN '{name}'" for name, check in CHECKS.items()
    )
    + " END"
)


def gather(query: str, tag_keys: Sequence[str]) -> str:
    """Adds one file's groups to the table."""
    keys = ", ".join(("problem", *KEYS, *tag_columns(tag_keys), *DIMENSIONS))
    return (
        f"INSERT INTO {GROUPS} SELECT {keys}, sum(billed), sum(effective), count(*), count(*) FILTER (unreadable_tags) "
        f"FROM ({query}) GROUP BY {keys}"
    )


FAULTY_ROWS = f"SELECT coalesce(sum(rows), 0) FROM {GROUPS} WHERE problem IS NOT NULL"
DROP_FAULTY = f"DELETE FROM {GROUPS} WHERE problem IS NOT NULL"
COUNTED = (
    f"SELECT coalesce(sum(rows), 0), coalesce(sum(unreadable_tags), 0) FROM {GROUPS}"
)
DESCRIBE_PARQUET = f"DESCRIBE SELECT * FROM {PARQUET_SOURCE}"
REJECTS = (
    "SELECT line, min(column_idx), "
    "coalesce(max(error_type) FILTER (error_type = 'LINE SIZE OVER MAXIMUM'), min_by(error_type, column_idx), any_value(error_type)), "
    "bool_or(error_type = 'UNQUOTED VALUE' AND contains(csv_line, chr(10))), count(*) "
    "FROM reject_errors GROUP BY line ORDER BY line"
)
ANY_REJECT = "SELECT 1 FROM reject_errors LIMIT 1"
CLEAR_REJECTS = ("DELETE FROM reject_errors", "DELETE FROM reject_scans")


def merge(tag_keys: Sequence[str]) -> list[str]:
    """Joins the groups that several files have in common."""
    keys = ", ".join((*KEYS, *tag_columns(tag_keys), *DIMENSIONS))
    return [
        f"CREATE TABLE merged AS SELECT NULL::VARCHAR AS problem, {keys}, sum(billed) AS billed, sum(effective) AS effective, "
        f"CAST(sum(rows) AS BIGINT) AS rows, 0::BIGINT AS unreadable_tags FROM {GROUPS} GROUP BY {keys}",
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
