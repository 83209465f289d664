"""The SQL that turns one file's rows into groups.

Nothing of a file is written into it but the names of Parquet columns, quoted as identifiers; the path is a parameter,
and tag keys and the source's name, which come from whoever runs the import, are quoted as literals.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from workflows.sources.accounts import PREFIXES, ROUNDED, UNKNOWN
from workflows.sources.focus.columns import PROVIDERS
from workflows.sources.focus.engine import literal

# ruff: noqa: S608 - the docstring says what goes into a statement and how


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


# --- The SQL over the groups of all files
#
# counting, merging, numbering, summing, telling one bill from another.

# ruff: noqa: S608 - of the callers' values only tag keys are written into a statement, as quoted literals


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
