"""The SQL that turns one file's rows into groups.

Nothing of a file is written into it but the names of Parquet columns, quoted as identifiers; the path is a parameter,
and tag keys and the source's name, which come from whoever runs the import, are quoted as literals.
"""

# ruff: noqa: S608 - the docstring says what goes into a statement and how

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from workflows.sources.accounts import ROUNDED, UNKNOWN
from workflows.sources.focus.columns import PROVIDERS
from workflows.sources.sealed import literal
from workflows.sources.tags import PREFIXES

NULL_WORDS = ("", "NULL", "null", "(null)")
"""What exporters write for nothing. FOCUS says NULL; an empty field means the same."""

SCALE = 18
MAX_LINE_BYTES = 1_000_000
BUFFER_BYTES = 4_000_000
REJECTS_LIMIT = 10_000
"""Faults, of which one row may have several, at which DuckDB stops to list them."""
FLOATS = frozenset({"DOUBLE", "FLOAT"})
_RENAMED = "_mlgov_tag"
_RAW = "_mlgov_tags"
_FOUND = "_mlgov_tag_"
_PREFIX = "|".join(re.escape(prefix) for prefix in PREFIXES)
_ZONE = r"'(:\d{2}(?:\.\d+)?) +(Z|[+-]\d{2}(?::?\d{2})?)$', '\1\2'"
"""An offset after a blank, as Snowflake writes it, and the same without the blank."""
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


def tag_columns(tag_keys: Sequence[str]) -> list[str]:
    """The columns of the groups that hold the tags asked for."""
    return [f"tag_{number}" for number in range(len(tag_keys))]


def csv_source(columns: int, delimiter: str, gzip: bool, *, again: bool = False) -> str:
    """Reads a CSV file as text, by position. Rows that are no rows go to DuckDB's rejects with their line.

    `again` reads a second time, when the rejects are known.
    """
    faulty = "ignore_errors=true" if again else f"store_rejects=true, rejects_limit={REJECTS_LIMIT}"
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
        f"THEN TRY_CAST({value} AS TIMESTAMP) "
        f"ELSE CAST(TRY_CAST(regexp_replace(trim({value}), {_ZONE}) AS TIMESTAMPTZ) AS TIMESTAMP) END"
    )


def _amount(field: Field) -> str:
    """A field as an exact amount; NULL for what is none, is beyond any cost, or has digits that would have to be rounded."""
    if field.type in FLOATS:
        # a float is read as the shortest decimal that stands for it, which is what the exporter meant
        value, exact = f"CAST({field.expression} AS VARCHAR)", "true"
    elif field.type == "VARCHAR":
        value = text(field)
        exact = _exact(value)
    else:
        value = field.expression
        exact = f"CAST(TRY_CAST({value} AS DECIMAL(38,{SCALE})) AS {field.type}) = {value}"
    amount = f"TRY_CAST({value} AS DECIMAL(38,{SCALE}))"
    return f"CASE WHEN abs({amount}) < {_LIMIT} AND {exact} THEN {amount} END"


def _exact(value: str) -> str:
    """Whether DuckDB's cast of this text keeps every digit; it rounds in silence what is beyond the scale."""
    decimals = rf"length(rtrim(regexp_extract({value}, '\.(\d*)', 1), '0'))"
    exponent = rf"coalesce(TRY_CAST(nullif(regexp_extract({value}, '[eE]([+-]?\d+)', 1), '') AS INTEGER), 0)"
    # 19 characters without an exponent cannot hold more than 18 decimals; CASE and not OR, which would match every row
    return (
        f"CASE WHEN strlen({value}) <= 19 AND NOT contains({value}, 'e') AND NOT contains({value}, 'E') THEN true "
        f"ELSE {decimals} - {exponent} <= {SCALE} END"
    )


def _raw_tags(field: Field | None) -> str:
    if field is None:
        return "NULL::VARCHAR"
    if field.type in {"VARCHAR", "JSON"}:
        return text(field)
    return f"CAST(to_json({field.expression}) AS VARCHAR)"  # AWS writes tags as a MAP in Parquet


def _pointer(key: str) -> str:
    return literal("/" + key.replace("~", "~0").replace("/", "~1"))


def _with_tags(source: str, field: Field | None, tag_keys: Sequence[str]) -> str:
    """The source with the tags that are spelt as asked for; TRY in a layer of its own, since it is not shared otherwise."""
    raw = _raw_tags(field)
    tags = "".join(
        f", TRY(json_extract_string({raw}, {_pointer(key)})) AS {_FOUND}{number}"
        for number, key in enumerate(tag_keys)
    )
    return f"(SELECT *, {raw} AS {_RAW}{tags} FROM {source})"


def _tags(tag_keys: Sequence[str]) -> str:
    """The columns of the tags asked for, empty where a row has none, and the tags of a row in any other shape than a flat map.

    A tag is the key as written if the row has it, else one that differs in case and surrounding blanks only.
    """
    braced = f"'{{' || {_RAW} || '}}'"  # an Azure export may lack the braces
    json = f"CASE WHEN json_valid({_RAW}) THEN {_RAW} WHEN json_valid({braced}) THEN {braced} END"
    inner = f"substring({_RAW}, 2)"
    flat = (
        f"substring({_RAW}, 1, 1) IN ('{{', '\"') AND NOT contains({inner}, '{{') AND NOT contains({inner}, '[') "
        f"AND ({json}) IS NOT NULL AND json_type({json}) = 'OBJECT'"
    )
    columns = []
    for number, (key, name) in enumerate(zip(tag_keys, tag_columns(tag_keys), strict=True)):
        column = f"{_FOUND}{number}"
        pattern = literal(rf'(?i)"\s*(?:{_PREFIX})?{re.escape(key.strip())}\s*"\s*:')
        renamed = f"regexp_replace({json}, {pattern}, '\"{_RENAMED}\":', 'g')"
        loose = (
            f"coalesce(json_extract_string({json}, {_pointer(key)}), "
            f"CASE WHEN regexp_matches({json}, {pattern}) THEN json_extract_string({renamed}, '/{_RENAMED}') END, '')"
        )
        columns.append(
            f"CASE WHEN odd_tags IS NOT NULL OR {_RAW} IS NULL THEN '' WHEN {column} IS NOT NULL THEN {column} ELSE {loose} END AS {name}, "
        )
    odd = f"CASE WHEN {flat} THEN NULL ELSE {_RAW} END" if tag_keys else "NULL"
    return f"{odd} AS odd_tags, " + "".join(columns)


