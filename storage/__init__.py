"""The record: tables, queries, migrations and the ledger's hash chain. Knows neither Slack nor the rules of governance."""
