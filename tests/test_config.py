"""Settings from files and flags: what is accepted, what it becomes, and the sentence for everything else."""

import re
from pathlib import Path

import msgspec
import pytest

from edgecache.config import (
    SETTINGS,
    ConfigError,
    Kind,
    Origin,
    Settings,
    is_loopback,
    load,
    parse_bytes,
    parse_duration,
    parse_listen,
    parse_origin,
)

MIB = 1024 * 1024


@pytest.fixture
def toml(tmp_path: Path):
    """Writes a file of settings and says where it is."""

    def write(text: str | bytes) -> Path:
        path = tmp_path / "edge.toml"
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return path

    return write


# -- Values ---------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text, seconds",
    [
        ("5", 5.0),
        ("0", 0.0),
        ("0.25", 0.25),
        ("250ms", 0.25),
        ("5s", 5.0),
        ("5 s", 5.0),
        ("10m", 600.0),
        ("10min", 600.0),
        ("1h", 3600.0),
        ("1h30m", 5400.0),
        ("1h 30m", 5400.0),
        ("2d", 172800.0),
        ("0.1s", 0.1),
    ],
)
def test_durations(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "soon",
        "5x",
        "-5s",
        "+5s",
        "1h30",
        "1h,30m",
        "5 5s",
        "1e3",
        "nan",
        "inf",
        ".5s",
        "5.s",
        "٥s",
        "5s\n",
        "9" * 400,
        "9" * 400 + "s",
    ],
)
def test_no_durations(text: str) -> None:
    with pytest.raises(ConfigError, match="is not a duration; write"):
        parse_duration(text)


