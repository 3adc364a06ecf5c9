"""The Ray cluster for ``--executor ray``: the user's own, never one that is started here."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

from recognizer.errors import AtmeError

Item = TypeVar("Item")
Result = TypeVar("Result")


def each_on_ray(
    function: Callable[[Item], Result],
    items: Sequence[Item],
    *,
    gpus: float = 0.0,
    failed: Callable[[Item, str], Result] | None = None,
) -> Iterator[tuple[int, Result]]:
    """Yields (item's index, result) as the cluster finishes them; each item takes one core and ``gpus``.

    Ray repeats the items of a machine that goes away. ``failed``: makes a result of an item that still fails,
    from the item and one line of Ray's error; None: the error is raised. AtmeError without a cluster.
    """
    with ray_cluster() as ray:
        remote = ray.remote(num_cpus=1, num_gpus=gpus, max_retries=3)(function)
        waiting: dict[Any, int] = {remote.remote(item): index for index, item in enumerate(items)}
        while waiting:
            (done, *_), _ = ray.wait(list(waiting), num_returns=1)
            index = waiting.pop(done)
            try:
                result = ray.get(done)
            except ray.exceptions.RayError as error:
                if failed is None:
                    raise
                result = failed(items[index], str(error).strip().splitlines()[0])
            yield index, result


@contextmanager
def ray_cluster() -> Iterator[Any]:
    """The ``ray`` module, connected to the cluster that ``RAY_ADDRESS`` names or to its present one.

    Without an address Ray would start a cluster on this machine: that listens on the network and, at its
    start, contacts hosts that identify cloud providers, even with usage reports switched off.
    AtmeError without the ray package, an address, or a cluster there.
    """
    try:
        import ray
    except ImportError:
        raise AtmeError(
            "not-installed", "--executor ray: the ray package is missing; pip install 'atme-live[ray]'"
        ) from None
    if ray.is_initialized():
        yield ray
        return
    address = os.environ.get("RAY_ADDRESS", "")
    if address in ("", "local"):
        raise AtmeError(
            "invalid",
            "--executor ray: RAY_ADDRESS names no cluster; set it (auto: the one that runs on this machine), "
            "or use this machine's cores without Ray",
        )
    try:
        ray.init(log_to_driver=False, include_dashboard=False, configure_logging=False)
    except (ConnectionError, OSError, RuntimeError, ValueError) as error:
        line = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise AtmeError(
            "not-found", f"--executor ray: no cluster at RAY_ADDRESS={address} ({line})"
        ) from None
    try:
        yield ray
    finally:
        ray.shutdown()
