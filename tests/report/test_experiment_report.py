"""The report of many runs: its numbers are those of the runs, and what is missing or damaged is named, not counted."""

import csv
import io
import json
import math
import os
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import twosome
from twosome.cli import main
from twosome.errors import MissingExtraError, RunError
from twosome.report import collect as collecting
from twosome.report import page
from twosome.report.chart import STYLES, curves
from twosome.report.collect import collect
from twosome.report.numbers import Results
from twosome.report.summary import summarize

ENV = "twosome/TomatoSalad-v0"
SIZES = {"num_envs": 4, "rollout_steps": 32, "total_steps": 1024}
ROW = {"decisions": 128, "episodes": 15, "return_mean": 0.5, "success_rate": 0.5}


def measured(mean: float, **others) -> dict:
    return {
        "env": ENV,
        "env_kwargs": {},
        "episodes": 10,
        "return_mean": mean,
        "return_ci95": [mean - 0.1, mean + 0.1],
        "success_rate": 0.5,
        "gamma": 0.99,
        **others,
    }


def make_run(path: Path, seed: int, mean: float | None, updates: int = 8, reach: int = 6, **settings) -> Path:
    """A run directory whose mean return goes from 0.5 to 0.95 with update ``reach``, 128 decisions each."""
    (path / "checkpoints").mkdir(parents=True)
    config = {"env": ENV, "env_kwargs": {}, "model": "hearth", "seed": seed, "gamma": 0.99, "num_envs": 4}
    config |= {"rollout_steps": 32, "total_steps": 1024, "output": str(path), **settings}
    (path / "config.json").write_text(json.dumps(config))
    (path / "versions.json").write_text(json.dumps({"twosome": "0.1.0", "env": ENV}))
    rows = [
        {
            "decisions": 128 * i,
            "episodes": 15 * i,
            "return_mean": 0.95 if i >= reach else 0.5,
            "success_rate": 0.5,
            "rollout_s": 2.0,
            "policy_s": 1.0,
        }
        for i in range(1, updates + 1)
    ]
    (path / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    if mean is not None:
        (path / "evaluation.json").write_text(json.dumps(measured(mean, hardware={"cpu": "a", "cores": 2})))
    return path


@pytest.fixture
def experiment(tmp_path) -> Path:
    """Method "a" with returns 0.1, 0.2, 0.3 and 0.9, "b" with 0.2 in both seeds, and the references."""
    for seed, mean in enumerate((0.1, 0.2, 0.3, 0.9), start=1):
        make_run(tmp_path / "T" / "a" / f"seed-{seed}", seed, mean, reach=5 + seed, actor_lr=1e-3)
    for seed in (1, 2):
        make_run(tmp_path / "T" / "b" / f"seed-{seed}", seed, 0.2, reach=99, actor_lr=2e-3)
    (tmp_path / "T" / "random.json").write_text(json.dumps(measured(0.0)))
    (tmp_path / "T" / "planner.json").write_text(json.dumps(measured(1.0)))
    runs = [
        {"path": str(path.parent.relative_to(tmp_path)), "method": path.parts[-3]}
        for path in tmp_path.rglob("config.json")
    ]
    (tmp_path / "experiment.json").write_text(json.dumps({"name": "e", "runs": runs}))
    return tmp_path


def world(folder: Path) -> dict:
    (found,) = summarize(collect(folder))["worlds"].values()
    return found


def test_the_numbers_of_a_method_are_those_of_its_seeds(experiment):
    method = world(experiment)["methods"]["a"]
    assert method["return"]["iqm"] == pytest.approx(0.25)
    assert method["return"]["median"] == pytest.approx(0.25)
    assert [seed["return_mean"] for seed in method["seeds"]] == [0.1, 0.2, 0.3, 0.9]
    low, high = method["return"]["ci95"]
    assert 0.1 <= low < 0.25 < high <= 0.9
    assert method["seeds"][0]["seconds"] == pytest.approx(8 * 3.0)


def test_sample_efficiency_is_read_from_the_curve_and_the_planner(experiment):
    methods = world(experiment)["methods"]
    assert [seed["decisions_to_90_percent"] for seed in methods["a"]["seeds"]] == [768, 896, 1024, None]
    assert methods["a"]["median_decisions_to_90_percent"] == (896 + 1024) / 2
    assert methods["b"]["median_decisions_to_90_percent"] is None


def test_sample_efficiency_is_unknown_where_returns_are_discounted_otherwise(experiment):
    config = experiment / "T" / "a" / "seed-1" / "config.json"
    config.write_text(config.read_text().replace("0.99", "0.5"))
    (seed,) = world(experiment)["methods"]["a, gamma 0.5"]["seeds"]
    assert seed["decisions_to_90_percent"] is None


@pytest.mark.parametrize("by_hand", [False, True])
def test_runs_that_differ_in_a_setting_are_no_seeds_of_one_method(experiment, by_hand):
    make_run(experiment / "T" / "b" / "seed-3", 3, 0.9, actor_lr=2e-3, gamma=0.5)
    file = experiment / "experiment.json"
    runs = json.loads(file.read_text())
    runs["runs"].append({"path": "T/b/seed-3", "method": "b"})
    file.unlink() if by_hand else file.write_text(json.dumps(runs))
    found = world(experiment)
    seeds = {name: [seed["seed"] for seed in method["seeds"]] for name, method in found["methods"].items()}
    assert [seeds[name] for name in seeds if "gamma 0.5" in name] == [[3]]
    assert sorted(seeds.values()) == [[1, 2], [1, 2, 3, 4], [3]]
    assert set(found["settings"]["gamma"].values()) == {0.99, 0.5}


def test_a_setting_that_is_younger_than_a_run_had_its_default(experiment):
    """The runs of "b" are without `algorithm`, as if made before there was a choice."""
    make_run(experiment / "T" / "b" / "seed-3", 3, 0.9, actor_lr=2e-3, algorithm="ppo")
    make_run(experiment / "T" / "other" / "seed-1", 1, 0.9, actor_lr=2e-3, algorithm="grpo")
    (experiment / "experiment.json").unlink()
    found = collect(experiment)
    assert not found.unreadable
    methods: dict[str, set[str]] = {str(run.path.parent.name): set() for run in found.runs}
    for run in found.runs:
        methods[run.path.parent.name].add(run.method)
    assert methods == {
        "a": {"hearth, algorithm ppo, actor_lr 0.001"},
        "b": {"hearth, algorithm ppo, actor_lr 0.002"},
        "other": {"hearth, algorithm grpo, actor_lr 0.002"},
    }


def test_untrained_models_that_are_asked_in_different_ways_keep_apart(experiment):
    for seed, form, mean in ((7, "plain", 0.1), (8, "chat", 0.9)):
        path = make_run(experiment / "T" / form / "seed", seed, 0.5, prompt_format=form)
        document = measured(mean, model="hearth", normalization="word")
        (path / "untrained.json").write_text(json.dumps(document))
    found = {name: row["return_mean"] for name, row in world(experiment)["references"].items() if "untrained" in name}
    assert found == {
        "hearth, untrained, word, prompt_format plain": 0.1,
        "hearth, untrained, word, prompt_format chat": 0.9,
    }


def test_few_ends_of_episodes_say_nothing_of_sample_efficiency(experiment):
    file = experiment / "T" / "a" / "seed-1" / "metrics.jsonl"
    rows = [json.loads(line) | {"return_mean": 0.95} for line in file.read_text().splitlines()]
    rows = [row | {"episodes": row["decisions"] // 40} for row in rows]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    # 20 of them at 800 decisions.
    assert world(experiment)["methods"]["a"]["seeds"][0]["decisions_to_90_percent"] == 896


def test_a_single_seed_in_a_world_gives_no_interval_over_all_worlds(experiment):
    other = "twosome/Entertainment-v0"
    for name, mean in (("random", 0.0), ("planner", 1.0)):
        (experiment / "E").mkdir(exist_ok=True)
        (experiment / "E" / f"{name}.json").write_text(json.dumps(measured(mean, env=other)))
    make_run(experiment / "E" / "a", 1, 0.5, env=other)
    runs = json.loads((experiment / "experiment.json").read_text())
    runs["runs"].append({"path": "E/a", "method": "a"})
    (experiment / "experiment.json").write_text(json.dumps(runs))
    assert summarize(collect(experiment))["all_worlds"]["methods"]["a"]["ci95"] is None
    assert main(["report", str(experiment)]) == 0


def test_the_same_seed_twice_counts_once_and_is_named(experiment):
    make_run(experiment / "T" / "a" / "again", 4, None, updates=3, actor_lr=1e-3)
    runs = json.loads((experiment / "experiment.json").read_text())
    runs["runs"].append({"path": "T/a/again", "method": "a"})
    (experiment / "experiment.json").write_text(json.dumps(runs))
    collection = collect(experiment)
    assert {run.path.name for run in collection.runs if run.method == "a"} == {f"seed-{i}" for i in (1, 2, 3, 4)}
    ((where, reason),) = collection.unreadable.items()
    assert where == "T/a/again"
    assert "seed as T/a/seed-4" in reason


def test_a_world_is_the_same_whichever_module_registers_it(experiment):
    make_run(experiment / "T" / "b" / "seed-3", 3, 0.9, actor_lr=2e-3, env=f"kitchens:{ENV}")
    assert len(world(experiment)["methods"]["hearth"]["seeds"]) == 1


@pytest.mark.parametrize("content", ["{", "[]", "{}", '{"runs": [{"path": "T/a/seed-1"}]}', '{"runs": [3]}'])
def test_a_damaged_experiment_is_named_and_its_runs_are_named_by_their_settings(experiment, content):
    (experiment / "experiment.json").write_text(content)
    assert list(collect(experiment).unreadable) == ["experiment.json"]
    assert set(world(experiment)["methods"]) == {"hearth, actor_lr 0.001", "hearth, actor_lr 0.002"}


def test_methods_are_compared_pair_by_pair(experiment):
    pairs = {(row["first"], row["second"]): row["probability"] for row in world(experiment)["improvement"]}
    # 0.1 loses, 0.2 is level, 0.3 and 0.9 win.
    assert pairs == {("a", "b"): pytest.approx(2.5 / 4), ("b", "a"): pytest.approx(1.5 / 4)}


def test_settings_that_differ_are_named_and_no_others(experiment):
    assert world(experiment)["settings"] == {"actor_lr": {"a": 1e-3, "b": 2e-3}}


def test_a_run_under_way_is_named_and_not_counted(experiment):
    make_run(experiment / "T" / "b" / "seed-3", 3, 0.99, updates=3, actor_lr=2e-3)
    (experiment / "experiment.json").unlink()
    method = world(experiment)["methods"]["hearth, actor_lr 0.002"]
    assert method["return"]["seeds"] == 2
    assert method["seeds"][2]["finished"] is False
    assert method["seeds"][2]["return_mean"] is None
    main(["report", str(experiment)])
    assert "384/1,024 decisions, not finished" in (experiment / "report.md").read_text()


def test_runs_that_are_just_begun_or_damaged_are_on_the_page(experiment):
    make_run(experiment / "T" / "c" / "seed-1", 1, None, updates=0)
    (experiment / "T" / "a" / "seed-4" / "config.json").write_text("{")
    assert main(["report", str(experiment)]) == 0
    page = (experiment / "report.md").read_text()
    assert "0/1,024 decisions" in page
    assert "| T/a/seed-4 | " in page


@pytest.mark.parametrize(
    ("file", "content", "said"),
    [
        ("metrics.jsonl", b'{"decisions": 128\n', "damaged"),
        ("metrics.jsonl", b'{"decisions": 128}\n', "episodes"),
        ("metrics.jsonl", b"\xff\xfe\n", "damaged"),
        ("metrics.jsonl", b"[]\n", "damaged"),
        ("config.json", b"", "config.json cannot be read"),
        ("config.json", b"{}", "env"),
        ("config.json", None, "no config.json"),
        ("evaluation.json", b"{", "evaluation.json cannot be read"),
        ("evaluation.json", b"{}", "env"),
        ("metrics.jsonl", json.dumps(ROW | {"return_mean": math.nan}).encode() + b"\n", "NaN is no number"),
        ("metrics.jsonl", json.dumps(ROW | {"policy_s": math.inf}).encode() + b"\n", "Infinity is no number"),
        ("evaluation.json", json.dumps(measured(math.nan)).encode(), "NaN is no number"),
        ("evaluation.json", json.dumps(measured(0.9, return_ci95=[0.1, math.inf])).encode(), "Infinity is no number"),
        *[
            ("metrics.jsonl", json.dumps({**ROW, **row}).encode() + b"\n", said)
            for row, said in (
                ({"decisions": math.inf}, "Infinity is no number"),
                ({"decisions": 1.5}, "its decisions is 1.5"),
                ({"decisions": True}, "its decisions is True"),
                ({"decisions": -1}, "its decisions is -1"),
                ({"decisions": 10**30}, "its decisions is"),
                ({"decisions": "128"}, "its decisions is '128'"),
                ({"episodes": None}, "its episodes is None"),
                ({"return_mean": "a"}, "its return_mean is 'a'"),
                ({"return_mean": 1e300}, r"its return_mean is 1e+300"),
                ({"success_rate": []}, "its success_rate is []"),
                ({"policy_s": {}}, "its policy_s is {}"),
            )
        ],
        ("metrics.jsonl", (json.dumps(ROW) + "\n").encode() * 2, "not more than the line before"),
        ("metrics.jsonl", b"[" * 100_000 + b"\n", "damaged"),
        ("metrics.jsonl", b"9" * 5_000 + b"\n", "damaged"),
        *[
            ("evaluation.json", json.dumps({**measured(0.9), **entry}).encode(), said)
            for entry, said in (
                ({"episodes": math.inf}, "Infinity is no number"),
                ({"episodes": "many"}, "its episodes is 'many'"),
                ({"success_rate": 3}, "its success_rate is 3"),
                ({"return_ci95": 5}, "its return_ci95 is 5"),
                ({"return_ci95": [2, 1]}, "its return_ci95 is [2, 1]"),
                ({"return_ci95": [1, 2, 3]}, "its return_ci95 is"),
                ({"hardware": 7}, "its hardware is 7"),
                ({"env": {}}, "its env is {}"),
                ({"env_kwargs": [1]}, "its env_kwargs is [1]"),
                ({"gamma": None}, "its gamma is None"),
            )
        ],
        ("evaluation.json", b"[1]", "JSON object"),
        ("untrained.json", json.dumps(measured(0.1, normalization="word")).encode(), "has no model"),
        ("untrained.json", json.dumps(measured(0.1, model=1, normalization="word")).encode(), "its model is 1"),
        ("versions.json", b"[1]", "JSON object"),
        *[
            ("config.json", json.dumps({"env": ENV, "seed": 4, "kind": "x", **SIZES, **entry}).encode(), said)
            for entry, said in (
                ({"num_envs": 0}, "its num_envs is 0"),
                ({"rollout_steps": None}, "its rollout_steps is None"),
                ({"total_steps": 1e4}, "its total_steps is 10000.0"),
                ({"seed": "1"}, "its seed is '1'"),
                ({"env": 1}, "its env is 1"),
                ({"kind": {}}, "its kind is {}"),
                ({"gamma": "x"}, "its gamma is 'x'"),
            )
        ],
        ("config.json", json.dumps({"env": ENV, "seed": 4, "clip": -1.0}).encode(), "--clip is -1.0"),
    ],
)
def test_a_damaged_run_is_named_with_the_reason_and_the_others_are_counted(experiment, file, content, said):
    path = experiment / "T" / "a" / "seed-4" / file
    path.unlink() if content is None else path.write_bytes(content)
    collection = collect(experiment)
    ((where, reason),) = collection.unreadable.items()
    assert where == "T/a/seed-4"
    assert said in reason
    assert len(reason) < 500
    assert world(experiment)["methods"]["a"]["return"]["iqm"] == pytest.approx(0.2)


def test_a_half_written_last_line_is_left_out(experiment):
    with open(experiment / "T" / "a" / "seed-1" / "metrics.jsonl", "a") as file:
        file.write('{"decisions": 99')
    assert world(experiment)["methods"]["a"]["return"]["seeds"] == 4


def test_over_several_worlds_returns_are_put_on_one_scale(experiment):
    other = "twosome/Entertainment-v0"
    for name, mean in (("random", 10.0), ("planner", 30.0)):
        path = experiment / "E" / f"{name}.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(measured(mean, env=other)))
    runs = json.loads((experiment / "experiment.json").read_text())
    for seed in (1, 2, 3, 4):
        make_run(experiment / "E" / "a" / f"seed-{seed}", seed, 20.0, env=other)
        runs["runs"].append({"path": f"E/a/seed-{seed}", "method": "a"})
    (experiment / "experiment.json").write_text(json.dumps(runs))
    everything = summarize(collect(experiment))["all_worlds"]
    # Of 0.1, 0.2, 0.3, 0.9 and four times 0.5 the middle four are 0.3, 0.5, 0.5, 0.5; "b" did not play everywhere.
    assert list(everything["methods"]) == ["a"]
    assert everything["methods"]["a"]["iqm"] == pytest.approx((0.3 + 3 * 0.5) / 4)


def test_the_page_needs_no_other_file_and_its_picture_shows_something(experiment, capsys):
    assert main(["report", str(experiment)]) == 0
    assert "IQM over 4 seeds" in capsys.readouterr().out
    page, text = ((experiment / f"report.{kind}").read_text() for kind in ("html", "md"))
    assert {source[:22] for source in re.findall(r'src="([^"]*)"', page)} == {"data:image/png;base64,"}
    assert not re.findall(r"https?://|<link|<script", page)
    (picture,) = re.findall(r"!\[[^\]]*\]\(([^)]+)\)", text)
    assert np.asarray(Image.open(experiment / picture).convert("RGB")).std() > 5
    for part in ("0.250", "Probability of improvement", "actor_lr", "0.1.0", "cores"):
        assert part in page
        assert part in text


@pytest.mark.parametrize("length", [1, 16, 40])
def test_the_names_of_many_methods_stay_in_the_picture(experiment, length):
    runs = {f"{i}" * length: collect(experiment).runs[:1] for i in range(8)}
    with Image.open(io.BytesIO(curves(runs, {}, "T"))) as image:
        pixels = np.asarray(image.convert("L"))
    assert (pixels[:, :2] == 255).all()
    assert (pixels[:, -2:] == 255).all()


def test_names_from_outside_are_text_on_the_page(experiment):
    (experiment / "experiment.json").unlink()
    make_run(experiment / "x", 1, 0.5, model="<script>alert(1)</script>|")
    main(["report", str(experiment)])
    assert "<script>" not in (experiment / "report.html").read_text()
    assert "&lt;/script&gt;\\|" in (experiment / "report.md").read_text()


def test_json_prints_one_document_and_writes_nothing(experiment, capsys):
    before = sorted(experiment.rglob("*"))
    assert main(["report", str(experiment), "--json"]) == 0
    assert set(json.loads(capsys.readouterr().out)["worlds"]) == {"TomatoSalad-v0"}
    assert sorted(experiment.rglob("*")) == before


def test_methods_of_several_experiments_keep_apart(experiment):
    for name in ("one", "two"):
        make_run(experiment / name / "run", 1, 0.5)
        content = {"name": name, "runs": [{"path": "run", "method": "m"}]}
        (experiment / name / "experiment.json").write_text(json.dumps(content))
    assert {"one/m", "two/m", "e/a", "e/b"} == set(world(experiment)["methods"])


def test_a_folder_without_runs_is_refused(tmp_path):
    with pytest.raises(RunError, match="no run below"):
        collect(tmp_path)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"{}",
        b"\xff",
        b'{"name": 1, "runs": []}',
        b'{"name": "e", "runs": {}}',
        b'{"name": "e", "runs": [1]}',
        b'{"name": "e", "runs": [{"path": "T"}]}',
        b'{"name": "e", "runs": [{"path": 1, "method": "m"}]}',
    ],
)
def test_an_experiment_that_says_nothing_is_named_and_its_runs_are_counted(experiment, content):
    (experiment / "experiment.json").write_bytes(content)
    collection = collect(experiment)
    assert list(collection.unreadable) == ["experiment.json"]
    assert len(collection.runs) == 6


@pytest.mark.parametrize("name", ["random.json", "planner.json"])
@pytest.mark.parametrize("content", [b"", b"[]", b'{"env": 1}', json.dumps(measured(math.nan)).encode(), None])
def test_a_result_that_cannot_be_read_is_named_and_the_runs_are_counted(experiment, name, content):
    path = experiment / "T" / name
    path.unlink()
    path.mkdir() if content is None else path.write_bytes(content)
    assert main(["report", str(experiment)]) == 0
    assert (f"T/{name}" in (experiment / "report.md").read_text()) == (content is not None)


def test_of_two_results_of_one_player_the_one_over_more_episodes_counts(experiment):
    for folder, mean, episodes in (("A", 0.7, 20), ("Z", 0.8, 5)):
        (experiment / folder).mkdir()
        (experiment / folder / "planner.json").write_text(json.dumps(measured(mean, episodes=episodes)))
    assert world(experiment)["references"]["planner"]["return_mean"] == 0.7


def test_folders_that_cannot_be_looked_into_are_named(experiment, monkeypatch):
    inside = os.scandir

    def scandir(path):
        if str(path).endswith("seed-2"):
            raise PermissionError(13, "Permission denied", str(path))
        return inside(path)

    monkeypatch.setattr(os, "scandir", scandir)
    collection = collect(experiment)
    assert collection.unreadable == dict.fromkeys(
        ("T/a/seed-2", "T/b/seed-2"), "a file cannot be read: Permission denied"
    )
    assert len(collection.runs) == 4


def test_links_in_a_circle_and_deep_folders_end_no_report(experiment):
    (experiment / "loop").symlink_to(experiment / "loop")
    (experiment / "up").symlink_to(experiment)
    experiment.joinpath(*"d" * 60).mkdir(parents=True)
    collection = collect(experiment)
    assert list(collection.unreadable) == ["/".join("d" * 50)]
    assert len(collection.runs) == 6


def test_a_run_that_is_deleted_meanwhile_is_named(experiment, monkeypatch):
    read = collecting._read

    def slow(path, name):
        if path.name == "seed-2":
            shutil.rmtree(path)
        return read(path, name)

    monkeypatch.setattr(collecting, "_read", slow)
    assert set(collect(experiment).unreadable) == {"T/a/seed-2", "T/b/seed-2"}


@pytest.mark.parametrize(
    "name", ["$x^$", "$", "\\frac{", "_hidden", "<b>", "a\x1b[31mb", "a\nb", "\u4e2d\u6587", "x" * 500, "[red]"]
)
def test_names_of_any_letters_are_drawn_and_printed_as_they_are(experiment, name, capsys):
    file = experiment / "experiment.json"
    runs = json.loads(file.read_text())
    runs["runs"] = [{**row, "method": name} if row["method"] == "a" else row for row in runs["runs"]]
    file.write_text(json.dumps(runs))
    for seed in (1, 2):
        model = measured(0.1, model=name, normalization="word")
        (experiment / "T" / "b" / f"seed-{seed}" / "untrained.json").write_text(json.dumps(model))
    make_run(experiment / "other", 1, 0.5, env_kwargs={"task": name})
    assert main(["report", str(experiment)]) == 0
    printed = capsys.readouterr().out
    assert "\x1b" not in printed
    (shown,) = {run.method for run in collect(experiment).runs} - {"b", "hearth"}
    assert shown in printed
    assert len(shown) < 100
    assert len(list(experiment.glob("report-*.png"))) == 2


def test_worlds_whose_names_differ_in_a_sign_have_a_picture_each(experiment):
    for sign in "!?":
        make_run(experiment / f"other-{ord(sign)}", 1, 0.5, env_kwargs={"task": f"salad{sign}"})
    main(["report", str(experiment)])
    text = (experiment / "report.md").read_text()
    pictures = re.findall(r"!\[[^\]]*\]\(([^)]+)\)", text)
    assert len(set(pictures)) == 3
    assert all((experiment / picture).is_file() for picture in pictures)


def test_a_full_disk_leaves_the_report_before_whole(experiment, monkeypatch, capsys):
    main(["report", str(experiment)])
    names = ("report.html", "report.md", "report-TomatoSalad-v0.png")
    before = {name: (experiment / name).read_bytes() for name in names}
    make_run(experiment / "new", 1, 0.5)

    def full(path, mode="r", *args, **kwargs):
        if str(path).endswith("report.md"):
            raise OSError(28, "No space left on device", str(path))
        return opened(path, mode, *args, **kwargs)

    opened = open
    monkeypatch.setattr(page, "open", full, raising=False)
    assert main(["report", str(experiment)]) == 1
    assert "No space left" in capsys.readouterr().err
    assert {name: (experiment / name).read_bytes() for name in names} == before
    assert not list(experiment.glob(".writing-*"))


NUMBER = {"what": "greedy return", "mean": 0.5, "interval": [0.25, 0.75], "n": 10}


def test_further_measurements_are_reported_over_the_seeds(experiment):
    for seed, mean in ((1, 0.5), (2, 0.75)):
        (path,) = experiment.rglob(f"a/seed-{seed}")
        others = [{"what": "paper: success", "world": "Pizza", "mean": 1.0}, {**NUMBER, "method": "random"}]
        content = {"numbers": [{**NUMBER, "mean": mean}, *others]}
        (path / "also-greedy.json").write_text(json.dumps(content))
    assert main(["report", str(experiment)]) == 0
    text = (experiment / "report.md").read_text()
    (greedy,) = re.findall(r"^\| greedy return \|.*", text, re.MULTILINE)
    assert "| 0.625 (0.500 to 0.750) |" in greedy
    assert "| paper: success, Pizza |" in text


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("[]", "also-greedy.json"),
        ("{}", "its numbers are None"),
        ('{"numbers": [3]}', "its numbers are"),
        (json.dumps({"numbers": [{**NUMBER, "what": ""}]}), "its what is"),
        (json.dumps({"numbers": [{**NUMBER, "mean": "much"}]}), "its mean is"),
        (json.dumps({"numbers": [{**NUMBER, "interval": [3, 1]}]}), "its interval is"),
        (json.dumps({"numbers": [{**NUMBER, "seed": 1}]}), "a number has"),
    ],
)
def test_a_damaged_measurement_is_named_and_its_run_not_counted(experiment, content, said):
    path = collect(experiment).runs[0].path
    (path / "also-greedy.json").write_text(content)
    collection = collect(experiment)
    (reason,) = collection.unreadable.values()
    assert said in reason
    assert path not in [run.path for run in collection.runs]


