"""Asking an ASGI application without a socket."""

import json
from typing import Any


async def ask(app, method="GET", path="/", body: Any = b"", headers=None) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body of the answer; a body that is no bytes is sent as JSON."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    sent = {"host": "localhost:8000", "content-type": "application/json", **(headers or {})}
    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "scheme": "http",
        "server": ("127.0.0.1", 8000),
        "client": ("127.0.0.1", 1),
        "headers": [(name.encode(), value.encode()) for name, value in sent.items()],
    }
    parts = [content[i : i + 65536] for i in range(0, len(content), 65536)] or [b""]
    messages = iter([{"type": "http.request", "body": part, "more_body": part is not parts[-1]} for part in parts])
    answer: list[dict[str, Any]] = []

    async def receive():
        return next(messages)

    async def send(message):
        answer.append(message)

    await app(scope, receive, send)
    found = {name.decode(): value.decode() for name, value in answer[0]["headers"]}
    return answer[0]["status"], found, b"".join(message.get("body", b"") for message in answer[1:])
