"""Findings and reviews in Slack."""
