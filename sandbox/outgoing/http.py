"""Signed HTTP to the app's request URL, with Slack's three seconds."""

import json
import ssl
import time
from urllib.parse import urlencode, urlsplit

import httpx

from sandbox.inspector import Inspector
from sandbox.installation import Installation
from sandbox.outgoing.answers import Answer, Failure, Parcel
from sandbox.outgoing.signing import signed_headers

_FORM = "application/x-www-form-urlencoded"


class HttpOut:
    """Sends parcels to one URL. Thread-safe; `close()` it."""

    def __init__(self, url: str, installation: Installation, inspector: Inspector) -> None:
        self.url = url
        self._installation = installation
        self._inspector = inspector
        self._client = httpx.Client(
            transport=httpx.HTTPTransport(
                verify=urlsplit(url).scheme == "https",
                limits=httpx.Limits(max_connections=64, max_keepalive_connections=64),
            ),
            timeout=installation.ack_seconds,
            follow_redirects=True,
            trust_env=False,
        )
        self._client.max_redirects = 2

    def send(self, parcel: Parcel) -> Answer:
        """Send and wait at most three seconds."""
        body, kind = encode(parcel)
        headers = signed_headers(self._installation.signing_secret, body, kind)
        if parcel.retry is not None:
            headers["x-slack-retry-num"] = str(parcel.retry.number)
            headers["x-slack-retry-reason"] = parcel.retry.reason
        started = time.perf_counter()
        response: httpx.Response | None = None
        failure: Failure | None = None
        try:
            response = self._client.post(self.url, content=body, headers=headers)
            if not response.is_success:
                failure = "http_error"
        except httpx.TimeoutException:
            failure = "http_timeout"
        except httpx.TooManyRedirects:
            failure = "too_many_redirects"
        except httpx.HTTPError as error:
            failure = "ssl_error" if _is_tls(error) else "connection_failed"
        except RuntimeError:
            # The app was taken away while an event was on its way to it.
            if not self._client.is_closed:
                raise
            failure = "connection_failed"
        ms = (time.perf_counter() - started) * 1000
        answer = Answer(
            failure,
            ms,
            response.status_code if response is not None else None,
            response.content if response is not None else b"",
            dict(response.headers) if response is not None else {},
        )
        number = self._inspector.record(
            "to_app",
            "POST",
            parcel.name,
            headers=headers,
            body=body,
            status=answer.status,
            answer=answer.body,
            ms=ms,
            note=failure,
        )
        self._installation.world.feed.append("exchange", exchange=number)
        return answer

    def raw(self, body: bytes, headers: dict[str, str]) -> tuple[int, bytes]:
        """Send exactly this; raises httpx.HTTPError when there is no answer."""
        response = self._client.post(self.url, content=body, headers=headers)
        return response.status_code, response.content

    def close(self) -> None:
        """Close the connections."""
        self._client.close()


def _is_tls(error: BaseException | None) -> bool:
    """Whether TLS is what went wrong; httpx keeps the reason as the cause of its own errors."""
    while error is not None:
        if isinstance(error, ssl.SSLError):
            return True
        error = error.__cause__ or error.__context__
    return False


def encode(parcel: Parcel) -> tuple[bytes, str]:
    """The body and content type of a parcel as Slack sends it over HTTP."""
    if parcel.kind == "events_api":
        return json.dumps(parcel.payload, separators=(",", ":")).encode(), "application/json"
    if parcel.kind == "slash_commands":
        return urlencode(parcel.payload).encode(), _FORM
    text = json.dumps(parcel.payload, separators=(",", ":"))
    return urlencode({"payload": text}).encode(), _FORM
