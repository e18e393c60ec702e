"""What every request passes: host, origin, token, and the headers that tie the page to its own server.

A page on the internet can make a browser send requests to 127.0.0.1, and by DNS rebinding even with a host name of its
own. So: only the exact host names, only the page's own origin, and nothing at all without the secret in a cookie.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Iterable
from typing import Any
from urllib.parse import parse_qs

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse, RedirectResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
REPORT_POLICY = (
    "sandbox allow-scripts; default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:"
)
"""For reports: they may run their own script, but in no origin, so that they reach nothing of the server."""
_ALWAYS = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "x-frame-options": "DENY",
}
_SAFE = ("GET", "HEAD")


class Keys:
    """One-time tokens and the secret that a browser gets for one.

    Parameters
    ----------
    port : int
        Part of the cookie's name: servers on several ports do not take each other's.
    """

    def __init__(self, port: int) -> None:
        self.cookie = f"afmend_{port}"
        self._secret = secrets.token_urlsafe(32)
        self._tokens: set[str] = set()

    def new_token(self) -> str:
        """Return a token that lets one browser in, once."""
        token = secrets.token_urlsafe(24)
        self._tokens.add(token)
        return token

    def spend(self, token: str) -> bool:
        """Say whether a token is good; it is not good again."""
        for known in tuple(self._tokens):
            if hmac.compare_digest(known.encode(), token.encode("utf-8", "replace")):
                self._tokens.discard(known)
                return True
        return False

    def holds(self, cookie_header: str) -> bool:
        """Say whether a request's cookies hold the secret."""
        secret = self._secret.encode()
        for one in cookie_header.split(";"):  # programs on other ports share the cookies of 127.0.0.1, of any shape
            name, _, value = one.strip().partition("=")
            if name == self.cookie and hmac.compare_digest(value.encode(), secret):
                return True
        return False

    def set_cookie(self) -> str:
        """Return the header that hands out the secret."""
        return f"{self.cookie}={self._secret}; HttpOnly; SameSite=Strict; Path=/"


class Guard:
    """ASGI middleware; see the module's docstring.

    Parameters
    ----------
    app : ASGIApp
    keys : Keys
    hosts : iterable of str
        Exact values of the Host header that are served, port included.
    """

    def __init__(self, app: ASGIApp, keys: Keys, hosts: Iterable[str]) -> None:
        self._app = app
        self._keys = keys
        self._hosts = frozenset(host.lower() for host in hosts)
        self._origins = frozenset(f"{scheme}://{host}" for host in self._hosts for scheme in ("http", "https"))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer what is refused, pass on the rest."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":  # no WebSockets: nothing here speaks them
            await send({"type": "websocket.close", "code": 1008})
            return
        answer = self._refusal(scope)
        if answer is not None:
            await answer(scope, receive, _sealed(send))
        else:
            await self._app(scope, receive, _sealed(send))

    def _refusal(self, scope: Scope) -> Any:
        headers = Headers(scope=scope)
        hosts = headers.getlist("host")
        if len(hosts) != 1 or hosts[0].lower() not in self._hosts:
            return PlainTextResponse("This server does not go by that name.\n", 421)
        origin = headers.get("origin")
        if origin is not None and origin.lower() not in self._origins:
            return PlainTextResponse("Requests from other pages are refused.\n", 403)
        if scope["method"] not in _SAFE and origin is None:
            return PlainTextResponse("Changing requests must name their origin.\n", 403)
        # A link elsewhere may open the page itself (a navigation), but neither parts of it nor its data.
        followed = scope["path"] == "/" and headers.get("sec-fetch-mode") == "navigate"
        if headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none") and not followed:
            return PlainTextResponse("Requests from other pages are refused.\n", 403)
        return self._without_key(scope, headers)

    def _without_key(self, scope: Scope, headers: Headers) -> Any:
        known = self._keys.holds(headers.get("cookie", ""))
        token = parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])[0]
        if scope["path"] == "/" and token and scope["method"] != "HEAD":  # previews of links ask so
            answer = RedirectResponse("./", 303)
            if known:
                return answer
            if self._keys.spend(token):
                answer.headers["set-cookie"] = self._keys.set_cookie()
                return answer
        if known:
            return None
        return PlainTextResponse(
            "Open the address that `afmend web` printed; each address opens one browser, once.\n", 401
        )


def _sealed(send: Send) -> Send:
    """Add the headers of `_ALWAYS`, and a policy and a caching rule where the answer has none of its own."""

    async def sealing(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in _ALWAYS.items():
                headers[name] = value
            headers.setdefault("content-security-policy", PAGE_POLICY)
            headers.setdefault("cache-control", "no-store")
        await send(message)

    return sealing
