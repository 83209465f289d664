"""The stand-in as one object: a local server with Slack's API, its deliveries and people's seats."""

from typing import TYPE_CHECKING, Any

from sandbox.clock import GovernedClock
from sandbox.faults import Faults
from sandbox.inspector import Inspector
from sandbox.limits import RateLimits
from sandbox.manifest import Manifest
from sandbox.seat import Seat
from sandbox.world import World

if TYPE_CHECKING:
    from sandbox.strip import Strip


class Sandbox:
    """A local Slack for one app.

    `limits` is True for Slack's rate limits, False for none, or a `RateLimits` of your own.
    `url` is the page, `api_url` what a Slack client takes as its base URL (SLACK_API_URL).
    Use it as a context manager, or call `start()` and `stop()`.
    """

    def __init__(
        self,
        world: World,
        manifest: dict[str, Any],
        *,
        signing_secret: str | None = None,
        clock: GovernedClock | None = None,
        faults: Faults | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        strip: "Strip | None" = None,
        limits: RateLimits | bool = True,
    ) -> None:
        self.world = world
        self.manifest = Manifest(manifest)
        self.faults = faults or Faults()
        self.inspector = Inspector()
        self.strip = strip
        raise NotImplementedError

    def seat(self, user_id: str, team_id: str | None = None) -> Seat:
        """Act as this person."""
        return Seat(self, user_id, team_id)
