"""Law 10: nothing leaves the machine, and nothing is written but where the documentation says so."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from networks_at import set_up

ROOT = Path(__file__).resolve().parents[1]
ENOUGH_S = 20
"""ONNX Runtime's telemetry looked up its host 9 s after the start."""
CALLS = (
    "network,execve,openat,open,creat,mkdir,mkdirat,rename,renameat,renameat2,link,linkat,symlink,symlinkat"
)


def fresh_home(folder: Path) -> dict[str, str]:
    """The environment of a user who has only run ``atme setup``: no telemetry variable, folders that hold
    nothing but the face networks."""
    places = {"HOME": "", "TMPDIR": "tmp"} | {
        f"XDG_{name}_HOME": name.lower() for name in ("CACHE", "CONFIG", "DATA", "STATE")
    }
    for place in places.values():
        (folder / place).mkdir(parents=True, exist_ok=True)
    own = {name: str(folder / place) for name, place in places.items()}
    inherited = {
        name: value
        for name, value in os.environ.items()
        if name not in ("ORT_DISABLE_TELEMETRY", "RAY_USAGE_STATS_ENABLED", "MPLCONFIGDIR")
    }
    environment = {**inherited, **own, "PYTHONPATH": str(ROOT)}
    set_up(environment)
    return environment


def files(folder: Path) -> list[str]:
    """All but the face networks."""
    found = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return sorted(str(path) for path in found if "face-networks" not in path.parts)


def run(command: list[str], environment: dict[str, str], **options) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, env=environment, capture_output=True, text=True, check=False, timeout=300, **options
    )


# --- one replay of 20 s, seen from outside


@dataclass(frozen=True)
class Traced:
    """What a process and all its children asked the system for."""

    folder: Path
    """Its home, empty before."""
    output: str
    seconds: float
    calls: list[str]


@pytest.fixture(scope="module")
def replay(short_clip, tmp_path_factory) -> Traced:
    """``atme replay`` of a recording of ``ENOUGH_S``, at its own speed, under strace."""
    if shutil.which("strace") is None:
        pytest.skip("needs strace (Debian: apt install strace)")
    folder = tmp_path_factory.mktemp("traced")
    recording = folder / "long.mp4"
    loops = int(ENOUGH_S / 2.4)  # short_clip lasts 2.4 s
    command = ["ffmpeg", "-nostdin", "-v", "error", "-stream_loop", str(loops), "-i", str(short_clip)]
    subprocess.run([*command, "-c", "copy", str(recording)], check=True)
    home, traces = folder / "home", folder / "traces"
    traces.mkdir()
    environment = fresh_home(home)
    # A file a thread, so that no call is cut in two; -y names the folders behind descriptors.
    strace = ["strace", "-ff", "--seccomp-bpf", "-qq", "-y", "-s", "400"]
    strace += ["-e", f"trace={CALLS}", "-o", str(traces / "t")]
    program = [sys.executable, "-m", "stream.cli", "replay", str(recording), "--json"]
    began = os.times().elapsed
    done = run([*strace, *program], environment, cwd=home)
    seconds = os.times().elapsed - began
    if "ptrace" in done.stderr:
        pytest.skip(f"strace may not look at processes here: {done.stderr.splitlines()[0]}")
    assert done.returncode == 0, done.stderr
    calls = [line for path in traces.iterdir() for line in path.read_text(errors="replace").splitlines()]
    return Traced(home, done.stdout, seconds, calls)


def created(calls: list[str]) -> Iterator[Path]:
    """Every file and folder that was made, or given another name."""
    for call in calls:
        if re.search(r"= -1 E[A-Z]+", call):
            continue
        name, _, arguments = call.partition("(")
        if name in ("open", "openat") and "O_CREAT" not in arguments:
            continue
        if name not in ("open", "openat", "creat", "mkdir", "mkdirat") and not name.startswith(
            ("rename", "link", "symlink")
        ):
            continue
        folder = re.match(r"(?:AT_FDCWD|\d+)<([^>]*)>", arguments)
        for path in re.findall(r'"([^"]*)"', arguments):
            yield Path(folder.group(1) if folder else "/") / path


@pytest.mark.slow
def test_a_replay_opens_no_socket_to_anywhere(replay):
    assert replay.seconds > ENOUGH_S
    assert replay.output.count('"label"') >= 5, "nothing was recognised: nothing was tested"
    assert replay.calls, "strace saw nothing"
    assert [call for call in replay.calls if "AF_INET" in call] == []
    assert [call for call in replay.calls if "jack" in call or "pulse" in call] == [], "nobody wanted sound"


