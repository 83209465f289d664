"""uvicorn in a thread of its own."""

import errno
import os
import socket
import threading
from typing import Any

import uvicorn

from bot.connections import IDLE, Connection
from workflows.errors import GovernanceError


class CannotListen(GovernanceError):
    """The address cannot be listened on; the sentence says why, and what to do."""


class WebServer:
    """uvicorn in a thread of its own, on a socket that was bound before."""

    def __init__(self, web: Any, host: str, port: int) -> None:
        """Bind the address. Raises CannotListen."""
        try:
            self._socket = socket.create_server((host, port), backlog=512)
        except (OSError, UnicodeError) as error:
            raise CannotListen(explain_failure(error, host, port)) from None
        self.host, self.port = self._socket.getsockname()[:2]
        self._server = uvicorn.Server(
            uvicorn.Config(
                web,
                http=Connection,
                ws="none",
                log_config=None,
                access_log=False,
                timeout_keep_alive=IDLE,
                timeout_graceful_shutdown=5,
            )
        )
        self._server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
        self._thread = threading.Thread(
            target=self._server.run, args=([self._socket],), name="web", daemon=True
        )

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://{self.host}:{self.port}"

    def start(self) -> None:
        """Serve; returns when requests are taken."""
        self._thread.start()
        waiting = threading.Event()
        while not self._server.started and self._thread.is_alive():
            waiting.wait(0.005)

    def stop(self) -> None:
        """Finish what is being answered, then stop."""
        self._server.should_exit = True
        if self._thread.is_alive():
            self._thread.join(10)
        self._socket.close()


def explain_failure(error: OSError | UnicodeError, host: str, port: int) -> str:
    """Why an address cannot be listened on, with the mend."""
    number = error.errno if isinstance(error, OSError) else None
    # getaddrinfo's codes are negative, and create_server wraps them.
    if number is None or number < 0:
        return f"--host {host}: there is no such address. Give 127.0.0.1, 0.0.0.0, or an address of this machine."
    if number == errno.EADDRINUSE:
        return (
            f"Port {port} at {host} is taken by another program. Stop it, or give another --port."
        )
    if number in (errno.EACCES, errno.EPERM):
        return f"Port {port} is for administrators. Give a --port of 1024 or more, behind a proxy that listens there."
    if number in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
        return f"--host {host}: this machine has no such address. Give 127.0.0.1, 0.0.0.0, or an address of its own."
    return f"Port {port} at {host} can't be listened on ({os.strerror(number)})."
