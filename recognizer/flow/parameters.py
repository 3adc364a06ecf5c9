"""The parameters of TV-L1, for both implementations."""

from __future__ import annotations

from typing import NamedTuple


class Parameters(NamedTuple):
    """The parameters of the method; the defaults are OpenCV's.

    A NamedTuple, because compiled code accepts no dataclass. Compiled code cached on disk identifies a
    parameter by its position: a new one goes to the end.
    """

    tau: float = 0.25
    """Time step of the dual problem."""
    lambda_: float = 0.15
    """Weight of the data term relative to smoothness, for intensities 0–255: smaller is smoother."""
    theta: float = 0.3
    """How tightly the data step and the smooth flow are coupled."""
    scales: int = 5
    scale_step: float = 0.8
    warps: int = 5
    """How often, per scale, the second image is warped by the current flow."""
    outer_iterations: int = 10
    """Median filters per warp, at most."""
    inner_iterations: int = 30
    epsilon: float = 0.01
    """A pair stops when the flow's root mean square change of one iteration is at most this many pixels."""
    median: int = 5
    """Side of the median filter before each outer iteration, pixels, odd; 1 switches it off. 5 on the CPU."""


DEFAULTS = Parameters()