_SPREADSHEET = literal(ROUNDED)
CHECKS = {
    "BillingAccountId": f"source IS NOT NULL AND NOT regexp_matches(source, {literal(f'/ *{ROUNDED} *$')})",
    "SubAccountId": f"NOT regexp_full_match(trim(sub_account_id), {_SPREADSHEET})",
    "BillingPeriodStart": "billing_period BETWEEN DATE '2000-01-01' AND DATE '2199-12-31'",
    "ChargePeriodStart": "charge_date BETWEEN DATE '2000-01-01' AND DATE '2199-12-31'",
    "BillingCurrency": "regexp_full_match(currency, '[A-Z]{3}')",
    "ChargeCategory": "charge_category IS NOT NULL",
    "BilledCost": "NOT no_billed",
    "EffectiveCost": "NOT no_effective",
}
"""What a row must satisfy to be counted, in the order in which the first fault is named. Each looks at its column only."""


def _rows(
    source: str,
    fields: Mapping[str, Field],
    tag_keys: Sequence[str],
    source_name: str | None,
    more: str = "",
) -> str:
    """One row per row of the file. Period and currency stay as written: they are few, and are read once per group."""
    providers = [text(fields[name]) for name in PROVIDERS if name in fields]
    provider = f"coalesce({', '.join(providers)}, '{UNKNOWN}')" if providers else f"'{UNKNOWN}'"
    account = text(fields.get("BillingAccountId"))
    naming = literal(source_name) if source_name else f"{provider} || '/' || {account}"
    return (
        f"SELECT {more}{naming} AS source, {_written(fields['BillingPeriodStart'])} AS written_period, "
        f"CAST({_moment(fields['ChargePeriodStart'])} AS DATE) AS charge_date, "
        f"coalesce({text(fields.get('SubAccountId'))}, '') AS sub_account_id, "
        f"coalesce({text(fields.get('SubAccountName'))}, '') AS sub_account_name, {_tags(tag_keys)}"
        f"coalesce({text(fields.get('ServiceName'))}, '') AS service, {text(fields['ChargeCategory'])} AS charge_category, "
        f"{text(fields['BillingCurrency'])} AS written_currency, {_amount(fields['BilledCost'])} AS billed, "
        f"{_amount(fields['EffectiveCost'])} AS effective, billed IS NULL AS no_billed, effective IS NULL AS no_effective "
        f"FROM {_with_tags(source, fields.get('Tags'), tag_keys)}"
    )


def _written(field: Field) -> str:
    return text(field) if field.type == "VARCHAR" else field.expression


def _judged(rows: str, fields: Mapping[str, Field]) -> str:
    """Rows or groups with their period and currency read, and `problem` naming the first column that cannot be used."""
    period = Field("written_period", fields["BillingPeriodStart"].type, True)
    problem = " ".join(
        f"WHEN ({check}) IS NOT TRUE THEN '{name}'" for name, check in CHECKS.items()
    )
    return (
        f"SELECT CASE {problem} END AS problem, * FROM (SELECT *, CAST({_moment(period)} AS DATE) AS billing_period, "
        f"upper(written_currency) AS currency FROM ({rows}))"
    )


def gather(
    source: str,
    fields: Mapping[str, Field],
    tag_keys: Sequence[str],
    source_name: str | None,
    export: int,
) -> str:
    """Adds one file's groups to the table, under the number of the export that the file is part of."""
    keys = ", ".join(
        (
            "source, written_period, charge_date, sub_account_id, sub_account_name",
            *tag_columns(tag_keys),
            "odd_tags, service, charge_category, written_currency",
        )
    )
    grouped = (
        f"SELECT {keys}, no_billed, no_effective, sum(billed) AS billed, sum(effective) AS effective, count(*) AS rows "
        f"FROM ({_rows(source, fields, tag_keys, source_name)}) "
        f"GROUP BY {keys}, no_billed, no_effective"
    )
    # PostgreSQL holds no NUL, which JSON can spell
    tags = [f"replace({name}, chr(0), '')" for name in tag_columns(tag_keys)]
    columns = ", ".join(("problem", *KEYS, *tags, *DIMENSIONS))
    return (
        f"INSERT INTO {GROUPS} SELECT {columns}, billed, effective, rows, odd_tags, 0, "
        f"hash(written_period), written_currency <> currency, {export:d} FROM ({_judged(grouped, fields)})"
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
        f"CAST({field.expression} AS VARCHAR) AS raw_{name}, " for name, field in checked.items()
    )
    value = " ".join(f"WHEN '{name}' THEN raw_{name}" for name in checked)
    number = "file_row_number + 1" if row_number else "NULL"
    rows = _rows(source, fields, (), source_name, raw + number + " AS row, ")
    return (
        f"SELECT DISTINCT problem, CASE problem {value} END AS value, row FROM ({_judged(rows, fields)}) "
        f"WHERE problem IS NOT NULL {'ORDER BY row ' if row_number else ''}LIMIT {limit}"
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