@pytest.mark.parametrize(
    "text, size",
    [
        ("0", 0),
        ("65536", 65536),
        ("64KiB", 65536),
        ("16 KiB", 16384),
        ("64mib", 64 * MIB),
        ("1.5MiB", 3 * MIB // 2),
        ("2GiB", 2048 * MIB),
        ("10MB", 10_000_000),
        ("7B", 7),
        ("0.0001KiB", 0),
    ],
)
def test_sizes(text: str, size: int) -> None:
    assert parse_bytes(text) == size


@pytest.mark.parametrize("text", ["", "KiB", "64K", "64 Ki B", "-1", "1e6", "1KiB2", "0x10", "９KiB", "9" * 5000])
def test_no_sizes(text: str) -> None:
    with pytest.raises(ConfigError, match="is not a size; write"):
        parse_bytes(text)


@pytest.mark.parametrize(
    "text, host, port",
    [
        ("127.0.0.1:8080", "127.0.0.1", 8080),
        ("localhost:0", "localhost", 0),
        ("LocalHost:80", "localhost", 80),
        ("[::1]:8080", "::1", 8080),
        ("[::]:65535", "::", 65535),
        ("[fe80::1%eth0]:80", "fe80::1%eth0", 80),
        ("dev_box.lan:8080", "dev_box.lan", 8080),
    ],
)
def test_addresses(text: str, host: str, port: int) -> None:
    assert parse_listen(text) == (host, port)


@pytest.mark.parametrize(
    "text, hint",
    [
        ("127.0.0.1", "such as 127.0.0.1:8080"),
        ("8080", "127.0.0.1:8080 (this machine only) or 0.0.0.0:8080 (every network)"),
        (":9000", "127.0.0.1:9000 (this machine only) or 0.0.0.0:9000 (every network)"),
        ("::1", "such as [::1]:8080"),
        ("[::1]", "such as [::1]:8080"),
        ("::1:8080", "HOST:PORT"),
        ("localhost:65536", "HOST:PORT"),
        ("localhost:-1", "HOST:PORT"),
        ("localhost:http", "HOST:PORT"),
        ("localhost:", "HOST:PORT"),
        ("http://localhost:8080", "HOST:PORT"),
        ("a..b:80", "HOST:PORT"),
        (f"{'a' * 64}.example:80", "HOST:PORT"),
        ("local host:80", "HOST:PORT"),
        ("localhost:80\n", "HOST:PORT"),
        ("[zz::1]:80", "HOST:PORT"),
        ("", "HOST:PORT"),
    ],
)
def test_no_addresses(text: str, hint: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(hint)):
        parse_listen(text)


@pytest.mark.parametrize(
    "text, origin",
    [
        ("http://localhost:3000", Origin("http", "localhost", 3000, "", b"localhost:3000")),
        ("http://localhost:3000/", Origin("http", "localhost", 3000, "", b"localhost:3000")),
        ("HTTP://LocalHost:3000", Origin("http", "localhost", 3000, "", b"localhost:3000")),
        ("https://example.com", Origin("https", "example.com", 443, "", b"example.com")),
        ("https://example.com:443", Origin("https", "example.com", 443, "", b"example.com")),
        ("https://example.com:80", Origin("https", "example.com", 80, "", b"example.com:80")),
        ("http://example.com:", Origin("http", "example.com", 80, "", b"example.com")),
        ("http://[::1]:3000", Origin("http", "::1", 3000, "", b"[::1]:3000")),
        ("http://[fe80::1%eth0]:3000", Origin("http", "fe80::1%eth0", 3000, "", b"[fe80::1]:3000")),
        ("http://bücher.example", Origin("http", "xn--bcher-kva.example", 80, "", b"xn--bcher-kva.example")),
        ("unix:/run/app.sock", Origin("unix", "", 0, "/run/app.sock", b"localhost")),
        ("unix:///run/app.sock", Origin("unix", "", 0, "/run/app.sock", b"localhost")),
    ],
)
def test_origins(text: str, origin: Origin) -> None:
    assert parse_origin(text) == origin
    assert parse_origin(origin.url).authority == origin.authority


@pytest.mark.parametrize(
    "text, hint",
    [
        ("localhost:3000", "write http://localhost:3000"),
        ("localhost:3000/app", "write http://localhost:3000"),
        ("example.com", "write http://example.com"),
        ("3000", "write http://localhost:3000"),
        (":3000", "write http://localhost:3000"),
        ("", "write http://localhost:3000"),
        ("a b", "write http://localhost:3000"),
        ("ftp://example.com", "write http://HOST:PORT, https://HOST or unix:/PATH"),
        ("http://localhost:3000/app", "paths are forwarded as clients send them; write http://localhost:3000"),
        ("http://localhost?x=1", "write http://localhost"),
        ("http://localhost#top", "write http://localhost"),
        ("http://", "has no usable host and port"),
        ("http://:3000", "has no usable host and port"),
        ("http://localhost:0", "ports from 1 to 65535"),
        ("http://localhost:99999", "ports from 1 to 65535"),
        ("http://localhost:３000", "has no usable host and port"),
        ("http://a..b", "has no usable host and port"),
        ("http://local\thost", "has no usable host and port"),
        ("http://localhost\n", "has no usable host and port"),
        ("http://::1:3000", "has no usable host and port"),
        ("http://\udcff.example", "has no usable host and port"),
        ("unix:run/app.sock", "write unix:/PATH"),
        ("unix://host/app.sock", "write unix:/PATH"),
        ("unix:", "write unix:/PATH"),
        ("unix:/a\0b", "write unix:/PATH"),
        ("unix:/" + "a" * 107, "at most 107 bytes"),
    ],
)
def test_no_origins(text: str, hint: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(hint)) as caught:
        parse_origin(text)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    "text",
    [
        "http://me:hunter2@localhost:3000",
        "http://me:hunter2@localhost/x",
        "http://me:hun/ter2@localhost",
        "me:hunter2@localhost",
        "ftp://me:hunter2@x",
    ],
)
def test_credentials_in_an_origin_are_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(ConfigError, match="…@") as caught:
        parse_origin(text)
    assert "ter2" not in str(caught.value)


