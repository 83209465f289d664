"""The record against the ledger."""
