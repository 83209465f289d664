"""The record against the ledger: what was changed outside mlgov, found and told."""
