"""Changes specific to a format: wrong sizes, values of a wrong type, bombs; checksums are corrected."""

from __future__ import annotations

import io
import json
import random
import re
import struct
import zipfile
import zlib
from functools import cache
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

from benchmarks.faults.mutate import DEEP, STRANGE, damage, json_text


def npy(rng: random.Random, data: bytes) -> bytes:
    """A member of an .npz: another shape, type or size than its data has, or other data."""
    kind = rng.randrange(6)
    array = np.load(io.BytesIO(data), allow_pickle=False)
    if kind == 0:
        return damage(rng, data)
    if kind == 1:
        return (
            _npy_header(rng.choice(((10**6, 3, 28, 28), (10**12,), (-1, 3), (2**63,), (3, 0, 28))), "|u1")
            + b"\0" * 99
        )
    if kind == 2:
        return _npy_header((10**9,), rng.choice(("<U100000", "|O", "<f8", "|V4000000000"))) + b"\0" * 99
    changed: Any = array.copy()
    if kind == 3:
        changed = (
            changed.astype(rng.choice(("f4", "i8", "c16", "S9", "?")))
            if changed.dtype.kind in "ui"
            else changed.reshape(-1)[:1]
        )
    elif kind == 4:
        changed = changed.reshape(-1)[: rng.randrange(changed.size + 1)] if changed.ndim else changed[None]
    elif changed.size and changed.ndim:
        changed.flat[rng.randrange(changed.size)] = changed.flat[rng.randrange(changed.size)]
        changed = np.roll(changed, rng.randrange(1, 5))
    packed = io.BytesIO()
    np.save(packed, changed, allow_pickle=False)
    return packed.getvalue()


@cache
def npz_bomb() -> bytes:
    """2.5 MB that unpack to 2.4 GB of features, made once: it takes seconds."""
    packed = io.BytesIO()
    zeros = bytes(10_000_000)
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name in ("entire.npy", "label.npy"):
            with archive.open(name, "w", force_zip64=True) as member:
                member.write(_npy_header((1_020_408, 3, 28, 28), "|u1"))
                for _ in range(240 if name == "entire.npy" else 0):
                    member.write(zeros)
    return packed.getvalue()


def bomb(rng: random.Random, data: bytes) -> bytes:
    """An archive that grows a thousandfold when it is unpacked."""
    return npz_bomb() if rng.random() < 0.3 else damage(rng, data)


def _npy_header(shape: tuple[int, ...], kind: str) -> bytes:
    text = f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}"
    text += " " * (63 - (len(text) + 10) % 64) + "\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text.encode()


def onnx_model(rng: random.Random, data: bytes) -> bytes:
    """An ONNX file with other metadata, weights, nodes or shapes."""
    model = onnx.load_model_from_string(data)
    kind = rng.randrange(7)
    graph = model.graph
    if kind == 0:
        entry = rng.choice(list(model.metadata_props))
        entry.value = json_text(rng, entry.value.encode()).decode(errors="replace")
    elif kind == 1:
        tensor = rng.choice([one for one in graph.initializer if one.data_type in (1, 10)])
        values = numpy_helper.to_array(tensor).copy()
        count = rng.choice((1, values.size))
        where = [rng.randrange(values.size) for _ in range(count)] if count == 1 else slice(None)
        values.flat[where] = rng.choice((np.nan, np.inf, 0, 1e30, -1, 60000))
        tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))
    elif kind == 2:
        tensor = rng.choice(list(graph.initializer))
        tensor.dims[:] = rng.choice(([10**12], [2**40, 2**40], [-1], [0], [1]))
    elif kind == 3:
        rng.choice(list(graph.node)).op_type = rng.choice(
            ("Loop", "NoSuchThing", "Sigmoid", "Neg", "Identity")
        )
    elif kind == 4:
        tensor = rng.choice(list(graph.initializer))
        tensor.ClearField("raw_data")
        tensor.data_location = onnx.TensorProto.EXTERNAL
        entry = tensor.external_data.add()
        entry.key, entry.value = (
            "location",
            rng.choice(("../../../../etc/passwd", "/dev/zero", "weights.onnx")),
        )
    elif kind == 5:
        size = numpy_helper.from_array(np.array([2**34], np.int64), "size_of_bomb")
        graph.initializer.append(size)
        graph.node.insert(0, helper.make_node("ConstantOfShape", ["size_of_bomb"], ["bomb"]))
        graph.node.insert(1, helper.make_node("ReduceSum", ["bomb"], ["blown"], keepdims=0))
        graph.output.append(helper.make_tensor_value_info("blown", 1, []))
    else:
        shape = rng.choice((graph.input, graph.output))[0].type.tensor_type.shape
        shape.dim[-1].dim_value = rng.choice((0, 7, 10**9))
    return bytes(model.SerializeToString())


def onnx_settings(rng: random.Random, data: bytes) -> bytes:
    """Metadata of the right types with absurd values."""
    model = onnx.load_model_from_string(data)
    entry = next((one for one in model.metadata_props if one.key == "atme"), None)
    if entry is not None:
        about = json.loads(entry.value)
        name, value = rng.choice(
            (
                ("working_size", 20_000),
                ("working_size", 10**9),
                ("temperature", 1e-300),
                ("refusal", -5.0),
                ("classes", ["a"] * 3),
                ("classes", ["a", "b", "\x1b[2J"]),
                ("nothing", not about["nothing"]),
                ("preprocessing", 10**9),
            )
        )
        about[name] = value
        entry.value = json.dumps(about)
    return bytes(model.SerializeToString())


