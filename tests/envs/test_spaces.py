"""Environments whose number of actions changes from step to step."""

import warnings
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.utils.env_checker import check_env

from tests.environments import Shelf
from tests.unchecked import types_unchecked
from twosome.baselines.config import MlpConfig
from twosome.baselines.ppo_mlp import train_mlp
from twosome.baselines.saycan import Affordance
from twosome.decision import Decision
from twosome.envs import text
from twosome.envs.checked import CheckedEnv
from twosome.envs.spaces import AnyText, PhraseIndex, Phrases, text_observation
from twosome.errors import ConfigError, EnvError, NoActionError
from twosome.policy.planner import Planner

NAME = "twosome-tests/Shelf-v0"


@pytest.fixture(autouse=True)
def as_in_use() -> Iterator[None]:
    """Without the tests' check of all types, which would come first."""
    with types_unchecked():
        yield


class Says(gymnasium.Env[dict[str, Any], Any]):
    """Offers one list of actions after the other, whatever is done."""

    def __init__(self, *lists: Any, **info: Any) -> None:
        self.action_space, self.observation_space = PhraseIndex(), text_observation()
        self.lists, self.info = lists, info

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        self.waiting = iter(self.lists)
        return {"prompt": "Now you", "actions": next(self.waiting)}, {}

    def step(self, action: int) -> Any:
        return {"prompt": "Now you", "actions": next(self.waiting)}, 0.0, False, False, self.info


def test_lists_and_tuples_of_any_length_are_taken_one_after_the_other() -> None:
    env = CheckedEnv(Says(["go", "wait"], ("sleep",), [f"count to {i}" for i in range(3000)]))
    assert env.num_actions is None
    assert env.reset(0) == Decision("Now you", ("go", "wait"))
    assert env.step(1).decision == Decision("Now you", ("sleep",))
    decision = env.step(0).decision
    assert decision is not None
    assert (len(decision.actions), decision.actions[-1]) == (3000, "count to 2999")


@pytest.mark.parametrize("action", [1, -1, 2, "go", None])
def test_an_index_beyond_the_latest_phrases_is_an_error_that_names_the_place(action: Any) -> None:
    env = CheckedEnv(Says(["go", "wait", "sleep"], ["run"], ["run"]))
    env.reset(4)
    env.step(2)
    with pytest.raises(EnvError, match=r"Says, seed 4, episode 1, step 2, .*expected the id .* from 0 to 0"):
        env.step(action)


@pytest.mark.parametrize(
    ("actions", "message"),
    [
        ("abc", "expected the actions to be a tuple of texts"),
        (None, "expected the actions to be a tuple of texts"),
        ({"go", "wait"}, "expected the actions to be a tuple of texts"),
        (["go", 3], "expected the actions to be a tuple of texts"),
        ([["go"]], "expected the actions to be a tuple of texts"),
        (["go", " wait"], "without blanks around"),
        (["go", "a\0b"], "NUL"),
    ],
)
def test_what_is_no_list_of_phrases_is_an_error(actions: Any, message: str) -> None:
    env = CheckedEnv(Says(["go"], actions))
    env.reset()
    with pytest.raises(EnvError, match=message):
        env.step(0)


@pytest.mark.parametrize("actions", [[], (), ["", ""]])
def test_an_empty_list_offers_no_action(actions: Any) -> None:
    env = CheckedEnv(Says(["go"], actions))
    env.reset()
    with pytest.raises(NoActionError, match="no action is available"):
        env.step(0)


def test_an_empty_phrase_is_not_available_and_a_mask_has_an_entry_for_each_phrase() -> None:
    env = CheckedEnv(Says(["go"], ["go", "", "wait"], action_mask=np.array([1, 0, 1], np.int8)))
    env.reset()
    decision = env.step(0).decision
    assert decision is not None
    assert decision.available == (0, 2)
    env = CheckedEnv(Says(["go"], ["go", "wait"], action_mask=np.array([1, 0, 1], np.int8)))
    env.reset()
    with pytest.raises(EnvError, match="action_mask"):
        env.step(0)


