"""What earned a reward is learned again, as long as rewards are rare."""

import json
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch

import tests.environments
from tests.environments import counting_run
from twosome.config import TrainConfig
from twosome.decision import Decision
from twosome.envs.losses import EpisodeLostWarning
from twosome.errors import CheckpointError, ConfigError
from twosome.policy.critic import State
from twosome.policy.tuning import trainable
from twosome.policy.uniform import Uniform
from twosome.ppo import self_imitation
from twosome.ppo.self_imitation import EPISODES, Deed, Imitation, OwnEpisodes, returns_of
from twosome.ppo.state import RunState, create_run, save
from twosome.ppo.train import Trainer, train
from twosome.rollout import Episode, Rollout
from twosome.runs import STATE, RunDirectory


def valued(**values: float) -> Callable[[Sequence[State]], torch.Tensor]:
    """A critic that knows the prompts by what they begin with."""
    return lambda states: torch.tensor([values[str(state)[0]] for state in states])


def deed(name: str, reward: float = 0.0, duration: int = 1, action: int = 0) -> Deed:
    return Deed(Decision(f"{name} you", ("go", "stay")), action, reward, duration)


def rollout(rows: list[list[tuple[str, float, bool]]], cut: tuple[tuple[int, int], ...] = ()) -> Rollout:
    """Of rows of (what the prompt begins with, reward, whether the episode ends there)."""
    shape = (len(rows), len(rows[0]))
    ended = np.array([[end for *_, end in row] for row in rows])
    ended[tuple(np.array([place for place in cut if place[0] >= 0], int).reshape(-1, 2).T)] = True
    return Rollout(
        [[deed(name).decision for name, *_ in row] for row in rows],
        [],
        [],
        np.zeros(shape, np.int64),
        np.zeros(shape, np.float32),
        np.array([[reward for _, reward, _ in row] for row in rows], np.float32),
        np.ones(shape, np.int64),
        ended,
        np.zeros(shape, np.bool_),
        cut=list(cut),
    )


def names(own: OwnEpisodes) -> list[str]:
    return ["".join(deed.decision.prompt[0] for deed in path) for path in own.kept]


def test_episodes_with_a_reward_are_kept_whole_also_where_they_go_on_from_rollout_to_rollout():
    own = OwnEpisodes()
    own.take_in(rollout([[("a", 0, False), ("p", 0, True)], [("b", 0, False), ("q", 0, False)]]))
    own.take_in(rollout([[("c", 1, True), ("r", 0, False)], [("d", 0, False), ("s", -1, True)]]))
    assert names(own) == ["abc"]
    assert ["".join(deed.decision.prompt[0] for deed in path) for path in own.running] == ["d", ""]


def test_an_episode_that_was_lost_is_not_kept_nor_taken_for_the_beginning_of_the_next():
    own = OwnEpisodes()
    own.take_in(rollout([[("a", 1, False), ("p", 1, False)]]))
    own.take_in(rollout([[("b", 1, False), ("q", 1, True)], [("c", 1, True), ("r", 1, True)]], cut=((-1, 1), (0, 0))))
    assert names(own) == ["q", "c", "r"]


def test_the_latest_episodes_are_kept_and_of_a_long_one_its_end(monkeypatch):
    size = deed("a").size
    monkeypatch.setattr(self_imitation, "TEXT", 30 * EPISODES * size)
    own = OwnEpisodes()
    for name in "abcdefghijklmnopqrst":
        own.take_in(rollout([[(name, 1, True)]]))
    assert "".join(names(own)) == "abcdefghijklmnopqrst"[-EPISODES:]
    for _ in range(2):
        own.take_in(rollout([[("x", 0, False)] for _ in range(20)]))
    own.take_in(rollout([[("y", 1, True)]]))
    assert len(own.kept[-1]) == 30
    assert own.kept[-1][-1].decision.prompt == "y you"


def test_of_episodes_under_way_no_more_is_kept_than_a_checkpoint_can_tell(monkeypatch):
    monkeypatch.setattr(self_imitation, "TEXT", 2 * 10 * deed("a").size + 1)
    own = OwnEpisodes()
    for _ in range(3):
        own.take_in(rollout([[("a", 1, False), ("b", 0, False)] for _ in range(8)]))
    assert [len(path) for path in own.running] == [10, 10]
    # What is larger than its share leaves nothing, also of an episode that was rewarded.
    monkeypatch.setattr(self_imitation, "TEXT", 0)
    own.take_in(rollout([[("a", 1, True), ("b", 0, False)]]))
    assert (own.running, list(own.kept)) == ([[], []], [])


