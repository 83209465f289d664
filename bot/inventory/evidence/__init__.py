"""Evidence in Slack: handed in, looked at, waived, and drawn."""
