"""What several test files share."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import settings as hypothesis_settings
from terminal import Terminal

from recognizer.landmarks import Landmarker
from recognizer.network.backend import DEFAULT_WEIGHTS
from recognizer.network.model_info import ModelInfo
from stream.settings import RecognizerConfig, Settings
from training.rendering.clip import render, render_clip, render_demo
from training.rendering.portrait import Portrait, load_portrait
from training.rendering.script import Action, Blink, ClipScript
from training.synthesis.motion_model import Activation, displacement

# The machine that runs the tests may have few cores; the children that the tests start shall be as modest.
os.environ.setdefault("OMP_NUM_THREADS", "1")
cv2.setNumThreads(1)
# And they may be busy: no example is wrong for being slow.
hypothesis_settings.register_profile("untimed", deadline=None)
hypothesis_settings.load_profile("untimed")

# In the background of a script these signals are ignored, also by the commands that tests start.
for _name in ("SIGINT", "SIGHUP"):
    _number = getattr(signal, _name, None)
    if _number is not None and signal.getsignal(_number) is signal.SIG_IGN:
        signal.signal(_number, signal.default_int_handler if _name == "SIGINT" else signal.SIG_DFL)

Picture = npt.NDArray[np.uint8]
Move = Callable[..., Picture]

SHORT_ACTION = Action("positive", (Activation(12, 0.0085, 0.0085),), onset=1.2, apex=1.35, offset=1.52)
"""The only movement of ``short_clip``: lip corners, 2 to 2.5 px on a face 256 px wide."""


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of media that is not part of the repository; skips the test where it is absent."""
    path = Path(__file__).resolve().parents[2] / "shared"
    if not path.is_dir():
        pytest.skip("needs the shared media folder beside the repository")
    return path


@pytest.fixture(scope="session")
def portrait() -> Portrait:
    """A frontal face about 240 px wide in the middle of 640×480, with its landmarks."""
    return load_portrait()


@pytest.fixture(scope="session")
def moved(portrait: Portrait) -> Move:
    """``moved((unit, left, right), …)``: the portrait while these action units work, in face widths."""
    height, width = portrait.image.shape[:2]
    grid = np.dstack(np.meshgrid(np.arange(width), np.arange(height))).astype(np.float32)

    def move(*units: tuple[int, float, float]) -> Picture:
        field = displacement(portrait.landmarks, [Activation(*unit) for unit in units], (height, width))
        picture = cv2.remap(
            portrait.image, grid - field, None, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE
        )
        return np.asarray(picture, np.uint8)

    return move


@pytest.fixture(scope="session")
def blink(portrait: Portrait) -> tuple[Picture, Picture]:
    """The portrait with open eyes, and with lids on their way."""
    script = ClipScript(0.2, fps=12, blinks=(Blink(0.0),))
    opened, closed = (image for _, image in islice(render(portrait, script), 2))
    return opened, closed


@pytest.fixture(scope="session")
def demo_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The clip of ``make demo``, 9 s with a micro-expression of each class; its truth lies beside it."""
    return render_demo(tmp_path_factory.mktemp("demo") / "demo.mp4", progress=False)


@pytest.fixture(scope="session")
def short_clip(portrait: Portrait, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """2.4 s at 60 fps with ``SHORT_ACTION``, slight head motion and camera noise."""
    script = ClipScript(2.4, actions=(SHORT_ACTION,), head_motion=1.0, noise=1.5, seed=1)
    return render_clip(tmp_path_factory.mktemp("short") / "short.mp4", portrait, script, progress=False)


@pytest.fixture(scope="session")
def model():
    """An untrained Dual-ATME, the same each time, as it is exported."""
    import torch

    from recognizer.network.model import DualAtme
    from training.learning.export import round_to_half

    torch.set_num_threads(1)
    torch.manual_seed(0)
    net = DualAtme()
    with torch.no_grad():  # spreads the logits, so that comparing them means something
        for parameter in net.classifier[-1].parameters():
            parameter.mul_(30)
    round_to_half(net)
    return net.eval()


@pytest.fixture(scope="session")
def untrained(model, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``model`` as the live program reads it."""
    from training.learning.export import export

    path = tmp_path_factory.mktemp("weights") / "untrained.onnx"
    export(model, ModelInfo("untrained", trained_on="nothing", command="none"), path)
    return path


@pytest.fixture(scope="session")
def weights(request: pytest.FixtureRequest) -> Path:
    """The weights that come with the program; untrained ones where they are not there yet."""
    if DEFAULT_WEIGHTS.is_file():
        return DEFAULT_WEIGHTS
    path: Path = request.getfixturevalue("untrained")
    return path


@pytest.fixture(scope="session")
def settings(weights: Path) -> Settings:
    """The defaults, with weights that exist."""
    return Settings(recognizer=RecognizerConfig(str(weights)))


@pytest.fixture
def landmarker():
    """Looks at each image afresh."""
    found = Landmarker(tracking=False)
    yield found
    found.close()


@pytest.fixture
def terminal(tmp_path: Path):
    """A shell in an 80×24 window."""
    window = Terminal(tmp_path)
    try:
        window.open(80, 24)
        yield window
    finally:
        window.tmux("kill-server")


@pytest.fixture(scope="session")
def sample_folder(short_clip: Path, weights: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The session folder, faces included, of ``short_clip``. Read it only; copy it to change it."""
    from sample_session import record_sample

    return record_sample(short_clip, weights, tmp_path_factory.mktemp("sample") / "session")


@pytest.fixture(scope="module")
def browser():
    """One Chromium for all tests of a file; each test has a context of its own."""
    from review_page import launched

    with launched() as found:
        yield found
