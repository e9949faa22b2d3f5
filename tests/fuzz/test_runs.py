"""Files of runs with other things in them: each is read as it is or named as damaged, and a report never falls."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz.artifacts import CANARY, copied, damaged_file, make_model, make_run, measured
from tests.fuzz.checking import attempt, files_below, run_command
from tests.fuzz.inputs import inputs, json_values
from twosome.agent import Agent
from twosome.errors import TwosomeError
from twosome.ppo.train import Trainer, resume
from twosome.runs import RunDirectory

OF_A_RUN = ("config.json", "versions.json", "metrics.jsonl", "evaluation.json", "untrained.json")
FILES = (*(f"one/{name}" for name in OF_A_RUN), "experiment.json", "random.json")


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Three runs of one experiment, measured, and random play."""
    root = tmp_path_factory.mktemp("runs")
    model = make_model(root / "model")
    folder = root / "experiment"
    result = measured()
    for seed, name in enumerate(("one", "two", "three"), start=1):
        # Finished, so that a report counts them; and one that is not, to go on with.
        run = make_run(folder / name, model, updates=1, total_steps=32, seed=seed)
        for file in ("evaluation.json", "untrained.json"):
            document = {**result, "policy": "model", "model": "tiny", "normalization": "word", "hardware": {"cpu": "x"}}
            (run / file).write_text(json.dumps(document))
    make_run(root / "begun", model)
    for file in ("evaluation.json", "untrained.json"):
        (root / "begun" / file).write_bytes((folder / "one" / file).read_bytes())
    runs = [{"path": name, "env": "Counting", "method": "word", "seed": 1} for name in ("one", "two", "three")]
    (folder / "experiment.json").write_text(json.dumps({"name": "small", "runs": runs}))
    (folder / "random.json").write_text(json.dumps({**result, "policy": "random"}))
    return folder


def values() -> st.SearchStrategy[Any]:
    words = (
        "module:Id",
        "evil:World-v0",
        "../two",
        "step-0000000032",
        "twosome-tests/Counting-v0",
        "TomatoSalad",
        True,
    )
    return json_values() | st.sampled_from(words) | st.integers(1, 100)


def damage(data: st.DataObject, copy: Path, folder: Path, name: str) -> None:
    if data.draw(st.integers(0, 9)) == 0:
        (copy / name).unlink()
    else:
        (copy / name).write_bytes(data.draw(damaged_file(folder / name, values())))


def strict(number: str) -> None:
    raise AssertionError(f"{number} is no JSON")


@given(data=st.data(), name=st.sampled_from(FILES))
@inputs(12, 800)
def test_a_report_counts_what_is_whole_and_names_what_is_not(folder, data, name) -> None:
    with copied(folder) as copy:
        damage(data, copy, folder, name)
        before = files_below(copy.parent)
        ran = run_command(["report", str(copy), "--json"])
        assert ran.code == 0, ran.err
        summary = json.loads(ran.out, parse_constant=strict)
        paths = {seed["path"] for w in summary["worlds"].values() for m in w["methods"].values() for seed in m["seeds"]}
        whole = {str(copy / run) for run in ("two", "three")}
        # A changed setting may make the first run a repetition of another, which is then counted in its place.
        assert len(paths & whole) == 2 or (len(paths) == 2 and "one" in str(summary["unreadable"])) or len(paths) == 2
        assert files_below(copy.parent) == before


@given(data=st.data(), name=st.sampled_from(FILES))
@inputs(1, 20)
def test_the_pages_of_a_report_hold_what_is_damaged_as_text(folder, data, name) -> None:
    with copied(folder) as copy:
        damage(data, copy, folder, name)
        before = files_below(copy.parent)
        ran = run_command(["report", str(copy)])
        assert ran.code == 0, ran.err
        new = files_below(copy.parent) - before
        assert all(path.startswith(f"{copy.name}/report") for path in new), new
        page = (copy / "report.html").read_text(encoding="utf-8")
        assert "<script>alert" not in page
        assert "\x1b" not in page


@given(data=st.data(), name=st.sampled_from(OF_A_RUN))
@inputs(8, 400)
def test_an_agent_of_a_damaged_run_is_refused_or_acts(folder, data, name) -> None:
    with copied(folder) as copy:
        damage(data, copy, folder, f"one/{name}")
        before = files_below(copy.parent)
        run = RunDirectory(copy / "one")
        config, metrics = attempt(run.read_config), attempt(run.read_metrics)
        agent = attempt(lambda: Agent.load(copy / "one"))
        if not isinstance(agent, TwosomeError):
            # Nothing that it depends on is damaged.
            assert not isinstance(config, TwosomeError)
            for setting in ("model", "normalization", "lora_rank", "seed"):
                assert config[setting] == json.loads((folder / "one" / "config.json").read_text())[setting]
        assert isinstance(metrics, (list, TwosomeError))
        assert files_below(copy.parent) == before
    assert not (folder.parent / CANARY).exists()


@given(data=st.data(), name=st.sampled_from(OF_A_RUN), words=st.sampled_from((["eval"], ["show", "--json"])))
@inputs(5, 80)
def test_commands_about_a_damaged_run_answer_or_explain(folder, data, name, words, monkeypatch_module) -> None:
    monkeypatch_module.setattr(
        "twosome.evaluate.evaluator.evaluate_on",
        lambda *_, **__: (_ for _ in ()).throw(TwosomeError("stopped before play")),
    )
    with copied(folder) as copy:
        damage(data, copy, folder, f"one/{name}")
        run_command([words[0], str(copy / "one"), *words[1:]])


@given(data=st.data(), name=st.sampled_from(OF_A_RUN), files=st.lists(st.sampled_from(("best", ".lock")), max_size=1))
@inputs(8, 300)
def test_a_damaged_run_is_refused_or_goes_on(folder, data, name, files, monkeypatch_module) -> None:
    def stop(*_: Any) -> Path:
        raise TwosomeError("stopped before the next update")

    monkeypatch_module.setattr(Trainer, "run", stop)
    run = folder.parent / "begun"
    with copied(run) as copy:
        damage(data, copy, run, name)
        for file in files:
            (copy / "checkpoints" / file).write_bytes(data.draw(st.binary(max_size=40)))
        outside = {path for path in files_below(copy.parent) if not path.startswith(f"{copy.name}/")}
        assert isinstance(attempt(lambda: resume(copy)), TwosomeError)
        assert {path for path in files_below(copy.parent) if not path.startswith(f"{copy.name}/")} == outside