@pytest.mark.parametrize(
    "host, loopback",
    [
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        ("localhost", True),
        ("app.localhost", True),
        ("0.0.0.0", False),
        ("::", False),
        ("192.168.1.2", False),
        ("example.com", False),
        ("notlocalhost", False),
    ],
)
def test_loopback(host: str, loopback: bool) -> None:
    assert is_loopback(host) is loopback


# -- From a file and flags ------------------------------------------------------------------------------------------------------------


def test_nothing_given_means_the_defaults() -> None:
    assert load(None, {}) == Settings()


def test_flags_win_over_the_file_and_the_file_over_defaults(toml) -> None:
    path = toml('connect_timeout_s = "2s"\nhead_bytes = "32KiB"\nvariants = 7\n')
    settings = load(path, {"head_bytes": "48KiB", "variants": None})
    assert (settings.connect_timeout_s, settings.head_bytes, settings.variants, settings.linger_s) == (2.0, 48 * 1024, 7, 1.0)


@pytest.mark.parametrize(
    "line, name, value",
    [
        ("connect_timeout_s = 5", "connect_timeout_s", 5.0),
        ("connect_timeout_s = 0.5", "connect_timeout_s", 0.5),
        ('connect_timeout_s = "1h"', "connect_timeout_s", 3600.0),
        ("linger_s = 0", "linger_s", 0.0),
        ("object_bytes = 1_000", "object_bytes", 1000),
        ('object_bytes = "1GiB"', "object_bytes", 1024 * MIB),
        ("origin_verify = false", "origin_verify", False),
        ('log = "json"', "log", "json"),
        ('trusted_proxies = ["10.0.0.0/8", "::1", "192.168.1.7"]', "trusted_proxies", ("10.0.0.0/8", "::1/128", "192.168.1.7/32")),
        ("purge_allow = []", "purge_allow", ()),
        ('control_hosts = ["Edge.Example.com", "::2"]', "control_hosts", ("edge.example.com", "::2")),
        ('origin_host = "www.example.com:8443"', "origin_host", "www.example.com:8443"),
        ('via = "edge-1"', "via", "edge-1"),
    ],
)
def test_values_in_a_file(toml, line: str, name: str, value: object) -> None:
    found = getattr(load(toml(line), {}), name)
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize(
    "name, given, value",
    [
        ("connect_timeout_s", "250ms", 0.25),
        ("variants", "12", 12),
        ("origin_verify", "no", False),
        ("origin_verify", "true", True),
        ("origin_verify", False, False),
        ("trusted_proxies", "10.0.0.0/8, fd00::/8", ("10.0.0.0/8", "fd00::/8")),
        ("trusted_proxies", ("10.0.0.0/8", "fd00::/8"), ("10.0.0.0/8", "fd00::/8")),
        ("trusted_proxies", "", ()),
        ("origin", "http://localhost:3000", "http://localhost:3000"),
    ],
)
def test_values_of_flags(name: str, given: object, value: object) -> None:
    assert getattr(load(None, {name: given}), name) == value


