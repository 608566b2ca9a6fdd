"""A server on this machine with prepared replies; it records the requests."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from attrs import frozen


@frozen
class Asked:
    method: str
    path: str
    query: dict[str, str]
    body: Any
    headers: Mapping[str, str]


@frozen
class Answer:
    """`cut`: the body is truncated; `hang_up`: no reply at all; `mute`: no reply until the end."""

    status: int = 200
    body: Any = ""
    headers: Mapping[str, str] = {}
    cut: bool = False
    hang_up: bool = False
    mute: bool = False


class Canned:
    """The replies in order; after the last, `{}`."""

    def __init__(self, *answers: Answer) -> None:
        self.asked: list[Asked] = []
        self.answers = list(answers)
        self._over = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Canned:
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        canned = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True  # with it every reply takes 40 ms

            def _do(self) -> None:
                canned._note(self)
                answer = canned.answers.pop(0) if canned.answers else Answer(body={})
                if answer.mute:
                    canned._over.wait(20)
                if answer.hang_up or answer.mute:
                    self.connection.shutdown(socket.SHUT_RDWR)
                    self.close_connection = True
                    return
                self._send(answer)

            do_GET = do_POST = do_PATCH = do_DELETE = _do

            def _send(self, answer: Answer) -> None:
                text = answer.body if isinstance(answer.body, str) else json.dumps(answer.body)
                encoded = text.encode()
                self.send_response(answer.status)
                for name, value in answer.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(encoded) + 50 * answer.cut))
                self.end_headers()
                self.wfile.write(encoded)
                if answer.cut:
                    self.wfile.flush()
                    self.connection.shutdown(socket.SHUT_RDWR)
                    self.close_connection = True

            def log_message(self, *_: object) -> None:
                """Log nothing."""

        return Handler

    def _note(self, handler: BaseHTTPRequestHandler) -> None:
        parts = urlsplit(handler.path)
        length = int(handler.headers.get("Content-Length") or 0)
        body = handler.rfile.read(length)
        self.asked.append(
            Asked(
                handler.command,
                parts.path,
                dict(parse_qsl(parts.query)),
                json.loads(body) if body else None,
                {name.lower(): value for name, value in handler.headers.items()},
            )
        )
