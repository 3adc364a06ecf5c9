"""Every frame of a damaged recording is accounted for, and a whole one is never called damaged."""

from __future__ import annotations

import random
from pathlib import Path

import av
import numpy as np
import pytest
from test_sources import HEIGHT, WIDTH, write_clip, write_pictures
from user_errors import raises

from recognizer.errors import AtmeError
from recognizer.files.ffmpeg import frames_of, packets_of
from stream.sources import open_recording
from stream.sources.picture_numbers import number_pictures

FRAMES = 90


@pytest.fixture(scope="module", params=["clip.mkv", "clip.mp4", "clip.ts"])
def clip(request, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("whole") / request.param
    return write_clip(path, [round(index * 1000 / 30) for index in range(FRAMES)])


def frames_and_words(path: Path) -> tuple[int, int, tuple[str, ...]]:
    with open_recording(path) as source:
        return len(list(iter(source.read, None))), source.left_out, source.warnings


def test_a_whole_recording_is_whole(clip):
    assert frames_and_words(clip) == (FRAMES, 0, ())


def test_no_frame_of_a_damaged_recording_is_lost_in_silence(clip, tmp_path):
    data = clip.read_bytes()
    for seed in range(8):
        chance = random.Random(seed)
        damaged = bytearray(data)
        where, length = chance.randrange(len(data) // 8, len(data)), chance.choice([1, 60, 600, 3000])
        if seed % 2:
            damaged[where : where + length] = chance.randbytes(len(damaged[where : where + length]))
        else:
            del damaged[where : where + length]
        (tmp_path / clip.name).write_bytes(damaged)
        try:
            seen, left_out, warnings = frames_and_words(tmp_path / clip.name)
        except AtmeError:
            continue
        cut = any("cut off" in warning for warning in warnings)
        assert seen + left_out >= FRAMES or cut, (seed, seen, left_out, warnings)
        assert seen == FRAMES or warnings


def test_frames_that_are_not_in_the_file_are_missed_by_its_rhythm(tmp_path):
    times = [round(index * 1000 / 30) for index in range(60) if index not in (20, 21, 22, 40)]
    seen, left_out, warnings = frames_and_words(write_clip(tmp_path / "holes.mkv", times))
    assert (seen, left_out) == (56, 4)
    assert warnings == (
        "frames that are missing: 4 of 60, the first at 0.63 s; damaged there, or never recorded",
    )


def test_a_recording_that_changes_its_size_says_when_and_what_to_do(tmp_path):
    small = write_clip(tmp_path / "a.h264", [0, 33, 66])
    with av.open(str(tmp_path / "b.h264"), "w") as container:
        stream = container.add_stream("libx264", rate=30)
        stream.width, stream.height, stream.pix_fmt = 2 * WIDTH, HEIGHT, "yuv420p"
        for _ in range(3):
            picture = np.zeros((HEIGHT, 2 * WIDTH, 3), np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="bgr24")))
        container.mux(stream.encode(None))
    both = tmp_path / "both.h264"
    both.write_bytes(small.read_bytes() + (tmp_path / "b.h264").read_bytes())
    remedy = "ffmpeg -i both.h264 -vf scale=64:48"
    with open_recording(both, fps=30.0) as source, raises("unsupported", "64x48", "128x48", "0.", remedy):
        list(iter(source.read, None))


# --- folders of images


def names(*given: str) -> tuple[list[str], list[int], str]:
    numbered = number_pictures([Path(name) for name in given])
    return (
        [path.name for _, path in numbered.pictures],
        [place for place, _ in numbered.pictures],
        numbered.remark,
    )


@pytest.mark.parametrize(
    ("given", "ordered", "places"),
    [
        (("img10.png", "img2.png", "img1.png"), ["img1.png", "img2.png", "img10.png"], [0, 1, 9]),
        (("0.1.png", "0.05.png", "0.15.png"), ["0.05.png", "0.1.png", "0.15.png"], [0, 1, 2]),
        (("1.10.png", "1.9.png", "1.1.png"), ["1.1.png", "1.9.png", "1.10.png"], [0, 8, 9]),
        (
            ("f15.png", "f5.png", "f10.png", "f25.png"),
            ["f5.png", "f10.png", "f15.png", "f25.png"],
            [0, 1, 2, 4],
        ),
        (
            ("t0.png", "t33.png", "t67.png", "t100.png"),
            ["t0.png", "t33.png", "t67.png", "t100.png"],
            [0, 1, 2, 3],
        ),
        (("b.png", "a.png"), ["a.png", "b.png"], [0, 1]),
        (("a2_1.png", "a1_2.png"), ["a1_2.png", "a2_1.png"], [0, 1]),
    ],
)
def test_pictures_go_by_their_numbers(given, ordered, places):
    assert names(*given)[:2] == (ordered, places)


def test_gaps_in_the_numbers_are_said_and_keep_their_time(tmp_path):
    folder = write_pictures(tmp_path / "pictures", 12)
    for missing in (4, 5):
        (folder / f"img{missing}.png").unlink()
    with open_recording(folder, image_fps=100.0) as source:
        times = [frame.timestamp for frame in iter(source.read, None)]
        assert times == pytest.approx([index / 100 for index in range(12) if index not in (4, 5)])
        assert source.duration == pytest.approx(0.12)
        assert source.warnings == (
            "2 numbers are missing among the images, the first after img3.png; their time is left out",
        )
    assert "not evenly spaced" in names("t0.png", "t33.png", "t67.png", "t100.png")[2]


def test_an_unreadable_picture_is_one_line_that_names_it(tmp_path):
    folder = write_pictures(tmp_path / "pictures", 3)
    (folder / "img1.png").write_bytes(b"no picture")
    with (
        open_recording(folder) as source,
        raises("unreadable", folder / "img1.png"),
    ):
        list(iter(source.read, None))
    (folder / "img1.png").unlink()
    (folder / "img1.png").mkdir()
    with open_recording(folder) as source, raises("unreadable", folder / "img1.png"):
        list(iter(source.read, None))


def test_a_codec_that_nobody_knows_is_one_line(tmp_path):
    known, unknown = tmp_path / "known.avi", tmp_path / "unknown.avi"
    with av.open(str(known), "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
        frame = av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), format="bgr24")
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    unknown.write_bytes(known.read_bytes().replace(b"FMP4", b"ZZZZ"))
    with raises("unreadable", unknown):
        open_recording(unknown)


def test_a_stream_that_turns_up_in_the_middle_is_passed_over():
    """As PyAV says it: an IndexError for a packet of a stream that was not there at the beginning."""

    left = ["first", IndexError("list index out of range"), "second"]

    class Container:
        def demux(self, *streams):
            while left:
                packet = left.pop(0)
                if isinstance(packet, Exception):
                    raise packet
                yield packet

    assert list(packets_of(Container())) == ["first", "second"]


def test_an_empty_packet_that_damage_makes_up_does_not_end_the_video(clip):
    with av.open(str(clip)) as container:
        packets = list(container.demux(video=0))
        stream = container.streams.video[0]
        whole = [frame.pts for packet in packets for frame in frames_of(packet)]
        stream.codec_context.flush_buffers()
        again = [*packets[:30], packets[-1], packets[-1], *packets[30:], packets[-1]]
        assert not packets[-1].size
        seen = []
        for packet in again:
            try:
                seen += [frame.pts for frame in frames_of(packet)]
            except av.error.InvalidDataError:
                continue
    assert seen[:30] == whole[:30]
    assert set(seen) & set(whole[40:])
