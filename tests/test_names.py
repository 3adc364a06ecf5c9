"""Whatever a file is called, it is that file: never an address, a command to the terminal, or a traceback."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from test_cli import ROOT
from test_record_video import decoded, picture
from test_sources import write_clip
from user_errors import raises

from recognizer.console.plain_text import printable
from recognizer.errors import AtmeError
from stream.records.video.writer import VideoWriter
from stream.sources import open_recording, open_source, open_url
from stream.sources.stream_url import PROTOCOLS

LATIN_1 = os.fsdecode(b"caf\xe9.mp4")
"""A name that is not UTF-8, as old disks and archives hold them."""
CONTROL = "\x1b[31mred\x1b]0;owned\x07\nname.mp4"
NAMES = ["2024-05-01T12:30:00.mp4", "12:30.mp4", "concat:a|b.mp4", "-y.mp4", "%03d.mp4", CONTROL, LATIN_1]

posix_names = pytest.mark.skipif(sys.platform != "linux", reason="such names only exist on Linux")
ENVIRONMENTS = [
    {"PYTHONIOENCODING": "cp1252"},
    {"PYTHONIOENCODING": "ascii"},
    {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"},
]


def run(*words: object, cwd: Path, **environment: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", "stream.cli", *map(str, words)],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        timeout=90,
        check=False,
    )


@posix_names
@pytest.mark.parametrize("name", NAMES)
def test_any_name_can_be_read_and_recorded_to(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)  # a relative name is the one that looks like an address
    with VideoWriter(Path(name), (64, 48), 30.0) as video:
        for index in range(3):
            video.write(index / 30, picture(20 * index))
    assert os.listdir(tmp_path) == [name]
    with open_recording(Path(name)) as source:
        assert len(list(iter(source.read, None))) == 3
        assert source.name.isprintable()


@posix_names
@pytest.mark.parametrize("scheme", ["http", "tcp", "udp", "rtsp"])
def test_a_path_that_looks_like_an_address_asks_nobody(tmp_path, monkeypatch, scheme):
    monkeypatch.chdir(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0)
        path = Path(f"{scheme}:/127.0.0.1:{server.getsockname()[1]}/a.mp4")
        path.parent.mkdir(parents=True)
        write_clip(tmp_path / "a.mp4", [0, 33, 66])
        shutil.move(tmp_path / "a.mp4", path)
        with open_recording(path) as source:
            assert len(list(iter(source.read, None))) == 3
        with pytest.raises(BlockingIOError):
            server.accept()


PLAYLISTS = {
    "list.m3u8": "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{there}\n#EXT-X-ENDLIST\n",
    "list.mp4": "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{there}\n#EXT-X-ENDLIST\n",
    "list.ffconcat": "ffconcat version 1.0\nfile '{there}'\n",
    "list.sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP 96\n"
    "a=rtpmap:96 H264/90000\n",
    "list.mpd": "<?xml version='1.0'?><MPD xmlns='urn:mpeg:dash:schema:mpd:2011' type='static'><Period>"
    "<AdaptationSet><Representation id='1'><BaseURL>{there}</BaseURL></Representation></AdaptationSet>"
    "</Period></MPD>",
}


@pytest.mark.parametrize("name", PLAYLISTS)
def test_a_playlist_is_no_recording(tmp_path, name):
    clip = write_clip(tmp_path / "clip.mp4", [0, 33, 66])
    (tmp_path / name).write_text(PLAYLISTS[name].format(there=clip))
    with raises("unreadable", tmp_path / name):
        open_source(str(tmp_path / name))


@pytest.mark.parametrize(
    "address", ["file:///etc/hosts", "concat://a", "srt://127.0.0.1:1", "ftp://127.0.0.1/a"]
)
def test_only_the_kinds_of_address_that_are_named_are_opened(address):
    with raises("invalid", "http, https, rtsp, udp, tcp"):
        open_url(address)
    assert not any("file" in allowed for allowed in PROTOCOLS.values())


@posix_names
@pytest.mark.parametrize("environment", ENVIRONMENTS, ids=["cp1252", "ascii", "C"])
def test_no_name_and_no_code_page_brings_a_command_to_fall(short_clip, weights, tmp_path, environment):
    name = CONTROL.replace(".mp4", f"{LATIN_1}")
    shutil.copy(short_clip, tmp_path / name)
    out = f"s{LATIN_1}"
    done = run(
        *("replay", name, "--speed", "max", "--weights", weights, "--out", out),
        *("--record", f"1:2{LATIN_1}", "--render", f"2:3{LATIN_1}"),
        cwd=tmp_path,
        **environment,
    )
    assert done.returncode == 0
    assert done.stderr.count(b"\n") == 1, "nothing but the line of what could be seen"
    for there in (f"1:2{LATIN_1}", f"2:3{LATIN_1}"):
        assert len(decoded(f"file:{tmp_path / there}")[0]) == 144
    outputs = [done]
    outputs.append(run("export", out, "--format", "csv", cwd=tmp_path, **environment))
    outputs.append(
        run("replay", name, "--speed", "max", "--jobs", "1", "--out", "b", cwd=tmp_path, **environment)
    )
    for done in outputs:
        assert done.returncode == 0, done.stderr
        assert b"\x1b" not in done.stdout + done.stderr
        assert b"\x07" not in done.stdout + done.stderr
    for command in ("replay", "report", "recognize"):
        words = ["missing\x1b[31m.mp4"] * (2 if command == "recognize" else 1)
        done = run(command, *words, cwd=tmp_path, **environment)
        assert done.returncode == 2
        assert b"\\x1b[31m" in done.stderr
        assert b"\x1b" not in done.stderr
    assert run("--help", cwd=tmp_path, **environment).returncode == 0


def test_printable_says_what_was_there():
    assert printable("plain é 漢 ·") == "plain é 漢 ·"
    assert printable("a\x1b[0m\n\u202e\x85") == "a\\x1b[0m\\n\\u202e\\x85"
    assert printable(LATIN_1) == "caf\\xe9.mp4"
    assert str(AtmeError("invalid", "a\nb")) == "a\\nb"
