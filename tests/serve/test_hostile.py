"""Ten thousand malformed and oversized requests over real connections: each is refused, and nothing grows."""

import http.client
import json
import os
import random
import re
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("starlette", reason="needs the extra serve")
pytest.importorskip("uvicorn", reason="needs the extra serve")

from tests.serve.test_api import TEA
from twosome.agent import Agent
from twosome.serve.web import BODY_BYTES

REQUESTS = 10_000
TEXTS = ["", " ", "\0", "\ud800", "\x1b[2J", "go on", "x" * 5000, "go " * 3000 + "on", "\u202e" * 50, "💥" * 3000]


def value(rng: random.Random, depth: int = 3):
    """Anything that JSON can say."""
    kinds: list[Any] = [None, True, -1, 1e308, 10**400, rng.choice(TEXTS), [], {}]
    if depth and rng.random() < 0.5:
        return [value(rng, depth - 1) for _ in range(rng.choice([1, 3]))]
    return rng.choice(kinds) if depth else [rng.choice(kinds)] * rng.choice([1, 1500])


def wrong_body(rng: random.Random) -> bytes:
    """What is no question, or one that no model can score."""
    return rng.choice(
        [
            lambda: rng.randbytes(rng.choice([1, 10, 1000])),
            lambda: b"[" * rng.choice([10, 100_000]),
            lambda: b'{"prompt":' * 20_000,
            lambda: b"x" * (BODY_BYTES + rng.choice([1, 100_000, 3_000_000])),
            lambda: json.dumps({**TEA, rng.choice(TEXTS): value(rng)}).encode()[: BODY_BYTES * 2],
            lambda: json.dumps({**TEA, "prompt": rng.choice(TEXTS[2:4] + TEXTS[7:8])}).encode(),
            lambda: json.dumps({**TEA, "actions": [value(rng), 1]}).encode(),
            lambda: json.dumps({**TEA, "prompt": [value(rng)]}).encode()[: BODY_BYTES * 2],
            lambda: json.dumps(TEA).encode()[: rng.randrange(1, 60)],
        ]
    )()


def refused(port: int, rng: random.Random) -> int:
    """The status of the answer to a wrong request."""
    kind = rng.random()
    if kind < 0.1:  # no HTTP, or a head that does not end
        with socket.create_connection(("127.0.0.1", port), timeout=60) as raw:
            raw.sendall(rng.choice([b"\0\1\2\r\n\r\n", b"GET\r\n\r\n", b"GET / HTTP/1.1\r\nA: " + b"x" * 40_000]))
            return int(raw.recv(4096).split()[1])
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    headers = {"Content-Type": "application/json"}
    method, path = "POST", rng.choice(["/act", "/score"])
    if kind < 0.2:
        method, path = rng.choice(
            [("GET", path), ("POST", "/no%00where"), ("PATCH", "/health"), ("GET", "/" + "x" * 9000)]
        )
    elif kind < 0.3:
        headers["Content-Type"] = rng.choice(["", "text/plain", "application/jsonp"])
    elif kind < 0.35:
        headers["Host"] = "rebound.example"
    connection.request(method, path, wrong_body(rng), headers)
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer.status


def memory(process: subprocess.Popen) -> int:
    """Resident, in MiB."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) // 1024


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads /proc")
def test_ten_thousand_wrong_requests_are_refused_and_memory_stays(tmp_path):
    Agent.from_pretrained("hearth").save(tmp_path / "agent")
    command = [sys.executable, "-m", "twosome", "serve", str(tmp_path / "agent"), "--port", "0"]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as server:
        try:
            port = next(int(found[1]) for line in server.stdout if (found := re.search(r":(\d+)/docs", line)))
            rng = random.Random(0)
            for i in range(REQUESTS):
                if i == REQUESTS // 10:
                    before = memory(server)
                status = refused(port, rng)
                assert 400 <= status < 500, f"request {i}: {status}"
            grown = memory(server) - before
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
            connection.request("POST", "/act", json.dumps(TEA), {"Content-Type": "application/json"})
            answer = connection.getresponse()
            assert (answer.status, bool(answer.read())) == (200, True)
            connection.close()
            assert server.poll() is None
        finally:
            server.terminate()
        said = server.stderr.read()
    assert grown < 50, f"{grown} MiB"
    assert "Traceback" not in said
    assert len(said) < 2000
