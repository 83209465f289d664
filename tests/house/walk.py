"""What one act enters: every function of ours that runs for it, in order, over real signed requests.

`python -m tests.house.walk approve` prints the files of an approve click; `job` those of something that falls due, and
`import` those of a table that is brought in.

What is counted:

- *Entered* is a function of ours that one of ours called, or a library that hands on (Bolt, Starlette, contextlib).
  What SQLAlchemy and pydantic call back while they work is left out: a reader of the act does not go there.
- A *move* is a call that goes to another file, and the way back from it: all that a debugger steps through.
- A reader follows each function once, where it is called first. Each call that takes them to another file opens a
  *room*, unless they were in that file last; a *return* is a room that was open before, so that they come back to what
  they left. Going on in the function from which they came is none, nor is a helper that stands beside it: that page
  still lies before them. So a service that calls five helpers of its own and three queries in a row has no return, and
  one that goes to the queries, to the rules and to the queries again has one.
"""

import sys
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, timedelta
from itertools import groupby
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

from tests import cli
from tests.budgets.conftest import days
from tests.stories.office import FAY, OLA, POLICY, TIM, Office, opened
from workflows import imports, job_runner
from workflows.approvals import actions
from workflows.approvals import service as approval_service

ROOT = Path(__file__).parents[2]
OURS = tuple(f"{ROOT / name}/" for name in ("bot", "workflows", "storage"))
ENGINES = ("/sqlalchemy/", "/pydantic/", "/pydantic_core/")
"""Libraries whose calls back into ours are their own work."""
SERVER = "/uvicorn/"

DECIDE: Callable[..., object] = actions.perform_act
EXPIRE: Callable[..., object] = approval_service.expire
BRING: Callable[..., object] = imports.run
"""The service that each act comes to."""
ONE_TIMER: Callable[..., object] = job_runner.Runner._timer
"""What runs one of the many things that may be due at a tick."""


@dataclass(frozen=True, slots=True)
class Step:
    """A function of ours that was called: its file from the root on, its name, and how deep it stands in ours."""

    file: str
    name: str
    caller: str | None
    """The file of ours from which it was called; None at the edge."""
    depth: int
    is_of_service: bool
    """Whether it ran inside the service."""


@dataclass(slots=True)
class Walk:
    """Everything that one act entered, in order."""

    steps: list[Step] = field(default_factory=list)
    moves: int = 0

    def files(self, *floors: str) -> list[str]:
        """The files, each once, in the order in which they were entered."""
        wanted = (step.file for step in self.steps if step.file.startswith(floors or ("",)))
        return list(dict.fromkeys(wanted))

    def service(self) -> "Walk":
        """The part of it inside the service, on its own floors."""
        floors = ("workflows/", "storage/")
        inside = [s for s in self.steps if s.is_of_service and s.file.startswith(floors)]
        return Walk(inside)

    def rooms(self) -> list[str]:
        """The files to which a reader goes, who reads each function where it is called first."""
        first = {(step.file, step.name): step for step in reversed(self.steps)}
        read = (step for step in self.steps if first[step.file, step.name] is step)
        return [file for file, _ in groupby(step.file for step in read if step.file != step.caller)]

    def returns(self) -> list[str]:
        """The rooms in files that the reader had open before."""
        rooms = self.rooms()
        return [room for place, room in enumerate(rooms) if room in rooms[:place]]


