"""The face networks for tests that have a user's cache of their own."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

from recognizer.face_networks import files
from recognizer.face_networks.files import NETWORKS, networks_folder, open_face_network

WHEEL = "mediapipe-0.10.21-cp312-cp312-manylinux_2_28_x86_64.whl"
_WHERE = "import sys, platformdirs; sys.stdout.write(platformdirs.user_cache_dir('atme-live'))"


def cache_of(environment: dict[str, str]) -> Path:
    """Where the program keeps its files for whoever has this environment."""
    command = [sys.executable, "-c", _WHERE]
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return Path(done.stdout)


def set_up(environment: dict[str, str]) -> None:
    """As ``atme setup`` leaves it, in much less time."""
    for network in NETWORKS:
        open_face_network(network)
    shutil.copytree(networks_folder(), cache_of(environment) / "face-networks", dirs_exist_ok=True)


def build_wheel(folder: Path, spoilt: bool = False) -> Path:
    """MediaPipe's wheel without all that is not used; ``spoilt``: in each network one byte differs."""
    path = folder / WHEEL
    about = "mediapipe-0.10.21.dist-info"
    with ZipFile(path, "w") as wheel:
        wheel.writestr(f"{about}/METADATA", "Metadata-Version: 2.1\nName: mediapipe\nVersion: 0.10.21\n")
        wheel.writestr(
            f"{about}/WHEEL",
            "Wheel-Version: 1.0\nRoot-Is-Purelib: false\nTag: cp312-cp312-manylinux_2_28_x86_64\n",
        )
        wheel.writestr(f"{about}/RECORD", "")
        for network in NETWORKS:
            data = bytearray(files.original(network) or b"")
            assert data, "run atme setup before the tests"
            data[-1] ^= spoilt
            wheel.writestr(network.path, bytes(data))
    return path
