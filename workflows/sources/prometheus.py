"""One number from Prometheus, over its HTTP API."""

import json
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any

import httpx

from workflows.errors import GovernanceError, InvalidInput
from workflows.sources import bounded
from workflows.sources.bounded import TooLong

SECONDS = 15.0
MOST_BYTES = 1_000_000
PLACES, MOST_DIGITS = 12, 12
"""Decimal places, and digits before them, that a reading has in the record."""
NOTHING = "vector(1)"
_OF_THE_QUERY = ("bad_data", "execution", "timeout", None)
"""Types of error that say nothing of other queries (prometheus.io/docs/prometheus/latest/querying/api); a time-out is of
the query too, since Prometheus is asked to give up before this client does, and mostly can."""


class PrometheusTrouble(GovernanceError):
    """It does not answer, or not as Prometheus does; each query would meet the same."""


class Prometheus:
    """A client of one server. Safe to call from several threads; redirects are not followed, so the token goes nowhere else."""

    def __init__(
        self, url: str, *, token: str | None = None, timeout: float = SECONDS
    ) -> None:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._seconds = timeout
        self._url = f"{url.rstrip('/')}/api/v1/query"
        self._http = httpx.Client(
            headers=headers, timeout=timeout, follow_redirects=False
        )

    def close(self) -> None:
        """Let go of the connections."""
        self._http.close()

    def value(self, query: str, at: datetime | None = None) -> Decimal:
        """The one number that a query gives, now or at that time.

        Raises InvalidInput for a query that is refused, takes too long or gives no single number, PrometheusTrouble
        for a server that does not answer.
        """
        asked = {
            "query": query,
            "timeout": f"{self._seconds * 800:.0f}ms",
        }  # its durations have no decimal point
        if at is not None:
            asked["time"] = f"{at.timestamp():.3f}"
        found = self._asked(asked)
        if found.get("status") == "success":
            return _number(found.get("data"))
        why = str(found.get("error", "no reason"))[:200]
        if found.get("errorType") in _OF_THE_QUERY:
            raise InvalidInput(f"Prometheus refuses the query: {why}", field="query")
        raise PrometheusTrouble(f"Prometheus cannot answer: {why}")

    def _asked(self, asked: dict[str, str]) -> dict[str, Any]:
        try:
            request = self._http.build_request("GET", self._url, params=asked)
            status, body = bounded.whole(self._http, request, MOST_BYTES)
            found = json.loads(body)
        except httpx.ReadTimeout:
            if asked["query"] != NOTHING and self._is_there():
                raise InvalidInput(
                    f"Prometheus takes longer than {self._seconds:g} s over the query.",
                    field="query",
                ) from None
            raise PrometheusTrouble(
                "Prometheus does not answer (ReadTimeout)."
            ) from None
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise PrometheusTrouble(
                f"Prometheus does not answer ({type(error).__name__})."
            ) from None
        except TooLong:
            raise InvalidInput(
                f"The query gives more than {MOST_BYTES // 1_000_000} MB where one number is needed. Aggregate it.",
                field="query",
            ) from None
        except (ValueError, RecursionError):
            found = None
        if status in (401, 403):
            raise PrometheusTrouble(
                f"Prometheus refuses the token (HTTP {status}). Check MLGOV_PROMETHEUS_TOKEN."
            )
        if not isinstance(found, dict):
            raise PrometheusTrouble(
                f"That is no Prometheus: HTTP {status} without its JSON."
            )
        return found

    def _is_there(self) -> bool:
        """Whether it answers a query that costs nothing: then a slow one is no trouble of the server's."""
        try:
            self.value(NOTHING)
        except PrometheusTrouble:
            return False
        return True


def _number(data: Any) -> Decimal:
    data = data if isinstance(data, dict) else {}
    kind, result = data.get("resultType"), data.get("result") or []
    if kind == "scalar":
        result = [{"value": result}]
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
    text = str(result[0]["value"][1])
    try:
        value = Decimal(text)
    except InvalidOperation:
        value = Decimal("NaN")
    if not value.is_finite() or value.adjusted() >= MOST_DIGITS:
        raise InvalidInput(
            f"The query gives {text}, which is no reading.", field="query"
        )
    return round(value, PLACES).normalize()
