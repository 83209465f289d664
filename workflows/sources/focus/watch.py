"""Reads a file beside DuckDB's scan, to hash it, to stop a gzip bomb, and to count its lines as a check on the scan."""

import hashlib
import os
import threading
import zlib
from collections.abc import Iterator

from workflows.sources.errors import CostFileRefused, DamagedFile, FileTooLarge
from workflows.sources.focus.content import CsvLayout

CHUNK = 1 << 20
BOMB_FLOOR = 64 << 20
BOMB_RATIO = 200
"""Billing data packs 10 to 60 times with gzip; a file that packs 200 times is made to exhaust the machine."""


class Watch:
    """One file's second reader. Start it, scan, then `finish`; `refusal` may be set at any time before."""

    def __init__(
        self, descriptor: int, file: str, layout: CsvLayout | None, max_bytes: int
    ) -> None:
        self.refusal: CostFileRefused | None = None
        self.lines = 0
        """Lines of a CSV file, the heading and a last one without an end included."""
        self.position = 0
        """Bytes read of the file as it lies on disk."""
        self.sha256 = ""
        self._descriptor = descriptor
        self._file = file
        self._layout = layout
        self._max_bytes = max_bytes
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="focus-watch", daemon=True)

    def start(self) -> None:
        """Begins to read."""
        self._thread.start()

    def stop(self) -> None:
        """Ends early, with nothing found."""
        self._stopped.set()
        self._thread.join()

    def finish(self) -> None:
        """Waits for the end and raises what was found."""
        self._thread.join()
        if self.refusal is not None:
            raise self.refusal

    def _run(self) -> None:
        try:
            self._read()
        except CostFileRefused as refusal:
            self.refusal = refusal
        except OSError as error:
            self.refusal = DamagedFile(
                f"{self._file} could not be read to its end: {error.strerror}."
            )

    def _read(self) -> None:
        digest = hashlib.sha256()
        end = self._layout.line_end if self._layout else None
        total = 0
        last = b""
        for chunk in self._unpacked():
            digest.update(chunk)
            total += len(chunk)
            if total > self._max_bytes:
                raise FileTooLarge(
                    f"{self._file} unpacks to more than {self._max_bytes / 1e9:g} GB. Give one billing period at a time."
                )
            if (
                self._layout is not None
                and self._layout.gzip
                and total > BOMB_FLOOR
                and total > BOMB_RATIO * self.position
            ):
                raise FileTooLarge(
                    f"{self._file} unpacks to more than {BOMB_RATIO} times its size, which no bill does. "
                    "If it is real, unpack it (gunzip) and give the result."
                )
            if end is not None:
                if b"\x00" in chunk:
                    raise DamagedFile(
                        f"{self._file} holds NUL bytes, so it is not plain UTF-8 text. Export it again as CSV UTF-8."
                    )
                self.lines += chunk.count(end)
                last = chunk[-1:]
        if end is not None and last and last != end:
            self.lines += 1
        self.sha256 = digest.hexdigest()

    def _chunks(self) -> Iterator[bytes]:
        while not self._stopped.is_set():
            chunk = os.pread(self._descriptor, CHUNK, self.position)
            if not chunk:
                return
            self.position += len(chunk)
            yield chunk

    def _unpacked(self) -> Iterator[bytes]:
        if self._layout is None or not self._layout.gzip:
            yield from self._chunks()
            return
        unpacker = zlib.decompressobj(wbits=31)
        try:
            for chunk in self._chunks():
                pending = chunk
                while pending:
                    if (
                        unpacker.eof
                    ):  # a gzip file may be several, one after another, and end in zeros
                        pending = pending.lstrip(b"\x00")
                        if not pending:
                            break
                        unpacker = zlib.decompressobj(wbits=31)
                    out = unpacker.decompress(pending, CHUNK)
                    pending = unpacker.unconsumed_tail or unpacker.unused_data
                    if out:
                        yield out
                    if self._stopped.is_set():
                        return
            while not unpacker.eof and (out := unpacker.decompress(b"", CHUNK)):
                yield out
        except zlib.error:
            raise DamagedFile(
                f"{self._file} is a damaged gzip file. Download or export it again."
            ) from None
        if not unpacker.eof and not self._stopped.is_set():
            raise DamagedFile(
                f"{self._file} is cut off: the gzip file ends too soon. Download or export it again."
            )
