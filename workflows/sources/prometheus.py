"""One number from Prometheus, over its HTTP API."""

import json
from datetime import datetime
from decimal import Decimal, InvalidOperation

import httpx

from workflows.errors import GovernanceError, InvalidInput
from workflows.sources import http
from workflows.sources.http import TooLong

SECONDS = 15.0
MOST_BYTES = 1_000_000
PLACES, MOST_DIGITS = 12, 12
"""Decimal places, and digits before them, that a reading has in the record."""
NOTHING = "vector(1)"
"""A query that costs nothing: a server that answers it is there, whatever it makes of another."""


class PrometheusTrouble(GovernanceError):
    """It does not answer, or not as Prometheus does; each query would meet the same."""


class Prometheus:
    """A client of one server. Safe to call from several threads; redirects are not followed, so the token goes nowhere else."""

    def __init__(self, url: str, *, token: str | None = None, timeout: float = SECONDS) -> None:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._seconds = timeout
        self._url = f"{url.rstrip('/')}/api/v1/query"
        self._http = http.make_client(headers=headers, timeout=timeout)

    def close(self) -> None:
        """Let go of the connections."""
        self._http.close()

    def value(self, query: str, at: datetime | None = None) -> Decimal:
        """The one number that a query gives, now or at that time.

        Raises InvalidInput for a query that is refused, takes too long or gives no single number, PrometheusTrouble
        where the server answers no query at all.
        """
        try:
            return _read_number(self._asked(query, at))
        except PrometheusTrouble as error:
            if query == NOTHING or not self._is_there():
                raise
            raise InvalidInput(error.sentence, field="query") from None

    def _is_there(self) -> bool:
        try:
            self.value(NOTHING)
        except PrometheusTrouble:
            return False
        return True

    def _asked(self, query: str, at: datetime | None) -> object:
        # Prometheus is told to give up before this client does; its durations have no decimal point.
        asked = {"query": query, "timeout": f"{self._seconds * 800:.0f}ms"}
        if at is not None:
            asked["time"] = f"{at.timestamp():.3f}"
        try:
            request = self._http.build_request("GET", self._url, params=asked)
            status, body = http.read_whole(self._http, request, MOST_BYTES)
            answer = json.loads(body)
        except httpx.ReadTimeout:
            raise PrometheusTrouble(
                f"Prometheus takes longer than {self._seconds:g} s to answer."
            ) from None
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise PrometheusTrouble(
                f"Prometheus does not answer ({type(error).__name__})."
            ) from None
        except TooLong:
            raise PrometheusTrouble(
                f"Prometheus answers more than {MOST_BYTES // 1_000_000} MB where one number is needed."
            ) from None
        except (ValueError, RecursionError):
            answer = None
        if status in (401, 403):
            raise PrometheusTrouble(
                f"Prometheus refuses the token (HTTP {status}). Check MLGOV_PROMETHEUS_TOKEN."
            )
        if not isinstance(answer, dict):
            raise PrometheusTrouble(f"That is no Prometheus: HTTP {status} without its JSON.")
        if answer.get("status") != "success":
            why = str(answer.get("error", "no reason"))[:200]
            raise PrometheusTrouble(f"Prometheus refuses the query: {why}")
        return answer.get("data")


def _read_number(data: object) -> Decimal:
    data = data if isinstance(data, dict) else {}
    kind, result = str(data.get("resultType"))[:40], data.get("result") or []
    if kind == "scalar":
        result = [{"value": result}]
    if not isinstance(result, list):
        raise InvalidInput(
            "Prometheus answers the query with something else than a list of values.", field="query"
        )
    if kind == "vector" and not result:
        raise InvalidInput(
            "The query gives no value: no series matches it, or none was scraped in the five minutes before.",
            field="query",
        )
    if kind not in ("scalar", "vector") or len(result) != 1:
        number = len(result) if kind in ("scalar", "vector") else f"a {kind}, not"
        raise InvalidInput(
            f"The query gives {number} values where one is needed. Aggregate it, or choose one series.",
            field="query",
        )
    series = result[0] if isinstance(result[0], dict) else {}
    if "histogram" in series:
        raise InvalidInput(
            "The query gives a native histogram where one number is needed. Take a number of it, like "
            "histogram_quantile(0.95, …) or histogram_count(…).",
            field="query",
        )
    sample = series.get("value")
    if not isinstance(sample, list) or len(sample) != 2 or sample[1] is None:
        raise InvalidInput(
            "Prometheus answers the query with a series that has no value.", field="query"
        )
    text = str(sample[1])[:60]
    try:
        value = Decimal(text)
    except InvalidOperation:
        value = Decimal("NaN")
    if not value.is_finite() or value.adjusted() >= MOST_DIGITS:
        raise InvalidInput(f"The query gives {text}, which is no reading.", field="query")
    return round(value, PLACES).normalize()
