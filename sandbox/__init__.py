"""A stand-in for Slack: Web API, signed HTTP and Socket Mode delivery, and people to act as.

It refuses what Slack refuses, with Slack's error codes, so that a bot that passes here has a
chance there. It knows nothing of the bot it serves.
"""

from sandbox.faults import Faults, RateLimits
from sandbox.seat import Seat
from sandbox.server import Sandbox
from sandbox.submission import NotPossible, Outcome
from sandbox.world import GovernedClock, World

__all__ = [
    "Faults",
    "GovernedClock",
    "NotPossible",
    "Outcome",
    "RateLimits",
    "Sandbox",
    "Seat",
    "World",
]
