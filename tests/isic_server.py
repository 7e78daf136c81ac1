"""A real HTTP server on this machine that answers as version 2 of the ISIC Archive's API does, or misbehaves."""

from __future__ import annotations

import contextlib
import io
import json
import threading
from base64 import b64encode
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from PIL import Image

SEARCH = "/api/v2/images/search/"


def jpeg(side: int = 40, *, turn: int = 0) -> bytes:
    """A small photo; another `turn` gives another one."""
    buffer = io.BytesIO()
    Image.linear_gradient("L").resize((side, side)).rotate(turn).convert("RGB").save(buffer, "JPEG")
    return buffer.getvalue()


@dataclass
class Archive:
    """What the server holds, how it misbehaves, and what it was asked."""

    images: dict[str, dict[str, Any]] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)
    busy: list[tuple[int, dict[str, str]]] = field(default_factory=list)
    """Answers to give first, before behaving."""
    faults: dict[str, deque[str]] = field(default_factory=dict)
    """By path, how the next answers fail: `cut`, `long`, `short`, `drip`, `hold`, a status, or where to redirect."""
    search_body: bytes | None = None
    page_size: int = 100
    asked: list[tuple[str, dict[str, str], str]] = field(default_factory=list)
    """Path, query and user agent of each request."""
    served: Counter[str] = field(default_factory=Counter)
    """By path, how often a whole body was sent."""
    held: threading.Event = field(default_factory=threading.Event)
    """Set when half of a held answer is sent."""
    release: threading.Event = field(default_factory=threading.Event)
    """Lets held and dripping answers end."""
    address: str = ""
    pace: float = 0.0
    """Seconds that each answer takes."""
    most_at_once: int = 0
    _now: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def api(self) -> str:
        return f"{self.address}/api/v2"

    @property
    def paths(self) -> list[str]:
        return [path for path, _, _ in self.asked]

    def fail(self, path: str, *faults: str) -> None:
        self.faults[path] = deque(faults)

    def add(self, number: int, *, licence: str = "CC-0", data: bytes | None = None, **record: Any) -> str:
        name = f"ISIC_{number:07d}"
        data = jpeg() if data is None else data
        self.files[f"/files/{name}.jpg"] = self.files[f"/thumbnails/{name}.jpg"] = data
        self.images[name] = {
            "isic_id": name,
            "copyright_license": licence,
            "attribution": f"Hospital {number}",
            "files": {
                "full": {"url": f"{self.address}/files/{name}.jpg?Signature=secret", "size": len(data)},
                "thumbnail_256": {"url": f"{self.address}/thumbnails/{name}.jpg?Signature=secret", "size": 5000},
            },
            "metadata": {"acquisition": {"image_type": "dermoscopic"}, "clinical": {"diagnosis_1": "Benign"}},
            "public": True,
            **record,
        }
        return name

    def search(self, query: dict[str, str]) -> dict[str, Any]:
        """A page of results; the cursor is base64 as the archive's is."""
        cursor = query.get("cursor")
        start = 0 if cursor is None else next(i for i in range(9999) if cursor == self._cursor(i))
        limit = min(int(query["limit"]), self.page_size)
        following = start + limit
        link = f"{self.api}/images/search/?" + urlencode({**query, "cursor": self._cursor(following)})
        results = list(self.images.values())
        return {
            "results": results[start:following],
            "count": len(results) if cursor is None else None,
            "next": link if following < len(results) else None,
            "previous": None,
        }

    @staticmethod
    def _cursor(start: int) -> str:
        return b64encode(f"p={start}".encode()).decode()

    def work(self) -> None:
        """Take the time of one answer, and note how many are worked on at once."""
        with self._lock:
            self._now += 1
            self.most_at_once = max(self.most_at_once, self._now)
        threading.Event().wait(self.pace)  # a test may watch time.sleep
        with self._lock:
            self._now -= 1


def _handler(archive: Archive) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            archive.work()
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                self.get()  # a client that has seen enough hangs up

        def get(self) -> None:
            parts = urlsplit(self.path)
            query = {key: values[0] for key, values in parse_qs(parts.query).items()}
            archive.asked.append((parts.path, query, self.headers["User-Agent"]))
            fault = ""
            if faults := archive.faults.get(parts.path):
                fault = faults.popleft()
            if archive.busy:
                status, headers = archive.busy.pop(0)
                self.answer(status, b"later", headers)
            elif fault.isdecimal():
                self.answer(int(fault), b"")
            elif "/" in fault:
                self.answer(302, b"", {"Location": fault})
            elif parts.path == SEARCH:
                body = archive.search_body
                self.answer(200, json.dumps(archive.search(query)).encode() if body is None else body, fault=fault)
            elif parts.path in archive.files:
                self.answer(200, archive.files[parts.path], fault=fault)
            else:
                self.answer(404, b"")

        def answer(self, status: int, body: bytes, headers: dict[str, str] | None = None, fault: str = "") -> None:
            self.send_response(status)
            for name, value in (headers or {}).items():
                self.send_header(name, value)
            half = len(body) // 2
            claimed = {"long": 2 * len(body), "short": half}.get(fault, len(body))
            self.send_header("Content-Length", str(claimed))
            self.end_headers()
            if fault in {"cut", "hold", "drip"}:
                self.wfile.write(body[:half])
                self.wfile.flush()
                if fault == "cut":
                    return
                archive.held.set()
                for i in range(half, len(body)):
                    if archive.release.wait(0.02 if fault == "drip" else 600):
                        break
                    self.wfile.write(body[i : i + 1])
                return
            if status == 200 and not fault:
                archive.served[urlsplit(self.path).path] += 1  # before the client can go on
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    return Handler


@contextlib.contextmanager
def serve() -> Iterator[Archive]:
    """An empty archive that answers until the block ends."""
    held = Archive()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(held))
    held.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield held
    finally:
        held.release.set()
        server.shutdown()
        thread.join()
        server.server_close()
