"""[[vendor]] and [[credential]]: what is read, what is refused, and that no secret is ever shown."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from edgecache.cli import main
from edgecache.config import ConfigError, CredentialSettings, Settings, Vendor, VendorSettings, load
from edgecache.config.vendors import VENDOR_SETTINGS

CREDENTIAL = '[[credential]]\nvendor = "{vendor}"\n'


def read(tmp_path: Path, text: str) -> Settings:
    file = tmp_path / "edge.toml"
    file.write_text('origin = "http://localhost:3000"\n' + text, "utf-8")
    return load(file, {})


def test_tables(tmp_path: Path) -> None:
    settings = read(
        tmp_path,
        """
        [[vendor]]
        vendor = "cloudflare"
        id = "023e"
        site = "default"
        name = "example.com"
        plan = "free"
        [[vendor]]
        vendor = "cloudfront"
        id = "E1"
        hosts = ["www.example.com"]
        [[credential]]
        vendor = "akamai"
        id = "akab-client"
        secret = "s3cret"
        access_token = "akab-access"
        """,
    )
    assert settings.vendor == (
        VendorSettings(vendor="cloudflare", id="023e", site="default", name="example.com", plan="free"),
        VendorSettings(vendor="cloudfront", id="E1", hosts=("www.example.com",), plan="business"),
    )
    assert settings.credential == (CredentialSettings(vendor="akamai", id="akab-client", secret="s3cret", access_token="akab-access"),)


@pytest.mark.parametrize(
    "text, words",
    [
        ('[[vendor]]\nid = "x"', "[[vendor]] 1 'x': vendor is missing"),
        ('[[vendor]]\nvendor = "cloudflare"', "'cloudflare': id is missing"),
        ('[[vendor]]\nvendor = "cloudflare"\nid = ""', "is not enough"),
        ('[[vendor]]\nvendor = "cloudflare"\nid = "a b"', "is not an id"),
        ('[[vendor]]\nvendor = "akamai"\nid = 12345', "write it in quotes"),
        ('[[vendor]]\nvendor = "azure"\nid = "x"', "write cloudflare or fastly or cloudfront or akamai or transparent_edge"),
        ('[[vendor]]\nvendor = "cloudflare"\nid = "x"\nplan = "gold"', "write free or pro or business or enterprise"),
        ('[[vendor]]\nvendor = "cloudflare"\nid = "x"\nzone = "y"', "there is no 'zone' in a vendor"),
        ('[[vendor]]\nvendor = "cloudflare"\nid = "x"\nsite = "shop"', "there is no site 'shop'"),
        ('[[vendor]]\nvendor = "fastly"\nid = "x"\n[[vendor]]\nvendor = "fastly"\nid = "x"', "has this id too"),
        ("[vendor]", "write [[vendor]]"),
        ("[[vendors]]", "did you mean [[vendor]]?"),
        (CREDENTIAL.format(vendor="fastly"), "secret is missing"),
        (CREDENTIAL.format(vendor="fastly") + 'secret = "s3cret with spaces"', "the token (not shown here)"),
        (CREDENTIAL.format(vendor="fastly") + 'secret = "s3cret"\naccess_token = "s3cret"', "it is for akamai"),
        (CREDENTIAL.format(vendor="akamai") + 'id = "x"\nsecret = "s3cret"', "secret and access_token"),
        (CREDENTIAL.format(vendor="cloudfront") + 'secret = "s3cret"', "id is missing"),
        (CREDENTIAL.format(vendor="transparent_edge") + 'secret = "s3cret"', "id is missing"),
    ],
)
def test_what_cannot_be_used(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(ConfigError) as raised:
        read(tmp_path, text)
    assert words in str(raised.value)
    assert "s3cret" not in str(raised.value)


def test_an_id_of_two_vendors_is_two_ids(tmp_path: Path) -> None:
    read(tmp_path, '[[vendor]]\nvendor = "fastly"\nid = "x"\n[[vendor]]\nvendor = "akamai"\nid = "x"')


def test_secrets_are_never_shown(tmp_path: Path) -> None:
    text = '[[vendor]]\nvendor = "fastly"\nid = "SU1"\n' + CREDENTIAL.format(vendor="akamai")
    settings = read(tmp_path, text + 'id = "akab-client"\nsecret = "s3cret"\naccess_token = "s3cret-too"')
    shown = CliRunner().invoke(main, ["config", "check", str(tmp_path / "edge.toml")])
    assert shown.exit_code == 0, shown.output
    assert "akab-client" in shown.output
    assert "SU1" in shown.output
    for said in (shown.output, repr(settings), str(settings), repr(settings.credential[0])):
        assert "s3cret" not in said


def test_the_choices_are_the_vendors() -> None:
    assert VENDOR_SETTINGS[0].choices == tuple(Vendor)
