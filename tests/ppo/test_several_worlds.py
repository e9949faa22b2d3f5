"""One policy in several environments at once, each with its own discount, seeds and metrics."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch

from tests.environments import Counting, counting_run
from twosome.cli import main
from twosome.cli.showing import show
from twosome.cli.train import parse_train
from twosome.config import TrainConfig
from twosome.envs import text
from twosome.envs.checked import env_seeds
from twosome.envs.losses import Losses
from twosome.envs.remote import EnvPool
from twosome.errors import ConfigError, EnvError, RunError
from twosome.experiment.grid import read_grid
from twosome.experiment.settings import flags
from twosome.policy.uniform import Uniform
from twosome.ppo.gae import estimate_advantages
from twosome.ppo.reward_scale import RewardScale, scaled_by_world
from twosome.ppo.state import RunState
from twosome.ppo.train import Trainer, resume, train
from twosome.report.collect import collect
from twosome.rollout import Collector, Episode
from twosome.runs import EVALUATION, RunDirectory

ONE, OTHER = "twosome-tests/Counting-v0", "twosome-tests/Rewarding-v0"


class Rewarding(Counting):
    """`Counting` with a hundred times the rewards, at another discount and up to three decisions."""

    gamma = 0.5

    def __init__(self) -> None:
        super().__init__(limit=3)

    def step(self, action: int):
        observation, reward, *rest = super().step(action)
        return observation, 100 * reward, *rest


gymnasium.register(OTHER, Rewarding)


def joint_run(path: Path, **settings: Any) -> TrainConfig:
    return replace(counting_run(path, **settings), more_envs=(OTHER,))


def rows_of(path: Path) -> list[dict[str, Any]]:
    rows = RunDirectory.open(path).read_metrics()
    return [{name: value for name, value in row.items() if not name.endswith("_s")} for row in rows]


# -- settings ------------------------------------------------------------------------------------------


def test_the_command_takes_an_environment_for_each_env_and_adds_up_their_budgets():
    config = parse_train(
        ["--env", "FoodPreparation", "--seed", "2", "--env=Entertainment", "--env", "TomatoSalad"]
    ).config
    assert config.envs == ("FoodPreparation", "Entertainment", "TomatoSalad")
    assert (config.total_steps, config.num_envs, config.seed) == (70_000, 6, 2)
    assert config.entropy_coef_final == 0.01  # their own differ
    assert config.folder.name == "FoodPreparation+Entertainment+TomatoSalad-2"
    assert len(bytes(TrainConfig(env="茶" * 50, more_envs=("湯" * 50, "飯" * 50)).folder)) < 200
    assert parse_train(["--env", "FoodPreparation", "--more_envs", "Entertainment"]).config.total_steps == 60_000


@pytest.mark.parametrize("words", [["--env", "B", "--more_envs", "C"], ["--env", "--seed", "1"], ["--env="], ["--env"]])
def test_no_env_of_several_is_dropped_nor_taken_for_another_flag(words):
    with pytest.raises(ConfigError, match=r"--more-envs is given, and --env 2 times|without a name after 'A'"):
        parse_train(["--env", "A", *words])


def test_only_training_takes_several_environments(capsys):
    with pytest.raises(SystemExit):
        main(["eval", "--env", "TomatoSalad", "--env=Entertainment", "--policy", "random"])
    assert "a single --env" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"more_envs": ("twosome/FoodPreparation-v0",), "env": "twosome/FoodPreparation-v0"}, "twice.*Name it once"),
        ({"more_envs": ("Entertainment",), "num_envs": 5}, "--num-envs is 5 for 2.*multiple of 2.*Take 4"),
        ({"more_envs": ("Entertainment", "Cheese"), "num_envs": 2}, "multiple of 3.*Take 3"),
        ({"more_envs": ("Entertainment",), "env_kwargs": {"a": 1}}, "--env-kwargs.*2 environments.*Register"),
        ({"more_envs": tuple(map(str, range(1000)))}, "--more-envs.*fewer than 1,000 names"),
    ],
    ids=["twice", "shares", "too few", "arguments", "too many"],
)
def test_environments_that_cannot_be_trained_together_are_refused_with_the_remedy(settings, words):
    with pytest.raises(ConfigError, match=words):
        TrainConfig(**{"env": "FoodPreparation", **settings})


def test_a_run_in_one_environment_writes_the_settings_that_it_always_wrote():
    assert "more_envs" not in TrainConfig().to_json()
    several = TrainConfig(more_envs=("Cheese",))
    assert TrainConfig.from_json(json.loads(json.dumps(several.to_json()))) == several


def test_one_environment_by_two_names_is_refused_before_a_model_is_loaded(tmp_path):
    config = TrainConfig(env="Cheese", more_envs=("twosome/Cheese-v0",), model="/nowhere", output=tmp_path / "run")
    with pytest.raises(ConfigError, match=r"'Cheese-v0' twice"):
        train(config)


# -- collecting and learning ---------------------------------------------------------------------------


def test_environments_alternate_with_seeds_and_discounts_of_their_own():
    makers = [lambda: text.make(ONE), lambda: text.make(OTHER)]
    with Collector(makers, 4, (0.9, 0.5), seed=7) as collector:
        rollout = collector.collect(Uniform(), 60, np.random.default_rng(0))
        assert [env.name for env in collector.envs] == [ONE, OTHER] * 2
    assert [place["seed"] for place in collector.state()["places"]] == env_seeds(7, 4)
    assert {episode.world for episode in rollout.episodes} == {0, 1}
    for world, (gamma, scale) in enumerate([(0.9, 1), (0.5, 100)]):
        # "go left" after a "wait" of three steps, among others.
        found = {round(e.discounted_return, 6) for e in rollout.episodes if e.world == world and e.length == 4}
        assert round(scale * gamma**3, 6) in found


@pytest.mark.slow
def test_environments_of_several_kinds_share_the_workers_and_give_the_same_numbers():
    pool = EnvPool(ONE, {}, None, 1)
    sources = [pool, EnvPool(OTHER, {}, None, 1, beside=pool)]
    with Collector(sources, 2, (0.9, 0.5), seed=7) as collector:
        found = collector.collect(Uniform(), 6, np.random.default_rng(0))
        assert len(pool.envs) == 2
    with Collector([lambda: text.make(ONE), lambda: text.make(OTHER)], 2, (0.9, 0.5), seed=7) as collector:
        expected = collector.collect(Uniform(), 6, np.random.default_rng(0))
    assert found.episodes == expected.episodes
    np.testing.assert_equal(found.rewards, expected.rewards)


def test_a_lost_episode_is_told_of_the_environment_that_it_was_played_in(tmp_path):
    class Broken(Counting):
        def step(self, action: int):
            raise OSError("the server is gone")

    losses = Losses((ONE, OTHER), {}, 0, tmp_path)
    with (
        Collector([lambda: text.make(ONE), Broken], 2, (0.9, 0.5), seed=1, losses=losses) as collector,
        pytest.raises(EnvError, match="the server is gone"),
    ):
        collector.collect(Uniform(), 3, np.random.default_rng(0))
    (replay,) = tmp_path.glob("*.json")
    assert json.loads(replay.read_text())["env"] == OTHER


def test_each_environment_is_discounted_as_if_it_were_alone():
    rng = torch.Generator().manual_seed(0)
    rewards, values, following = (torch.rand(5, 4, generator=rng) for _ in range(3))
    durations = torch.randint(1, 4, (5, 4), generator=rng)
    ends = torch.rand(5, 4, generator=rng) < 0.3
    arrays = (rewards, durations, values, following, ends, torch.zeros_like(ends))
    together = estimate_advantages(*arrays, gamma=torch.tensor([0.9, 0.5]).repeat(2), gae_lambda=0.9)
    for i, gamma in enumerate([0.9, 0.5, 0.9, 0.5]):
        alone = estimate_advantages(*(array[:, i : i + 1] for array in arrays), gamma=gamma, gae_lambda=0.9)
        torch.testing.assert_close(together.advantages[:, i : i + 1], alone.advantages)


def test_rewards_are_divided_by_the_scale_of_their_environment():
    with Collector([lambda: text.make(ONE), lambda: text.make(OTHER)], 4, (0.9, 0.5), seed=7) as collector:
        rollout = collector.collect(Uniform(), 12, np.random.default_rng(0))
    scales = [RewardScale(), RewardScale()]
    scaled = scaled_by_world(scales, rollout, (0.9, 0.5))
    assert [scale.divisor for scale in scales] == [1.0, 100.0]
    np.testing.assert_array_equal(scaled.rewards[:, 1::2], rollout.rewards[:, 1::2] / 100)
    np.testing.assert_array_equal(scaled.rewards[:, ::2], rollout.rewards[:, ::2])


@pytest.mark.parametrize("algorithm", ["ppo", "grpo", "poad"])
def test_metrics_are_of_each_environment_and_their_mean(algorithm, tmp_path):
    path = train(joint_run(tmp_path / "run", algorithm=algorithm))
    config = RunDirectory.open(path).read_config()
    assert (config["env"], config["more_envs"], config["gamma"]) == (ONE, [OTHER], None)
    for row in rows_of(path):
        for name in ("return_mean", "success_rate", "length_mean"):
            assert row[name] == np.mean([row[f"{world}/{name}"] for world in (ONE, OTHER)])
        assert row["episodes"] == row[f"{ONE}/episodes"] + row[f"{OTHER}/episodes"]
        assert row[f"{OTHER}/return_mean"] > 5 > row[f"{ONE}/return_mean"]


@pytest.mark.parametrize("setting", [{}, {"normalize_rewards": True, "self_imitation_steps": 1}], ids=str)
def test_stopped_and_resumed_a_run_in_several_environments_ends_as_if_it_had_never_stopped(setting, tmp_path):
    whole = train(joint_run(tmp_path / "whole", **setting))
    halves = tmp_path / "halves"
    train(joint_run(halves, **setting), stop=lambda metrics: metrics["update"] == 1)
    shutil.copytree(halves, tmp_path / "other")
    assert resume(halves) == halves
    assert rows_of(halves) == rows_of(whole)
    last = RunDirectory.open(whole).checkpoint()
    for file in last.glob("*.safetensors"):
        assert (halves / "checkpoints" / last.name / file.name).read_bytes() == file.read_bytes()

    settings = tmp_path / "other" / "config.json"
    content = json.loads(settings.read_text())
    settings.write_text(json.dumps({**content, "more_envs": ["twosome/Cheese-v0"]}))
    with pytest.raises(RunError, match=r"more_envs is .* and was"):
        resume(tmp_path / "other")


def test_the_best_checkpoint_has_the_highest_success_and_then_the_highest_return():
    """Whatever the scale of one environment's returns, it does not outvote the other."""
    config = joint_run(Path("run"))
    state = RunState.of(config)

    def is_best(name: str, *worlds: tuple[float, float]) -> bool:
        for number, (window, (mean, success)) in enumerate(zip(state.windows.values(), worlds, strict=True)):
            window.recent.extend(Episode(mean, 1, 1, i < 100 * success, number) for i in range(100))
        return state.is_best(name)

    assert is_best("a", (0.5, 0.5), (100.0, 0.5))
    assert not is_best("b", (0.1, 0.1), (900.0, 0.6))
    assert is_best("c", (0.6, 0.6), (50.0, 0.5))
    assert is_best("d", (0.7, 0.6), (50.0, 0.5))
    state.windows[OTHER].recent.pop()
    state.best_return = 0.0
    assert not state.is_best("e")


