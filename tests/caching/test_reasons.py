"""The closed list of reasons: every member can be shown to people and put into a field."""

from __future__ import annotations

import re

import pytest

from edgecache.caching.reasons import Reason


@pytest.mark.parametrize("reason", Reason)
def test_a_reason_can_be_shown(reason: Reason) -> None:
    assert re.fullmatch(r"[a-z][a-z0-9-]*", reason.token), "a token of RFC 8941"
    assert reason.sentence
    assert not reason.sentence.endswith(".")
    assert re.fullmatch(r"RFC \d{4} \d+(\.\d+)*|edgecache: [a-z]+", reason.source)


def test_tokens_and_sentences_are_told_apart() -> None:
    assert len({reason.token for reason in Reason}) == len(Reason)
    assert len({reason.sentence for reason in Reason}) == len(Reason)
