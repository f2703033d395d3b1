"""Which call is meant by a method and a path?"""

from __future__ import annotations

import pytest

from edgecache.control.dialects.call import Reply
from edgecache.control.dialects.operation import Operation, find, match_path


@pytest.mark.parametrize(
    "pattern, path, parameters",
    [
        ("/a/b", "/a/b", {}),
        ("/a/b", "/a/b/", None),
        ("/a/b/", "/a/b/", {}),
        ("/a/b", "/a//b", None),
        ("/a/b", "/A/b", None),
        ("/a/b", "/a", None),
        ("/", "/", {}),
        ("/a/{x}", "/a/1", {"x": "1"}),
        ("/a/{x}", "/a/", None),
        ("/a/{x}", "/a/1/2", None),
        ("/a/{x}/b", "/a/E1%20%2Fx/b", {"x": "E1 /x"}),  # as SDKs write ids
        ("/a/{x}", "/a/%ff", {"x": "\ufffd"}),
        ("/a/{x}", "/a/%zz", {"x": "%zz"}),
        ("/a/{x}/{y}", "/a/1/2", {"x": "1", "y": "2"}),
        ("/a/{x*}", "/a/https://h//b%2F/", {"x": "https://h//b%2F/"}),
        ("/a/{x*}", "/a/", {"x": ""}),
        ("/a/{x*}", "/a", None),
        ("/a/{x}/{y*}", "/a/1/2/3", {"x": "1", "y": "2/3"}),
    ],
)
def test_paths(pattern: str, path: str, parameters: dict[str, str] | None) -> None:
    assert match_path(pattern, path) == parameters


def operation(name: str, methods: str, path: str) -> Operation:
    return Operation(name, tuple(methods.split()), path, lambda asked: Reply(200), "")


OPERATIONS = [
    operation("all", "POST", "/s/{id}/purge_all"),
    operation("key", "POST PURGE", "/s/{id}/{key*}"),
    operation("list", "GET", "/s/{id}/{key*}"),
]


@pytest.mark.parametrize(
    "method, path, name, allowed",
    [
        ("POST", "/s/1/purge_all", "all", ()),  # the first that fits
        ("PURGE", "/s/1/purge_all", "key", ()),
        ("POST", "/s/1/k/l", "key", ()),
        ("GET", "/s/1/k", "list", ()),
        ("HEAD", "/s/1/k", "list", ()),
        ("PUT", "/s/1/k", None, ("POST", "PURGE", "GET")),
        ("post", "/s/1/k", None, ("POST", "PURGE", "GET")),
        ("POST", "/t", None, ()),
    ],
)
def test_found(method: str, path: str, name: str | None, allowed: tuple[str, ...]) -> None:
    found = find(OPERATIONS, method, path)
    assert (found.operation and found.operation.name, found.allowed) == (name, allowed)
