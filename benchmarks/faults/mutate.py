"""Changes to files, drawn from a seed: of bytes, of JSON, of archives' members."""

from __future__ import annotations

import io
import json
import random
import zipfile
from collections.abc import Callable
from typing import Any

Mutation = Callable[[random.Random, bytes], bytes]

DEEP = 100_000
"""More levels of nesting than a recursive parser survives."""
STRANGE: tuple[Any, ...] = (
    None,
    True,
    -1,
    0,
    1e308,
    float("nan"),
    float("-inf"),
    10**18,
    10**400,
    "",
    "x" * 100_000,
    "\x1b[31m\x00\ud800",
    "../../../etc/passwd",
    [],
    {},
    [[1, [2]]],
    {"a": {"b": None}},
    [0.5] * 1000,
)
"""Values that no field expects."""


def damage(rng: random.Random, data: bytes) -> bytes:
    """Bytes changed, lost, repeated, or put in."""
    kind = rng.randrange(8)
    at = rng.randrange(len(data) + 1)
    length = min(int(2 ** rng.uniform(0, 14)), max(len(data) - at, 1))
    if kind == 0:
        return data[:at]
    if kind == 1:
        changed = bytearray(data)
        for _ in range(int(2 ** rng.uniform(0, 8))):
            changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
        return bytes(changed)
    if kind == 2:
        return data[:at] + rng.randbytes(length) + data[at + length :]
    if kind == 3:
        return data[:at] + bytes(length) + data[at + length :]
    if kind == 4:
        return data[:at] + data[at + length :]
    if kind == 5:
        return data[:at] + data[at : at + length] + data[at:]
    if kind == 6:
        return data[:at] + rng.randbytes(length) + data[at:]
    other = rng.randrange(len(data) + 1)
    return data[:at] + data[other : other + length] + data[at + length :]


def in_head(rng: random.Random, data: bytes, bytes_of_head: int = 512) -> bytes:
    """A few bytes at the beginning changed, where formats keep sizes and types."""
    changed = bytearray(data)
    for _ in range(rng.randint(1, 4)):
        changed[rng.randrange(min(bytes_of_head, len(changed)))] = rng.choice(
            (0, 0x7F, 0xFF, rng.randrange(256))
        )
    return bytes(changed)


def json_text(rng: random.Random, data: bytes) -> bytes:
    """A JSON text with another value, key or depth; in JSON Lines, one line of it."""
    lines = data.decode(errors="replace").splitlines() or [""]
    try:
        json.loads(data)
        lines = ["\n".join(lines)]
    except ValueError:
        pass
    at = rng.randrange(len(lines))
    lines[at] = _json(rng, lines[at])
    return ("\n".join(lines) + "\n").encode("utf-8", "surrogatepass")


def _json(rng: random.Random, text: str) -> str:
    kind = rng.randrange(8)
    if kind == 0:
        return rng.choice(("[", '{"a":')) * DEEP
    try:
        root = json.loads(text)
    except ValueError:
        return text + "}"
    holders: list[tuple[Any, Any]] = []
    _walk(root, holders)
    if kind == 1 or not holders:
        return json.dumps(rng.choice(STRANGE))
    for _ in range(rng.randint(1, 3)):
        holder, key = rng.choice(holders)
        if key not in (holder if isinstance(holder, dict) else range(len(holder))):
            continue
        if kind == 2 and isinstance(holder, dict):
            holder.pop(key)
        elif kind == 3 and isinstance(holder, dict):
            holder[f"{key}x"] = holder[key]
        else:
            holder[key] = rng.choice(STRANGE)
    return json.dumps(root)


def _walk(value: Any, holders: list[tuple[Any, Any]]) -> None:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        holders.append((value, key))
        _walk(inner, holders)


def in_zip(change: Mutation) -> Mutation:
    """A zip archive with one member changed and its checksums right again."""

    def mutate(rng: random.Random, data: bytes) -> bytes:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = {name: archive.read(name) for name in archive.namelist()}
        name = rng.choice(sorted(members))
        if rng.random() < 0.1:
            members.pop(name)
        else:
            members[name] = change(rng, members[name])
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in members.items():
                archive.writestr(name, content)
        return packed.getvalue()

    return mutate


def some_of(*mutations: Mutation) -> Mutation:
    """One of these, with equal probability."""
    return lambda rng, data: rng.choice(mutations)(rng, data)
