"""Frame rates are compared over the same timelines; a clip is measured as it is and as JPEG."""

from __future__ import annotations

import numpy as np
import pytest
from test_spot_score import event, micro, outcome

from benchmarks import frame_rates
from benchmarks.frame_rates import PICTURES, as_jpeg, compare, measure
from training.rendering.portrait import Portrait
from training.spotting.rendered.timeline import plan

TRUTH = [micro(1, 1.3), micro(3, 3.4), micro(5, 5.1)]
FOUND = [event(1, 1.3), event(3, 3.4)]


def test_movements_of_200_ms_and_more_are_compared_over_timelines() -> None:
    shown = [outcome(TRUTH, FOUND, fps=30.0, timeline=number) for number in range(4)]
    shown += [outcome(TRUTH, FOUND[: 1 + number % 2], fps=200.0, timeline=number) for number in range(4)]
    result = compare(shown)
    assert (result["30 fps"]["movements"], result["30 fps"]["f1"]) == (8, 1)
    assert result["200 fps"]["recall"] == 0.75
    assert result["difference"] == pytest.approx(12 / 14 - 1, abs=1e-3)
    low, high = result["interval"]
    assert -1 / 3 <= low < result["difference"] < high <= 0


def test_a_clip_is_measured_for_every_kind_of_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = frame_rates.render
    monkeypatch.setattr(frame_rates, "render", lambda *what: [next(whole(*what))])
    found = measure(plan(0.5, 3, [None], {30.0: 1.0})[0])
    assert [video.conditions["pictures"] for video, _ in found] == list(PICTURES)
    assert all(video.micros and len(signal.samples) == 1 for video, signal in found)


def test_jpeg_changes_a_picture_a_little(portrait: Portrait) -> None:
    change = np.abs(as_jpeg(portrait.image).astype(float) - portrait.image)
    assert 0.2 < change.mean() < 5
