"""A web server on this machine that gives the answers it is told to give, in order."""

import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from mlxts.data.sources.http import Web

PAGE = b"<!DOCTYPE html>\n<html><head><title>Sign in</title></head><body>Please wait</body></html>"


@dataclass(frozen=True)
class Answer:
    """One answer. `cut`: bytes withheld of the body; `delay`: seconds before each eighth of it."""

    body: bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    cut: int = 0
    delay: float = 0.0
    announce: bool = True  # Content-Length; without it the body is sent in chunks

    def __post_init__(self) -> None:
        assert self.cut <= len(self.body)


class Server:
    """Answers each request with the next answer; the last one stands for all that follow."""

    def __init__(self, answers: list[Answer]) -> None:
        self.answers = answers
        self.asked: list[str] = []
        self.agents: list[str] = []
        self.waits: list[float] = []
        self.told: list[str] = []
        self.address = ""

    def web(self, *, timeout: float = 5.0, deadline: float = 5.0) -> Web:
        """A client that notes its waits instead of waiting."""
        return Web(timeout, deadline, self.waits.append, lambda: 0.5, tell=self.told.append)


@contextmanager
def serving(*answers: Answer) -> Generator[Server]:
    """Serve the answers on a random port of 127.0.0.1."""
    known = Server(list(answers))

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            answer = known.answers[min(len(known.asked), len(known.answers) - 1)]
            known.asked.append(self.path)
            known.agents.append(self.headers["User-Agent"])
            self.close_connection = True
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            chunked = not answer.announce
            length = ("Transfer-Encoding", "chunked") if chunked else (
                "Content-Length", str(len(answer.body)))  # fmt: skip
            self.send_header(*length)
            self.end_headers()
            kept = answer.body[: len(answer.body) - answer.cut]
            step = max(len(kept) // 8, 1)
            try:
                for start in range(0, len(kept), step):
                    if answer.delay:
                        time.sleep(answer.delay)
                    part = kept[start : start + step]
                    self.wfile.write(b"%x\r\n%s\r\n" % (len(part), part) if chunked else part)
                if chunked and not answer.cut:
                    self.wfile.write(b"0\r\n\r\n")
            except (BrokenPipeError, ConnectionResetError):
                pass  # the client has given up, as some tests want it to

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    known.address = f"http://127.0.0.1:{server.server_port}/file"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield known
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
