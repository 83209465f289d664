"""Calling the API from the command line: the address and the token from settings, refusals as one sentence."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx

from bot.cli.base import fail, load_settings
from workflows.errors import GovernanceError
from workflows.sources import http
from workflows.sources.http import CertificatesUnreadable

_OUR_PAGE = '<meta name="generator" content="mlgov">'
PASSING = {429, 502, 503, 504}
"""Answers after which the same call may pass a little later."""


class Passing(Exception):
    """mlgov does not answer just now; the sentence says how."""


class Caller:
    """The API of one mlgov, with one token."""

    has_answered = False
    """Whether any answered in this process: a command that then stumbles over its words was not told mlgov's."""

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
            if "CERTIFICATE_VERIFY_FAILED" in str(error):
                raise fail(
                    f"{self._http.base_url}: its certificate isn't trusted. Set SSL_CERT_FILE to your company's CA bundle."
                ) from None
            raise Passing(
                f"{self._http.base_url} does not answer ({type(error).__name__})"
            ) from None
        if answer.status_code in PASSING:
            raise Passing(_read_detail(answer))
        if answer.status_code >= 400:
            raise fail(_read_detail(answer))
        if answer.is_redirect:
            to = answer.headers.get("location", "elsewhere")
            raise fail(
                f"{self._http.base_url} sends on to {to}, and a token isn't sent after it. Set MLGOV_URL to where mlgov itself is."
            )
        Caller.has_answered = True
        return answer

    def read(self, method: str, path: str, **given: Any) -> Any:
        """The JSON of a call. Raises as `call` does, and NotMlgov for what is none."""
        return parse_answer(self.call(method, path, **given))

    def document(self, path: str, **given: Any) -> str:
        """A model card or an approval pack. Raises as `call` does, and NotMlgov for a page that somebody else made."""
        answer = self.call("GET", path, **given)
        kind = answer.headers.get("content-type", "").partition(";")[0]
        if kind == "application/json" and path.endswith("/pack"):
            is_ours = str(parse_answer(answer)["format"]).startswith("mlgov ")
        else:
            is_ours = kind == "text/markdown" or _OUR_PAGE in answer.text
        if not is_ours:
            raise NotMlgov(f"HTTP {answer.status_code} ({kind or 'of no type'})")
        return answer.text


class NotMlgov(GovernanceError):
    """Something answered that is no mlgov, or one of another release."""

    def __init__(self, what: str) -> None:
        super().__init__(
            f"{what} isn't an answer of mlgov's. Does MLGOV_URL lead to it, and to the same release as this command?"
        )


class AnswerObject(dict[str, Any]):
    """A JSON object of the API; what should stand in it and does not raises NotMlgov."""

    def __missing__(self, key: str) -> Any:
        raise NotMlgov(f"An answer without {key!r}")


def parse_answer(answer: httpx.Response) -> Any:
    """The JSON of an answer, its objects as AnswerObject. Raises NotMlgov."""
    try:
        body = json.loads(answer.content, object_hook=AnswerObject)
    except (ValueError, RecursionError):
        kind = answer.headers.get("content-type", "").partition(";")[0] or "no JSON"
        raise NotMlgov(f"HTTP {answer.status_code} ({kind})") from None
    if not isinstance(body, AnswerObject | list):
        raise NotMlgov(f"HTTP {answer.status_code} with other JSON")
    return body


def _read_detail(answer: httpx.Response) -> str:
    try:
        return str(answer.json()["detail"])
    except (ValueError, KeyError, TypeError):
        return f"HTTP {answer.status_code}: no answer of mlgov's. Does MLGOV_URL lead to it?"


@contextmanager
def caller() -> Iterator[Caller]:
    """The API that MLGOV_URL and MLGOV_TOKEN name."""
    read = load_settings()
    if read.mlgov_url is None:
        raise fail(
            "MLGOV_URL is not set: set it to where mlgov is reached, like https://mlgov.example.com."
        )
    if read.mlgov_token is None:
        raise fail(
            "MLGOV_TOKEN is not set. Programs get a token by `mlgov token create`, people by `/mlgov token` in Slack."
        )
    try:
        client = http.make_client(
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


def call_once(caller: Caller, method: str, path: str, **given: Any) -> Any:
    """The JSON of one call that is not tried again. Raises typer.Exit(1) with the sentence."""
    try:
        return caller.read(method, path, **given)
    except Passing as passing:
        raise fail(f"{passing}. Nothing is known to have changed; try again.") from None
