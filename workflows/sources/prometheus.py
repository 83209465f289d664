"""One number from Prometheus, over its HTTP API."""

from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any

import httpx

from workflows.errors import GovernanceError, InvalidInput

SECONDS = 15.0
MOST_BYTES = 1_000_000
PLACES, MOST_DIGITS = 12, 12
"""Decimal places, and digits before them, that a reading has in the record."""


class PrometheusTrouble(GovernanceError):
    """It does not answer, or not as Prometheus does; each query would meet the same."""


class Prometheus:
    """A client of one server. Safe to call from several threads; redirects are not followed, so the token goes nowhere else."""

    def __init__(
        self, url: str, *, token: str | None = None, timeout: float = SECONDS
    ) -> None:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._url = f"{url.rstrip('/')}/api/v1/query"
        self._http = httpx.Client(headers=headers, timeout=timeout, follow_redirects=False)  # fmt: skip

    def close(self) -> None:
        """Let go of the connections."""
        self._http.close()

    def value(self, query: str, at: datetime | None = None) -> Decimal:
        """The one number that a query gives, now or at that time.

        Raises InvalidInput for a query that is refused or gives no single number, PrometheusTrouble for a server that
        does not answer.
        """
        asked = {"query": query} | ({"time": f"{at.timestamp():.3f}"} if at else {})
        found = self._asked(asked)
        if found.get("status") != "success":
            raise InvalidInput(f"Prometheus refuses the query: {str(found.get('error', 'no reason'))[:200]}", field="query")  # fmt: skip
        return _number(found.get("data"))

    def _asked(self, asked: dict[str, str]) -> dict[str, Any]:
        try:
            answer = self._http.get(self._url, params=asked)
            found = answer.json() if len(answer.content) <= MOST_BYTES else None
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise PrometheusTrouble(f"Prometheus does not answer ({type(error).__name__}).") from None  # fmt: skip
        except ValueError:
            found = None
        if not isinstance(found, dict):
            raise PrometheusTrouble(f"That is no Prometheus: HTTP {answer.status_code} without its JSON.")  # fmt: skip
        return found


def _number(data: Any) -> Decimal:
    data = data if isinstance(data, dict) else {}
    kind, result = data.get("resultType"), data.get("result") or []
    if kind == "scalar":
        result = [{"value": result}]
    if kind not in ("scalar", "vector") or len(result) != 1:
        number = len(result) if kind in ("scalar", "vector") else f"a {kind}, not"
        raise InvalidInput(f"The query gives {number} values where one is needed. Aggregate it, or choose one series.", field="query")  # fmt: skip
    text = str(result[0]["value"][1])
    try:
        value = Decimal(text)
    except InvalidOperation:
        value = Decimal("NaN")
    if not value.is_finite() or value.adjusted() >= MOST_DIGITS:
        raise InvalidInput(f"The query gives {text}, which is no reading.", field="query")  # fmt: skip
    return round(value, PLACES).normalize()
