"""A real HTTP server, in a process of its own, that keeps screenings as docs/reference/edge.md says, or misbehaves.

`python hostile_server.py LOG [FAULT...]` prints its port, and writes a line of JSON for each request. The first
requests meet the faults, one each; then it behaves.
"""

from __future__ import annotations

import email
import hashlib
import json
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Lock

PORTAL = b"<html>Welcome to the guest network. Please sign in.</html>"
kept: dict[str, dict[str, str]] = {}
faults = sys.argv[2:]
lock = Lock()


def parts_of(content_type: str, body: bytes) -> dict[str, tuple[str, bytes]]:
    """Name -> (type, bytes), by the standard library's own parser of MIME."""
    message = email.message_from_bytes(b"Content-Type: " + content_type.encode() + b"\r\n\r\n" + body)
    parts = message.get_payload()
    assert isinstance(parts, list)
    return {
        str(part.get_param("name", header="Content-Disposition")): (
            part.get_content_type(),
            part.get_payload(decode=True),
        )
        for part in parts
    }


class Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        with lock:
            fault = faults.pop(0) if faults else ""
        if fault in ("refuse", "413"):  # without reading
            if fault == "413":
                self.answer(413, {"reason": "too large"})
            self.note(fault, {})
            return
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if fault in ("", "slow", "cut", "drip"):
            self.keep(fault, body)
        elif fault == "portal":
            self.note(fault, {})
            self.answer(200, PORTAL)
        elif fault == "other":
            self.note(fault, {})
            self.answer(201, {"id": "1", "photo_sha256": "0" * 64})
        else:
            status, _, extra = fault.partition(":")
            self.note(fault, {"key": self.headers["Idempotency-Key"]})
            header = "Location" if status.startswith("3") else "Retry-After"
            self.answer(int(status), {"reason": "made\nup \x1b[31m"}, {header: extra} if extra else {})

    def keep(self, fault: str, body: bytes) -> None:
        if self.headers["Authorization"] != "Bearer right" or self.path != "/api/v1/screenings":
            self.note("unasked", {"path": self.path, "authorization": str(self.headers["Authorization"])})
            self.answer(401, {"reason": "wrong token"})
            return
        parts = parts_of(self.headers["Content-Type"], body)
        key, photo = self.headers["Idempotency-Key"], hashlib.sha256(parts["photo"][1]).hexdigest()
        answer = {"id": f"screening-{len(kept)}", "photo_sha256": photo}
        with lock:
            new = key not in kept
            answer = kept.setdefault(key, answer)
        seen = {
            "key": key,
            "new": new,
            "photo": photo,
            "body": hashlib.sha256(body).hexdigest(),
            "types": {name: kind for name, (kind, _) in parts.items()},
            "screening": json.loads(parts["screening"][1]),
            "taken_at": parts["taken_at"][1].decode(),
        }
        self.note(fault or "kept", seen)
        if fault == "cut":
            return
        if fault == "slow":
            time.sleep(1)
        if fault == "drip":
            self.wfile.write(b"HTTP/1.1 200 OK\r\n")
            while True:
                self.wfile.write(b"X-Drip: 1\r\n")
                self.wfile.flush()
                time.sleep(0.1)
        self.answer(201 if new else 200, answer)

    def answer(self, status: int, body: object, headers: dict[str, str] | None = None) -> None:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        for name, value in {**(headers or {}), "Content-Length": str(len(data))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def note(self, what: str, more: dict[str, object]) -> None:
        with lock, Path(sys.argv[1]).open("a", encoding="utf-8") as log:
            log.write(json.dumps({"what": what, "at": time.time(), **more}) + "\n")

    def log_message(self, *_: object) -> None:
        pass


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    print(server.server_address[1], flush=True)
    server.serve_forever()
