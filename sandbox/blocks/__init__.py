"""Block Kit: what Slack accepts, and what inputs hold."""
