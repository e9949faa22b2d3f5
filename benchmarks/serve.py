"""Latency and throughput of `twosome serve` beside the same policy in this process.

    python -m benchmarks.serve

`hearth`, untrained, with learned normalization, in situations of TomatoSalad, each asked about once, so that nothing is
remembered. In this process: one after the other, eight threads that share an agent, and lists of eight. Over HTTP: one
client, and eight at once that ask again as soon as they are answered. The ways take turns; a ratio is that of
measurements of the same round. The CPU's time is that of the process with the policy alone, whatever else the machine
does.
"""

import argparse
import http.client
import itertools
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import torch

import twosome
from benchmarks.pages.files import write
from twosome.envs import text
from twosome.report.numbers import Number
from twosome.rollout import random_decisions

CLIENTS = 8
Ask = Callable[[twosome.Decision], object]


def situations() -> Iterator[twosome.Decision]:
    """Decisions of the environment, no two alike."""
    found = random_decisions(lambda: text.make("TomatoSalad"), 0)
    for i in itertools.count():
        decision = found[i % len(found)]
        yield twosome.Decision(f"This is salad {i}. {decision.prompt}", decision.actions)


def client(port: int) -> Ask:
    """Asks over a connection of its own."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)

    def ask(decision: twosome.Decision) -> object:
        body = json.dumps({"prompt": decision.prompt, "actions": decision.actions})
        connection.request("POST", "/act", body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        content = answer.read()
        if answer.status != 200:
            raise SystemExit(f"{answer.status}: {content.decode()}")
        return content

    return ask


def measure(asks: list[Ask], decisions: Iterator[twosome.Decision], count: int) -> tuple[float, list[float]]:
    """Decisions per second, and the seconds of each, by so many askers at once."""
    own = [list(itertools.islice(decisions, count // len(asks))) for _ in asks]
    seconds: list[float] = []

    def work(ask: Ask, mine: list[twosome.Decision]) -> None:
        for decision in mine:
            began = time.perf_counter()
            ask(decision)
            seconds.append(time.perf_counter() - began)

    began = time.perf_counter()
    with ThreadPoolExecutor(len(asks)) as pool:
        list(pool.map(work, asks, own))
    return len(seconds) / (time.perf_counter() - began), seconds


def measure_lists(agent: twosome.Agent, decisions: Iterator[twosome.Decision], count: int) -> float:
    """Decisions per second, in lists."""
    lists = [list(itertools.islice(decisions, CLIENTS)) for _ in range(count // CLIENTS)]
    began = time.perf_counter()
    for part in lists:
        agent.act(part)
    return count / (time.perf_counter() - began)


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=800, help="decisions of a measurement")
    parser.add_argument("--repeats", type=int, default=5, help="measurements of each way")
    options = parser.parse_args()
    torch.set_num_threads(1)
    agent = twosome.Agent.from_pretrained("hearth", normalization="learned", env="TomatoSalad")
    decisions = situations()
    with tempfile.TemporaryDirectory() as folder:
        agent.save(Path(folder) / "agent")
        command = [sys.executable, "-m", "twosome", "serve", f"{folder}/agent", "--port", "0"]
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONUNBUFFERED": "1"}
        ) as server:
            try:
                assert server.stdout is not None
                port = next(int(found[1]) for line in server.stdout if (found := re.search(r":(\d+)/docs", line)))
                rounds = measure_all(agent, port, server.pid, decisions, options.count, options.repeats)
            finally:
                server.terminate()
    numbers = []
    for what, world in rounds[0]:
        values = [row[what, world] for row in rounds]
        spread = (min(values), max(values))
        numbers.append(Number(what, world, "", None, statistics.median(values), spread, len(values)))
        print(f"{what:28} {world:40} {statistics.median(values):8.2f}  {spread[0]:.2f} to {spread[1]:.2f}", flush=True)
    numbers.append(Number("load average", mean=os.getloadavg()[1]))
    write("serve", numbers)


def cpu_ms(pid: int) -> float:
    """What a process has computed."""
    user, system = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]
    return 1000 * (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def measure_all(
    agent: twosome.Agent, port: int, pid: int, decisions: Iterator[twosome.Decision], count: int, repeats: int
) -> list[dict[tuple[str, str], float]]:
    """All ways in turn, after a round that warms up; by what is measured and where."""
    ways: dict[str, tuple[int, Callable[[], Ask]]] = {
        "in this process, one at a time": (1, lambda: agent.act),
        "in this process, 8 threads": (CLIENTS, lambda: agent.act),
        "over HTTP, 1 client": (1, lambda: client(port)),
        "over HTTP, 8 clients": (CLIENTS, lambda: client(port)),
    }
    rounds = []
    for _ in range(repeats + 1):
        row: dict[tuple[str, str], float] = {}
        for way, (askers, make) in ways.items():
            who = pid if "HTTP" in way else os.getpid()
            began = cpu_ms(who)
            speed, seconds = measure([make() for _ in range(askers)], decisions, count)
            row["CPU ms per decision", way] = (cpu_ms(who) - began) / len(seconds)
            row["decisions per second", way] = speed
            row["median ms", way] = 1000 * statistics.median(seconds)
            row["95 % within ms", way] = 1000 * statistics.quantiles(seconds, n=20)[-1]
        began = cpu_ms(os.getpid())
        row["decisions per second", "in this process, lists of 8"] = measure_lists(agent, decisions, count)
        row["CPU ms per decision", "in this process, lists of 8"] = (cpu_ms(os.getpid()) - began) / count
        served = row["decisions per second", "over HTTP, 8 clients"]
        for beside in ("in this process, 8 threads", "in this process, lists of 8"):
            row["share of the throughput", beside] = served / row["decisions per second", beside]
        rounds.append(row)
    return rounds[1:]


if __name__ == "__main__":
    main()
