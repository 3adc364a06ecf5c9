"""The review server's routes: the page, sessions, loops, decisions. ``Gate`` protects them."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from recognizer.errors import AtmeError
from spotting.reviews.decision import LONGEST_NOTE, BadLine, decision_from
from stream.review.loops.workshop import GiveWay, Make, Workshop
from stream.review.opened import Opened, told
from stream.review.server.shelf import Shelf

_PAGE = Path(__file__).parents[1] / "page"
_TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript"}
FILES = tuple(sorted(path.name for path in _PAGE.iterdir() if path.suffix in _TYPES))
_LARGEST = 64 * 1024
"""Bytes of a request, at most."""
_LONGEST_STRETCH = 8.0
"""Seconds of video in one request, at most."""
TIMES = (5, 10, 20)
"""Factors by which motion can be magnified."""
CURVE_MORE_S = 0.7
"""Seconds that the curve shows beyond the loop, on either side."""

Answer = Callable[[Request], Awaitable[Response]]


def application(shelf: Shelf) -> Starlette:
    """Routes over the sessions of ``shelf``. An AtmeError becomes one line that the page shows."""
    views = _Views(shelf)
    routes = [
        Route("/", _file("review.html")),
        *(Route(f"/page/{name}", _file(name)) for name in FILES),
        Route("/api/sessions", views.sessions),
        Route("/api/{number:int}", views.session),
        Route("/api/{number:int}/movement/{name}", views.movement),
        Route("/api/{number:int}/loop/{name}", views.loop),
        Route("/api/{number:int}/magnified/{name}", views.magnified),
        Route("/api/{number:int}/stretch", views.stretch),
        Route("/api/{number:int}/curve", views.curve),
        Route("/api/{number:int}/decide", views.decide, methods=["POST"]),
        Route("/api/{number:int}/undo", views.undo, methods=["POST"]),
        Route("/api/{number:int}/recording", views.recording, methods=["POST"]),
    ]
    return Starlette(routes=routes, exception_handlers={AtmeError: _one_line, BadLine: _one_line})


class _Views:
    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf

    async def sessions(self, request: Request) -> Response:
        """The sessions that can be reviewed, with the progress of each."""
        return JSONResponse(await run_in_threadpool(self._shelf.listed))

    async def session(self, request: Request) -> Response:
        """One session, for a new page."""
        opened = await self._opened(request)
        return JSONResponse(await run_in_threadpool(opened.about))

    async def movement(self, request: Request) -> Response:
        """Curve and, unless it is hidden, the program's opinion."""
        opened, name = await self._opened(request), request.path_params["name"]
        start, end, _ = opened.span(name)
        start, end = start - CURVE_MORE_S, end + CURVE_MORE_S
        curve = opened.curve(start, end)
        return JSONResponse({"from": start, "to": end, "curve": curve, "opinion": opened.opinion(name)})

    async def curve(self, request: Request) -> Response:
        """The motion of any short stretch."""
        opened, (start, end) = await self._opened(request), _range(request)
        return JSONResponse(opened.curve(start, end))

    async def loop(self, request: Request) -> Response:
        """The images around a movement."""
        opened, name = await self._opened(request), request.path_params["name"]
        start, end, onset = opened.span(name)
        return await self._pictures(request, opened, start, end, onset)

    async def magnified(self, request: Request) -> Response:
        """The same with its motion magnified ``times``, measured from the frame at ``onset``."""
        opened, name = await self._opened(request), request.path_params["name"]
        times, onset = _number(request, "times"), _number(request, "onset")
        if times not in TIMES:
            raise AtmeError("invalid", f"times: one of {', '.join(map(str, TIMES))}")
        start, end, _ = opened.span(name)
        key = f"{request.path_params['number']} magnified {start:.6f} {end:.6f} {onset:.6f} {times:g}"
        workshop = self._shelf.magnified
        return await self._made(
            request,
            workshop,
            key,
            lambda: opened.magnified(start, end, onset, times, workshop.pause),
        )

    async def stretch(self, request: Request) -> Response:
        """The images of any short stretch."""
        opened, (start, end) = await self._opened(request), _range(request)
        return await self._pictures(request, opened, start, end, start)

    async def _pictures(
        self, request: Request, opened: Opened, start: float, end: float, onset: float
    ) -> Response:
        key = f"{request.path_params['number']} plain {start:.6f} {end:.6f} {onset:.6f}"
        return await self._made(request, self._shelf.plain, key, lambda: opened.plain(start, end, onset))

    async def _made(self, request: Request, workshop: Workshop, key: str, make: Make) -> Response:
        future = asyncio.wrap_future(workshop.ask(key, make, ahead="ahead" in request.query_params))
        gone = asyncio.ensure_future(_gone(request))
        try:
            await asyncio.wait((future, gone), return_when=asyncio.FIRST_COMPLETED)
            if future.done():
                return Response(future.result(), media_type="application/octet-stream")
            workshop.leave(key)
            future.add_done_callback(_unheard)
        except (asyncio.CancelledError, GiveWay):  # the review ends
            pass
        finally:
            gone.cancel()
        return Response(status_code=503)

    async def decide(self, request: Request) -> Response:
        """Keeps a decision; it is on disk before the response."""
        opened, found = await self._opened(request), await _body(request)
        _check_tab(opened, found)
        try:
            decision = decision_from({**found, "note": str(found.get("note") or "")[:LONGEST_NOTE]})
        except KeyError as error:
            raise BadLine(f"{error.args[0]} is missing") from None
        made = found.get("made", 0)
        if isinstance(made, bool) or not isinstance(made, int):
            raise BadLine("made: no count")
        kept = await run_in_threadpool(opened.decide, decision, made)
        return JSONResponse({"decision": told(kept), "opinion": opened.opinion(kept.movement, deciding=True)})

    async def undo(self, request: Request) -> Response:
        """Undoes the newest decision."""
        opened = await self._opened(request)
        _check_tab(opened, await _body(request))
        name = await run_in_threadpool(opened.undo)
        decision = opened.writer.standing.get(name or "")
        return JSONResponse({"movement": name, "decision": told(decision) if decision else None})

    async def recording(self, request: Request) -> Response:
        """Sets the recording's new place."""
        opened, found = await self._opened(request), await _body(request)
        path = found.get("path")
        if not isinstance(path, str) or not path.strip() or "\0" in path:
            raise AtmeError("invalid", "give the path of the recording")
        try:
            await run_in_threadpool(opened.moved_to, Path(path.strip()).expanduser())
        except (OSError, RuntimeError) as error:  # ~user without such a user
            raise AtmeError(
                "unreadable", f"that path cannot be looked at ({getattr(error, 'strerror', error)})"
            ) from None
        return JSONResponse({"found": True})

    async def _opened(self, request: Request) -> Opened:
        return await run_in_threadpool(self._shelf.open, int(request.path_params["number"]))


