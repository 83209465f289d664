"""uvicorn in a thread of its own."""

import socket
import threading
from typing import Any

import uvicorn


class WebServer:
    """uvicorn in a thread of its own, on a socket that was bound before."""

    def __init__(self, web: Any, host: str, port: int) -> None:
        self._socket = socket.create_server((host, port), backlog=512)
        self.host, self.port = self._socket.getsockname()[:2]
        self._server = uvicorn.Server(
            uvicorn.Config(
                web, log_config=None, access_log=False, timeout_graceful_shutdown=5
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
        self._thread.join(10)
        self._socket.close()
