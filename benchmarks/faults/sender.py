"""Sends bytes to the first client, like a live source of video."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress


def serve(data: bytes) -> str:
    """The address at which ``data`` is sent to the first client; then the connection ends."""
    listening = socket.create_server(("127.0.0.1", 0))
    port = listening.getsockname()[1]

    def send() -> None:
        taker, _ = listening.accept()
        with taker, suppress(OSError):
            taker.sendall(data)

    threading.Thread(target=send, daemon=True).start()
    return f"tcp://127.0.0.1:{port}"
