"""`python -m http.server` as the origin: HTTP/1.0, where the end of the connection may be the end of the content, and HTTP/1.1."""

from __future__ import annotations

import contextlib
import sys

import pytest
from originkit import Site, answers
from ports import free_port

CONTENT = bytes(range(256)) * 4000


@pytest.fixture
def serve(program, tmp_path):
    """A function that serves a folder and gives its site; more flags as for `python -m http.server`."""
    folder = tmp_path / "site"
    (folder / "deeper").mkdir(parents=True)
    (folder / "file.bin").write_bytes(CONTENT)
    (folder / "page.html").write_text("<title>page</title>")
    (folder / "empty").write_bytes(b"")

    def start(*flags: str) -> Site:
        port = free_port()
        program(
            *(sys.executable, "-u", "-m", "http.server", "--bind", "127.0.0.1", "--directory", str(folder), *flags, str(port)),
            ready=lambda said: answers(port),
        )
        return Site(port)

    return start


@pytest.mark.parametrize("flags", [(), ("--protocol", "HTTP/1.1")], ids=["HTTP/1.0", "HTTP/1.1"])
def test_files_listings_redirects_and_errors(serve, edge_before, flags):
    origin = serve(*flags)
    edge = edge_before(origin.url)
    with contextlib.closing(edge.connect()) as connection:
        for method, target, status in [
            ("GET", "/file.bin", 200),
            ("GET", "/empty", 200),
            ("HEAD", "/file.bin", 200),
            ("GET", "/", 200),  # a listing
            ("GET", "/deeper", 301),
            ("GET", "/missing", 404),
            ("POST", "/page.html", 501),
            ("GET", "/page.html", 200),
        ]:
            direct = origin.ask(method, target)
            through = edge.ask(method, target, body=b"a=b" if method == "POST" else None, on=connection)
            assert (through.status, through.reason, through.body) == (status, direct.reason, direct.body), target
            assert through.get("content-type") == direct.get("content-type")
            assert through.get("last-modified") == direct.get("last-modified")
            assert connection.sock is not None, "the origin's way with connections is not the client's affair"
    assert edge.get("/file.bin").body == CONTENT


def test_a_file_that_has_not_changed(serve, edge_before):
    """No explicit freshness, so each request reaches the origin; the condition is judged all the same."""
    edge = edge_before(serve().url)
    first = edge.get("/page.html")
    # Another URL: a file that was written a few seconds ago is fresh by heuristics, for a moment.
    again = edge.get("/page.html?again", If_Modified_Since=first.get("last-modified"))
    assert (first.status, again.status, again.body) == (200, 304, b"")
    assert not again.hit


COUNTING = """
import sys, wsgiref.simple_server
def count(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    for number in range(20000):
        yield b"%d\\n" % number
wsgiref.simple_server.make_server("127.0.0.1", int(sys.argv[1]), count).serve_forever()
"""


def test_an_http_1_0_answer_without_a_length_ends_with_the_connection(program, edge_before):
    """wsgiref sends what an application yields as it comes: neither a length nor chunks say where it ends."""
    port = free_port()
    program(sys.executable, "-c", COUNTING, str(port), ready=lambda said: answers(port))
    edge = edge_before(f"http://127.0.0.1:{port}")
    with contextlib.closing(edge.connect()) as connection:
        for _ in range(3):
            answer = edge.ask("GET", "/", on=connection)
            assert (answer.status, answer.get("content-length"), answer.get("transfer-encoding")) == (200, None, "chunked")
            assert answer.body == b"".join(b"%d\n" % number for number in range(20000))
            assert connection.sock is not None


def test_it_starts_after_the_edge(serve, edge_before, program, tmp_path):
    """The edge is there first: 502 with a page for browsers, and as soon as the origin listens, the site."""
    port = free_port()
    edge = edge_before(f"http://127.0.0.1:{port}")
    page = edge.ask("GET", "/page.html", {"Accept": "text/html"})
    assert (page.status, page.get("content-type")) == (502, "text/html; charset=utf-8")
    assert "error=connection_refused" in page.get("proxy-status")
    assert edge.ask("POST", "/upload", body=b"x" * 8_000_000).status == 502  # also for who sends everything before listening
    (tmp_path / "late").mkdir()
    (tmp_path / "late" / "page.html").write_text("at last")
    program(
        *(sys.executable, "-m", "http.server", "--bind", "127.0.0.1", "--directory", str(tmp_path / "late"), str(port)),
        ready=lambda said: answers(port),
    )
    assert edge.get("/page.html").body == b"at last"
