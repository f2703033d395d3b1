"""HTTP/1.1 messages for comparing parsers: a small grammar that makes valid ones, and a mutator that knows the grammar.

A message is made as a list of tokens, each with its kind, so that the mutator can do to a length what is done to lengths. Everything
is drawn from a `random.Random`: a seed gives the same messages for ever, and hypothesis can hand in one of its own that it shrinks.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from random import Random


@dataclasses.dataclass(frozen=True)
class Case:
    """Bytes as they arrive on one connection. `method` is None for a request, else that of the request which is being answered."""

    data: bytes
    method: bytes | None = None

    @property
    def is_request(self) -> bool:
        return self.method is None

    @property
    def head(self) -> bytes:
        """All before the first empty line, without empty lines in front."""
        return self.data.lstrip(b"\r\n").partition(b"\r\n\r\n")[0]

    @property
    def start_line(self) -> bytes:
        return self.head.partition(b"\r\n")[0]

    def values(self, name: bytes) -> list[bytes]:
        """The values of the fields that are called `name`, as near as a reader who splits at CRLF comes to them."""
        lines = [line.partition(b":") for line in self.head.split(b"\r\n")[1:]]
        return [value.strip(b" \t") for own, _, value in lines if own.lower() == name]


@dataclasses.dataclass
class Token:
    kind: str
    text: bytes


Tokens = list[Token]

# fmt: off
# What is well-formed. Where a kind is missing here, the tokens' own texts are all there is.
METHODS = (b"GET", b"GET", b"POST", b"PUT", b"HEAD", b"DELETE", b"OPTIONS", b"PATCH", b"PURGE", b"M-SEARCH")
TARGETS = (b"/", b"/a/b?c=d&e", b"/%zz//../.", b"*", b"http://example.com/x", b"/?", b"/;a=b", b"//x", b"/" + b"x" * 60, b"/'\"[]{}|\\^`<>")
VALUES = (
    b"", b"a", b"text/html; charset=utf-8", b'"quoted, text"', b"a\tb  c", b'W/"x", *', b"caf\xe9", b"\xe2\x82\xac", b"x" * 90, b"a:b",
    b"::",
)
NAMES = (b"Accept", b"X-A", b"x-a", b"User-Agent", b"Cookie", b"Via", b"ETag", b"!#$%&'*+-.^_`|~", b"Expect", b"0")
CONNECTION = (b"close", b"keep-alive", b"Keep-Alive, X-A", b"x", b"CLOSE", b"close, x", b",", b"upgrade")
STATUSES = (b"200", b"200", b"200", b"404", b"500", b"204", b"304", b"301", b"206", b"299", b"999", b"100", b"103", b"599")
REASONS = (b"OK", b"", b"Not Found", b"a\tb", b"caf\xe9", b" two ", b"200 OK")
EXTENSIONS = (b"", b"", b"", b";a", b";a=b", b';a="b;c"', b';a="\\"";b')
DATA = (b"a", b"hello", b"\r\n", b"0\r\n\r\n", b"x" * 30, b"\0\xff", b"GET / HTTP/1.1\r\n\r\n")
BEHIND = (
    b"", b"", b"", b"GET /next HTTP/1.1\r\nHost: a\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", b"garbage", b"\r\n", b"\0",
)

# What is done to tokens of a kind, besides what is done to any bytes.
ODD: dict[str, tuple[bytes, ...]] = {
    "eol": (b"\n", b"\r", b"\r\r\n", b"", b"\r\n ", b"\r\n\t", b"\n\r\n", b" \r\n", b"\r\n\r\n", b"\r\n\n", b"\x00\r\n", b"\r\n:\r\n",
        b"\r\nx\r\n"),
    "space": (b"", b"  ", b"\t", b"\x0b", b"\xa0", b" \t", b"\r\n "),
    "colon": (b" : ", b"\t:", b"", b":", b":  ", b":\t", b"::", b";", b"=", b":\x0b", b":\r\n ", b"\x00:", b":\xa0", b": \x85"),
    "name": (b"", b" ", b"X A", b"X\x00", b"X\xe9", b"(x)", b" X", b"X\t", b"X\x7f", b"Host", b"content-length", b"TRANSFER-ENCODING",
        b"Connection", b"Upgrade", b'"x"', b"X/", b"x" * 300),
    "value": (b"\x00", b"a\x00b", b"\x01", b"a\x7f", b"a\rb", b"a\nb", b"\xff", b" a ", b"\t", b"\x0ba", b"a\x0c", b"chunked", b"5",
        b"close", b"a\r\n b"),
    "host": (b"", b"a, b", b"a b", b"a/b", b"[::1]:80", b"a:b:c", b"\xe9", b"a\tb"),
    "length": (b"+5", b"-5", b"5, 5", b"5,5", b"5, 6", b"0x5", b"5_0", b"05", b"", b"5;", b"\xd9\xa5", b"1" * 18, b"1" * 19, b"1" * 30,
        b"18446744073709551616", b"5.0", b"5 5", b"5\t", b"0" * 20 + b"5", b"00", b"5\x0b", b"1e1", b"0", b"5,", b"\xb2"),
    "coding": (b"Chunked", b"chunked, chunked", b"gzip, chunked", b"chunked, gzip", b"identity", b"", b"xchunked", b",chunked",
        b"chunked,", b"\x0bchunked", b"chunked;a=b", b"chunked\t", b"gzip", b"chunkedx", b'"chunked"', b"CHUNKED", b"identity, chunked",
        b"chunked chunked", b"chunked\x00"),
    "size": (b"0x5", b"+5", b" 5", b"5 ", b"5\t", b"05", b"", b"g", b"-1", b"F" * 15, b"F" * 16, b"F" * 17, b"1" * 30, b"0" * 14 + b"5",
        b"0" * 15 + b"5", b"0" * 40 + b"5", b"5_0", b"5h", b"A", b"a", b"\xd9\xa5", b"0", b"00", b"5\x00", b"5\x0b"),
    "extension": (b" ; a = b", b";a=b ", b";", b";;", b";a=", b";=b", b';a="', b";a=b c", b";a\x00", b";a=\x01", b";\xe9", b';a="\xe9"',
        b';a="\\', b';a="b"c', b" ;a", b"; a", b";a ;b", b";a =b", b"\t;\ta\t=\tb\t", b";a=b;c=d;e", b" a", b";a\r", b";a\n", b";a\rb",
        b";" + b"x" * 5000, b';a="\n"', b';a="\x7f"', b",a", b';a=b"c"', b";a='b'", b" ", b"\t"),
    "method": (b"get", b"", b"G T", b"BAN", b"PURGEKEYS", b"G\xe9T", b"G\x00", b"GET\t", b"CONNECT", b"X" * 40, b"(", b"HTTP/1.1", b"PRI",
        b"G:", b"a-b.c"),
    "target": (b"", b"/\xe9\xff", b"/a b", b"x", b"/\x7f", b"/#f", b"/\x00", b"/\t", b"/\x0b", b"example.com:443", b"?", b"#", b"http:/x",
        b"HTTP://X/", b"ftp://x/", b"http://", b"/\r", b"/\n", b"@", b":", b"http://a b/", b"http://u@x/", b"http://x?y",
        b"http://[::1]/", b"http://x\xe9/"),
    "version": (b"HTTP/1.0", b"HTTP/1.2", b"HTTP/0.9", b"HTTP/2.0", b"HTTP/2", b"http/1.1", b"HTTP/1.10", b"HTTP/11", b"", b"HTTP/1.1 ",
        b"HTTP/1.", b"HTTP/+1.1", b"HTTP/1,1", b"HTTP /1.1", b"ICY", b"HTTP/1.1\t", b"HTTP/9.9", b"HTTPS/1.1", b"HTTP/1.\xb2",
        b"RTSP/1.0"),
    "status": (b"099", b"1000", b"20", b"", b"-20", b"2x0", b"200\t", b"+200", b"000", b"\xb2\xb2\xb2", b"101", b"199", b"600", b" 200",
        b"20 0", b"200:"),
    "reason": (b"\x00", b"a\rb", b"a\x7f", b"\x01", b"\x0b", b"a\nb", b"\x80"),
}
# fmt: on
HOSTILE = b'\0\t\n\v\f\r \x1f"(),/:;=@[\\]{}\x7f\x80\x85\xa0\xff+-0x'


def request(rng: Random) -> Case:
    """A request, whole or spoilt a little."""
    return Case(_render(rng, request_tokens(rng)))


def response(rng: Random) -> Case:
    """A response, whole or spoilt a little, and the method that it answers."""
    return Case(_render(rng, response_tokens(rng)), rng.choice((b"GET", b"GET", b"GET", b"POST", b"HEAD")))


def request_tokens(rng: Random) -> Tokens:
    """A valid request, with its content and with what is behind it."""
    version = b"HTTP/1.0" if rng.random() < 0.1 else b"HTTP/1.1"
    start = [
        Token("method", rng.choice(METHODS)),
        Token("space", b" "),
        Token("target", rng.choice(TARGETS)),
        Token("space", b" "),
        Token("version", version),
    ]
    kinds = ("none", "none", "length") if version == b"HTTP/1.0" else ("none", "length", "chunked")
    lines, content = _content(rng, rng.choice(kinds))
    lines.insert(rng.randint(0, len(lines)), _line("host", b"Host", rng.choice((b"example.com", b"a:8080", b"[::1]"))))
    return _assemble(rng, start, lines, content, rng.choice(BEHIND))


def response_tokens(rng: Random) -> Tokens:
    """A valid response, with its content and with what is behind it."""
    version = b"HTTP/1.0" if rng.random() < 0.1 else b"HTTP/1.1"
    status = rng.choice(STATUSES)
    start = [
        Token("version", version),
        Token("space", b" "),
        Token("status", status),
        Token("space", b" "),
        Token("reason", rng.choice(REASONS)),
    ]
    kinds = ("length", "until-close") if version == b"HTTP/1.0" else ("length", "chunked", "until-close")
    kind = "none" if status in (b"204", b"100", b"103") else rng.choice(kinds)
    lines, content = _content(rng, kind)
    return _assemble(rng, start, lines, content, b"" if kind == "until-close" else rng.choice(BEHIND))


def _content(rng: Random, kind: str) -> tuple[list[Tokens], Tokens]:
    """The framing fields and the content for one kind of framing."""
    if kind == "none":
        return [], []
    pieces = [rng.choice(DATA) for _ in range(rng.randint(0, 3))]
    if kind == "until-close":
        return [], [Token("data", piece) for piece in pieces]
    if kind == "length":
        return [_line("length", b"Content-Length", b"%d" % sum(map(len, pieces)))], [Token("data", piece) for piece in pieces]
    content: Tokens = []
    for piece in pieces:
        size = rng.choice((b"%x", b"%X", b"0%x")) % len(piece)
        content += [
            Token("size", size),
            Token("extension", rng.choice(EXTENSIONS)),
            Token("eol", b"\r\n"),
            Token("data", piece),
            Token("eol", b"\r\n"),
        ]
    content += [Token("size", rng.choice((b"0", b"0", b"000"))), Token("extension", rng.choice(EXTENSIONS)), Token("eol", b"\r\n")]
    for _ in range(rng.choice((0, 0, 1, 2))):
        content += _line("value", rng.choice((b"X-Trailer", b"Server-Timing", b"etag")), rng.choice(VALUES))
    return [_line("coding", b"Transfer-Encoding", rng.choice((b"chunked", b"chunked", b"Chunked")))], [*content, Token("eol", b"\r\n")]


def _line(kind: str, name: bytes, value: bytes) -> Tokens:
    return [Token("name", name), Token("colon", b": "), Token(kind, value), Token("eol", b"\r\n")]


def _assemble(rng: Random, start: Tokens, lines: list[Tokens], content: Tokens, behind: bytes) -> Tokens:
    for _ in range(rng.choice((0, 1, 1, 2, 4))):
        lines.insert(rng.randint(0, len(lines)), _line("value", rng.choice(NAMES), rng.choice(VALUES)))
    if rng.random() < 0.15:
        lines.insert(rng.randint(0, len(lines)), _line("value", b"Connection", rng.choice(CONNECTION)))
    tokens = [*start, Token("eol", b"\r\n")]
    for line in lines:
        tokens += line
    return [*tokens, Token("eol", b"\r\n"), *content, Token("behind", behind)]


def _render(rng: Random, tokens: Tokens) -> bytes:
    """The tokens as bytes, after no change (a third), one (most), or some."""
    for _ in range(rng.choice((0, 0, 0, 1, 1, 1, 1, 2, 3))):
        rng.choice(MUTATIONS)(rng, tokens)
    data = b"".join(token.text for token in tokens)
    if rng.random() < 0.03:
        data = data[: rng.randint(0, len(data))]
    return data


def _odd_token(rng: Random, tokens: Tokens) -> None:
    token = rng.choice([token for token in tokens if token.kind in ODD])
    token.text = rng.choice(ODD[token.kind])


def _odd_framing(rng: Random, tokens: Tokens) -> None:
    """As above, but where lengths, codings and chunks are: there differences are dangerous."""
    near = [token for token in tokens if token.kind in ("length", "coding", "size", "extension")]
    if near:
        token = rng.choice(near)
        token.text = rng.choice(ODD[token.kind])
    else:
        _second_framing(rng, tokens)


def _second_framing(rng: Random, tokens: Tokens) -> None:
    """One more field, in the head or in the trailers, that says how the message is framed or routed."""
    line = rng.choice(
        (
            _line("length", b"Content-Length", rng.choice((b"0", b"5", b"6"))),
            _line("coding", b"Transfer-Encoding", rng.choice(ODD["coding"])),
            _line("coding", b"Transfer-Encoding", b"chunked"),
            _line("host", b"Host", rng.choice((b"example.com", b"other"))),
            _line("value", b"Connection", rng.choice(CONNECTION)),
            _line("value", b"Upgrade", b"websocket") + _line("value", b"Connection", b"upgrade"),
            _line(
                "value",
                rng.choice((b"TE", b"Trailer", b"Keep-Alive", b"Upgrade", b"Proxy-Connection")),
                rng.choice((b"trailers", b"close", b"keep-alive")),
            ),
        )
    )
    at = _line_start(rng, tokens)
    tokens[at:at] = line


def _repeat_line(rng: Random, tokens: Tokens) -> None:
    at = _line_start(rng, tokens)
    line = [Token(token.kind, token.text) for token in tokens[at : at + 4]]
    if len(line) == 4 and line[0].kind == "name":
        there = _line_start(rng, tokens)
        tokens[there:there] = line


def _line_start(rng: Random, tokens: Tokens) -> int:
    return rng.choice([at + 1 for at, token in enumerate(tokens) if token.kind == "eol"])


def _drop(rng: Random, tokens: Tokens) -> None:
    if len(tokens) > 5:
        del tokens[rng.randrange(len(tokens))]


def _double(rng: Random, tokens: Tokens) -> None:
    at = rng.randrange(len(tokens))
    tokens.insert(at, Token(tokens[at].kind, tokens[at].text))


def _swap(rng: Random, tokens: Tokens) -> None:
    one, two = rng.randrange(len(tokens)), rng.randrange(len(tokens))
    tokens[one], tokens[two] = tokens[two], tokens[one]


def _odd_byte(rng: Random, tokens: Tokens) -> None:
    """A byte inserted, replaced, doubled or dropped, anywhere."""
    token = rng.choice(tokens)
    at = rng.randint(0, len(token.text))
    byte = bytes([rng.choice(HOSTILE)])
    before, after = token.text[:at], token.text[at:]
    token.text = rng.choice((before + byte + after, before + byte + after[1:], before + after[:1] + after, before + after[1:]))


def _all_lines_end_with_lf(rng: Random, tokens: Tokens) -> None:
    for token in tokens:
        if token.kind == "eol":
            token.text = b"\n"


def _in_front(rng: Random, tokens: Tokens) -> None:
    tokens.insert(0, Token("front", rng.choice((b"\r\n", b"\r\n\r\n", b"\n", b" ", b"\r", b"\0", b"x"))))


Mutation = Callable[[Random, Tokens], None]
MUTATIONS: tuple[Mutation, ...] = (
    *(_odd_token,) * 6,
    *(_odd_framing,) * 6,
    *(_second_framing,) * 3,
    *(_odd_byte,) * 4,
    *(_drop, _double, _swap, _repeat_line),
    *(_in_front, _all_lines_end_with_lf),
)
