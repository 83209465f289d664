"""The outbox to Slack: each message sent once, in its lane's order and pace. `docs/delivery.md` tells how."""
