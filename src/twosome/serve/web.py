"""What every server here has: who may ask, how large a question may be, and refusals that say what to do.

Bound to this machine alone it asks for no token, and answers only to names of this machine, so that no page of
another origin reaches it through a browser. Bound elsewhere it asks for one.
"""

import asyncio
import hmac
import ipaddress
import os
import re
import socket
import warnings
from collections.abc import Collection, Sequence
from typing import TypeVar

import uvicorn
from pydantic import BaseModel, ConfigDict, ValidationError
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from twosome.errors import ConfigError, quote

TOKEN = "TWOSOME_TOKEN"
"""Environment variable with the token that whoever asks has to know."""
BODY_BYTES = 256 * 1024
"""Of a question."""
_BODY_S = 30.0
_CONNECTIONS = 256
_HEADER_BYTES = 16 * 1024
_HERE = ("localhost", "127.0.0.1", "[::1]")


class Question(BaseModel):
    """What is asked in a body: JSON of these fields and no others, each of its own type."""

    model_config = ConfigDict(extra="forbid", strict=True)


Q = TypeVar("Q", bound=Question)


class RequestError(Exception):
    """A request that is refused.

    Attributes:
        status: of HTTP.
        expected: what the request should have been.
        actual: what it was.
        remedy: what to do.
        error: all of it in one paragraph; by default made of the three.
    """

    def __init__(self, status: int, expected: str, actual: str, remedy: str, *, error: str = "") -> None:
        super().__init__(status, expected, actual, remedy)
        self.status, self.expected, self.actual, self.remedy = status, expected, actual, remedy
        self.error = error or f"{actual}; expected {expected}. {remedy}"

    def response(self) -> Response:
        """The same as JSON."""
        parts = {"expected": self.expected, "actual": self.actual, "remedy": self.remedy}
        headers = {401: {"WWW-Authenticate": "Bearer"}, 429: {"Retry-After": "1"}}.get(self.status, {})
        if self.status == 408:
            headers["Connection"] = "close"  # the rest of the body is not read
        return JSONResponse({"error": self.error, **parts}, self.status, headers)


def token_for(host: str) -> str | None:
    """The token of the environment; None without one, if only this machine can ask.

    Raises:
        ConfigError: others can ask, and there is none; or it is no token.
    """
    token = os.environ.get(TOKEN)
    if token is None and not _is_loopback(host):
        raise ConfigError(
            f"--host {quote(host)} lets other machines ask; expected the environment variable {TOKEN} with a token of "
            "16 characters or more, which they then send as `Authorization: Bearer TOKEN`. Set it, or leave out --host."
        )
    if token is not None and not re.fullmatch(r"[!-~]{16,512}", token):
        raise ConfigError(
            f"the environment variable {TOKEN} holds {len(token)} characters; expected 16 to 512 of ASCII, without "
            "blanks. `python -c 'import secrets; print(secrets.token_urlsafe())'` makes one."
        )
    return token


def listen(host: str, port: int) -> socket.socket:
    """A socket that waits for connections.

    Raises:
        ConfigError: the address is not this machine's, or taken.
    """
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        # By its name, or asyncio does not know that it is TCP and lets answers wait for 40 ms (Nagle's algorithm).
        opened = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            opened.bind(address)
            opened.listen()
        except OSError:
            opened.close()
            raise
    except (OSError, UnicodeError) as error:
        raise ConfigError(
            f"--host {quote(host)} --port {port} cannot be listened on: {getattr(error, 'strerror', None) or error}; "
            "expected an address of this machine and a free port. Choose another; --port 0 takes a free one."
        ) from error
    return opened


