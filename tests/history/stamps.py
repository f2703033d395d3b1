"""Content that says where it is from: every 32 bytes name the answer that brought them, and their place.

So whatever part of it a client gets, and of however many answers it was put together, can be checked byte for byte.
"""

from __future__ import annotations

from functools import lru_cache

UNIT = 32
_PLACE = b":%020d\n"


@lru_cache(maxsize=256)
def _places(units: int) -> list[bytes]:
    return [b"", *(_PLACE % place for place in range(units))]


@lru_cache(maxsize=128)
def content(number: int, units: int) -> bytes:
    """All of the content of answer `number`."""
    return (b"%010d" % number).join(_places(units))


def read_content(got: bytes, first: int, units: int) -> tuple[tuple[int, ...], str]:
    """Which answers brought these bytes, which begin at byte `first` of `units`; and what is wrong with them, "" when nothing is.

    `first` is a multiple of UNIT; the end need not be.
    """
    if not got:
        return (), ""
    if first % UNIT or not got[:10].isdigit():
        return (), f"the bytes at {first} are none of the origin's: {got[:40]!r}"
    if len(got) < 10:
        return (), ""
    number = int(got[:10])
    if got == content(number, units)[first : first + len(got)]:  # nearly always
        return (number,), ""
    numbers: dict[int, None] = {}
    for begin in range(0, len(got), UNIT):
        unit = got[begin : begin + UNIT]
        place = (first + begin) // UNIT
        if len(unit) < 10 and unit.isdigit():
            continue  # the beginning of a number: it was cut off there
        if not unit[:10].isdigit() or unit != ((b"%010d" % int(unit[:10])) + _PLACE % place)[: len(unit)]:
            return tuple(numbers), f"the bytes at {first + begin} are none of the origin's: {unit!r}"
        numbers[int(unit[:10])] = None
    if first + len(got) > units * UNIT:
        return tuple(numbers), f"there are {first + len(got)} bytes, and the origin has {units * UNIT}"
    return tuple(numbers), ""
