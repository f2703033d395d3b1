"""The real varnishd and varnishadm beside the edge: which texts both take, where they differ on purpose, and what a ban is about."""

from __future__ import annotations

import http.client
import os
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from cachingkit import NOW, stored
from originkit import until
from ports import free_port

from edgecache.caching.stored import Key
from edgecache.invalidation.bans import Ban, parse_ban
from edgecache.semantics.message import field

INSTALL = "apt-get install varnish"

# What it would fetch it makes up, so that it needs no origin: a page whose name says which fields it has.
VCL = """
vcl 4.1;
backend default none;
sub vcl_recv { return (hash); }
sub vcl_backend_error {
    set beresp.status = 200;
    set beresp.ttl = 1000s;
    if (bereq.url ~ "here") { set beresp.http.X-Here = "yes"; }
    return (deliver);
}
"""


@dataclass
class Varnish:
    """A running varnishd."""

    folder: Path
    port: int
    varnishadm: str

    def takes(self, text: str) -> bool:
        """Does `varnishadm ban TEXT` succeed?"""
        return self._adm(f"ban {text}").returncode == 0

    def is_ready(self) -> bool:
        return b"running" in self._adm("status").stdout

    def hits(self, target: str) -> bool:
        """Is a request answered from its cache? It is in the cache afterwards."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request("GET", target, headers={"Host": "www.example.com"})
            answer = connection.getresponse()
            answer.read()
            return len((answer.getheader("X-Varnish") or "").split()) == 2
        finally:
            connection.close()

    def _adm(self, command: str) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run([self.varnishadm, "-n", str(self.folder), command], capture_output=True, timeout=60, stdin=subprocess.DEVNULL)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str, str], Varnish]]:
    """A function that starts varnishd the first time that it is called, and gives the same one from then on."""
    started: list[tuple[subprocess.Popen[bytes], Varnish]] = []

    def start(varnishd: str, varnishadm: str) -> Varnish:
        if started:
            return started[0][1]
        folder = tmp_path_factory.mktemp("varnish")
        (folder / "vcl").write_text(VCL)
        varnish = Varnish(folder / "n", free_port(), varnishadm)
        # Without its jail it stays the user that it is, who may read this folder.
        jail = ["-j", "none"] if os.geteuid() == 0 else []
        command = [
            varnishd,
            *jail,
            "-F",
            "-n",
            str(varnish.folder),
            "-a",
            f"127.0.0.1:{varnish.port}",
            "-f",
            str(folder / "vcl"),
            "-s",
            "malloc,8m",
        ]
        said = folder / "said"
        with said.open("wb") as file:
            program = subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
        started.append((program, varnish))
        until(lambda: program.poll() is not None or varnish.is_ready(), "varnishd to be ready")
        assert program.poll() is None, said.read_text(errors="replace")
        return varnish

    yield start
    for program, _ in started:
        program.terminate()
        try:
            program.wait(10)
        except subprocess.TimeoutExpired:
            program.kill()
            program.wait(10)


@pytest.fixture
def varnish(running: Callable[[str, str], Varnish], system_program: Callable[[str, str], str]) -> Varnish:
    return running(system_program("varnishd", INSTALL), system_program("varnishadm", INSTALL))


BOTH = [
    "req.url ~ /a",
    'req.url ~ "^/a"',
    "  req.url   ~\t a  ",
    r"req.url ~ \\.png$",
    r'req.url ~ "\\.png$"',
    r'req.url == "a\"b"',
    r'req.url ~ "a\nb\tc"',
    r'req.url ~ "\x41\102"',
    "req.url ~ a#b",
    'req.url "~" a',
    'req.url == "&&"',
    'req.url == "a"&& obj.status == 200',
    "req.url != a",
    "req.url !~ a",
    "req.url ~ é",
    'req.url ~ "caf\\xe9"',
    "req.http.host ~ example",
    "req.http.X-Y == a",
    "obj.http.Content-Type ~ ^image/",
    "obj.status == 200",
    "obj.status != 404",
    "obj.status ~ ^5",
    "obj.age > 10s",
    "obj.age == 1d",
    "obj.age != 10ms",
    "obj.age >= 1.5h",
    "obj.age < .5m",
    "obj.ttl < 0s",
    "obj.ttl <= -1s",
    "obj.ttl > 1w",
    "obj.ttl > 1y",
    "req.url ~ a && obj.status == 200 && obj.age > 1m",
    'obj.http.content-type ~ "^image/" && req.url ~ "^/a"',
]

NEITHER = [
    "",
    "req.url",
    "req.url ~",
    "req.url ~ a &&",
    "req.url ~ a && req.url",
    "req.url ~ a req.url ~ b",
    "req.url ~ a || req.url ~ b",
    "req.url ~ a and req.url ~ b",
    'req.url == "a',
    'req.url == "a"b',
    'req.url == a"b',
    'req.url == {"a"}',
    "req.url == 'a b'",
    r'req.url == "a\.b"',
    "req.url = a",
    "req.url < a",
    "req.url~a",
    "req.url ~a",
    "req.url ~ (a",
    "req.url ~ [a",
    "req.url ~ *",
    r'req.url ~ "\\1"',
    "obj.age > 10",
    "obj.age > 1S",
    "obj.age > 1h30m",
    "obj.age > +1s",
    "obj.age > 1e3s",
    "obj.age > 1234567890123456s",
    "obj.age ~ 1d",
    "REQ.url ~ a",
    "req.URL ~ a",
    "req.http ~ a",
    "req.host ~ a",
    "req.xid ~ 1",
    "req.restarts == 1",
    "client.ip == 1",
    "beresp.status == 200",
    "obj.hits > 1",
]

# Everything else that is known to differ, and why.
ONLY_HERE = {
    r"req.url ~ \.png$": "in an expression a backslash that begins no escape stays: what VCL's ban() takes, which knows none",
    r"req.url ~ a\-b": "the same",
    'req.url == "a b"': "varnishadm's own quotes are lost between its two processes",
    'req.url == ""': "the same",
    "obj.status > 400": "there a status is text alone",
    "req.method == GET": "a field of ours",
    "obj.size > 1MB": "a field of ours",
    "obj.tags == a": "a field of ours",
}
ONLY_THERE = {
    r'req.url ~ "(a)\\1"': "RE2 knows no back references",
    "req.url ~ (?=a)": "RE2 knows no look-ahead",
    r'req.url ~ "(a)\1"': "there it is the character 1; who writes it means a back reference",
    "req.url ~ && && req.url ~ b": "a value is missing rather than &&",
    "req.url ~ ||": "the same",
    "req.url == 'a'": "there the single quotes are part of the value, and it matches nothing",
    "obj.status == abc": "no response has that status",
    "obj.status == 20": "no response has that status",
    "req.http. ~ a": "no field has that name",
    "req.http.a:b ~ a": "no field has that name",
    "obj.grace > 1s": "the edge keeps no grace apart from what Cache-Control says",
    "obj.keep > 1s": "the edge has no keep",
    "obj.age > 99999999999999y": "longer than the numbers in a normal form may be",
    " && ".join(["req.url ~ a"] * 200): "the number of conditions is bounded",
}


def is_ban(text: str) -> bool:
    return isinstance(parse_ban(text), Ban)


@pytest.mark.parametrize("text", BOTH)
def test_both_take_it(varnish, text):
    assert (is_ban(text), varnish.takes(text)) == (True, True)


@pytest.mark.parametrize("text", NEITHER)
def test_neither_takes_it(varnish, text):
    assert (is_ban(text), varnish.takes(text)) == (False, False)


@pytest.mark.parametrize("text", ONLY_HERE)
def test_only_the_edge_takes_it(varnish, text):
    assert (is_ban(text), varnish.takes(text)) == (True, False)


@pytest.mark.parametrize("text", ONLY_THERE)
def test_only_varnish_takes_it(varnish, text):
    assert (is_ban(text), varnish.takes(text)) == (False, True)


@pytest.mark.parametrize("text", [text for text in BOTH if '"' in text or "obj" in text])
def test_varnish_takes_our_normal_form(varnish, text):
    assert varnish.takes(parse_ban(text).text)


@pytest.mark.parametrize(
    "text",
    [
        *(
            f"{name} {rest}"
            for name in ("obj.http.x-here", "req.http.x-none")
            for rest in ("== yes", "!= yes", "~ yes", "!~ yes", "!= no", "!~ no", "~ .*")
        ),
        *(
            "obj.http.X-HERE ~ ^yes",
            "obj.http.x-here ~ ^YES",
            "obj.status == 200",
            "obj.status ~ ^4",
            "obj.status !~ ^4",
            "obj.status != 200",
        ),
        *(
            "obj.age >= 0s",
            "obj.age > 1h",
            "obj.ttl > 900s",
            "obj.ttl < 0s",
            "req.http.host == www.example.com",
            "req.http.host ~ ^example",
        ),
        *("req.url ~ here", "req.url ~ ^here", "req.url !~ here", r"req.url ~ /\\w+/", "req.url ~ here && obj.status == 404"),
    ],
)
def test_the_same_responses_are_meant(varnish, text):
    """Of two pages, one with a field and one without. The second request after a ban shows whether it was about the page."""
    ban = parse_ban(text)
    assert isinstance(ban, Ban)
    for target in ("/here/", "/none/"):
        varnish.hits(target)
        assert varnish.hits(target)
    assert varnish.takes(text)
    for target in ("/here/", "/none/"):
        fields = [field(b"X-Here", b"yes")] if "here" in target else []
        subject = stored(key=Key(b"http", b"www.example.com", target.encode()), fields=fields, tags=(), lifetime_s=1000.0)
        assert varnish.hits(target) is not ban.matches(subject, NOW), target