@pytest.mark.slow
def test_a_replay_writes_only_where_the_documentation_says(replay):
    named = (ROOT / "docs" / "privacy.md").read_text(encoding="utf-8")
    places = {
        "__pycache__": re.compile(r".*/__pycache__(/.*)?"),
        "temporary folder": re.compile(r".*/home/tmp/.*"),
    }
    for place in places:
        assert place in named, f"docs/privacy.md does not name {place}"
    written = {str(path) for path in created(replay.calls)}
    assert written, "not even the log of the native libraries: strace saw nothing"
    assert [path for path in written if not any(known.fullmatch(path) for known in places.values())] == []
    assert files(replay.folder) == [], "what was written to the temporary folder is still there"


@pytest.mark.slow
def test_a_replay_runs_no_other_program(replay):
    """Libraries that are looked for at each start had gcc, ld and ldconfig run; fonts had fc-list."""
    programs = {
        Path(call.split('"')[1]).name
        for call in replay.calls
        if call.startswith("execve(") and call.endswith("= 0")
    }
    # numpy asks lscpu about the processor when scipy, which numba looks for, imports it whole.
    assert programs <= {Path(sys.executable).name, "python", "lscpu"}


# --- every way in


USES = {
    "the recognizer": "from recognizer import Recognizer; Recognizer()",
    "the classifier": "from spotting import CandidateClassifier; CandidateClassifier()",
    "a session": "from stream import Session; list(Session.replay({clip!r}))",
    "training": "import training.learning.export, torch.onnx",
    "explanations": "from recognizer.network.attention import Attention; Attention()",
    "a worker": """
import multiprocessing
from recognizer import Recognizer
def work():
    Recognizer()
if __name__ == "__main__":
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        pool.apply(work)
""",
}


@pytest.mark.parametrize("use", USES)
def test_whatever_is_used_leaves_no_trace(use, short_clip, tmp_path):
    """Where its telemetry is on, ONNX Runtime writes its device id and its events at its import."""
    home = fresh_home(tmp_path / "home")
    program = tmp_path / "program.py"
    program.write_text(USES[use].format(clip=str(short_clip)), encoding="utf-8")
    check = "\nimport os, sys\nif __name__ == '__main__':\n    assert 'onnxruntime' in sys.modules\n"
    program.write_text(program.read_text(encoding="utf-8") + check, encoding="utf-8")
    done = run([sys.executable, str(program)], home)
    assert "Error" not in done.stderr, done.stderr
    assert files(tmp_path / "home") == []


def test_telemetry_that_is_on_already_is_said_and_nothing_runs(tmp_path):
    """Imported first, ONNX Runtime cannot be silenced any more."""
    first = "import sys; sys.modules['onnxruntime'] = sys; from recognizer import Recognizer"
    environment = fresh_home(tmp_path)
    done = run([sys.executable, "-c", first], environment)
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert "onnxruntime was imported before this program" in last
    assert "set ORT_DISABLE_TELEMETRY=1" in last
    silenced = {**environment, "ORT_DISABLE_TELEMETRY": "1"}
    done = run([sys.executable, "-c", first], silenced)
    assert done.returncode == 0, done.stderr


def modules(*folders: str) -> Iterator[tuple[str, ast.Module]]:
    for folder in folders:
        for path in sorted((ROOT / folder).rglob("*.py")):
            yield path.relative_to(ROOT).as_posix(), ast.parse(path.read_text(encoding="utf-8"))


def imports(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""
        elif isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] in (
            "import_module",
            "__import__",
        ):
            yield ast.unparse(node.args[0]).strip("'\"")


@pytest.mark.parametrize(
    ("package", "place"),
    [
        ("onnxruntime", "recognizer/network/onnx_runtime.py"),
        ("ray", "recognizer/machine/ray_cluster.py"),
    ],
)
def test_only_one_module_imports(package, place):
    """That which sees to it that it is silent."""
    found = {
        path
        for path, tree in modules("recognizer", "spotting", "stream", "training", "benchmarks", "docs")
        for name in imports(tree)
        if name.split(".")[0] == package
    }
    assert found == {place}


@pytest.mark.parametrize("room", ["recognizer", "training"])
def test_telemetry_is_off_before_anything_else_is_imported(room):
    tree = ast.parse((ROOT / room / "__init__.py").read_text(encoding="utf-8"))
    first = next(name for name in imports(tree) if name.partition(".")[0] not in sys.stdlib_module_names)
    assert first == "recognizer.no_telemetry"
    assert set(imports(ast.parse((ROOT / "recognizer/no_telemetry.py").read_text(encoding="utf-8")))) == {
        "__future__",
        "os",
        "sys",
    }
