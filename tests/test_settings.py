"""Settings from TOML: what is valid, and one clear line for everything else."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import asdict, fields, replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from user_errors import complaint, raises

from recognizer.errors import ErrorCode
from spotting.motion import MotionConfig
from spotting.sensitivity import OPERATING_POINTS, OperatingPoint, Sensitivity
from spotting.spotter_config import SpotterConfig
from stream.settings import RecognizerConfig, Settings, load_settings, user_file
from stream.sources import CameraConfig


@pytest.fixture
def write(tmp_path):
    def write(text: str) -> Path:
        path = tmp_path / "mine.toml"
        path.write_text(text, encoding="utf-8")
        return path

    return write


def refused(path: Path, *parts: object, code: ErrorCode = "invalid") -> None:
    with raises(code, path, *parts):
        load_settings(path)


def test_what_is_not_given_keeps_its_default(write):
    path = write("[spotter]\nmin_motion = 0.5\n[camera]\nfps = 200\nwidth = 320\n")
    default = Settings()
    assert load_settings(path) == replace(
        default,
        spotter=replace(default.spotter, min_motion=0.5),
        camera=replace(default.camera, fps=200.0, width=320),
    )


@pytest.mark.parametrize("name", OPERATING_POINTS)
def test_a_sensitivity_stands_for_its_numbers_and_those_given_win(write, name):
    def numbers(text: str, flag: Sensitivity | None = None) -> OperatingPoint:
        spotter = load_settings(write(text), flag).spotter
        assert spotter.sensitivity == name
        return OperatingPoint(**{f.name: getattr(spotter, f.name) for f in fields(OperatingPoint)})

    point = OPERATING_POINTS[name]
    assert numbers(f'[spotter]\nsensitivity = "{name}"\n') == point
    assert numbers('[spotter]\nsensitivity = "keen"\n', name) == point, "the command line wins"
    assert numbers("", name) == point
    assert numbers("[spotter]\nmin_motion = 0.5\n", name) == replace(point, min_motion=0.5)


def test_a_keener_point_asks_for_less_everywhere():
    quiet, normal, keen = OPERATING_POINTS["quiet"], OPERATING_POINTS["normal"], OPERATING_POINTS["keen"]
    for more, less in ((quiet, normal), (normal, keen)):
        for f in fields(OperatingPoint):
            assert getattr(more, f.name) >= getattr(less, f.name), f.name


def test_an_empty_file_is_the_defaults(write):
    assert load_settings(write("# nothing\n")) == Settings()


@pytest.fixture
def elsewhere(tmp_path, monkeypatch) -> Path:
    """In an empty folder, with an empty configuration folder."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home"))
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path


posix = pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="XDG_CONFIG_HOME")


@posix
def test_the_file_given_goes_before_that_of_this_folder_and_that_before_the_user_s(elsewhere):
    assert load_settings() == Settings()
    user_file().parent.mkdir(parents=True)
    for path, name in ((user_file(), "user's"), (Path("atme.toml"), "here"), (Path("given.toml"), "given")):
        path.write_text(f'[recognizer]\nweights = "{name}"\n')
    assert load_settings(Path("given.toml")).recognizer.weights == "given"
    assert load_settings().recognizer.weights == "here"
    Path("atme.toml").unlink()
    assert load_settings().recognizer.weights == "user's"


@posix
def test_another_program_s_config_stops_nothing(elsewhere):
    Path("config.toml").write_text("[server]\nport = 80\n")
    assert load_settings() == Settings()


@posix
def test_the_default_file_is_written_once_and_shown(elsewhere):
    words = ["python", "-m", "stream.cli", "config"]
    words[0] = sys.executable
    said = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    assert said.startswith("# defaults alone")
    assert 'device = "0"  # default' in said
    said = subprocess.run([*words, "--init"], capture_output=True, text=True, check=True).stdout
    assert said.startswith(str(user_file()))
    assert load_settings(user_file()) == Settings()
    user_file().write_text(user_file().read_text().replace("fps = 60.0", "fps = 120.0"))
    done = subprocess.run([*words, "--init"], capture_output=True, text=True, check=False)
    complaint(done, user_file())
    said = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    assert said.startswith(f"# {user_file()}")
    assert "fps = 120.0\n" in said
    assert f"accept_probability = {OPERATING_POINTS['normal'].accept_probability}  # default" in said


def test_settings_from_python_are_checked_too():
    keen = Settings(spotter={"sensitivity": "keen"}).spotter
    assert keen.accept_probability == OPERATING_POINTS["keen"].accept_probability


