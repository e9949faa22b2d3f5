"""What is shown of a training that goes on: legible in any width, and only where somebody watches."""

import io
from typing import Any

import pytest
from rich.console import Group

from twosome import progress
from twosome.cli.eval import comparison
from twosome.config import TrainConfig
from twosome.console import PlainConsole, shortened
from twosome.ppo.train import resume, train
from twosome.progress import Progress

LONG = "/home/somebody/models/a model whose path is longer than any line that a terminal has room for/hearth"
METRICS = {
    "update": 123,
    "decisions": 1_234_567,
    "env_steps": 12_345_678,
    "episodes": 999,
    "return_mean": -0.123,
    "success_rate": 0.97,
    "approx_kl": 0.0123,
    "entropy": 1.23,
}
RESULT = {
    "env": "twosome/TomatoSalad-v0",
    "episodes": 100,
    "return_mean": -0.123,
    "return_ci95": (-0.234, -0.012),
    "success_rate": 1.0,
    "success_ci95": (0.96, 1.0),
    "length_mean": 154.8,
}


def drawn(what, width: int, **options) -> list[str]:
    console = PlainConsole(width=width, file=io.StringIO(), markup=False, emoji=False, **options)
    console.print(what)
    return console.file.getvalue().splitlines()


@pytest.mark.parametrize("width", [40, 80, 100, 200])
def test_the_live_display_cuts_no_number_and_begins_a_line_after_the_bar(width, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(width))
    shown = Progress(TrainConfig(model=LONG, total_steps=2_000_000))
    row = shown._row(METRICS)
    lines = drawn(Group(shown._panel(METRICS, row)), width)
    assert all(len(line) <= width for line in lines)
    assert set(lines[0].strip()) <= set("━╸╺")
    words = [word for line in lines for word in line.split("  ")]
    for name, value in row.items():
        assert value in [word.strip() for word in words]
        assert name in [word.strip() for word in words]


def test_the_live_display_keeps_every_warning_with_the_update_that_it_came_in():
    shown = Progress(TrainConfig(total_steps=2_000_000))
    shown._is_live = True
    shown.update({**METRICS, "warnings": ["no-reward"]})
    shown.update({**METRICS, "update": 124})
    text = " ".join(drawn(shown._live.renderable, 80))
    assert "warnings: no-reward (update 123)" in text


@pytest.mark.parametrize("width", [80, 100, 200])
def test_a_long_name_gives_way_to_the_numbers_of_a_table(width):
    rows = [("random", RESULT), (f"{LONG}, untrained", RESULT), (f"{LONG}, trained", RESULT)]
    lines = drawn(comparison(rows), width)
    assert all(len(line) <= width for line in lines)
    assert len([line for line in lines if "-0.123   -0.234 to -0.012      100%    96% to 100%   154.8" in line]) == 3
    assert all(f", {end} " in "".join(lines) for end in ("untrained", "trained"))


@pytest.mark.parametrize("text", ["short", "a" * 50, "東京は夜の七時" * 9])
def test_a_shortened_name_keeps_its_ends(text):
    short = shortened(text, 20)
    assert len(short) <= 20
    assert (short == text) == (text == "short")
    assert short[0] == text[0]
    assert short[-1] == text[-1]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def terminal(monkeypatch) -> Terminal:
    """Where progress is shown."""
    file = Terminal()
    monkeypatch.setattr(progress, "plain_console", lambda stderr: PlainConsole(file=file, width=100))
    return file


def small(folder) -> TrainConfig:
    return TrainConfig(num_envs=2, rollout_steps=8, total_steps=32, output=folder / "run")


def test_a_training_from_python_is_shown_in_a_terminal_and_told_to_its_caller(tmp_path, terminal):
    told: list[dict[str, Any]] = []
    train(small(tmp_path), told.append)
    assert "Training " in terminal.getvalue()
    assert "twosome/TomatoSalad-v0" in terminal.getvalue()
    assert "2/2" in terminal.getvalue()
    assert [metrics["update"] for metrics in told] == [1, 2]


def test_a_training_from_python_is_not_shown_to_whom_does_not_want_it(tmp_path, terminal):
    train(small(tmp_path), progress=False)
    assert terminal.getvalue() == ""


def test_a_training_from_python_says_nothing_without_a_terminal(tmp_path, capfd):
    resume(train(small(tmp_path)))
    captured = capfd.readouterr()
    assert captured.out + captured.err == ""
