"""Optical flow for people's eyes. What the network looks at is made by ``FeatureExtractor`` alone."""

from __future__ import annotations

from recognizer.face import Gray
from recognizer.flow.engine import Field, FlowEngine


class ShownFlow:
    """The TV-L1 of recognition, on the same device, one pair at a time: on a CPU it takes one core."""

    def __init__(self) -> None:
        self._engine = FlowEngine()

    def between(self, first: Gray, second: Gray) -> Field:
        """(H, W, 2): how far each place of ``first`` has moved; errors as ``FlowEngine.flows``."""
        return self._engine.flows([(first, second)])[0]
