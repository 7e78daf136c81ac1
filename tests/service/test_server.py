"""The real server process, spoken to over sockets."""

from __future__ import annotations

import http.client
import re
import socket
import time
import urllib.parse
from collections.abc import Iterator

import pytest

from epiluma.service.config import MAX_UPLOAD_BYTES

SLOW_VISITORS = 200


@pytest.fixture
def visitor(server: str) -> Iterator[tuple[http.client.HTTPConnection, dict[str, str], str]]:
    """A connection, the cookies of a first visit, and the form's token."""
    connection = http.client.HTTPConnection(urllib.parse.urlsplit(server).netloc, timeout=20)
    connection.request("GET", "/")
    response = connection.getresponse()
    cookies = "; ".join(value.strip().split(";")[0] for value in response.headers.get_all("Set-Cookie"))
    token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', response.read().decode()).group(1)
    yield connection, {"Cookie": cookies}, token
    connection.close()


def test_slow_visitors_do_not_stop_the_others(
    server: str, visitor: tuple[http.client.HTTPConnection, dict[str, str], str]
) -> None:
    connection, headers, _ = visitor
    host = urllib.parse.urlsplit(server)
    head = (
        f"POST / HTTP/1.1\r\nHost: {host.netloc}\r\nCookie: {headers['Cookie']}\r\nContent-Length: 1000000\r\n"
        "Content-Type: multipart/form-data; boundary=x\r\n\r\n--x\r\n"
    ).encode()
    slow = [socket.create_connection((host.hostname, host.port)) for _ in range(SLOW_VISITORS)]
    try:
        for visitor_socket in slow:
            visitor_socket.sendall(head)
        time.sleep(1)
        started = time.monotonic()
        connection.request("GET", "/screenings/", headers=headers)
        response = connection.getresponse()
        response.read()
        assert response.status == 200
        assert time.monotonic() - started < 5
    finally:
        for visitor_socket in slow:
            visitor_socket.close()


def test_a_photo_above_the_limit_gets_a_page_and_not_a_broken_connection(
    visitor: tuple[http.client.HTTPConnection, dict[str, str], str],
) -> None:
    connection, headers, token = visitor
    form = f'--x\r\nContent-Disposition: form-data; name="csrfmiddlewaretoken"\r\n\r\n{token}\r\n--x\r\n'
    body = form.encode() + b'Content-Disposition: form-data; name="photo"; filename="x.jpg"\r\n\r\n'
    body += b"\xff\xd8\xff" + b"x" * (MAX_UPLOAD_BYTES + 1_000_000) + b"\r\n--x--\r\n"
    connection.request("POST", "/", body, headers | {"Content-Type": "multipart/form-data; boundary=x"})
    response = connection.getresponse()
    page = response.read().decode()
    assert response.status == 413
    assert "smaller than 32 MB" in page


def test_static_files_are_compressed_and_kept_for_good(
    server: str, visitor: tuple[http.client.HTTPConnection, dict[str, str], str]
) -> None:
    connection, headers, _ = visitor
    connection.request("GET", "/", headers=headers)
    page = connection.getresponse().read().decode()
    style = re.search(r'href="(/static/epiluma/app\.[0-9a-f]+\.css)"', page).group(1)
    connection.request("GET", style, headers={"Accept-Encoding": "gzip"})
    response = connection.getresponse()
    assert response.headers["Content-Encoding"] == "gzip"
    assert "immutable" in response.headers["Cache-Control"]
    assert len(response.read()) < 8_000
