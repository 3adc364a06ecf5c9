"""Two images in, a label out."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import numpy.typing as npt

from recognizer.blink import is_blink
from recognizer.feature import FeatureExtractor, PairFeatures
from recognizer.flow.engine import FlowEngine
from recognizer.flow.unit_motion import unit_motion
from recognizer.network.backend import DEFAULT_WEIGHTS, Backend
from recognizer.recognition import UNCERTAIN, Recognition
from recognizer.units import Unit, side_of


class Recognizer:
    """Labels onset–apex pairs. Not safe to share between threads.

    >>> with Recognizer() as recognizer:                       # doctest: +SKIP
    ...     print(recognizer.recognize(onset, apex).label)
    """

    def __init__(self, weights: Path | str = DEFAULT_WEIGHTS, *, units: bool = True) -> None:
        """Loads the weights (.onnx); AtmeError when they cannot be used. ``units``: report action units, too,
        where the weights have them."""
        self._tells_units = units
        FlowEngine()  # its code loads while the networks do
        self.backend = Backend(Path(weights))
        self.extractor = FeatureExtractor(self.backend.info.working_size)

    @property
    def provider(self) -> str:
        """What the network runs on: TensorRT, CUDA or CPU."""
        return self.backend.provider

    def recognize(self, onset: npt.NDArray[np.uint8], apex: npt.NDArray[np.uint8]) -> Recognition:
        """Labels two BGR uint8 images of one size; NoFaceError without a usable face in the onset."""
        return self.recognize_features(self.extractor.extract(onset, apex))

    def recognize_features(self, features: PairFeatures) -> Recognition:
        """Labels features that ``extractor`` has made."""
        started = time.perf_counter()
        prediction = self.backend.predict(features.entire[None], features.puzzled[None])
        row, evidence = prediction.probabilities[0], float(prediction.evidence[0])
        blinking = is_blink(features.lids)
        if blinking:
            evidence = 0.0
        info = self.backend.info
        best = int(row.argmax())
        units = self._units(prediction.units[0], best, features) if self._tells_units else ()
        elapsed = 1000 * (time.perf_counter() - started)
        return Recognition(
            label=UNCERTAIN if blinking or not evidence >= info.refusal else info.classes[best],
            probabilities={name: float(p) for name, p in zip(info.classes, row, strict=True)},
            confidence=float(row[best]),
            evidence=evidence,
            stage_ms={**features.stage_ms, "model": elapsed},
            units=units,
        )

    def _units(self, said: npt.NDArray[np.float32], best: int, features: PairFeatures) -> tuple[Unit, ...]:
        """``said``: (units, 2) probabilities; ``best``: the class that their weights refer to."""
        info = self.backend.info
        if not info.units:
            return ()
        motion = unit_motion(features.entire_flow, features.geometry)
        found = []
        for k, code in enumerate(info.units):
            left, right = (float(p) for p in said[k])
            found.append(
                Unit(
                    unit=code,
                    side=side_of(left, right, info.unit_thresholds[k]),
                    left=left,
                    right=right,
                    px=max(motion[code]),
                    weight=info.unit_weights[k][best] * max(left, right),
                )
            )
        return tuple(found)

    def close(self) -> None:
        """Frees the native parts."""
        self.extractor.close()

    def __enter__(self) -> Recognizer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
