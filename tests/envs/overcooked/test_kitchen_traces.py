from typing import Any

import gymnasium

import twosome.envs  # noqa: F401 - registers the environments


def make(episode: dict[str, Any]) -> gymnasium.Env[Any, Any]:
    name = "TomatoLettuceSalad" if "v3" in episode["env"] else "TomatoSalad"
    return gymnasium.make(
        f"twosome/{name}-v0",
        task=episode["config"]["task"],
        layout=episode["config"]["map_type"],
        actions="macro" if "LLMA" in episode["env"] else "primitive",
    )


def test_every_recorded_step_happens_again_to_the_last_bit(trace: list[dict[str, Any]]) -> None:
    env = make(trace[0])
    assert env.unwrapped.action_names == tuple(trace[0]["action_names"])
    for episode in trace:
        observation, info = env.reset(seed=episode["seed"])
        assert observation["vector"].tolist() == episode["initial_obs"]
        for step in episode["steps"]:
            observation, reward, terminated, truncated, info = env.step(step["action"])
            assert observation["vector"].tolist() == step["obs"]
            assert (observation["vector"] == step["obs"]).all()
            assert reward == step["reward"]
            assert (terminated or truncated) == step["done"]
            assert info["primitive_steps"] == step["macro_steps"]
        assert info["episode_return"] == episode["episode_return"]
        assert info["episode_length"] == episode["episode_length"]
        assert info["success"] == terminated
        assert not (terminated and truncated)


def test_success_is_exactly_a_reward_near_one_in_the_last_step(trace: list[dict[str, Any]]) -> None:
    env = make(trace[0])
    for episode in trace:
        env.reset()
        for step in episode["steps"]:
            *_, terminated, truncated, _ = env.step(step["action"])
        assert terminated == (episode["steps"][-1]["reward"] > 0.5)
        assert truncated == (not terminated)
