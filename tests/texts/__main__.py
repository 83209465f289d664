"""Walk through the demo as everybody in it, and print every text that was met: `python -m tests.texts > before.txt`.

The clock stands at one morning, so that two walks say the same; `diff` then shows what a change did to the words. With
folders of the plugin in `recorder` it prints all that was heard there instead.
"""

import contextlib
import signal
import sys
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from bot import app
from bot.demo.command import Demo
from sandbox.seat import Seat
from sandbox.submission import NotPossible
from tests.texts import recorder

OPENS = datetime(2026, 1, 26, 8, 50, tzinfo=UTC)


TWICE = 2
"""How many people press each kind of button: one who may, and mostly one who may not any more."""


def walk(demo: Demo) -> None:
    """Everybody reads what they have and says every command; each kind of button is pressed by two who see it; a day
    passes, then a week, and each time somebody looks again at what is new."""
    members = [user.id for user in demo.sandbox.world.users.values() if not user.is_bot]
    pressed: Counter[str] = Counter()
    for passing in (timedelta(0), timedelta(days=1), timedelta(days=7)):
        if passing:
            demo.pass_time(passing)
        demo.settle()
        for user_id in sorted(members):
            with contextlib.suppress(NotPossible):
                look_around(demo.sandbox.seat(user_id), pressed, speaks=not passing)
        demo.settle()


def look_around(seat: Seat, pressed: Counter[str], *, speaks: bool) -> None:
    """One person's Home, their commands, and the windows behind the buttons that they see."""
    place = seat.dm().id
    seat.open_home()
    for word in (*sorted(app.build_router().words), "no such word") if speaks else ():
        seat.slash("/mlgov", word, place)
    for channel in seat.channels():
        for message in reversed(seat.messages(channel.id)):
            for button in buttons(message.blocks):
                if pressed[button] == TWICE:
                    continue
                pressed[button] += 1
                with contextlib.suppress(NotPossible):
                    seat.click(channel_id=channel.id, ts=message.ts, action_id=button)
                close(seat)
    home = seat.home()
    if home is None:
        return
    for button in dict.fromkeys(buttons(home.blocks)):
        if pressed[button] == TWICE:
            continue
        pressed[button] += 1
        with contextlib.suppress(NotPossible):
            seat.click(view_id=home.id, action_id=button)
        close(seat)


def close(seat: Seat) -> None:
    """Send an empty window, so that it says what is missing; then close all."""
    for view in reversed(seat.modals()):
        with contextlib.suppress(NotPossible):
            seat.submit(view.id, {})
    for view in reversed(seat.modals()):
        with contextlib.suppress(NotPossible):
            seat.close(view.id, clear=True)


def buttons(blocks: Any) -> list[str]:
    """The ids of the buttons in a message."""
    if isinstance(blocks, list):
        return [button for block in blocks for button in buttons(block)]
    if isinstance(blocks, dict):
        inner = [button for value in blocks.values() for button in buttons(value)]
        return [*([blocks["action_id"]] if blocks.get("type") == "button" else []), *inner]
    return []


def main(folders: list[str]) -> None:
    """Print what was heard."""
    if folders:
        lines = {
            line
            for folder in folders
            for path in Path(folder).glob("*.txt")
            for line in path.read_text(encoding="utf-8").splitlines()
        }
    else:
        recorder.listen()
        signal.signal(
            signal.SIGTERM, signal.default_int_handler
        )  # as Ctrl-C: what was met is printed
        demo = Demo(at=OPENS, limits=False)
        try:
            demo.start()
            walk(demo)
        except KeyboardInterrupt:
            sys.stderr.write("The walk was broken off; what was met until then follows.\n")
        finally:
            demo.stop()
        lines = recorder.heard
    sys.stdout.write("\n".join(sorted(lines)) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