def test_the_time_to_a_level_is_that_of_the_updates_until_it_was_reached(experiment, tmp_path):
    file = tmp_path / "numbers.json"
    assert main(["report", str(experiment), "--numbers", str(file)]) == 0
    found = {(n.method, n.seed): n.mean for n in Results.load(file).numbers if n.what == "seconds to 90 %"}
    assert found == {("a", 1): 18, ("a", 2): 21, ("a", 3): 24, ("a", 4): None, ("b", 1): None, ("b", 2): None}


def test_how_much_was_invalid_is_told_of_the_start_the_middle_and_the_end(experiment, tmp_path):
    path = experiment / "T" / "a" / "seed-1" / "metrics.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    shares = (0.9, 0.8, 0.7, 0.5, 0.4, 0.3, 0.2, 0.1)
    path.write_text(
        "".join(json.dumps({**row, "invalid_share": share}) + "\n" for row, share in zip(rows, shares, strict=True))
    )
    file = tmp_path / "numbers.json"
    assert main(["report", str(experiment), "--numbers", str(file)]) == 0
    found = [(n.what, n.method, n.seed, n.mean) for n in Results.load(file).numbers if "invalid" in n.what]
    whole = pytest.approx(sum(shares) / len(shares))
    parts = (("start", 0.9), ("middle", 0.5), ("end", 0.1), ("all", whole))
    assert found == [(f"invalid share, {when}", "a", 1, share) for when, share in parts]


