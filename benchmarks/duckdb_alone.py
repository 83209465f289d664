"""The yardstick of `costs`: DuckDB groups the file, sqlite3's executemany writes the same groups to the same tables.

    python -m benchmarks.duckdb_alone FILE.csv DATABASE.db [THREADS MEMORY_MB]

It checks nothing, keeps no roll-up and no fingerprint, and knows the file's columns beforehand.
"""

import json
import sqlite3
import sys

import duckdb

GROUP = """
CREATE TEMP TABLE groups AS SELECT
    ProviderName || '/' || BillingAccountId AS source, CAST(BillingPeriodStart AS DATE) AS billing_period,
    CAST(ChargePeriodStart AS DATE) AS charge_date, SubAccountId AS account, SubAccountName AS name,
    coalesce(json_extract_string(Tags, '$.project'), '') AS tag, ServiceName AS service, ChargeCategory AS category,
    BillingCurrency AS currency, sum(BilledCost) AS billed, sum(EffectiveCost) AS effective, count(*) AS rows,
    max(CAST(ChargePeriodStart AS DATE)) AS through
FROM read_csv(?, header=true, all_varchar=false, nullstr='NULL', types={
    'BilledCost': 'DECIMAL(38,18)', 'EffectiveCost': 'DECIMAL(38,18)', 'BillingAccountId': 'VARCHAR',
    'SubAccountId': 'VARCHAR', 'Tags': 'VARCHAR'})
GROUP BY ALL
"""
PERIODS = "SELECT source, CAST(billing_period AS VARCHAR), CAST(sum(rows) AS BIGINT), CAST(max(through) AS VARCHAR) FROM groups GROUP BY ALL ORDER BY ALL"
KEYS = "SELECT DISTINCT account, name, tag FROM groups ORDER BY ALL"
ROWS = """
SELECT source, CAST(billing_period AS VARCHAR), CAST(charge_date AS VARCHAR), account, name, tag, service, category, currency,
    rtrim(rtrim(CAST(billed AS VARCHAR), '0'), '.'), rtrim(rtrim(CAST(effective AS VARCHAR), '0'), '.'), rows FROM groups
"""
LOAD = "INSERT INTO cost_load (source, billing_period, sha256, rows, charges_through, loaded_at) VALUES (?, ?, '', ?, ?, 0)"
KEY = "INSERT INTO allocation_key (sub_account_id, sub_account_name, tags) VALUES (?, ?, ?)"
ENTRY = (
    "INSERT INTO cost_entry (load_id, charge_date, allocation_key_id, service, category, currency, billed, effective, "
    "rows) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
BATCH = 10_000


def main() -> None:
    """Group, then write, in one transaction."""
    file, database, *limits = sys.argv[1:]
    duck = duckdb.connect()
    duck.execute("SET preserve_insertion_order = false")
    if limits:
        duck.execute(f"SET threads = {int(limits[0])}")
        duck.execute(f"SET memory_limit = '{int(limits[1])}MB'")
    duck.execute(GROUP, [file])
    record = sqlite3.connect(database, isolation_level=None)
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        record.execute(f"PRAGMA {pragma}")
    record.execute("BEGIN IMMEDIATE")
    loads: dict[tuple[str, str], int | None] = {}
    for source, period, rows, through in duck.execute(PERIODS).fetchall():
        loads[source, period] = record.execute(LOAD, (source, period, rows, through)).lastrowid
    keys: dict[tuple[str, str, str], int | None] = {}
    for account, name, tag in duck.execute(KEYS).fetchall():
        tags = json.dumps({"project": tag} if tag else {}, separators=(",", ":"))
        keys[account, name, tag] = record.execute(KEY, (account, name, tags)).lastrowid
    result = duck.execute(ROWS)
    while batch := result.fetchmany(BATCH):
        record.executemany(
            ENTRY,
            [
                (loads[source, period], day, keys[account, name, tag], *rest)
                for source, period, day, account, name, tag, *rest in batch
            ],
        )
    record.execute("COMMIT")
    record.close()


if __name__ == "__main__":
    main()
