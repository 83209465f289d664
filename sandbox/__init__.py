"""A stand-in for Slack: Web API, signed HTTP and Socket Mode delivery, and people to act as.

It refuses what Slack refuses, with Slack's error codes, so that a bot that passes here has a
chance there. It knows nothing of the bot it serves.
"""

from sandbox.clock import GovernedClock
from sandbox.faults import Faults
from sandbox.limits import RateLimits
from sandbox.outcome import NotPossible, Outcome
from sandbox.seat import Seat
from sandbox.server import Sandbox
from sandbox.world import World

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