def test_numbers_are_not_written_of_a_part(experiment, tmp_path, capsys):
    file = tmp_path / "numbers.json"
    assert main(["report", str(experiment), "--numbers", str(file)]) == 0
    rows = Results.load(file).numbers
    assert {row.what for row in rows} >= {"return", "success", "decisions to 90 %", "seconds"}
    (collect(experiment).runs[0].path / "evaluation.json").unlink()
    file.unlink()
    assert main(["report", str(experiment), "--numbers", str(file)]) == 1
    assert "runs below" in capsys.readouterr().err
    assert not file.exists()


def test_a_paper_gets_curves_a_table_and_the_numbers_behind_them(experiment, tmp_path):
    folder = tmp_path / "figures"
    assert main(["report", str(experiment), "--paper", str(folder)]) == 0
    assert (folder / "report-TomatoSalad-v0.pdf").read_bytes().startswith(b"%PDF")
    width = re.search(r'<svg[^>]* width="([\d.]+)pt"', (folder / "report-TomatoSalad-v0.svg").read_text())
    assert width is not None
    assert float(width[1]) == pytest.approx(3.4 * 72)
    runs = list(csv.DictReader((folder / "results.csv").read_text().splitlines()))
    assert [row["return_mean"] for row in runs if row["method"] == "a"] == ["0.1", "0.2", "0.3", "0.9"]
    updates = list(csv.DictReader((folder / "curves.csv").read_text().splitlines()))
    assert [row["decisions"] for row in updates if row["method"] == "b"] == 2 * [str(128 * i) for i in range(1, 9)]
    assert "& a & 0.250 & [0.100, 0.900] & 50.0\\,\\% & 960 & 4 \\\\" in (folder / "results.tex").read_text()


