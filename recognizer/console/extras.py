"""Which packages belong to which extra of the installation, and the line that says one is missing."""

from __future__ import annotations

EXTRAS = {
    "llvmlite": "train",
    "matplotlib": "train",
    "onnxscript": "train",
    "openpyxl": "train",
    "pylsl": "lsl",
    "ray": "ray",
    "safetensors": "train",
    "scipy": "train",
    "skimage": "train",
    "sklearn": "train",
    "tensorboard": "tensorboard",
    "torch": "train",
}
"""Module → the extra of ``pyproject.toml`` that brings it."""


def missing_extra(error: ModuleNotFoundError) -> str | None:
    """What to install, in one line; None where the missing module belongs to no extra."""
    module = (error.name or "").partition(".")[0]
    if module not in EXTRAS:
        return None
    return f"this needs the package {module}; pip install 'atme-live[{EXTRAS[module]}]'"