@pytest.mark.parametrize(
    "line, sentence",
    [
        ("head_bites = 5", "there is no setting 'head_bites'; did you mean head_bytes?"),
        ('connect-timeout = "5s"', "there is no setting 'connect-timeout'; did you mean connect_timeout_s?"),
        ("zzzzzz = 1", "there is no setting 'zzzzzz'; edgecache run --help lists them all"),
        ("[limits]\nhead_bytes = 5", "'limits' is a table, but settings stand on their own"),
        ("[origin]\nconnect_timeout_s = 5", "'origin' is a table, but settings stand on their own"),
        ('connect_timeout_s = "soon"', "connect_timeout_s: 'soon' is not a duration; write seconds"),
        ("connect_timeout_s = true", 'connect_timeout_s: true is not a duration such as 5 or "250ms"'),
        ("connect_timeout_s = []", 'connect_timeout_s: a list is not a duration such as 5 or "250ms"'),
        ("connect_timeout_s = nan", "connect_timeout_s: nan is not a duration"),
        ("connect_timeout_s = inf", "connect_timeout_s: inf is not a duration"),
        ("connect_timeout_s = 0", "connect_timeout_s: 0 seconds is too little; write 0.001 or more"),
        ("connect_timeout_s = -1", "connect_timeout_s: -1 seconds is too little; write 0.001 or more"),
        ('connect_timeout_s = "400d"', "connect_timeout_s: 34560000 seconds is too much; write 31536000 or less"),
        ('head_bytes = "64K"', "head_bytes: '64K' is not a size; write bytes"),
        ("head_bytes = 1.5", 'head_bytes: 1.5 is not a size such as 65536 or "64KiB"'),
        ("head_bytes = -1", "head_bytes: -1 bytes is too little; write 256 or more"),
        ("buffer_bytes = 1", 'buffer_bytes: 1 bytes is too little; write "4KiB" or more'),
        ('object_bytes = "2TiB"', 'object_bytes: 2199023255552 bytes is too much; write "1TiB" or less'),
        ("variants = 0", "variants: 0 responses is too little; write 1 or more"),
        ('variants = "many"', "variants: 'many' is not a whole number such as 100"),
        (f"variants = {'9' * 400}", "variants: a number of more than 18 digits is not a whole number"),
        (f"connect_timeout_s = {'9' * 400}", "connect_timeout_s: a number of more than 18 digits is not a duration"),
        ("variants = 2026-01-01", "variants: 2026-01-01 is not a whole number"),
        ("log = 1", "log: 1 is not a text; write it in quotes"),
        ('log = "loud"', "log: 'loud' is not known; write off or short or json"),
        ('profile = "fastly"', "profile: 'fastly' is not known; write standard"),
        ('store = "/var/cache"', "store: '/var/cache' cannot be used: only \"memory\" is available"),
        ('origin_verify = "maybe"', "origin_verify: 'maybe' is not true or false"),
        ('listen = "8080"', "listen: '8080' is not an address to listen on; write HOST:PORT"),
        ('origin = "localhost:3000"', "origin: 'localhost:3000' is not an origin URL; write http://localhost:3000"),
        ('origin_host = "a b"', "origin_host: 'a b' is not a host; write HOST or HOST:PORT"),
        ('origin_host = "a\\r\\nX: y"', "origin_host: 'a\\r\\nX: y' is not a host"),
        ('origin_ca_file = "/does/not/exist"', "origin_ca_file: '/does/not/exist' cannot be read; name a PEM file"),
        ('origin_ca_file = "/"', "origin_ca_file: '/' cannot be read; name a PEM file"),
        ('ready_file = "a\\u0000b"', "ready_file: 'a\\x00b' holds a NUL; write the path of a file"),
        ('via = "two words"', "via: 'two words' is not one word"),
        (
            'purge_allow = ["10.0.0.1/8"]',
            "purge_allow: '10.0.0.1/8' has bits beyond its prefix; write 10.0.0.0/8, or 10.0.0.1 for one address",
        ),
        ('purge_allow = ["localhost"]', "purge_allow: 'localhost' is not a network; write an address or a CIDR"),
        ('purge_allow = ["10.0.0.0/99"]', "purge_allow: '10.0.0.0/99' is not a network"),
        ("purge_allow = [1]", "purge_allow: a list is not a list of texts"),
        ('control_hosts = ["http://edge"]', "control_hosts: 'http://edge' is not a host name; write it without scheme and port"),
        ('control_hosts = ["edge:8081"]', "control_hosts: 'edge:8081' is not a host name; write it without scheme and port"),
    ],
)
def test_errors_name_file_setting_value_and_what_would_be_right(toml, line: str, sentence: str) -> None:
    path = toml(line)
    with pytest.raises(ConfigError) as caught:
        load(path, {})
    text = str(caught.value)
    assert text.startswith(str(path))
    assert sentence in text
    assert text.isprintable()
    assert len(text) < len(str(path)) + 400