def test_gymnasiums_own_sequence_of_texts_says_the_same() -> None:
    env = Says(["go"])
    env.observation_space = spaces.Dict({"prompt": spaces.Text(9), "actions": spaces.Sequence(spaces.Text(9))})
    assert CheckedEnv(env).reset() == Decision("Now you", ("go",))


@pytest.mark.parametrize("name", ["action_space", "observation_space"])
def test_spaces_that_do_not_go_together_are_refused(name: str) -> None:
    env, fixed = Says(["go"]), spaces.Dict({"prompt": AnyText(), "actions": spaces.Tuple([AnyText()])})
    setattr(env, name, spaces.Discrete(1) if name == "action_space" else fixed)
    with pytest.raises(EnvError, match=r'"actions", (a Tuple of 1 Text|Phrases)'):
        CheckedEnv(env)
    env.action_space = spaces.Box(0, 1)
    with pytest.raises(EnvError, match=r"Discrete\(n\) with ids from 0, or twosome.envs.spaces.PhraseIndex\(\)"):
        CheckedEnv(env)


def test_gymnasiums_checker_and_ours_have_nothing_to_say() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", ".*(not.*recognised|render|spec|wrapper|utils.seeding).*")
        check_env(text.make(NAME).unwrapped, skip_render_check=True)
    text.check_contract(text.make(NAME))


def test_samples_are_contained_and_other_things_are_not() -> None:
    observations = text_observation(spaces.Box(0, 1, (2,)))
    for space, other in ((AnyText(seed=0), b"x"), (Phrases(seed=0), ("go", 1)), (PhraseIndex(seed=0), -1)):
        assert all(space.contains(space.sample()) for _ in range(20))
        assert other not in space
    assert observations.sample() in observations
    assert True not in PhraseIndex()
    assert PhraseIndex() == PhraseIndex()
    assert AnyText() != Phrases()


def test_an_index_is_drawn_by_mask_or_probability_and_is_0_where_nothing_is_known() -> None:
    space = PhraseIndex(seed=0)
    assert {space.sample(np.array([0, 1, 0, 1], np.int8)) for _ in range(50)} == {1, 3}
    assert {space.sample(probability=np.array([0.0, 0.5, 0.5])) for _ in range(50)} == {1, 2}
    assert {space.sample() for _ in range(9)} == {0}


def test_a_vector_environment_hands_the_phrases_on_by_environment() -> None:
    envs = gymnasium.vector.SyncVectorEnv([lambda: text.make(NAME)] * 3)
    observation, _ = envs.reset(seed=7)
    alone = [text.decision_from(text.make(NAME).reset(seed=7 + i)[0]) for i in range(3)]
    assert len({len(decision.actions) for decision in alone}) > 1
    assert text.decisions_from(observation, 3, transposed=False) == alone
    observation, *_ = envs.step([0, 0, 0])
    assert len(text.decisions_from(observation, 3, transposed=False)) == 3
    with pytest.raises(EnvError, match="expected 2 in each"):
        text.decisions_from(observation, 2, transposed=False)


@pytest.mark.parametrize(
    "learn", [lambda: train_mlp(MlpConfig(env=NAME, total_steps=512)), lambda: Affordance(NAME, seed=0)]
)
def test_what_learns_from_numbers_says_that_it_needs_a_fixed_number_of_actions(learn: Any) -> None:
    with pytest.raises(ConfigError, match=r"the number of actions of .*Shelf.* changes.*expected .*Discrete\(n\)"):
        learn()


@pytest.mark.parametrize(("index", "taken"), [(1, True), (2, False), (-1, False), ("1", False)])
def test_a_planner_names_an_index_of_the_latest_phrases(index: Any, taken: bool) -> None:
    env = Shelf(2, 2)
    env.planner = lambda: SimpleNamespace(act=lambda: index)  # type: ignore[attr-defined]
    environment = CheckedEnv(env)
    environment.reset(0)
    if taken:
        assert Planner().probabilities([environment.observation])[0].tolist() == [0, 1]
    else:
        with pytest.raises(EnvError, match="expected the planner to return the id of an action"):
            Planner().probabilities([environment.observation])
