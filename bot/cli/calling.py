"""Calling the API from the command line: the address and the token from settings, refusals as one sentence."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx

from bot.cli.base import fail, settings
from workflows.sources import http
from workflows.sources.http import CertificatesUnreadable

PASSING = {429, 502, 503, 504}
"""Answers after which the same call may pass a little later."""


class Passing(Exception):
    """mlgov does not answer just now; the sentence says how."""


class Caller:
    """The API of one mlgov, with one token."""

    def __init__(self, http: httpx.Client) -> None:
        self._http = http

    def call(
        self,
        method: str,
        path: str,
        *,
        body: Any = None,
        headers: dict[str, str] | None = None,
        params: dict[str, str | int] | None = None,
        patience: float = 15.0,
    ) -> httpx.Response:
        """The answer. Raises Passing when trying again may help, and typer.Exit(1) with what mlgov says when not."""
        try:
            answer = self._http.request(
                method,
                f"/api/v1{path}",
                json=body,
                headers=headers,
                params=params,
                timeout=patience,
            )
        except httpx.TransportError as error:
            raise Passing(
                f"{self._http.base_url} does not answer ({type(error).__name__})"
            ) from None
        if answer.status_code in PASSING:
            raise Passing(_detail(answer))
        if answer.status_code >= 400:
            raise fail(_detail(answer))
        return answer


def _detail(answer: httpx.Response) -> str:
    try:
        return str(answer.json()["detail"])
    except (ValueError, KeyError, TypeError):
        return f"HTTP {answer.status_code}: no answer of mlgov's. Does MLGOV_URL lead to it?"


@contextmanager
def caller() -> Iterator[Caller]:
    """The API that MLGOV_URL and MLGOV_TOKEN name."""
    read = settings()
    if read.mlgov_url is None:
        raise fail(
            "MLGOV_URL is not set: set it to where mlgov is reached, like https://mlgov.example.com."
        )
    if read.mlgov_token is None:
        raise fail(
            "MLGOV_TOKEN is not set. Programs get a token by `mlgov token create`, people by `/mlgov token` in Slack."
        )
    try:
        client = http.client(
            base_url=read.mlgov_url.rstrip("/"),
            headers={
                "Authorization": f"Bearer {read.mlgov_token.get_secret_value()}",
                "User-Agent": "mlgov-cli",
            },
            timeout=15,
        )
    except CertificatesUnreadable as error:
        raise fail(error.sentence) from None
    except (httpx.InvalidURL, UnicodeEncodeError):
        raise fail("MLGOV_URL or MLGOV_TOKEN is not written right.") from None
    with client:
        yield Caller(client)


def once(caller: Caller, method: str, path: str, **given: Any) -> Any:
    """The JSON of one call that is not tried again. Raises typer.Exit(1) with the sentence."""
    try:
        return caller.call(method, path, **given).json()
    except Passing as passing:
        raise fail(f"{passing}. Nothing is known to have changed; try again.") from None