def address_of(listening: socket.socket) -> str:
    """Where a browser finds it."""
    host, port = listening.getsockname()[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


def run(app: ASGIApp, listening: socket.socket) -> None:
    """Answer until a signal ends it."""
    # What a foreign text makes Python warn of is nobody's here, and Python remembers each by its words.
    warnings.simplefilter("ignore")
    config = uvicorn.Config(
        app,
        http="h11",
        ws="none",
        lifespan="off",
        loop="asyncio",
        log_level="error",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        limit_concurrency=_CONNECTIONS,
        h11_max_incomplete_event_size=_HEADER_BYTES,
        timeout_graceful_shutdown=5,
    )
    uvicorn.Server(config).run(sockets=[listening])


def application(routes: Sequence[BaseRoute], *, token: str | None, public: Collection[str] = ()) -> Starlette:
    """What answers, refusing what nobody may ask.

    Args:
        routes: what can be asked.
        token: that has to come with each request; None: requests to this machine's own names are answered.
        public: paths that take no token.
    """
    app = Starlette(
        routes=list(routes),
        exception_handlers={RequestError: _refused, HTTPException: _not_found, Exception: _failed},
    )
    app.add_middleware(_Gate, token=token, public=frozenset(public))
    return app


class _Gate:
    """Refuses whoever may not ask, before anything is read."""

    def __init__(self, app: ASGIApp, token: str | None, public: frozenset[str]) -> None:
        self.app, self.token, self.public = app, token, public

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        refusal = self._refusal(Request(scope)) if scope["type"] == "http" else None
        await (self.app if refusal is None else refusal.response())(scope, receive, send)

    def _refusal(self, request: Request) -> RequestError | None:
        if self.token is None:
            host = request.headers.get("host", "")
            if re.sub(r":\d*$", "", host).lower() in _HERE:
                return None
            return RequestError(
                421, f"one of {', '.join(_HERE)} as Host", f"Host is {quote(host)}", "Ask by one of these names."
            )
        given = request.headers.get("authorization", "")
        expected = f"Bearer {self.token}"
        if request.url.path in self.public or hmac.compare_digest(given.encode(), expected.encode()):
            return None
        actual = "the request has another token" if given else "the request has no token"
        return RequestError(
            401, "the header `Authorization: Bearer TOKEN`", actual, f"Send the token of the server's {TOKEN}."
        )


async def read_question(request: Request, kind: type[Q]) -> Q:
    """What a request asks, from its body.

    Raises:
        RequestError: it is too large or too slow, no JSON, or not what is expected.
    """
    sort = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if sort != "application/json":
        raise RequestError(415, "application/json", f"the Content-Type is {quote(sort)}", "Send JSON and say so.")
    try:
        body = await asyncio.wait_for(_body(request), _BODY_S)
    except asyncio.TimeoutError as error:
        raise RequestError(
            408, f"the whole body within {_BODY_S:.0f} s", "it did not come", "Send it in one go."
        ) from error
    except ClientDisconnect as error:
        raise RequestError(400, "a whole body", "the connection was closed", "Send it in one go.") from error
    try:
        return kind.model_validate_json(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        expected = f"a JSON object with {', '.join(kind.model_fields)}"
        remedy = "Correct it; /docs says what can be asked."
        if first["type"] == "json_invalid":
            raise RequestError(400, expected, f"the body is {first['msg']}", remedy) from error
        where = quote(".".join(map(str, first["loc"])))[1:-1] or "the body"
        raise RequestError(
            422, f"{expected} ({where}: {first['msg']})", f"{where} is {quote(first['input'])}", remedy
        ) from error


async def _body(request: Request) -> bytes:
    size, parts = 0, []
    async for part in request.stream():
        size += len(part)
        if size <= BODY_BYTES:  # the rest is read and dropped: who is cut off while sending reads no answer
            parts.append(part)
    if size > BODY_BYTES:
        raise RequestError(413, f"a body of at most {BODY_BYTES:,} bytes", f"it has {size:,}", "Ask less at once.")
    return b"".join(parts)


async def _refused(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestError)
    return error.response()


async def _not_found(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    headers = dict(error.headers or {})
    expected = f"one of {headers['Allow']}" if "Allow" in headers else "a path that exists"
    what = f"this is {quote(request.method)[1:-1]} {quote(request.url.path)}"
    answer = RequestError(error.status_code, expected, what, "See /docs.").response()
    answer.headers.update(headers)
    return answer


async def _failed(_: Request, error: Exception) -> Response:
    """The process goes on; what went wrong stands in its log."""
    return RequestError(500, "an answer", f"{type(error).__name__} was raised", "See the server's log.").response()


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
