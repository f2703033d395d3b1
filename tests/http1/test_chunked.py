"""The chunked coding: content, trailers and what lies behind, however the bytes are cut up; and what is wrong with what is refused."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgecache.http1.chunked import SIZE_LINE_BYTES, ChunkedDecoder, chunk, last_chunk
from edgecache.semantics.message import Fields, field
from tests.http1.connections import cut_up

TRAILER_BYTES = 120
TRAILER_FIELDS = 3
Decoded = tuple[str | None, bytes, Fields, bytes, bool]


def decode(pieces: list[bytes]) -> Decoded:
    """Feed the pieces as a connection does: no more once it is done or has said what is wrong."""
    decoder = ChunkedDecoder(TRAILER_BYTES, TRAILER_FIELDS)
    content: list[bytes] = []
    wrong = None
    for at, piece in enumerate(pieces):
        wrong = decoder.feed(piece, content)
        if wrong is not None:
            break
        if decoder.done:
            return None, b"".join(content), decoder.trailers, decoder.rest + b"".join(pieces[at + 1 :]), True
    assert b"" not in content
    return wrong, b"".join(content), decoder.trailers, decoder.rest, decoder.done


def in_all_pieces(data: bytes) -> Decoded:
    """The same in one piece, in every two pieces, and byte by byte."""
    whole = decode([data])
    step = max(1, len(data) // 300)
    for at in range(1, len(data), step):
        assert decode([data[:at], data[at:]]) == whole
    assert decode(cut_up(data, range(len(data)))) == whole
    return whole


END = b"0\r\n\r\n"


@pytest.mark.parametrize(
    "data, content, rest",
    [
        (END, b"", b""),
        (b"000\r\n\r\n", b"", b""),
        (b"0" * 15 + b"\r\n\r\n", b"", b""),
        (b"5\r\nhello\r\n" + END, b"hello", b""),
        (b"1\r\na\r\n2\r\nbc\r\n" + END, b"abc", b""),
        (b"A\r\n0123456789\r\na\r\n0123456789\r\n" + END, b"01234567890123456789", b""),
        (b"0000000000000a\r\n0123456789\r\n" + END, b"0123456789", b""),
        (b"10\r\n" + b"x" * 16 + b"\r\n" + END, b"x" * 16, b""),
        (b"5\r\n\r\n0\r\n\r\n" + END, b"\r\n0\r\n", b""),
        (b"2\r\n\0\xff\r\n" + END, b"\0\xff", b""),
        (END + b"GET / HTTP/1.1\r\n", b"", b"GET / HTTP/1.1\r\n"),
        (END + END, b"", END),
        (b"1\r\na\r\n" + END + b"\r\n", b"a", b"\r\n"),
    ],
)
def test_content(data: bytes, content: bytes, rest: bytes) -> None:
    assert in_all_pieces(data) == (None, content, [], rest, True)


@pytest.mark.parametrize(
    "extension",
    [
        b";a",
        b";a=b",
        b";a;b=c;d",
        b';a="b"',
        b';a=""',
        b';a="b;c=d\\"e\\\\"',
        b';a="\t \xe9";b',
        b";!#$%&'*+-.^_`|~09azAZ=!#$%&'*+-.^_`|~09azAZ",
        b" ; a = b",  # BWS, RFC 9112 7.1.1
        b'\t;\ta\t=\t"b"\t;\tc',
        b";a ;b",
        b" ",  # white space that some origins pad sizes with
        b"\t ",
        b";a=b ",
        b";" + b"x" * (SIZE_LINE_BYTES - 4),  # with the size and CRLF just the limit
    ],
)
def test_extensions_are_dropped(extension: bytes) -> None:
    assert in_all_pieces(b"2%b\r\nab\r\n0%b\r\n\r\n" % (extension, extension)) == (None, b"ab", [], b"", True)


@pytest.mark.parametrize(
    "line, detail",
    [
        (b"", "the chunk size line '' is malformed"),
        (b"g", "the chunk size line 'g' is malformed"),
        (b" 1", "' 1'"),
        (b"\t1", "malformed"),
        (b"+1", "'+1'"),
        (b"-1", "'-1'"),
        (b"0x1", "'0x1'"),
        (b"1_0", "'1_0'"),
        (b"1h", "malformed"),
        (b"1.0", "malformed"),
        (b"1 1", "malformed"),
        (b"1\0", "'1\\x00'"),
        (b"1\x0b", "malformed"),
        (b"\xd9\xa1", "malformed"),
        (b"\xb2", "malformed"),
        (b"0" * 15 + b"1", "malformed"),
        (b"f" * 16, "malformed"),
        (b"f" * 17, "malformed"),
        (b"1" * 4000, "malformed"),
        (b"1;", "'1;'"),
        (b"1;;a", "malformed"),
        (b"1;=b", "malformed"),
        (b"1;a=", "malformed"),
        (b"1;a=b c", "malformed"),
        (b"1;a b", "malformed"),
        (b'1;a="', "malformed"),
        (b'1;a="b', "malformed"),
        (b'1;a="\\', "malformed"),
        (b'1;a="\\"', "malformed"),
        (b'1;a="b"c', "malformed"),
        (b'1;a=b"c"', "malformed"),
        (b"1;a='b c'", "malformed"),
        (b'1;a="\0"', "malformed"),
        (b'1;a="\x7f"', "malformed"),
        (b'1;a="\\\x7f"', "malformed"),
        (b"1;\xe9", "malformed"),
        (b"1;a=\xe9", "malformed"),
        (b"1;a\0", "malformed"),
        (b"1,a", "malformed"),
        (b"1\r", "malformed"),
        (b"1\rx", "malformed"),
        (b"1;a\rb", "malformed"),
        (b"1\n", "a chunk size line ends with a bare LF"),
        (b"\n1", "a chunk size line ends with a bare LF"),
        (b"1;a\nb", "a chunk size line ends with a bare LF"),
        (b'1;a="\n"', "a chunk size line ends with a bare LF"),
        (b"1;" + b"x" * (SIZE_LINE_BYTES - 3), "a chunk size line has more than 4096 bytes"),
        (b"1;" + b"x" * SIZE_LINE_BYTES, "a chunk size line has more than 4096 bytes"),
        (b"1;" + b"x" * SIZE_LINE_BYTES + b"\n", "a chunk size line has more than 4096 bytes"),
    ],
)
def test_refused_size_lines(line: bytes, detail: str) -> None:
    for before, content in ((b"", b""), (b"3\r\nabc\r\n", b"abc")):
        wrong, found, *_, done = in_all_pieces(before + line + b"\r\nx\r\n" + END)
        assert wrong is not None
        assert detail in wrong
        assert len(wrong) < 200
        assert found == content
        assert not done


@pytest.mark.parametrize(
    "data, content",
    [
        (b"1\r\nab\r\n", b"a"),  # longer than it says
        (b"3\r\nab\r\n" + END, b"ab\r"),  # shorter than it says
        (b"1\r\na\n" + END, b"a"),
        (b"1\r\na\rb", b"a"),
        (b"1\r\na0\r\n\r\n", b"a"),
        (b"1\r\na\r\r\n" + END, b"a"),
        (b"1\r\na \r\n" + END, b"a"),
    ],
)
def test_what_follows_a_chunk(data: bytes, content: bytes) -> None:
    wrong, found, *_ = in_all_pieces(data)
    assert wrong == "a chunk is not followed by CRLF (RFC 9112 7.1)"
    assert found == content


@pytest.mark.parametrize(
    "data, content",
    [
        (b"", b""),
        (b"5", b""),
        (b"5;a", b""),
        (b"5\r", b""),
        (b"5\r\n", b""),
        (b"5\r\nhel", b"hel"),
        (b"5\r\nhello", b"hello"),
        (b"5\r\nhello\r", b"hello"),
        (b"5\r\nhello\r\n", b"hello"),
        (b"0", b""),
        (b"0\r\n", b""),
        (b"0\r\n\r", b""),
        (b"0\r\nA: b", b""),
        (b"0\r\nA: b\r\n", b""),
        (b"0\r\nA: b\r\n\r", b""),
        (b"fffffffffffffff\r\nabc", b"abc"),
    ],
)
def test_unfinished(data: bytes, content: bytes) -> None:
    assert in_all_pieces(data) == (None, content, [], b"", False)


# trailers


@pytest.mark.parametrize(
    "lines",
    [
        [b"A: b"],
        [b"Server-Timing: a;dur=1", b"x-a:", b"X-A: \xe9"],
        [b'ETag: "a"', b'etag: "a"'],
        [b"A: " + b"b" * (TRAILER_BYTES - 3)],  # just the limit
    ],
)
def test_trailers(lines: list[bytes]) -> None:
    wrong, content, trailers, rest, done = in_all_pieces(b"1\r\na\r\n0\r\n" + b"\r\n".join(lines) + b"\r\n\r\nrest")
    assert (wrong, content, rest, done) == (None, b"a", b"rest", True)
    assert [line for line, _, _ in trailers] == lines


@pytest.mark.parametrize(
    "trailers, detail",
    [
        (b"A : b", "in the trailers: white space before the colon in 'A : b'"),
        (b"A: b\r\n c", "in the trailers: the line ' c' continues the one before it (obs-fold)"),
        (b" A: b", "obs-fold"),
        (b"A", "in the trailers: the field line 'A' has no colon"),
        (b": b", "in the trailers: the field name '' is not a token"),
        (b"A\xe9: b", "not a token"),
        (b"A: \0", "in the trailers: a NUL byte"),
        (b"A: b\rc", "in the trailers: a bare CR"),
        (b"A: \x7f", "in the trailers: the control byte 0x7f"),
        (b"A: b\r\nA: b\r\nA: b\r\nA: b", "in the trailers: 4 fields, where at most 3 are taken"),
        (b"A: " + b"b" * (TRAILER_BYTES - 2), "the trailers have more than 120 bytes"),
        (b"A: " + b"b" * 1000, "the trailers have more than 120 bytes"),
        (b"5\r\nhello", "has no colon"),  # a chunk behind the last one
    ],
)
def test_refused_trailers(trailers: bytes, detail: str) -> None:
    wrong, *_, done = in_all_pieces(b"0\r\n" + trailers + b"\r\n\r\n")
    assert wrong is not None
    assert detail in wrong
    assert not done


@pytest.mark.parametrize(
    "data", [b"0\r\n\n", b"0\r\nA: b\n\r\n", b"0\r\nA: b\nC: d\r\n\r\n", b"0\r\nA: b\r\n\n", b"0\r\n\nA: b\r\n\r\n", b"0\r\nA: b\n\n"]
)
def test_bare_lf_in_trailers(data: bytes) -> None:
    """Two sentences say it, one for trailers that are complete; refused in any case, and at once: nobody waits for an end in vain."""
    for pieces in ([data], cut_up(data, range(len(data))), *([data[:at], data[at:]] for at in range(1, len(data)))):
        wrong, *_, done = decode(pieces)
        assert wrong is not None
        assert "bare LF" in wrong
        assert not done


@pytest.mark.parametrize(
    "name",
    [b"connection", b"content-length", b"host", b"keep-alive", b"proxy-connection", b"te", b"trailer", b"transfer-encoding", b"upgrade"],
)
def test_forbidden_trailers(name: bytes) -> None:
    for line in (name + b": a", name.upper() + b":", name.title() + b": chunked"):
        for lines in (line, b"A: b\r\n" + line, line + b"\r\nA: b"):
            wrong, *_, trailers, _, done = in_all_pieces(b"0\r\n" + lines + b"\r\n\r\n")
            assert wrong is not None
            assert wrong.startswith(line.partition(b":")[0].decode() + " may not come as a trailer")
            assert (trailers, done) == ([], False)


def test_trailers_in_single_bytes_are_not_searched_again_and_again() -> None:
    """It took seconds when each byte had all before it copied and searched; now the time-out of the tests is far away."""
    decoder = ChunkedDecoder(1 << 20, TRAILER_FIELDS)
    assert decoder.feed(b"0\r\nA: ", []) is None
    for _ in range(500_000):
        assert decoder.feed(b"b", []) is None
    assert decoder.feed(b"\r\n\r\n", []) is None
    assert decoder.done


# what we send


@pytest.mark.parametrize("piece, size", [(b"a", b"1"), (b"x" * 10, b"a"), (b"x" * 65536, b"10000")])
def test_chunk(piece: bytes, size: bytes) -> None:
    assert chunk(piece) == (size + b"\r\n", piece, b"\r\n")


def test_last_chunk() -> None:
    assert last_chunk([]) == b"0\r\n\r\n"
    assert last_chunk([field(b"X-A", b"b"), field(b"etag", b"")]) == b"0\r\nX-A: b\r\netag: \r\n\r\n"


@settings(derandomize=True, max_examples=150, deadline=None)
@given(
    st.lists(st.binary(min_size=1, max_size=40), max_size=5),
    st.booleans(),
    st.lists(st.integers(0, 300), max_size=6),
    st.binary(max_size=8),
)
def test_what_we_send_is_read_back(pieces: list[bytes], with_trailers: bool, cuts: list[int], behind: bytes) -> None:
    trailers = [field(b"X-A", b"b"), field(b"X-B", b"c d")] if with_trailers else []
    sent = b"".join(b"".join(chunk(piece)) for piece in pieces) + last_chunk(trailers)
    assert decode(cut_up(sent + behind, cuts)) == (None, b"".join(pieces), trailers, behind, True)
