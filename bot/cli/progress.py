"""Progress bars on a terminal; silence elsewhere."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from workflows.sources.focus import Progress as Read

Report = Callable[[Read], None]


@contextmanager
def reading(is_shown: bool) -> Iterator[Report | None]:
    """A bar over the bytes of all files while the block runs."""
    if not is_shown:
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("reading")

        def report(read: Read) -> None:
            bar.update(
                task, completed=read.bytes_done, total=read.bytes_total, description=read.file[-40:]
            )

        yield report


@contextmanager
def counting(shown: bool) -> Iterator[Callable[[int, int], None]]:
    """A bar over the rows of a table, from the first ones that are written on."""
    if not shown:
        yield lambda done, total: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("writing rows", visible=False)
        yield lambda done, total: bar.update(task, completed=done, total=total, visible=True)