def test_a_decision_counts_for_no_less_than_a_checkpoint_writes_of_it(monkeypatch):
    padded = Deed(Decision("a you", ("go", *[""] * 100)), 0, 1.0, 1)
    own = OwnEpisodes(kept=deque([[padded]]))
    assert len(json.dumps({"own_episodes": [own.state()]}, indent=2)) < padded.size + 300
    # Several environments together have as much as one.
    monkeypatch.setattr(self_imitation, "TEXT", 2 * 10 * deed("a").size + 1)
    states = RunState.of(TrainConfig(more_envs=("Cheese",))).own_episodes
    for own in states:
        own.take_in(rollout([[("a", 0, False)] for _ in range(30)]))
    assert [len(own.running[0]) for own in states] == [10, 10]


def test_returns_are_discounted_by_primitive_steps():
    path = [deed("a", 1.0, 2), deed("b", 0.0, 3), deed("c", 4.0, 1)]
    assert returns_of(path, 0.5).tolist() == [1 + 0.25 * 0.5, 0.5, 4.0]


def test_what_went_better_than_expected_weighs_as_much_as_it_was_better():
    paths = [[deed("a"), deed("b", 4.0)], [deed("c", 1.0)]]
    found = Imitation(paths, 0.5, 1.0, valued(a=1.0, b=2.0, c=3.0))
    assert found.weights.tolist() == [0.25, 0.5, 0.0]
    drawn = np.bincount(np.concatenate([found.draw(np.random.default_rng(seed)) for seed in range(50)]), minlength=3)
    assert drawn[2] == 0
    assert drawn[1] / drawn[0] == pytest.approx(2, rel=0.15)
    in_other_units = Imitation(paths, 0.5, 4.0, valued(a=0.25, b=0.5, c=0.75))
    assert in_other_units.weights.tolist() == found.weights.tolist()


def test_the_loss_of_what_is_drawn_is_on_average_that_of_all_by_weight():
    paths = [[deed("a"), deed("b", 4.0, action=1)], [deed("c", 1.0)]]
    found = Imitation(paths, 0.5, 1.0, valued(a=1.0, b=2.0, c=0.0))
    log_policy = torch.log(torch.tensor([[0.9, 0.1], [0.8, 0.2], [0.5, 0.5]]))
    plain = -(log_policy[[0, 1, 2], [0, 1, 0]] * torch.tensor(found.weights)).mean().item()
    rng = np.random.default_rng(0)
    drawn = [found.draw(rng) for _ in range(400)]
    losses = [found.loss(log_policy[index], index).loss.item() for index in drawn]
    assert np.mean(losses) == pytest.approx(plain, rel=0.02)


def test_where_all_went_as_expected_nothing_is_drawn():
    found = Imitation([[deed("a", 1.0)]], 0.5, 1.0, valued(a=2.0))
    assert len(found.draw(np.random.default_rng(0))) == 0


@pytest.mark.parametrize(
    ("num_rewarded", "imitates"),
    [(0, True), (49, True), (50, False), (100, False)],
)
def test_it_ends_once_half_of_the_latest_episodes_are_rewarded(num_rewarded, imitates):
    own = OwnEpisodes(kept=deque([[deed("a", 1.0)]]))
    latest = [Episode(float(i < num_rewarded), 1, 1, False) for i in range(100)]
    assert own.worth_imitating(latest) == imitates
    assert not OwnEpisodes().worth_imitating(latest)


@pytest.fixture
def config(tmp_path: Path, monkeypatch) -> TrainConfig:
    monkeypatch.setattr(self_imitation, "ENOUGH", 2.0)  # as if rewards were rare in this environment
    return counting_run(tmp_path / "run", threads=1, gamma=0.9, self_imitation_steps=3, normalization="learned")


