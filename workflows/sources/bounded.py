"""The body of an answer in pieces: no more of it than is wanted, and not for ever."""

import time
from collections.abc import Iterator

import httpx

PATIENCE = 60.0
SLOWEST = 50_000
"""After so many seconds a body has to come at so many bytes a second: a server that drips answers each read in time."""


class TooLong(Exception):
    """More came than is wanted."""


def read_pieces(answer: httpx.Response, most: int) -> Iterator[bytes]:
    """The decoded body of a streamed answer. Raises TooLong beyond `most` bytes, and httpx.ReadTimeout when it drips."""
    began, size = time.monotonic(), 0
    for part in answer.iter_bytes():
        size += len(part)
        if size > most:
            raise TooLong
        if time.monotonic() - began > PATIENCE + size / SLOWEST:
            raise httpx.ReadTimeout("the answer drips", request=answer.request)
        yield part


def read_whole(client: httpx.Client, request: httpx.Request, most: int) -> tuple[int, bytes]:
    """Status and body of the answer to a request; raises as `read_pieces`."""
    answer = client.send(request, stream=True)
    try:
        body = b"".join(read_pieces(answer, most))
    finally:
        answer.close()
    return answer.status_code, body
