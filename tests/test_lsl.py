"""Markers of the Lab Streaming Layer, as another process receives them."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from types import SimpleNamespace

import pytest
from overlay_session import make_event, make_macro
from test_cli import atme
from user_errors import complaint, raises

from stream.pipeline.gap import Gap
from stream.records.records import RecordOptions, Records

RECEIVER = """
import json, sys, pylsl
(info,) = pylsl.resolve_byprop("name", "atme-live", 1, 20)
inlet = pylsl.StreamInlet(info)
inlet.open_stream(10)
print(json.dumps([info.type(), info.channel_count(), info.nominal_srate(), info.source_id()]), flush=True)
while True:
    sample, stamp = inlet.pull_sample(20)
    stamp += inlet.time_correction(5)
    print(json.dumps([sample[0], stamp, pylsl.local_clock()]), flush=True)
"""


@pytest.fixture
def pylsl():
    """Skips where there is no pylsl, or it finds no liblsl."""
    if importlib.util.find_spec("pylsl") is None:
        pytest.skip("needs pylsl")
    try:
        import pylsl
    except (RuntimeError, OSError):
        pytest.skip("needs liblsl")
    return pylsl


@pytest.fixture
def receiver(tmp_path) -> Iterator[subprocess.Popen[str]]:
    # Only this machine, and found without multicast, which some networks do not allow.
    config = tmp_path / "lsl_api.cfg"
    config.write_text(
        "[lab]\nKnownPeers = {127.0.0.1}\n[multicast]\nResolveScope = machine\n[log]\nlevel = -2\n"
    )
    environment = {**os.environ, "LSLAPICFG": str(config)}
    with subprocess.Popen(
        [sys.executable, "-c", RECEIVER], env=environment, stdout=subprocess.PIPE, text=True
    ) as process:
        yield process
        process.kill()


def live(origin: float):
    source = SimpleNamespace(live=True, name="camera 0", origin=origin)
    return SimpleNamespace(source=source)


def test_markers_carry_the_times_of_what_they_name(pylsl, receiver):
    with Records(RecordOptions(lsl=True)) as records:
        origin = time.monotonic() - 100
        records._markers.begin(live(origin))
        kind, channels, rate, identity = json.loads(receiver.stdout.readline())
        assert (kind, channels, rate) == ("Markers", 1, 0.0)
        assert "camera 0" in identity
        event = make_event(98.5, "negative")  # 1.5 s ago
        to_lsl = pylsl.local_clock() - time.monotonic()
        records.event(make_macro(97.0), None, None, None)  # it has no label, so there is no marker
        records.event(event, None, None, None)
        assert records.mark(99.0)
        assert records.mark(99.2, "question 3")
        records.gap(Gap(97.0, 98.0, "no frames"))
        got = [json.loads(receiver.stdout.readline()) for _ in range(8)]
    expected = {
        "negative onset": event.onset,
        "negative apex": event.apex,
        "negative offset": event.offset,
        "AU 4+L7": event.apex,
        "mark": 99.0,
        "question 3": 99.2,
        "gap start": 97.0,
        "gap end": 98.0,
    }
    assert [name for name, *_ in got] == list(expected)
    for name, stamp, now in got:
        assert stamp == pytest.approx(origin + expected[name] + to_lsl, abs=0.005), name
        assert stamp < now


def test_a_recording_has_no_clock_to_share(pylsl):
    session = SimpleNamespace(source=SimpleNamespace(live=False, name="clip.mp4", origin=None))
    with Records(RecordOptions(lsl=True)) as records, raises("invalid", "--lsl"):
        records.begin(session)


@pytest.mark.parametrize(
    ("module", "named"),
    [
        ("raise ImportError('no module')", "pip install 'atme-live[lsl]'"),
        ("raise RuntimeError('LSL binary library file was not found')", "liblsl"),
    ],
)
def test_what_is_missing_is_one_line(tmp_path, module, named):
    (tmp_path / "pylsl.py").write_text(module)
    done = atme("live", "--lsl", "--source", "tcp://127.0.0.1:9", cwd=tmp_path, expected=2)
    assert complaint(done, named).startswith("atme: --lsl: ")