def test_imitated_actions_become_more_probable_and_the_temperature_stays(config):
    with Trainer(config) as trainer:
        trainer.rollout = trainer.collector.collect(trainer.actor, 8, trainer.rng)
        trainer.state.count(trainer.rollout)
        # In place of what was met: the action that nothing else would teach.
        decision = tests.environments.decision("You have decided 0 times. Now you", 0)
        trainer.state.own_episodes[0].kept = deque([[Deed(decision, 1, 5.0, 1)]])
        before = trainer.actor.probabilities([decision])[0]
        weights = [parameter.clone() for parameter in trainable(trainer.scorer.model)]
        calibration = [parameter.clone() for parameter in trainer.actor.calibration.parameters()]
        assert trainer.imitate_itself()["self_imitation_loss"] > 0
        trainer.actor.clear_cache()
        assert trainer.actor.probabilities([decision])[0][1] > before[1]
        assert any(not torch.equal(a, b) for a, b in zip(weights, trainable(trainer.scorer.model), strict=True))
        assert all(torch.equal(a, b) for a, b in zip(calibration, trainer.actor.calibration.parameters(), strict=True))
        assert all(parameter.grad is None for parameter in trainer.actor.calibration.parameters())


def test_it_is_in_the_metrics_only_where_it_happened(config, tmp_path, monkeypatch):
    rows = RunDirectory.open(train(config)).read_metrics()
    # The fresh critic expected more than there is, so that nothing was better.
    assert [row.get("self_imitation_loss", 0) > 0 for row in rows] == [False, True, True]
    monkeypatch.setattr(self_imitation, "ENOUGH", 0.0)
    rows = RunDirectory.open(train(replace(config, output=tmp_path / "rich"))).read_metrics()
    assert all("self_imitation_loss" not in row for row in rows)


def test_a_checkpoint_keeps_the_episodes_and_a_damaged_one_is_refused(config, tmp_path):
    path = train(replace(config, checkpoint_every=32))
    folder = RunDirectory.open(path).checkpoint("last")
    with Trainer(config, folder) as trainer:
        (own,) = trainer.state.own_episodes
        assert len(own.kept) == EPISODES
        assert len(own.running) == config.num_envs
        written = json.loads((folder / STATE).read_text())
        assert own.state() == written["own_episodes"]
        assert asdict(own.kept[0][0])["reward"] in (1.0, 0.0, pytest.approx(-0.1))
    intact = written["own_episodes"]
    for damage in (
        None,
        {**intact, "decisions": []},
        {**intact, "running": [[]]},
        {**intact, "kept": [[[0, 99, 1.0, 1]]]},
        {**intact, "kept": [[[0, 0, "1", 1]]]},
        {**intact, "kept": [[]]},
        {**intact, "kept": [[[0, 0, 0.0, 1]]]},
        {**intact, "decisions": [["a prompt", ["", ""]]] * len(intact["decisions"])},
    ):
        (folder / STATE).write_text(json.dumps({**written, "own_episodes": damage}))
        with pytest.raises(CheckpointError, match="own_episodes"):
            Trainer(config, folder)


def test_an_episode_that_saving_loses_is_not_taken_for_the_beginning_of_the_next(config, tmp_path, monkeypatch):
    def crash() -> None:
        raise RuntimeError

    class Waiting(Uniform):
        def probabilities(self, observations):
            return [np.array([0.0, 1.0, 0.0]) for _ in observations]

    config = replace(config, rollout_steps=2, policy_minibatches=1, num_envs=4, max_lost=1, normalize_rewards=True)
    run = create_run(config)
    with Trainer(config) as trainer:
        trainer.state.note(trainer.collector.collect(Waiting(), 2, trainer.rng), config)
        trainer.state.reward_scales[0].sums = [1.0] * 4
        monkeypatch.setattr(trainer.collector.envs[1].env.unwrapped, "get_state", crash)
        with pytest.warns(EpisodeLostWarning):
            save(run, trainer.state, trainer.parts, trainer.ranks)
        assert [len(path) for path in trainer.state.own_episodes[0].running] == [2, 0, 2, 2]
        assert trainer.state.reward_scales[0].sums == [1.0, 0.0, 1.0, 1.0]


def test_without_a_critic_it_is_refused_and_no_preset_asks_for_it():
    with pytest.raises(ConfigError, match=r"--self-imitation-steps.*grpo has no critic"):
        TrainConfig(algorithm="grpo", self_imitation_steps=1)
    assert TrainConfig(algorithm="grpo", preset="pretrained").self_imitation_steps == 0
    assert TrainConfig(preset="pretrained").self_imitation_steps > 0
