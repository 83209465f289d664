"""A process in a box of its own by bubblewrap: what it may read, where it may write, and when it has become too many.

Inside there are the system's and Python's libraries and what was named, all read-only; a folder of its own; an empty
`/tmp`; and no network, no home, no sockets and no processes of the machine. It ends with whoever started it.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path

PROGRAM = "bwrap"
MISSING = (
    "This machine has no bubblewrap, or doesn't let it work (`bwrap` 0.7 or newer, Debian's package `bubblewrap`). Without it, code in a "
    "model can read and change whatever you can. Install it, or add --without-sandbox if you trust who made the model."
)

MOST_PROCESSES = 64
"""Processes and threads together; scikit-learn needs a handful."""

ROOM = 1 << 30
"""Bytes of memory that files in the box's own `/tmp` and `/dev/shm` may take, each."""
_IN_MEMORY = ("/tmp", "/dev/shm")  # noqa: S108 - the box's own

_SYSTEM = ("/lib", "/lib32", "/lib64", "/libx32", "/bin", "/sbin")
"""Links into /usr on most systems, folders on some."""
_CONFIGURATION = (
    "/etc/ld.so.cache",
    "/etc/ld.so.conf",
    "/etc/ld.so.conf.d",
    "/etc/localtime",
    "/etc/alternatives",
    "/nix/store",
)
_BOX = ("--unshare-all", "--die-with-parent", "--new-session", "--cap-drop", "ALL")


@cache
def is_possible() -> bool:
    """Whether bubblewrap is here and may make its namespaces (some containers forbid it)."""
    program = shutil.which(PROGRAM)
    if program is None or not sys.platform.startswith("linux"):
        return False
    try:
        tried = subprocess.run(  # noqa: S603 - the program of this name on the path, with words of ours
            [
                program,
                *_BOX,
                "--ro-bind",
                "/",
                "/",
                "--proc",
                "/proc",
                "--size",
                str(ROOM),
                "--tmpfs",
                _IN_MEMORY[0],
                "true",
            ],
            capture_output=True,
            timeout=20,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return tried.returncode == 0


def command(words: Sequence[str], *, writes: Path, reads: Sequence[Path], info: int) -> list[str]:
    """The command line that runs `words` inside; `info` is the descriptor on which bubblewrap tells the pid."""
    box = [shutil.which(PROGRAM) or PROGRAM, *_BOX, "--info-fd", str(info)]
    box += ["--uid", "65534", "--gid", "65534", "--hostname", "model"]
    box += ["--ro-bind", "/usr", "/usr"]
    for place in _SYSTEM:
        if os.path.islink(place):
            box += ["--symlink", os.readlink(place), place]
        elif os.path.isdir(place):
            box += ["--ro-bind", place, place]
    for place in _CONFIGURATION:
        box += ["--ro-bind-try", place, place]
    box += ["--proc", "/proc", "--dev", "/dev"]
    for place in _IN_MEMORY:
        box += ["--size", str(ROOM), "--tmpfs", place]
    for path in (*_python(), *reads):
        box += ["--ro-bind", str(path), str(path)]
    box += ["--bind", str(writes), str(writes), "--remount-ro", "/"]
    return [*box, "--chdir", str(writes), "--", *words]


def _python() -> list[Path]:
    """Where Python and its packages are. Of a source checkout only this program's own package is shown."""
    ours = Path(__file__).parents[2]
    places = {Path(sys.prefix), Path(sys.base_prefix), Path(sys.exec_prefix)}
    for entry in sys.path:
        folder = Path(entry) if entry else Path.cwd()
        if folder == ours.parent and (folder / "pyproject.toml").exists():
            places.add(ours)
        elif folder.name in {"site-packages", "dist-packages"} and folder.is_dir():
            places.add(folder)
    return sorted(place for place in places if not place.is_relative_to("/usr"))


def pid_of(info: str) -> int | None:
    """The pid, outside, of the first process inside, from what bubblewrap told."""
    try:
        return int(json.loads(info)["child-pid"])
    except (ValueError, KeyError, TypeError):
        return None


def population(pid: int) -> int:
    """How many processes and threads live inside, 0 when none does any more."""
    try:
        inside = os.readlink(f"/proc/{pid}/ns/pid")
    except OSError:
        return 0
    number = 0
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                if os.readlink(f"/proc/{entry}/ns/pid") == inside:
                    number += len(os.listdir(f"/proc/{entry}/task"))
            except OSError:
                continue  # it ended while we looked
    return number