def safetensors(rng: random.Random, data: bytes) -> bytes:
    """Another header, or other numbers under the same header."""
    length = int.from_bytes(data[:8], "little")
    head, body = data[8 : 8 + length], bytearray(data[8 + length :])
    kind = rng.randrange(4)
    if kind == 0:
        head = json_text(rng, head)
    elif kind == 1:
        return rng.choice((2**63, 2**32, 0, length + 1)).to_bytes(8, "little") + data[8:]
    elif kind == 2:
        head = rng.choice(("[", '{"a":')).encode() * DEEP
    else:
        at = 4 * rng.randrange(len(body) // 4)
        body[at : at + 4] = np.float32(rng.choice((np.nan, np.inf, 1e30, 0.5))).tobytes()
    return len(head).to_bytes(8, "little") + head + bytes(body)


def toml(rng: random.Random, data: bytes) -> bytes:
    """Another value in some line, or a line that does not belong there."""
    lines = data.decode().splitlines()
    settings = [k for k, line in enumerate(lines) if re.match(r"\w+ =", line)]
    kind = rng.randrange(4)
    for _ in range(rng.randint(1, 2)):
        at = rng.choice(settings)
        name = lines[at].split(" =")[0]
        value = rng.choice(
            ("0", "-1", "1e300", "1e-300", "nan", "inf", "true", '"x"', "[]", "{}", "9" * 5000, "1e6", "0.5")
        )
        lines[at] = f"{name} = {value}"
    if kind == 0:
        lines.insert(
            rng.choice(settings),
            rng.choice(("[", "a." * DEEP + "b = 1", "x = " + "[" * DEEP, "[camera]", 'y = "\\u0000"')),
        )
    if kind == 1:
        lines[at] = f"{name}x = 1"
    return ("\n".join(lines) + "\n").encode()


def png_size(rng: random.Random, data: bytes) -> bytes:
    """A PNG that states another size, or one that really is huge."""
    if not data.startswith(b"\x89PNG") or rng.random() < 0.3:
        return _huge_png(rng.choice((12_000, 20_000)))
    head = bytearray(data[16:29])
    head[:8] = struct.pack(">II", *(rng.choice((0, 1, 319, 20_000, 2**31 - 1)) for _ in range(2)))
    return data[:16] + bytes(head) + struct.pack(">I", zlib.crc32(b"IHDR" + head)) + data[33:]


@cache
def _huge_png(side: int) -> bytes:
    """Uniform grey, one bit per pixel: some tens of kilobytes."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return (
            struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))
        )

    head = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    rows = zlib.compress(bytes((1 + side // 8) * side), 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def sheet_xml(rng: random.Random, data: bytes) -> bytes:
    """A member of an .xlsx: rows and columns far away, other types and values, nesting, an entity bomb."""
    text = data.decode(errors="replace")
    kind = rng.randrange(7)
    if kind == 0:
        return damage(rng, data)
    if kind == 1:
        return _once(rng, r'<row r="(\d+)"', '<row r="99999999999"', text)
    if kind == 2:
        return _once(
            rng, r' r="[A-Z]+\d+"', f' r="{rng.choice(("ZZZ1", "XFD99999999", "A0", "-1", "ÄÖ9"))}"', text
        )
    if kind == 3:
        return _once(rng, r' t="\w+"', f' t="{rng.choice(("s", "b", "e", "d", "inlineStr", "zz"))}"', text)
    if kind == 4:
        return _once(
            rng, r"<v>[^<]*</v>", f"<v>{rng.choice(('9' * 5000, '-1', 'nan', '1e999', 'x'))}</v>", text
        )
    if kind == 5:
        return (text + "<a>" * DEEP).encode()
    entities = "".join(f'<!ENTITY a{k} "{f"&a{k - 1};" * 10 if k else "x" * 100}">' for k in range(9))
    return (
        re.sub(r"(<\?xml[^>]*>)?", rf"\1<!DOCTYPE z [{entities}]>", text, count=1)
        .replace("</v>", "&a8;</v>", 1)
        .encode()
    )


def csv_text(rng: random.Random, data: bytes) -> bytes:
    """Another cell in some line."""
    lines = data.decode(errors="replace").splitlines()
    at = rng.randrange(len(lines))
    cells = lines[at].split(",")
    strange = str(rng.choice((*STRANGE, '"', "\0", "=1+1")))
    cells[rng.randrange(len(cells))] = strange.encode(errors="replace").decode()
    lines[at] = ",".join(cells[: rng.randint(1, len(cells))] if rng.random() < 0.2 else cells)
    return ("\n".join(lines) + "\n").encode()


def _once(rng: random.Random, pattern: str, instead: str, text: str) -> bytes:
    found = list(re.finditer(pattern, text))
    if not found:
        return damage(rng, text.encode())
    one = rng.choice(found)
    return (text[: one.start()] + instead + text[one.end() :]).encode()