class Recorder:
    """Watches every thread that begins after it; cheap while nothing is recorded."""

    def __init__(self) -> None:
        self._known: dict[str, str | None] = {}
        self._events: list[tuple[int, Step]] = []
        self._moves: dict[int, int] = {}
        self._servers: set[int] = set()
        self._at_service: set[int] = set()
        self._inside: dict[int, int] = {}
        self._service: CodeType | None = None
        self._around: CodeType | None = None
        self._began: dict[int, int] = {}
        self._is_on = False

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Everything that starts inside can be recorded."""
        threading.setprofile(self._profile)
        sys.setprofile(self._profile)
        try:
            yield
        finally:
            sys.setprofile(None)
            threading.setprofile(None)

    def record(
        self,
        act: Callable[[], object],
        service: Callable[..., object],
        around: Callable[..., object] | None = None,
    ) -> Walk:
        """What `act` enters in the thread that comes to `service`, and in the server's own; only the run of `around` that
        comes there, where one is given."""
        for known in (self._events, self._moves, self._servers, self._at_service, self._inside):
            known.clear()
        self._around = getattr(around, "__code__", None)
        self._service = service.__code__
        self._is_on = True
        try:
            act()
        finally:
            self._is_on = False
        if not self._at_service:
            raise AssertionError(f"nothing came to {service.__qualname__}")
        threads = self._at_service | self._servers
        return Walk(
            [step for thread, step in self._events if thread in threads],
            sum(self._moves.get(thread, 0) for thread in threads),
        )

    def _file(self, code: CodeType) -> str | None:
        """A file of ours, from the root on."""
        name = code.co_filename
        if name not in self._known:
            is_ours = name.startswith(OURS)
            self._known[name] = name.removeprefix(f"{ROOT}/") if is_ours else None
        return self._known[name]

    def _profile(self, frame: FrameType, event: str, argument: Any) -> None:
        if not self._is_on or event not in ("call", "return"):
            return
        code = frame.f_code
        thread = threading.get_ident()
        file = self._file(code)
        if file is None:
            if SERVER in code.co_filename:
                self._servers.add(thread)
            return
        if code.co_name.startswith(
            "<"
        ):  # a module, a comprehension or a lambda is part of what stands around it
            return
        caller, depth = self._caller(frame)
        if depth < 0:
            return
        if code is self._around:
            if event == "call":
                self._began[thread] = len(self._events)
                self._moves[thread] = 0
            else:
                self._around_ended(thread)
        elif self._around is not None and thread not in self._began:
            return
        if code is self._service:
            if event == "call":
                self._at_service.add(thread)
            self._inside[thread] = self._inside.get(thread, 0) + (1 if event == "call" else -1)
        if caller != file:
            self._moves[thread] = self._moves.get(thread, 0) + 1
        if event == "call":
            is_inside = self._inside.get(thread, 0) > 0
            step = Step(file, code.co_qualname, caller, depth, is_inside)
            if code is self._around:
                self._path(frame, thread)
            self._events.append((thread, step))

    def _path(self, frame: FrameType, thread: int) -> None:
        """The functions that lead to this one, which began before anything was recorded."""
        open_: list[tuple[str, str]] = []
        outer = frame.f_back
        while outer is not None:
            file = self._file(outer.f_code)
            if file is not None:
                open_.append((file, outer.f_code.co_qualname))
            outer = outer.f_back
        caller: str | None = None
        for depth, (file, name) in enumerate(reversed(open_)):
            self._events.append((thread, Step(file, name, caller, depth, False)))
            caller = file

    def _around_ended(self, thread: int) -> None:
        """Forget a run that did not come to the service, and all that follows the one that did."""
        start = self._began.pop(thread, 0)
        if thread in self._at_service:
            self._is_on = False
        else:
            del self._events[start:]

    def _caller(self, frame: FrameType) -> tuple[str | None, int]:
        """The file of ours that called, and how many functions of ours are open; a depth below 0 under an engine."""
        nearest: str | None = None
        depth = 0
        outer = frame.f_back
        while outer is not None:
            file = self._file(outer.f_code)
            if file is not None:
                nearest = nearest or file
                depth += 1
            elif nearest is None and any(name in outer.f_code.co_filename for name in ENGINES):
                return None, -1
            outer = outer.f_back
        return nearest, depth


# --- the acts


TWO_STAGES = POLICY.replace("approvers: [role:finance]", "approvers: [role:finance], quorum: 2")
ONLY = {
    "type": "radio_buttons",
    "selected_option": {
        "text": {"type": "plain_text", "text": "January only", "emoji": True},
        "value": "period",
    },
}


def _requested(office: Office) -> None:
    """Tim asks for more money, and the owner has agreed: whatever is read once for a process was read."""
    office.project("triage", "Ticket triage")
    office.costs(days(date(2026, 1, 1), 20, "45"))
    tim = office.sandbox.seat(TIM)
    alert = office.card(tim, "C0TRIAGE", "budgets.increase")
    tim.click(channel_id="C0TRIAGE", ts=alert.ts, action_id="budgets.increase")
    asked: dict[str, dict[str, Any]] = {
        "amount": {"amount": "1500"},
        "scope": {"scope": ONLY},
        "reason": {"reason": "More GPUs"},
    }
    assert tim.submit(tim.modals()[-1].id, asked).ok
    office.settle()
    _approve(office, OLA)
    office.settle()


def _approve(office: Office, user_id: str) -> None:
    seat = office.sandbox.seat(user_id)
    card = office.card(seat, seat.dm().id, "approvals.approve")
    clicked = seat.click(
        channel_id=seat.dm().id, ts=card.ts, action_id="approvals.approve", message=card
    )
    assert clicked.ok


def approve(office: Office, recorder: Recorder) -> Walk:
    """The first of two approvals that a stage asks for."""
    _requested(office)
    return recorder.record(lambda: _approve(office, FAY), DECIDE)


def job(office: Office, recorder: Recorder) -> Walk:
    """A request that nobody has answered in time lapses."""
    _requested(office)
    return recorder.record(lambda: office.move(timedelta(days=8)), EXPIRE, ONE_TIMER)


def import_(office: Office, recorder: Recorder) -> Walk:
    """A table of people on the command line, for the second time."""
    rows = ["Slack ID,Full name,Line manager", "U0TIM,Tim,U0OLA", "U0FAY,Fay,U0OLA"]
    table = office.file("people.csv", "\n".join(rows))
    url = office.bot.deps.settings.mlgov_database_url.get_secret_value()
    policy = str(office.bot.deps.settings.mlgov_policy)

    def bring() -> None:
        code, output = cli.run(
            "import", "people", str(table), MLGOV_DATABASE_URL=url, MLGOV_POLICY=policy
        )
        assert code == 0, output

    bring()
    table.write_text("\n".join([*rows, "U0FRED,Fred,U0OLA"]), encoding="utf-8")
    return recorder.record(bring, BRING)


ACTS: dict[str, Callable[[Office, Recorder], Walk]] = {
    "approve": approve,
    "job": job,
    "import": import_,
}


def walked(*names: str) -> dict[str, Walk]:
    """The walks of these acts, each in an office of its own on SQLite."""
    walks = {}
    for name in names:
        recorder = Recorder()
        with tempfile.TemporaryDirectory(prefix="mlgov-walk-") as folder, recorder.watching():
            work = Path(folder)
            with opened(f"sqlite:///{work / 'walk.db'}", work, policy=TWO_STAGES) as office:
                walks[name] = ACTS[name](office, recorder)
    return walks


def figures(walk: Walk) -> dict[str, int]:
    """The figures of a walk, and those of its service."""
    service = walk.service()
    return {
        "files": len(walk.files()),
        "moves": walk.moves,
        "returns": len(walk.returns()),
        "service's files": len(service.files()),
        "service's returns": len(service.returns()),
    }


def told(walk: Walk, *, whole: bool = False) -> Iterable[str]:
    """The rooms in order, those that were left before marked; or every function, indented."""
    if whole:
        return (f"{'  ' * step.depth}{step.file}: {step.name}" for step in walk.steps)
    seen: set[str] = set()
    lines = []
    for room in walk.rooms():
        lines.append(f"{'again ' if room in seen else '      '}{room}")
        seen.add(room)
    return lines


def say(text: str) -> None:
    """A line for whoever asked."""
    sys.stdout.write(f"{text}\n")


def main(words: list[str]) -> None:
    """Print the walks of the acts that are named, by default all."""
    whole = "--whole" in words
    names = [word for word in words if not word.startswith("--")] or list(ACTS)
    if wrong := set(names) - ACTS.keys():
        sys.exit(f"There is no act {', '.join(sorted(wrong))}; there are {', '.join(ACTS)}.")
    for name, walk in walked(*names).items():
        say(f"\n{name}: " + ", ".join(f"{n} {what}" for what, n in figures(walk).items()))
        say("\n".join(told(walk, whole=whole)))
        say(f"\nits service, in {len(walk.service().files())} files:")
        say("\n".join(told(walk.service())))


if __name__ == "__main__":
    main(sys.argv[1:])