@pytest.mark.parametrize(
    ("construct", "named"),
    [
        (
            lambda: Settings(spotter={"min_moton": 1.0}),
            ("Settings: ", "spotter.min_moton", "spotter.min_motion"),
        ),
        (lambda: Settings(motion={"hold_ms": 900.0}), ("Settings: ", "motion.hold_ms")),
        (lambda: Settings(camera=3), ("Settings: ", "[camera]")),
        (lambda: Settings(spoter={}), ("Settings: ", " spoter", " spotter")),
        (lambda: CameraConfig(fps=0.0), ("CameraConfig: ", "fps = 0.0", "above 0")),
        (lambda: CameraConfig(heigth=480), ("CameraConfig: ", "heigth", "height")),
        (lambda: RecognizerConfig(5), ("RecognizerConfig: ", "weights = 5")),
        (lambda: RecognizerConfig("a", True, 1), ("RecognizerConfig: ", "2 = 1")),
        (lambda: SpotterConfig(likely=0.5), ("SpotterConfig: ", "likely", " accept_probability")),
        (lambda: SpotterConfig(sensitivity=2.0), ("SpotterConfig: ", "sensitivity", " threshold_factor")),
        (lambda: replace(MotionConfig(), hold_ms=-1.0), ("MotionConfig: ", "hold_ms = -1.0")),
    ],
)
def test_a_mistake_in_python_is_one_line_too(construct, named):
    with raises("invalid", *named):
        construct()


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("[spoter]\n", (" spoter", " spotter")),
        ("[spotter]\nmin_moton = 0.2\n", ("spotter.min_moton", "spotter.min_motion")),
        (
            "[camera]\nresolution_preset = 1\n",
            ("camera.resolution_preset", "device, width, height, fps, fourcc"),
        ),
        ("xyzzy = 1\n", ("xyzzy", "camera, session, motion, spotter, recognizer")),
        ("camera = 1\n", ("[camera]",)),
        ("spotter = [1, 2]\n", ("[spotter]",)),
        ('[spotter]\nmin_motion = "much"\n', ("spotter.min_motion = 'much'",)),
        ('[spotter]\nmin_motion = "0.3"\n', ("spotter.min_motion = '0.3'",)),
        ("[spotter]\nmin_motion = true\n", ("spotter.min_motion = True",)),
        ("[spotter]\nmin_motion = nan\n", ("spotter.min_motion = nan",)),
        ("[spotter]\nmin_motion = -1\n", ("spotter.min_motion = -1",)),
        ("[spotter.min_motion]\nx = 1\n", ("spotter.min_motion = {'x': 1}",)),
        ("[camera]\nwidth = 640.5\n", ("camera.width = 640.5",)),
        ("[camera]\ndevice = 0\n", ("camera.device = 0",)),
        ("[recognizer]\nweights = 1979-05-27\n", ("recognizer.weights",)),
        ("[camera]\nfps = 0\n", ("camera.fps", "above 0")),
        ("[spotter]\nend_fraction = 1.5\n", ("spotter.end_fraction", "above 0 and below 1")),
        ("[spotter]\nmax_duration_ms = 0\n", ("spotter.max_duration_ms", "above 0")),
        (
            "[spotter]\nearly_accept_probability = 90\n",
            ("spotter.early_accept_probability", "at least 0 and at most 1"),
        ),
        (
            "[spotter]\naccept_probability = 1\n",
            ("spotter.accept_probability", "spotter.early_accept_probability"),
        ),
        ("[motion]\nneutral_age_ms = 400\n", ("motion.neutral_age_ms", "motion.hold_ms")),
        ("[motion]\nhold_ms = 900\n", ("motion.hold_ms", "motion.restless_ms")),
        ("[motion]\nfloor_window_ms = 100\n", ("motion.floor_window_ms",)),
        ("[spotter]\nmax_rise_ms = 600\n", ("spotter.max_rise_ms", "spotter.max_duration_ms")),
        ("[spotter]\nmax_duration_ms = 1e9\n", ("spotter.max_duration_ms", "above 0 and at most 2000")),
        ("[spotter]\nend_fraction = 1\n", ("spotter.end_fraction", "above 0 and below 1")),
        ("[camera]\nwidth = 1000000\n", ("camera.width", "above 31 and at most 16384")),
        ("[spotter]\nfallen = 0.5\n", ("spotter.fallen", "spotter.end_fraction")),
        ("[spotter]\npatience_ms = 100.0\n", ("spotter.patience_ms", "spotter.fall_wait_ms")),
        ("[spotter]\nlikely = 0.5\n", ("spotter.likely", "spotter.accept_probability")),
        ("[spotter]\nsure = 0.9\n", ("spotter.sure", "spotter.early_accept_probability")),
        ("[spotter]\nsensitivity = 1.75\n", ("spotter.sensitivity", "spotter.threshold_factor")),
        ('[spotter]\nsensitivity = "high"\n', ("'high'", "'quiet', 'normal' or 'keen'")),
    ],
)
def test_a_mistake_is_one_line(write, text, named):
    refused(write(text), *named)


@pytest.mark.parametrize(
    "text",
    [
        "[camera\n",
        "[camera]\n[camera]\n",
        "x = " + "[" * 100_000,
        "a." * 100_000 + "b = 1",
        "[spotter]\nend_fraction = " + "9" * 5000,
    ],
    ids=("no bracket", "twice", "nested", "dotted", "digits"),
)
def test_what_is_no_toml_is_one_line(write, text):
    refused(write(text), code="unreadable")


def test_files_that_cannot_be_read(tmp_path):
    refused(tmp_path / "missing.toml", code="not-found")
    refused(tmp_path, code="unreadable")
    (tmp_path / "picture.toml").write_bytes(b"\xff\xd8\xff\xe0")
    refused(tmp_path / "picture.toml", code="unreadable")


SECTIONS = {name: list(section) for name, section in asdict(Settings()).items()}


@given(section=st.sampled_from(sorted(SECTIONS)), data=st.data())
def test_any_one_wrong_letter_is_answered_with_the_right_key(tmp_path_factory, section, data):
    key = data.draw(st.sampled_from(SECTIONS[section]))
    place = data.draw(st.integers(0, len(key) - 1))
    wrong = key[:place] + "0" + key[place + 1 :]
    path = tmp_path_factory.getbasetemp() / "typo.toml"
    path.write_text(f"[{section}]\n{wrong} = 1\n")
    refused(path, f"{section}.{wrong}", f" {section}.{key}")
