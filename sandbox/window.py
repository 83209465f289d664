"""What one person's Slack client shows."""

from typing import TYPE_CHECKING

from sandbox.channels import Channel, Ephemeral, Message
from sandbox.outcome import NotPossible
from sandbox.people import User
from sandbox.views import View

if TYPE_CHECKING:
    from sandbox.server import Sandbox


class Window:
    """Look as one person. Raises NotPossible for what they do not see."""

    def __init__(self, sandbox: "Sandbox", user_id: str, team_id: str | None = None) -> None:
        self._sandbox = sandbox
        self._world = sandbox.world
        if user_id not in self._world.users:
            raise ValueError(f"there is no user {user_id}")
        self.user_id = user_id
        own = self._world.users[user_id]
        self.team_id = team_id or own.team_id
        if self.team_id not in own.team_ids:
            raise ValueError(f"{user_id} is not in the workspace {self.team_id}")

    @property
    def user(self) -> User:
        """Who sits here, as they are now."""
        return self._world.users[self.user_id]

    def channels(self) -> list[Channel]:
        """The conversations this person is in."""
        return self._world.channels_of(self.user_id)

    def messages(self, channel_id: str) -> list[Message]:
        """What stands in a channel, oldest first, without the replies in threads."""
        with self._world.lock:
            channel = self._channel(channel_id)
            return [
                one for one in channel.messages.values() if not one.is_reply or one.reply_broadcast
            ]

    def replies(self, channel_id: str, ts: str) -> list[Message]:
        """The replies in a thread, oldest first, without its root."""
        with self._world.lock:
            return self._channel(channel_id).replies(ts)

    def ephemerals(self, channel_id: str | None = None) -> list[Ephemeral]:
        """What is "only visible to you", oldest first; in one channel or in all."""
        with self._world.lock:
            return [
                one
                for one in self._world.messages.ephemerals.values()
                if one.user_id == self.user_id and channel_id in (None, one.channel_id)
            ]

    def modals(self) -> list[View]:
        """The open modals, the visible one last."""
        return self._world.views.stack(self.user_id)

    def home(self) -> View | None:
        """The app's Home tab as last published, or None."""
        return self._world.views.home(self.user_id)

    def unread(self) -> dict[str, int]:
        """Unread messages per channel, only channels that have some."""
        with self._world.lock:
            counts = {
                one.id: self._world.messages.unread(self.user_id, one.id) for one in self.channels()
            }
        return {channel_id: count for channel_id, count in counts.items() if count}

    def mark_read(self, channel_id: str) -> None:
        """Everything in the channel has been seen."""
        self._world.messages.mark_read(self.user_id, channel_id)

    def dm(self) -> Channel:
        """The direct conversation with the app."""
        return self._world.open_im(self.user_id)

    # --- within --------------------------------------------------------------------------------

    def _channel(self, channel_id: str) -> Channel:
        """A channel that this person can look into."""
        channel = self._world.channels.get(channel_id)
        if channel is None:
            raise NotPossible(f"there is no channel {channel_id}")
        user = self.user
        if self.user_id not in channel.members and (
            channel.kind != "public"
            or user.is_restricted
            or user.is_ultra_restricted
            or not set(user.team_ids) & set(channel.team_ids)
            or self._world.is_foreign(user)
        ):
            raise NotPossible(f"{user.label} does not see the channel {channel_id}")
        return channel

    def _view(self, view_id: str) -> View:
        view = self._world.views.find(view_id)
        if view is None or view.user_id != self.user_id:
            raise NotPossible(f"the view {view_id} is not open here")
        return view

    def _top(self, view_id: str) -> View:
        view = self._view(view_id)
        stack = self.modals()
        if not stack or stack[-1] is not view:
            raise NotPossible(f"the modal {view_id} is not the one on top")
        return view

    def _active(self) -> None:
        if self.user.deleted:
            raise NotPossible(f"{self.user.label} has been deactivated")
