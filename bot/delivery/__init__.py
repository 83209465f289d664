"""The outbox to Slack: each message sent once, in its lane's order and pace. `docs/delivery.md` tells how."""

from bot.delivery.loop import Delivery
from bot.delivery.sender import Anchor, client
from workflows.delivery.pace import Pace

__all__ = ["Anchor", "Delivery", "Pace", "client"]
