"""Small Bolt apps that live beside a sandbox in a test."""

import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from slack_bolt import App, BoltRequest
from slack_sdk import WebClient

from sandbox import Sandbox


def bolt_app(sandbox: Sandbox) -> App:
    """A Bolt app for a sandbox, without listeners."""
    return App(
        client=WebClient(token=sandbox.bot_token, base_url=sandbox.api_url, retry_handlers=[]),
        signing_secret=sandbox.signing_secret,
        process_before_response=True,
        token_verification_enabled=False,
    )


class HttpApp:
    """Serves a Bolt app over HTTP; `before` may answer (status, headers, body) in its place."""

    def __init__(self, app: App) -> None:
        self.seen: list[tuple[dict[str, str], bytes]] = []
        self.before: Callable[[dict[str, str], bytes], Any] | None = None
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                outer.seen.append((headers, body))
                answer = outer.before(headers, body) if outer.before else None
                if answer is None:
                    bolt = app.dispatch(
                        BoltRequest(
                            body=body.decode(),
                            headers={name: [value] for name, value in headers.items()},
                        )
                    )
                    first = {name: values[0] for name, values in bolt.headers.items()}
                    answer = (bolt.status, first, (bolt.body or "").encode())
                status, more, said = answer
                self.send_response(status)
                for name, value in more.items():
                    self.send_header(name, value)
                self.send_header("content-length", str(len(said)))
                self.end_headers()
                self.wfile.write(said)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}/slack/events"

    def stop(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
