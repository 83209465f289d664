"""A progress bar on a terminal; silence elsewhere."""

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