def test_an_environment_without_a_planner_is_named_where_its_planner_is_to_be_imitated(tmp_path):
    config = TrainConfig(
        env="Cheese", more_envs=(ONE,), warm_start_episodes=1, total_steps=128, output=tmp_path / "run"
    )
    with pytest.raises(EnvError, match=f"{ONE}.*planner"), Trainer(config) as trainer:
        trainer.warm_start()


def test_a_function_cannot_stand_for_one_of_several_environments(tmp_path):
    with pytest.raises(ConfigError, match=r"beside it.*Register"):
        train(joint_run(tmp_path / "run"), env=Counting)


# -- what is made of the run ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    return train(joint_run(tmp_path_factory.mktemp("several") / "run", total_steps=192))


def test_a_run_is_measured_in_each_of_its_environments_or_in_one(finished, capsys):
    assert main(["eval", str(finished), "--episodes", "5", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert [world["env"] for world in document["worlds"]] == [ONE, OTHER]
    assert [world["gamma"] for world in document["worlds"]] == [0.9, 0.5]
    assert document["return_mean"] == np.mean([world["return_mean"] for world in document["worlds"]])
    assert main(["eval", str(finished), "--episodes", "5", "--env", OTHER, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["return_mean"] == document["worlds"][1]["return_mean"]
    assert main(["eval", str(finished), "--policy", "saycan"]) == 1
    assert "Name one of them with --env" in capsys.readouterr().err


def test_a_report_has_the_run_in_each_of_its_environments(finished, tmp_path, capsys):
    shutil.copytree(finished, tmp_path / "joint")
    train(counting_run(tmp_path / "alone"))
    assert main(["eval", str(finished), "--episodes", "5", "--json"]) == 0
    document = {**json.loads(capsys.readouterr().out), "hardware": {"cpu": "abacus"}}
    (tmp_path / "joint" / EVALUATION).write_text(json.dumps(document))
    found = collect(tmp_path)
    assert found.unreadable == {}
    runs = {(run.world, run.path.name): run for run in found.runs}
    assert set(runs) == {(ONE, "joint"), (OTHER, "joint"), (ONE, "alone")}
    last = rows_of(finished)[-1]
    for world in (ONE, OTHER):
        joint = runs[world, "joint"]
        assert joint.metrics[-1]["return_mean"] == last[f"{world}/return_mean"]
        assert joint.evaluation is not None
        assert (joint.evaluation["env"], joint.evaluation["hardware"]) == (world, {"cpu": "abacus"})
    assert f"trained with {OTHER}" in runs[ONE, "joint"].method
    assert runs[OTHER, "joint"].method == f"hearth, trained with {ONE}"
    assert "trained with" not in runs[ONE, "alone"].method


def test_a_report_takes_more_environments_of_no_other_kind_of_method(finished, tmp_path):
    path = tmp_path / "run"
    shutil.copytree(finished, path)
    config = json.loads((path / "config.json").read_text())
    kept = {name: config[name] for name in ("env", "seed", "num_envs", "rollout_steps", "total_steps")}
    (path / "config.json").write_text(json.dumps({**kept, "kind": "mine", "more_envs": 5}))
    assert [run.world for run in collect(tmp_path).runs] == [ONE]


def test_show_draws_each_environment(finished, tmp_path, capsys):
    path = tmp_path / "run"
    shutil.copytree(finished, path)
    worlds = show(path, episodes=3)
    assert list(worlds) == [ONE, OTHER]
    for world in worlds:
        assert f"{world}, 3 fresh episodes" in capsys.readouterr().out or world == OTHER
        assert (path / f"learning_curve-{world.replace('/', '-')}.png").is_file()
        assert (path / f"watch-{world.replace('/', '-')}.html").is_file()


def test_the_module_of_each_environment_needs_consent(finished, tmp_path, capsys):
    path = tmp_path / "run"
    shutil.copytree(finished, path)
    config = path / "config.json"
    config.write_text(config.read_text().replace(f'"{OTHER}"', '"somebodys.module:Env-v0"'))
    assert main(["train", "--resume", str(path)]) == 1
    assert "wants to import the Python module 'somebodys.module'" in capsys.readouterr().err


def test_a_method_of_an_experiment_may_be_trained_in_several_environments(tmp_path):
    file = tmp_path / "file.toml"
    file.write_text(f'envs = ["{ONE}"]\nseeds = [1]\n[methods.joint]\nmore_envs = ["Cheese"]\ntotal_steps = 256')
    grid = read_grid(file)
    (cell,) = grid.cells
    assert isinstance(cell.config, TrainConfig)
    assert cell.config.envs == (ONE, "twosome/Cheese-v0")
    assert flags(cell.given) == ["--more-envs", "Cheese", "--total-steps=256"]
    assert {(reference.env, reference.policy) for reference in grid.references} == {
        (ONE, "random"),
        ("twosome/Cheese-v0", "random"),
        ("twosome/Cheese-v0", "planner"),
    }
    file.write_text(file.read_text().replace('"Cheese"', '"somebodys.module:Env-v0"'))
    with pytest.raises(RunError, match=r"somebodys\.module"):
        read_grid(file)


class Placed(Counting):
    """`Counting` with an argument that is a place."""

    def __init__(self, place: str) -> None:
        super().__init__()

    @staticmethod
    def resolve_arguments(kwargs: dict[str, Any]) -> dict[str, Any]:
        return {"place": str(Path("/somewhere") / kwargs["place"])}


def test_the_runs_of_an_experiment_have_the_arguments_that_they_will_have_written(tmp_path):
    gymnasium.register("twosome-tests/Placed-v0", Placed)
    file = tmp_path / "file.toml"
    file.write_text(
        'envs = ["twosome-tests/Placed-v0"]\nseeds = [1]\n[settings.env_kwargs]\nplace = "there"\n[methods.one]'
    )
    grid = read_grid(file)
    assert isinstance(grid.cells[0].config, TrainConfig)
    kwargs = [grid.cells[0].config.env_kwargs, *(reference.env_kwargs for reference in grid.references)]
    assert kwargs == [{"place": "/somewhere/there"}] * 2
