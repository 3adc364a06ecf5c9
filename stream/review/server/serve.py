"""Runs the review server on this machine until it is interrupted."""

from __future__ import annotations

import errno
import socket
import webbrowser
from contextlib import closing

import uvicorn

from recognizer.errors import AtmeError, ErrorCode
from stream.review.server.application import application
from stream.review.server.gate import Gate
from stream.review.server.shelf import Shelf


def serve(shelf: Shelf, port: int = 0, *, open_browser: bool = True) -> None:
    """``port`` 0: any that is free. Returns when it is interrupted. AtmeError where the port is in use."""
    with closing(listen(port)) as listening:
        server, address = server_on(listening, shelf)
        print(f"Review: {address}", flush=True)
        print("The link works once, in one browser on this machine. Ctrl-C ends the review.", flush=True)
        if open_browser:
            webbrowser.open(address)
        try:
            server.run(sockets=[listening])
        except KeyboardInterrupt:  # uvicorn raises it again once it has ended
            pass
        finally:
            shelf.close()


def server_on(listening: socket.socket, shelf: Shelf) -> tuple[uvicorn.Server, str]:
    """A server on a listening socket, not yet running, and the link that opens its page once."""
    port = listening.getsockname()[1]
    gate = Gate(application(shelf), port)
    config = uvicorn.Config(
        gate,
        log_level="warning",
        access_log=False,
        server_header=False,
        lifespan="off",
        ws="none",
        http="h11",
        timeout_graceful_shutdown=1,
    )
    return uvicorn.Server(config), f"http://127.0.0.1:{port}/?token={gate.token}"


def listen(port: int) -> socket.socket:
    """A socket for this machine only. AtmeError where the port is not available."""
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(("127.0.0.1", port))
        listening.listen(64)
    except (OSError, OverflowError) as error:
        listening.close()
        why = getattr(error, "strerror", None) or "no port number"
        code: ErrorCode = "busy" if getattr(error, "errno", None) == errno.EADDRINUSE else "invalid"
        raise AtmeError(
            code, f"port {port}: cannot be used ({why}); give another --port, or none for one that is free"
        ) from None
    return listening
