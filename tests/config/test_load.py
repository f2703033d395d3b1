"""Settings from files and flags: what is accepted, what it becomes, and the sentence for everything else."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest

from edgecache.config import SETTINGS, ConfigError, Kind, Settings, load

MIB = 1024 * 1024


# -- From a file and flags ---------------------------------------------------------------------------------------------------------------


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
        ("purge_not_stored_status = 404", "purge_not_stored_status", 404),
        ('purge_not_stored_status = "404"', "purge_not_stored_status", 404),
        ('purge_get = "/purge"', "purge_get", "/purge"),
        ('purge_get = ""', "purge_get", ""),
        ('control_hosts = ["Edge.Example.com", "::2"]', "control_hosts", ("edge.example.com", "::2")),
        ('origin_host = "www.example.com:8443"', "origin_host", "www.example.com:8443"),
        ('via = "edge-1"', "via", "edge-1"),
        ('store = "memory"', "store", "memory"),
        ('store = "./cache"', "store", "./cache"),
        ('store = ""', "store", ""),
        ('disk_bytes = "16GiB"', "disk_bytes", 16 * 1024 * MIB),
        ('set_cookie = "strip"', "set_cookie", "strip"),
        ("refreshes = 0", "refreshes", 0),
        ("debug = true", "debug", True),
        ('public_url = "https://www.example.com/"', "public_url", "https://www.example.com/"),
        (
            'public_url = "https://example.com"\naliases = ["WWW.example.com.", "example.com:8080"]',
            "aliases",
            ("www.example.com", "example.com:8080"),
        ),
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
        ("purge_not_stored_status = 204", "purge_not_stored_status: 204 is not known; write 200 or 404"),
        ('purge_not_stored_status = "no"', "purge_not_stored_status: 'no' is not a status code"),
        ('purge_get = "purge"', "purge_get: 'purge' is not the beginning of a path; write it without a slash at the end, such as /purge"),
        ('purge_get = "/"', "purge_get: '/' is not the beginning of a path"),
        ('purge_get = "/purge/"', "purge_get: '/purge/' is not the beginning of a path"),
        ('purge_get = "/a?b"', "purge_get: '/a?b' is not the beginning of a path"),
        ("purge_get = true", "purge_get: true is not a text; write it in quotes"),
        ('log = "loud"', "log: 'loud' is not known; write off or short or json"),
        ('profile = "fastly"', "profile: 'fastly' is not known; write standard"),
        ('store = "memroy"', "store: 'memroy' is not known; write memory, or the path of a folder with a slash in it, such as ./memroy"),
        ('store = "/a\\u0000b"', "store: '/a\\x00b' holds a NUL; write memory, or the path of a folder"),
        ('store = "/dev/null"', "store: '/dev/null' is not a folder; name one, or write memory"),
        ('set_cookie = "drop"', "set_cookie: 'drop' is not known; write store or refuse or strip"),
        ('log_sync = "always"', "log_sync: 'always' is not known; write os or disk"),
        ("disk_bytes = 0", 'disk_bytes: 0 bytes is too little; write "1MiB" or more'),
        ('public_url = "www.example.com"', "public_url: 'www.example.com' is not a public URL; write https://www.example.com"),
        ('aliases = ["a b"]', "aliases: 'a b' is not a host; write HOST or HOST:PORT"),
        ('aliases = ["www.example.com"]', "aliases: aliases are further names beside public_url, which is not set; set it too"),
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
        ({"store": "cache"}, "--store: 'cache' is not known; write memory, or the path of a folder with a slash in it, such as ./cache"),
        ({"store": "/dev/null"}, "--store: '/dev/null' is not a folder"),
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


# -- Settings that must fit each other ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("control", ["0.0.0.0:8081", "[::]:0", "192.168.1.2:8081", "devbox:8081"])
def test_a_control_plane_beyond_loopback_needs_a_token(control: str) -> None:
    with pytest.raises(ConfigError, match=f"--control: other machines can reach {re.escape(control)}; set control_token"):
        load(None, {"control": control})
    assert load(None, {"control": control, "control_token": "t0ken"}).control == control


def test_two_listeners_need_two_ports() -> None:
    with pytest.raises(ConfigError, match="--listen: listen and control are both"):
        load(None, {"listen": "127.0.0.1:8081"})
    assert load(None, {"listen": "127.0.0.1:0", "control": "127.0.0.1:0"})


@pytest.mark.parametrize("where", ["0.0.0.0:6082", "[::]:0", "192.168.1.2:6082", "devbox:6082"])
def test_varnishadm_beyond_loopback_needs_a_secret(tmp_path: Path, where: str) -> None:
    with pytest.raises(ConfigError, match=f"--varnishadm: other machines can reach {re.escape(where)}; set varnishadm_secret"):
        load(None, {"varnishadm": where})
    (tmp_path / "secret").write_bytes(b"x")
    assert load(None, {"varnishadm": where, "varnishadm_secret": str(tmp_path / "secret")}).varnishadm == where


def test_varnishadm_is_off_or_an_address_of_its_own() -> None:
    assert load(None, {}).varnishadm == load(None, {"varnishadm": ""}).varnishadm == ""
    assert load(None, {"varnishadm": "127.0.0.1:0", "control": "127.0.0.1:0"}).varnishadm == "127.0.0.1:0"
    with pytest.raises(ConfigError, match="--varnishadm: '6082' is not an address to listen on; write HOST:PORT"):
        load(None, {"varnishadm": "6082"})
    for other in ("listen", "control"):
        with pytest.raises(ConfigError, match=f"--varnishadm: {other} and varnishadm are both 127.0.0.1:7000"):
            load(None, {other: "127.0.0.1:7000", "varnishadm": "127.0.0.1:7000"})


@pytest.mark.parametrize(
    ("content", "words"),
    [(None, "is no file"), (b"", "is empty; write a secret"), (b"x" * 65537, "has more than 65536 bytes")],
)
def test_a_secret_file_that_is_of_no_use(tmp_path: Path, content: bytes | None, words: str) -> None:
    if content is not None:
        (tmp_path / "secret").write_bytes(content)
    with pytest.raises(ConfigError, match=f"--varnishadm-secret: .*{words}"):
        load(None, {"varnishadm_secret": str(tmp_path / "secret")})


# -- Secrets -----------------------------------------------------------------------------------------------------------------------------


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
