"""The way to the app: its request URL when one is set, else its sockets."""

from dataclasses import replace

from sandbox import translation
from sandbox.inspector import Inspector
from sandbox.installation import Installation
from sandbox.outgoing.answers import Answer, Parcel
from sandbox.outgoing.http import HttpOut
from sandbox.outgoing.socket_mode import Sockets


class Delivery:
    """Sends parcels to the app and plays the faults of delivery."""

    def __init__(self, installation: Installation, inspector: Inspector) -> None:
        self._installation = installation
        self._inspector = inspector
        self.sockets = Sockets(installation, inspector)
        self._http: HttpOut | None = None

    def to_url(self, url: str | None) -> None:
        """Deliver over HTTP from now on; None goes back to Socket Mode."""
        old, self._http = self._http, None
        if old is not None:
            old.close()
        if url is not None:
            self._http = HttpOut(url, self._installation, self._inspector)

    @property
    def has_app(self) -> bool:
        """Whether an app was ever there to hear anything."""
        return self._http is not None or self.sockets.ever_connected

    def send(self, parcel: Parcel) -> Answer:
        """Send a parcel and wait for the answer; twice when a fault says so."""
        payload = translation.outgoing(self._installation.world, parcel.payload)
        parcel = replace(parcel, payload=payload)
        answer = self._send(parcel)
        if self._installation.faults.draw(parcel.name, "duplicate_delivery"):
            self._send(parcel)
        return answer

    def raw(self, body: bytes, headers: dict[str, str]) -> tuple[int, bytes]:
        """Send exactly these bytes to the request URL; its status and body."""
        if self._http is None:
            raise RuntimeError("there is no request URL: call deliver_to(url) first")
        return self._http.raw(body, headers)

    def _send(self, parcel: Parcel) -> Answer:
        http = self._http
        return http.send(parcel) if http is not None else self.sockets.send(parcel)

    def close(self) -> None:
        """Close the connections to the app's request URL."""
        self.to_url(None)
