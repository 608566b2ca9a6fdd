"""A gateway before an emulator that holds one request, and what a command prints on Ctrl-C."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from attrs import frozen

from fillbook.clock import ManualClock

FILLBOOK = [sys.executable, "-m", "fillbook"]
#: Longer than any machine takes; nothing is asserted about it.
PATIENCE_S = 60.0


class Gateway:
    """Passes requests on to *port*; `hold` makes it keep the next one of a kind for ever."""

    def __init__(self, port: int, clock: ManualClock) -> None:
        self.clock = clock
        self.held = threading.Event()
        self._wanted: tuple[str, str, bool] | None = None
        self._over = threading.Event()
        self._port = port
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Gateway:
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def hold(self, method: str, path: str, *, arrives: bool = False) -> None:
        """Hold the next *method* on a path with *path*; with *arrives*, only its reply."""
        self.held.clear()
        self._wanted = (method, path, arrives)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        gateway = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True  # with it every reply takes 40 ms

            def _do(self) -> None:
                gateway._pass_on(self)

            do_GET = do_POST = do_PATCH = do_DELETE = _do

            def log_message(self, *_: object) -> None:
                """Log nothing."""

        return Handler

    def _pass_on(self, handler: BaseHTTPRequestHandler) -> None:
        body = handler.rfile.read(int(handler.headers.get("Content-Length") or 0))
        wanted, is_held = self._wanted, False
        if wanted is not None and handler.command == wanted[0] and wanted[1] in handler.path:
            self._wanted, is_held = None, True
        if not is_held or wanted[2]:
            server = HTTPConnection("127.0.0.1", self._port, timeout=PATIENCE_S)
            server.request(handler.command, handler.path, body, dict(handler.headers))
            reply = server.getresponse()
            content = reply.read()
            server.close()
        if is_held:
            self.held.set()
            self._over.wait(PATIENCE_S)
            handler.close_connection = True
            return
        handler.send_response_only(reply.status)  # the date is that of the emulator
        for name, value in reply.getheaders():
            if name.lower() not in ("transfer-encoding", "content-length", "connection"):
                handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        handler.wfile.write(content)


@frozen
class Ended:
    code: int
    out: str
    err: str


def interrupt(gateway: Gateway, *words: str) -> Ended:
    """Run a command, send SIGINT once its request is held, and return how it ended."""
    with subprocess.Popen(
        [*FILLBOOK, *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "COLUMNS": "80"},
    ) as running:
        while not gateway.held.wait(0.05) and running.poll() is None:
            pass
        assert gateway.held.is_set(), f"its request was not sent:\n{running.communicate()}"
        running.send_signal(signal.SIGINT)
        out, err = running.communicate(timeout=PATIENCE_S)
    return Ended(running.returncode, out, err)