@pytest.mark.parametrize(
    "overrides, sentence",
    [
        ({"connect_timeout_s": "soon"}, "--connect-timeout-s: 'soon' is not a duration"),
        ({"origin": "localhost:3000"}, "ORIGIN: 'localhost:3000' is not an origin URL; write http://localhost:3000"),
        ({"store": "./cache"}, "--store: './cache' cannot be used: only \"memory\" is available"),
        ({"trusted_proxies": "10.0.0.0/8,home"}, "--trusted-proxies: 'home' is not a network"),
        ({"head_bites": "1"}, "flags: there is no setting 'head_bites'; did you mean head_bytes?"),
    ],
)
def test_errors_name_the_flag(overrides: dict[str, object], sentence: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(sentence)):
        load(None, overrides)


@pytest.mark.parametrize(
    "content, sentence",
    [
        (b"listen = \n", "not valid TOML: Invalid value (at line 1, column 10)"),
        (b"a = 1\nb ? 2\n", "line 2"),
        (b"log = 'off'\nlog = 'json'\n", "line 2"),
        (b"# \xe4\n", "line 1 is not UTF-8"),
        (b"a = 1\n\n# \xff\n", "line 3 is not UTF-8"),
        (b"a = " + b"[" * 5000, "not valid TOML"),
        (b"a = " + b"9" * 5000, "not valid TOML"),
    ],
)
def test_files_that_are_no_toml(toml, content: bytes, sentence: str) -> None:
    path = toml(content)
    with pytest.raises(ConfigError, match=re.escape(sentence)) as caught:
        load(path, {})
    assert str(caught.value).startswith(f"{path}: ")


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.toml: there is no such file"):
        load(tmp_path / "none.toml", {})
    with pytest.raises(ConfigError, match="cannot be read"):
        load(tmp_path, {})
    with pytest.raises(ConfigError, match="cannot be read"):
        load(Path("a\0b"), {})


# -- Settings that must fit each other ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("control", ["0.0.0.0:8081", "[::]:0", "192.168.1.2:8081", "devbox:8081"])
def test_a_control_plane_beyond_loopback_needs_a_token(control: str) -> None:
    with pytest.raises(ConfigError, match=f"--control: other machines can reach {re.escape(control)}; set control_token"):
        load(None, {"control": control})
    assert load(None, {"control": control, "control_token": "t0ken"}).control == control


def test_two_listeners_need_two_ports() -> None:
    with pytest.raises(ConfigError, match="--listen: listen and control are both"):
        load(None, {"listen": "127.0.0.1:8081"})
    assert load(None, {"listen": "127.0.0.1:0", "control": "127.0.0.1:0"})


# -- Secrets --------------------------------------------------------------------------------------------------------------------------


def test_tokens_are_never_shown(toml) -> None:
    secrets = {setting.name: f"s3cret-{setting.name}" for setting in SETTINGS if setting.kind is Kind.SECRET}
    assert set(secrets) == {"purge_token", "control_token"}
    settings = load(None, secrets)
    assert settings.control_token == secrets["control_token"]
    for shown in (repr(settings), str(settings), f"{settings}", repr(settings.__rich_repr__())):
        assert "s3cret" not in shown
        assert "control_token" in shown
    assert "control_token=''" in repr(Settings())
    with pytest.raises(ConfigError, match=r"control_token: the token \(not shown here\) is not") as caught:
        load(toml('control_token = "s3cret with spaces"'), {})
    assert "s3cret" not in str(caught.value)


def test_settings_never_change() -> None:
    with pytest.raises(AttributeError):
        Settings().listen = "127.0.0.1:1"  # type: ignore[misc]
    assert msgspec.structs.replace(Settings(), variants=3).variants == 3
