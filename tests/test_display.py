"""A recording's images come as players show them: the right stream, upright, unmirrored, pixels square."""

from __future__ import annotations

import shutil
import subprocess
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from user_errors import raises

from stream.frame import Image
from stream.sources import open_recording

WIDTH, HEIGHT = 64, 48
ONE = 65536

needs_ffmpeg = pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="needs the ffmpeg program")


def picture() -> Image:
    """Four quarters of different brightness: every turn and mirroring is told from the others."""
    image = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    for k, (row, column) in enumerate(((0, 0), (0, 1), (1, 0), (1, 1))):
        image[row * 24 : row * 24 + 24, column * 32 : column * 32 + 32] = 40 + 60 * k
    return image


def write(
    path: Path,
    *,
    matrix: tuple[int, ...] | None = None,
    aspect: Fraction | None = None,
    gray: int | None = None,
) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=30)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        if matrix:
            a, b, c, d = matrix
            stream.set_display_matrix([a, b, 0, c, d, 0, 0, 0, 1 << 30])
        if aspect:
            stream.codec_context.sample_aspect_ratio = aspect
        for index in range(3):
            image = picture() if gray is None else np.full((HEIGHT, WIDTH, 3), gray, np.uint8)
            frame = av.VideoFrame.from_ndarray(image, format="bgr24")
            frame.pts, frame.time_base = index, Fraction(1, 30)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def first(path: Path) -> Image:
    with open_recording(path) as source:
        frame = source.read()
        assert frame is not None
        assert frame.image.shape[:2] == source.size[::-1]
        assert frame.image.flags.c_contiguous
        return frame.image


@pytest.mark.parametrize(
    ("matrix", "shown"),
    [
        ((-ONE, 0, 0, ONE), lambda image: image[:, ::-1]),
        ((ONE, 0, 0, -ONE), lambda image: image[::-1]),
        ((-ONE, 0, 0, -ONE), lambda image: np.rot90(image, 2)),
        ((0, -ONE, ONE, 0), np.rot90),
        ((0, ONE, -ONE, 0), lambda image: np.rot90(image, -1)),
        ((0, ONE, ONE, 0), lambda image: image.transpose(1, 0, 2)),
        ((0, -ONE, -ONE, 0), lambda image: np.rot90(image, 2).transpose(1, 0, 2)),
        ((-2 * ONE, 0, 0, 2 * ONE), lambda image: image[:, ::-1]),  # the scale is for windows
        ((0, 0, 0, 0), lambda image: image),  # no turn at all
    ],
)
def test_every_turn_and_mirror(tmp_path: Path, matrix: tuple[int, ...], shown) -> None:
    image = first(write(tmp_path / "phone.mp4", matrix=matrix))
    expected = shown(picture())
    assert image.shape == expected.shape
    assert np.abs(image.astype(int) - expected).mean() < 6


def test_an_odd_angle_is_turned_back(tmp_path: Path) -> None:
    cos, sin = (round(ONE * part) for part in (np.cos(np.pi / 6), np.sin(np.pi / 6)))
    image = first(write(tmp_path / "askew.mp4", matrix=(cos, sin, -sin, cos)))
    assert image.shape[:2] == (74, 80)  # holds all of it
    middle = np.array(image.shape[:2]) // 2
    for (x, y), brightness in (((-16, -12), 40), ((16, -12), 100), ((-16, 12), 160), ((16, 12), 220)):
        # matrix (a b; c d): x goes to (a, b), y to (c, d), right and down
        column = middle[1] + round((cos * x - sin * y) / ONE)
        row = middle[0] + round((sin * x + cos * y) / ONE)
        assert abs(int(image[row, column, 0]) - brightness) < 12


@pytest.mark.parametrize(
    ("aspect", "size"), [(Fraction(4, 3), (85, 48)), (Fraction(3, 4), (64, 64)), (Fraction(1), (64, 48))]
)
def test_pixels_become_square(tmp_path: Path, aspect: Fraction, size: tuple[int, int]) -> None:
    assert first(write(tmp_path / "dv.mp4", aspect=aspect)).shape[1::-1] == size


def test_pixels_that_cannot_be_are_taken_as_square(tmp_path: Path) -> None:
    with open_recording(write(tmp_path / "odd.mp4", aspect=Fraction(30))) as source:
        assert source.size == (64, 48)
        assert "taken to be square" in source.warnings[0]


@needs_ffmpeg
def test_the_default_stream_is_watched(tmp_path: Path) -> None:
    dark, bright = write(tmp_path / "dark.mp4", gray=40), write(tmp_path / "bright.mp4", gray=200)
    both = tmp_path / "both.mkv"
    streams = "-map 0 -map 1 -c copy -disposition:0 0 -disposition:1 default"
    ffmpeg(f"-i {{dark}} -i {{bright}} {streams} {{both}}", dark=dark, bright=bright, both=both)
    assert first(both).mean() > 190
    with open_recording(both) as source:
        assert source.warnings == ("contains 2 videos; the one that players show is used",)


@needs_ffmpeg
def test_a_cover_is_no_video(tmp_path: Path) -> None:
    cover, clip = tmp_path / "cover.png", write(tmp_path / "clip.mp4", gray=200)
    ffmpeg("-f lavfi -i color=black:s=320x320 -frames:v 1 {cover}", cover=cover)
    both = tmp_path / "both.mp4"
    streams = "-map 0 -map 1 -c copy -disposition:0 attached_pic"
    ffmpeg(f"-i {{cover}} -i {{clip}} {streams} {{both}}", cover=cover, clip=clip, both=both)
    with open_recording(both) as source:
        assert source.size == (WIDTH, HEIGHT)
        assert len(list(iter(source.read, None))) == 3
    song = tmp_path / "song.m4a"
    streams = "-map 0 -map 1 -c:v copy -disposition:v attached_pic"
    ffmpeg(f"-f lavfi -i sine=d=1 -i {{cover}} {streams} {{song}}", cover=cover, song=song)
    with raises("unreadable", song):
        open_recording(song)


def ffmpeg(arguments: str, **files: Path) -> None:
    """Runs it with these words, the files put in where their names stand in braces."""
    words = [files[word[1:-1]] if word[0] == "{" else word for word in arguments.split()]
    subprocess.run(["ffmpeg", "-nostdin", "-y", "-v", "error", *map(str, words)], check=True)
