"""Access to the review server: only for the browser on this machine that opened the link."""

from __future__ import annotations

import hmac
import secrets
from http.cookies import CookieError, SimpleCookie

from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}
"""On every response. no-store: a browser's cache would keep faces on the disk."""
_LOCAL = ("127.0.0.1", "localhost")


class Gate:
    """Wraps the application: Host, Origin and cookie are checked before anything else sees a request.

    The link's token works once; it is exchanged for a cookie that is sent only to this server.
    """

    def __init__(self, app: ASGIApp, port: int) -> None:
        self.token = secrets.token_urlsafe(32)
        """Of the link."""
        self._app = app
        self._hosts = frozenset(f"{name}:{port}" for name in _LOCAL)
        self._secret = secrets.token_urlsafe(32)
        self._cookie = f"atme_review_{port}"  # cookies are shared by all ports of a host
        self._used = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Lets a request through, or answers it."""
        if scope["type"] != "http":
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                added = [(name.encode(), value.encode()) for name, value in HEADERS.items()]
                message = {**message, "headers": [*message["headers"], *added]}
            await send(message)

        answer = self._answer(Request(scope))
        await (self._app if answer is None else answer)(scope, receive, with_headers)

    def _answer(self, request: Request) -> Response | None:
        """The answer to a refused request; None: it may pass."""
        host = request.headers.get("host", "")
        if host not in self._hosts:
            return _refused("This address is not the review's own (Host). Use the link from the terminal.")
        origin = request.headers.get("origin")
        if origin is not None and origin != f"http://{host}":
            return _refused("A page from elsewhere may not talk to the review (Origin).")
        if request.method not in ("GET", "HEAD") and origin is None:
            return _refused("A request that changes something must say where it comes from (Origin).")
        if request.headers.get("sec-fetch-site", "none") not in ("none", "same-origin"):
            # Also for a link on another page, which must not lead into the review.
            return _refused("A page from elsewhere may not lead into the review (Sec-Fetch-Site).")
        known = self._knows(request)
        token = request.query_params.get("token") if request.url.path == "/" else None
        if token is not None:
            return self._exchange(token, known)
        return None if known else _refused("Use the link that atme review has printed; it works once.")

    def _exchange(self, token: str, known: bool) -> Response:
        if not known:
            if not hmac.compare_digest(token.encode(), self.token.encode()):
                return _refused("This link is not the one that atme review has printed.")
            if self._used:
                return _refused(
                    "This link has been used. Continue in the browser in which it was opened, or start atme "
                    "review again."
                )
            self._used = True
        response = RedirectResponse("/", 303)
        response.set_cookie(self._cookie, self._secret, httponly=True, samesite="strict", path="/")
        return response

    def _knows(self, request: Request) -> bool:
        try:
            cookies = SimpleCookie(request.headers.get("cookie", ""))
        except CookieError:
            return False
        value = cookies[self._cookie].value if self._cookie in cookies else ""
        return hmac.compare_digest(value.encode(), self._secret.encode())


def _refused(why: str) -> Response:
    return PlainTextResponse(f"{why}\n", 403)
