"""A step that is lost: the state stays, time passes, and episodes end whatever is said."""

import numpy as np
import pytest

import tests.environments
from twosome.baselines.lost_steps import LostSteps
from twosome.envs import text
from twosome.envs.checked import CheckedEnv
from twosome.errors import ConfigError

assert tests.environments  # registers the environments


@pytest.mark.parametrize("name", ["TomatoSalad", "FoodPreparation"])
def test_the_environment_keeps_its_contract_with_steps_that_can_be_lost(name):
    env = LostSteps(text.make(name))
    text.check_contract(env, num_steps=60)
    assert env.action_space.n == text.make(name).action_space.n + 1


def test_a_lost_step_leaves_the_state_as_it_is_and_costs_a_step_and_the_penalty():
    env = CheckedEnv(LostSteps(text.make("FoodPreparation"), penalty=0.25))
    before = env.reset(0)
    step = env.step(len(before.actions) - 1)
    assert step.decision == before
    assert (step.reward, step.primitive_steps) == (-0.25, 1)


def test_lost_steps_count_towards_the_environments_limit():
    env = CheckedEnv(LostSteps(text.make("FoodPreparation", max_steps=5)))
    lost = len(env.reset(0).actions) - 1
    steps = [env.step(action) for action in (lost, 0, lost, 1, lost)]
    assert [step.truncated for step in steps] == [False] * 4 + [True]
    assert steps[-1].prompt == steps[-2].prompt
    assert not steps[-1].success
    # The next episode has all of its steps again.
    env.reset()
    assert not any(env.step(lost).truncated for _ in range(4))


def test_what_is_done_beside_lost_steps_is_what_it_was():
    env, plain = CheckedEnv(LostSteps(text.make("TomatoSalad"))), CheckedEnv(text.make("TomatoSalad"))
    decision, expected = env.reset(3), plain.reset(3)
    rng = np.random.default_rng(0)
    for _ in range(20):
        env.step(len(decision.actions) - 1)
        action = int(rng.choice(expected.available))
        found, wanted = env.step(action), plain.step(action)
        assert (found.reward, found.primitive_steps, found.terminated) == (
            wanted.reward,
            wanted.primitive_steps,
            wanted.terminated,
        )
        if wanted.decision is None or found.decision is None:
            break
        decision, expected = found.decision, wanted.decision
        assert decision.prompt == expected.prompt
        assert decision.actions == (*expected.actions, "")


def test_an_environment_whose_actions_change_in_number_loses_steps_by_the_last():
    class Limited(tests.environments.Shelf):
        max_steps = 3

    env = CheckedEnv(LostSteps(Limited()))
    decision = env.reset(0)
    assert decision.actions[-1] == ""
    assert env.step(len(decision.actions) - 1).decision == decision


def test_an_environment_without_a_limit_is_refused():
    with pytest.raises(ConfigError, match="Give it one"):
        LostSteps(text.make("twosome-tests/Counting-v0"))
