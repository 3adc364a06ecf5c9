"""The Ray cluster of ``--executor ray``: the user's own, never one that is started here."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from recognizer.errors import AtmeError


@contextmanager
def ray_cluster() -> Iterator[Any]:
    """The ``ray`` module, connected to the cluster that ``RAY_ADDRESS`` names, or as it is connected already.

    Without an address Ray would start a cluster on this machine: it listens on the network, and at its start
    it looks up hosts that name the cloud it runs in, even where the report of its use is switched off.
    AtmeError without the ray package, an address, or a cluster there.
    """
    try:
        import ray
    except ImportError:
        raise AtmeError("--executor ray: the ray package is missing; pip install 'atme-live[ray]'") from None
    if ray.is_initialized():
        yield ray
        return
    address = os.environ.get("RAY_ADDRESS", "")
    if address in ("", "local"):
        raise AtmeError(
            "--executor ray: RAY_ADDRESS names no cluster; set it (auto: the one that runs on this machine), "
            "or use this machine's cores without Ray"
        )
    try:
        ray.init(log_to_driver=False, include_dashboard=False, configure_logging=False)
    except (ConnectionError, OSError, RuntimeError, ValueError) as error:
        line = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise AtmeError(f"--executor ray: no cluster at RAY_ADDRESS={address} ({line})") from None
    try:
        yield ray
    finally:
        ray.shutdown()
