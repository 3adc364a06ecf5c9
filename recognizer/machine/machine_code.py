"""Machine code that numba made once, run without numba afterwards: its import takes longer than the work.

The code is kept beside its source, where Python keeps its own, or else in the user's cache, under a digest of
everything that it depends on: its source, how it is compiled (``kernels.py``), the versions of numba and
LLVM, the processor. It needs nothing from numba when it runs: the function is written for C, works in arrays
that it is given, allocates nothing and raises nothing. Code that turns out to need something all the same is
not kept, and runs within numba.
"""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import llvmlite
import llvmlite.binding as llvm
from platformdirs import user_cache_dir

from recognizer.files.write import write_file

log = logging.getLogger(__name__)

_HOW = Path(__file__).with_name("kernels.py")
_MOST_BYTES = 10_000_000
_in_use: list[Any] = []
"""What loaded machine code lives in."""


def machine_code(source: Path, compile_it: Callable[[], Any], taken: Sequence[object] = ()) -> int:
    """Address of a function for C.

    ``source``: the module that it is in. ``compile_it`` makes it with ``numba.cfunc``; it is called where no
    code is kept under its name, or what is kept is damaged. ``taken``: the constants that the module takes
    from others; they are compiled in, and its own text does not say what they are.
    """
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    processor, features = llvm.get_host_cpu_name(), llvm.get_host_cpu_features().flatten()
    texts = [path.read_bytes() for path in (source, Path(__file__), _HOW)]
    needs = (*texts, compile_it.__name__, *taken, version("numba"), llvmlite.__version__)
    key = hashlib.sha256(repr((*needs, llvm.get_process_triple(), processor, features)).encode())
    folders = (source.parent / "__pycache__", Path(user_cache_dir("atme-live")) / "machine-code")
    places = [folder / f"{source.stem}-{key.hexdigest()[:16]}.o" for folder in folders]
    target = llvm.Target.from_default_triple().create_target_machine(
        cpu=processor, features=features, opt=3, codemodel="jitdefault", jit=True
    )
    kept = next(filter(None, map(_kept, places)), None)
    if kept is None:
        function = compile_it()
        kept = _compiled(function, target)
        if kept is None:
            _in_use.append(function)
            return int(function.address)
        _keep(*kept, places)
    return _loaded(*kept, target)


def _kept(path: Path) -> tuple[str, bytes] | None:
    """Name of the function, and the code; None where it is not there or is damaged."""
    try:
        data = path.read_bytes() if path.stat().st_size <= _MOST_BYTES else b""
    except OSError:
        return None
    content = data[32:]
    if hashlib.sha256(content).digest() != data[:32]:
        log.warning("%s: damaged; it is compiled again", path)
        return None
    name, _, code = content.partition(b"\n")
    return name.decode(), code


def _compiled(function: Any, target: Any) -> tuple[str, bytes] | None:
    """The same, of a compiled function; None where it needs something from numba."""
    try:
        name = function.native_name
        module = llvm.parse_assembly(for_c_alone(function.inspect_llvm(), name))
        missing = [one.name for one in module.functions if one.is_declaration and one.name[:5] != "llvm."]
        if not missing:
            return name, target.emit_object(module)
    except (AttributeError, RuntimeError, ValueError) as error:  # a version of numba that is not known here
        missing = [str(error)]
    log.warning("compiled at every start, as its machine code needs %s", ", ".join(missing))
    return None


def _keep(name: str, code: bytes, places: Sequence[Path]) -> None:
    """In the first of ``places`` that can be written to."""
    content = name.encode() + b"\n" + code
    for path in places:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_file(path, hashlib.sha256(content).digest() + content)
            return
        except OSError as error:
            reason = error.strerror
    log.warning("%s: cannot be written (%s); it will be compiled at every start", path, reason)


def for_c_alone(module: str, name: str) -> str:
    """LLVM's text of a module in which the function ``name`` calls compiled code and nothing else.

    numba's own version of it turns exceptions into Python's, and frees arrays that nobody uses any more; here
    there are none of either. ValueError where numba's text is not as expected.
    """
    head = rf'^(define [^\n]*@"?{re.escape(name)}"?\()([^\n]*)(\)[^)\n]*\n)'
    whole = re.search(rf"(?ms){head}.*?^\}}\n", module)
    if whole is None or not name.startswith("cfunc."):
        raise ValueError("what is not in the compiler's text")
    places = [place.split() for place in whole[2].split(", ")]
    given = ", ".join(f"{place[0]} {place[-1]}" for place in places)
    body = (
        "entry:\n  %result = alloca ptr\n  %error = alloca ptr\n"
        f"  %status = call i32 @{name.removeprefix('cfunc.')}(ptr %result, ptr %error, {given})\n"
        "  ret ptr null\n}\n"
    )
    module = module[: whole.start()] + "".join(whole.group(1, 2, 3)) + body + module[whole.end() :]
    for one in re.findall(r"(?m)^declare [^\n]*\n", module):
        if re.search(r"@(NRT_|numba_|Py)", one):
            free = "@NRT_MemInfo_call_dtor(" in one
            module = module.replace(one, _NOTHING if free else "")
    return module


_NOTHING = "define internal void @NRT_MemInfo_call_dtor(ptr %array) {\n  ret void\n}\n"


def _loaded(name: str, code: bytes, target: Any) -> int:
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), target)
    engine.add_object_file(llvm.ObjectFileRef.from_data(code))
    engine.finalize_object()
    _in_use.append(engine)
    return int(engine.get_function_address(name))
