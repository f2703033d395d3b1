"""Clients that are programs of their own, for tests in tests/clients/."""

from __future__ import annotations

import asyncio
import json
from typing import Any


async def curl(program: str, *arguments: str) -> tuple[dict[str, str], Any]:
    """What curl got: the fields of the answer, its status line under "", and its content as JSON."""
    command = [program, "--silent", "--include", "--max-time", "20", *arguments]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    out, _ = await process.communicate()
    assert process.returncode == 0
    head, _, content = out.decode().rpartition("\r\n\r\n")
    lines = head.rpartition("\r\n\r\n")[2].split("\r\n")  # 100 Continue has a head of its own
    fields = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
    return {"": lines[0], **fields}, json.loads(content)
