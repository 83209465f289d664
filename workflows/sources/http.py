"""The one place where HTTP clients are made: by the company's certificates and through its proxy, wherever it has them.

`SSL_CERT_FILE` and `SSL_CERT_DIR` name the certificate authorities that are trusted, as they do for every program that
uses OpenSSL; without them the machine's own store and certifi's are. `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and
`NO_PROXY` say what goes through a proxy; this machine itself is never reached through one.
"""

import os
import ssl
import time
import urllib.request
from collections.abc import Iterator, Mapping
from functools import cache
from urllib.parse import urlsplit

import httpx

from workflows.errors import GovernanceError

# --- The body of an answer in pieces
#
# no more of it than is wanted, and not for ever.

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


# --- The one place where HTTP clients are made
#
# by the company's certificates and through its proxy, wherever it has them. `SSL_CERT_FILE` and
# `SSL_CERT_DIR` name the certificate authorities that are trusted, as they do for every program
# that uses OpenSSL; without them the machine's own store and certifi's are. `HTTPS_PROXY`,
# `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY` say what goes through a proxy; this machine itself is
# never reached through one.

LOOPBACK = ("127.0.0.1", "localhost", "::1")
_NEAR: dict[str, httpx.BaseTransport | None] = {
    "all://127.0.0.1": None,
    "all://localhost": None,
    "all://[::1]": None,
}
"""Addresses that no proxy stands before, in httpx's words."""


class CertificatesUnreadable(GovernanceError):
    """SSL_CERT_FILE or SSL_CERT_DIR names nothing that certificates can be read from."""


def make_client(
    *,
    timeout: float,
    base_url: str = "",
    headers: Mapping[str, str] | None = None,
    auth: httpx.Auth | None = None,
    limits: httpx.Limits | None = None,
    is_proxied: bool = True,
) -> httpx.Client:
    """A client that follows no redirect, so that a token goes nowhere else; `timeout` in seconds.

    `is_proxied` is False where a proxy would undo what the caller makes sure of. Raises CertificatesUnreadable, and
    httpx.InvalidURL for a base that is none.
    """
    return httpx.Client(
        base_url=base_url,
        headers=headers,
        auth=auth,
        timeout=timeout,
        limits=limits or httpx.Limits(max_connections=100, max_keepalive_connections=20),
        follow_redirects=False,
        verify=make_tls(),
        trust_env=is_proxied,
        mounts=_NEAR if is_proxied else None,
    )


def make_tls() -> ssl.SSLContext:
    """Whose certificates are trusted. Raises CertificatesUnreadable."""
    return _context(os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR"))


@cache
def _context(file: str | None, directory: str | None) -> ssl.SSLContext:
    if not file and not directory:
        import certifi

        context = ssl.create_default_context()
        context.load_verify_locations(certifi.where())
        return context
    try:
        return ssl.create_default_context(cafile=file or None, capath=directory or None)
    except OSError as error:  # an ssl.SSLError is one
        named = f"SSL_CERT_FILE ({file})" if file else f"SSL_CERT_DIR ({directory})"
        raise CertificatesUnreadable(
            f"{named} holds no certificates that can be read ({error.strerror or error}). Name a PEM file of your company's certificate authorities."
        ) from None


def proxy_of(url: str) -> str | None:
    """The proxy through which a URL is reached, for libraries that know no NO_PROXY; None for none."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if host in LOOPBACK:
        return None
    known = urllib.request.getproxies_environment()
    scheme = {"wss": "https", "ws": "http"}.get(parts.scheme, parts.scheme)
    proxy = known.get(scheme) or known.get("all")
    where = f"{host}:{parts.port}" if parts.port else host
    if not proxy or urllib.request.proxy_bypass_environment(where, known):  # type: ignore[attr-defined]
        return None
    return proxy if "://" in proxy else f"http://{proxy}"


def spare_loopback() -> None:
    """Let urllib, which slack_sdk calls by, reach this machine without a proxy: it goes by NO_PROXY alone."""
    known = os.environ.get("no_proxy") or os.environ.get("NO_PROXY") or ""
    hosts = [host.strip() for host in known.split(",") if host.strip()]
    if "*" in hosts:
        return
    spared = ",".join([*hosts, *(one for one in LOOPBACK if one not in hosts)])
    os.environ["NO_PROXY"] = os.environ["no_proxy"] = spared