def test_a_name_is_text_in_latex_and_no_formula_in_a_spreadsheet(experiment, tmp_path):
    file = experiment / "experiment.json"
    file.write_text(file.read_text().replace('"method": "a"', '"method": "=a_1 & 50% \\\\x{}$#~^"'))
    assert main(["report", str(experiment), "--paper", str(tmp_path / "figures")]) == 0
    table, results = ((tmp_path / "figures" / f"results.{kind}").read_text() for kind in ("tex", "csv"))
    escaped = r"=a\_1 \& 50\% \textbackslash{}x\{\}\$\#\textasciitilde{}\textasciicircum{}"
    assert f"& {escaped} &" in table
    assert "TomatoSalad-v0,'=a_1 & 50% \\x" in results


def test_a_panel_has_no_more_curves_than_can_be_told_apart(experiment):
    run = collect(experiment).runs[:1]
    heights = [
        Image.open(io.BytesIO(curves({f"m{i}": run for i in range(number)}, {}, "T"))).height
        for number in (len(STYLES), len(STYLES) + 1)
    ]
    assert heights[1] == 2 * heights[0]
    assert len({color for color, _ in STYLES}) == len({style for _, style in STYLES}) == len(STYLES) == 6


def test_runs_are_a_table_of_pandas_with_a_row_for_each_update(experiment):
    pytest.importorskip("pandas", reason="pip install 'twosome[pandas]'")
    (experiment / "T" / "b" / "seed-2" / "config.json").write_text("{")
    table = twosome.load_runs(experiment)
    assert len(table) == 5 * 8
    assert table.groupby("method")["final_return"].max().to_dict() == {"a": 0.9, "b": 0.2}
    assert list(table[table["run"].str.endswith("a/seed-1")]["decisions"]) == [128 * i for i in range(1, 9)]
    assert list(table.attrs["unreadable"]) == ["T/b/seed-2"]


def test_a_table_of_pandas_without_pandas_says_what_to_install(experiment, monkeypatch):
    monkeypatch.setattr("twosome.extras._installed", lambda module: False)
    with pytest.raises(MissingExtraError, match=r"pip install 'twosome\[pandas\]'"):
        twosome.load_runs(experiment)