def _unheard(future: asyncio.Future[bytes]) -> None:
    """Retrieves the error of work that nobody waits for any more; asyncio would print it."""
    if not future.cancelled():
        future.exception()


async def _gone(request: Request) -> None:
    """Returns once the page no longer waits for the answer."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _check_tab(opened: Opened, found: dict[str, Any]) -> None:
    if found.get("tab") != opened.tab:
        raise AtmeError(
            "busy", "this review has since been opened in another tab; continue there, or reload this page"
        )


def _file(name: str) -> Answer:
    async def answer(request: Request) -> Response:
        data = (_PAGE / name).read_bytes()
        return Response(data, media_type=f"{_TYPES[Path(name).suffix]}; charset=utf-8")

    return answer


async def _body(request: Request) -> dict[str, Any]:
    data = b""
    async for piece in request.stream():
        data += piece
        if len(data) > _LARGEST:
            raise AtmeError("invalid", "a request that is too large")
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise AtmeError("invalid", "a request that is not a JSON object")
    return found


def _range(request: Request) -> tuple[float, float]:
    start, end = _number(request, "from"), _number(request, "to")
    if not 0 < end - start <= _LONGEST_STRETCH:
        raise AtmeError("invalid", f"a stretch of more than {_LONGEST_STRETCH:g} s; ask for less")
    return start, end


def _number(request: Request, name: str) -> float:
    try:
        value = float(request.query_params[name])
    except (KeyError, ValueError):
        value = math.nan
    if not math.isfinite(value):
        raise AtmeError("invalid", f"{name}: a number of seconds is needed")
    return value


async def _one_line(request: Request, error: Exception) -> Response:
    code = error.code if isinstance(error, AtmeError) else "invalid"
    return JSONResponse({"error": str(error), "code": code}, 409)
