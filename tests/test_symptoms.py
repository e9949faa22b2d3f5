"""A run that will not learn says so, once, with what to do; a run that learns says nothing."""

import re
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import tests.environments
import tests.toy_text  # registers the environments
from twosome.config import TrainConfig
from twosome.ppo.train import resume, train
from twosome.runs import RunDirectory
from twosome.symptoms import PAGE, TITLES, Symptom, SymptomMonitor, TrainingWarning

ROOT = Path(__file__).parents[1]
HEALTHY = {
    "success_rate": 0.2,
    "return_mean": 0.1,
    "approx_kl": 1e-3,
    "entropy_share": 0.8,
    "distinct_decisions": 40,
    "rewarded_decisions": 3,
    "explained_variance": 0.3,
    "actor_lr": 1e-3,
}


def rows(count: int, first: int = 1, **changes: Any) -> list[dict[str, Any]]:
    """Metrics of updates of 128 decisions, five episodes each."""
    return [
        {"update": i, "decisions": 128 * i, "episodes": 5 * i, **HEALTHY, **changes}
        for i in range(first, first + count)
    ]


def seen(metrics: list[dict[str, Any]], normalization: str = "word") -> dict[str, tuple[int, int]]:
    """Codes of the warnings; for each the update in which it came, and the one with which it says it began."""
    watch = SymptomMonitor(normalization)
    found = [(symptom, row["update"]) for row in metrics for symptom in watch.see(row)]
    assert len({symptom.code for symptom, _ in found}) == len(found)
    return {symptom.code: (update, symptom.update) for symptom, update in found}


def test_a_run_that_learns_says_nothing():
    assert seen(rows(300)) == {}


def test_a_solved_environment_may_be_deterministic_and_still():
    solved = {"success_rate": 0.9, "approx_kl": 0.0, "entropy_share": 0.01, "explained_variance": -1.0}
    assert seen(rows(300, **solved, distinct_decisions=1)) == {}


def test_a_deterministic_start_is_said_after_the_first_rollout():
    assert seen(rows(1, entropy_share=0.03)) == {"deterministic-start": (1, 1)}
    assert seen(rows(1, entropy_share=0.3)) == {}
    assert seen(rows(1, entropy_share=None)) == {}


def test_the_remedy_does_not_name_the_normalization_that_is_in_use():
    for normalization, expected in (("word", "--normalization learned"), ("learned", "--target-entropy")):
        (symptom,) = SymptomMonitor(normalization).see(rows(1, entropy_share=0.03)[0])
        assert expected in str(symptom)
        assert "3.0%" in str(symptom)


def test_no_reward_is_said_once_sixty_episodes_or_2560_decisions_are_without():
    without = {"rewarded_decisions": 0, "success_rate": 0.0}
    assert seen(rows(100, **without)) == {
        "no-reward": (12, 1),
    }
    assert seen([{**row, "episodes": 0} for row in rows(100, **without)]) == {"no-reward": (20, 1)}


def test_an_environment_of_costs_alone_says_with_success_that_something_is_reached():
    assert seen(rows(100, rewarded_decisions=0, success_rate=0.1)) == {}


def test_rewards_that_stop_are_missed():
    after = rows(100, first=31, rewarded_decisions=0, success_rate=0.0)
    assert seen([*rows(30), *after]) == {"reward-stopped": (50, 31)}


def test_a_policy_that_does_not_move_is_named_with_the_update_at_which_it_stopped():
    assert seen([*rows(5), *rows(20, first=6, approx_kl=1e-8)]) == {"kl-zero": (15, 6)}
    with_gaps = [{**row, "approx_kl": 1e-8 if row["update"] % 9 else 1e-4} for row in rows(60)]
    assert seen(with_gaps) == {}


def test_a_policy_may_stand_still_once_the_learning_rate_is_annealed():
    assert seen([*rows(5), *rows(20, first=6, approx_kl=1e-8, actor_lr=5e-5)]) == {}


def test_collapsed_entropy_is_said_unless_it_began_so():
    collapsed = {"entropy_share": 0.01}
    assert seen([*rows(5), *rows(20, first=6, **collapsed)]) == {"entropy-collapsed": (15, 6)}
    assert seen(rows(20, **collapsed)) == {"deterministic-start": (1, 1)}
    half = [*rows(5), *rows(20, first=6, success_rate=0.6, **collapsed)]
    assert seen(half) == {"entropy-collapsed": (15, 6)}
    assert seen([*rows(5), *rows(20, first=6, success_rate=0.95, **collapsed)]) == {}


def test_a_return_below_that_of_random_play_is_said_once_random_play_is_measured():
    watch = SymptomMonitor("word")
    assert [watch.random_decisions_wanted(row) for row in rows(7)] == [0] * 7
    row = rows(1, first=8)[0]
    assert watch.random_decisions_wanted(row) == 256
    watch.see(row)
    assert watch.random_decisions_wanted(rows(1, first=9)[0]) == 0

    measured = rows(1, first=8, random_return_mean=0.4, random_return_low=0.3)
    assert seen([*rows(7), *measured, *rows(20, first=9)]) == {"below-random": (17, 8)}
    better = rows(1, first=8, random_return_mean=0.2, random_return_low=0.05)
    assert seen([*rows(7), *better, *rows(20, first=9)]) == {}


def test_a_critic_that_explains_nothing_is_said_where_there_is_something_to_explain():
    blind = {"explained_variance": -0.2}
    assert seen(rows(30, **blind)) == {"critic-blind": (20, 1)}
    assert "critic-blind" not in seen(rows(30, **blind, rewarded_decisions=0, success_rate=0.0))


def test_one_and_the_same_decision_is_said_unless_an_episode_has_no_other():
    assert seen(rows(5, distinct_decisions=1)) == {"decisions-alike": (3, 1)}
    assert seen([{**row, "episodes": row["decisions"]} for row in rows(5, distinct_decisions=1)]) == {}


def test_metrics_of_an_earlier_version_are_no_fault():
    old = {name: value for name, value in HEALTHY.items() if name not in {"entropy_share", "distinct_decisions"}}
    assert seen([{"update": i, "decisions": 128 * i, "episodes": 5 * i, **old} for i in range(1, 50)]) == {}
    assert seen([{"update": i, "decisions": 128 * i, "return_mean": "x"} for i in range(1, 19)]) == {}


def test_the_page_has_a_section_for_every_code_and_for_no_other():
    page = (ROOT / PAGE).read_text()
    assert re.findall(r"^## ([a-z-]+)$", page, re.MULTILINE) == list(TITLES)


# -- in training ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("env", ["FrozenLake", "Taxi", "Blackjack"])
def test_an_environment_in_which_the_prior_is_certain_does_not_die_silently(env, tmp_path):
    config = TrainConfig(
        env=f"toy-text/{env}-v0", normalization="word", total_steps=128, seed=1, output=tmp_path / "run"
    )
    with pytest.warns(TrainingWarning, match="--normalization learned"):
        path = train(config)
    (row,) = RunDirectory.open(path).read_metrics()
    assert row["warnings"] == ["deterministic-start"]
    assert row["entropy_share"] < 0.15


def test_warnings_and_metrics_of_a_resumed_run_are_those_of_one_that_never_stopped(tmp_path):
    """Standing still, by a tiny learning rate: the tenth update says so, whichever process makes it."""
    config = tests.environments.counting_run(
        tmp_path / "whole", total_steps=32 * 14, actor_lr=1e-12, checkpoint_every=32, normalization="word"
    )
    with pytest.warns(TrainingWarning, match="kl-zero"):
        whole = train(config)

    class StopError(Exception):
        pass

    def stop(metrics: dict[str, Any]) -> None:
        if metrics["update"] == 7:
            raise StopError

    broken = tmp_path / "broken"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TrainingWarning)
        with pytest.raises(StopError):
            train(replace(config, output=broken), stop)
        resume(broken)
    first, second = (
        [{name: value for name, value in row.items() if not name.endswith("_s")} for row in found]
        for found in (RunDirectory.open(whole).read_metrics(), RunDirectory.open(broken).read_metrics())
    )
    assert first == second
    assert [row["update"] for row in first if "kl-zero" in row.get("warnings", [])] == [10]
    assert sum("random_return_mean" in row for row in first) == 1


def test_looking_for_what_is_wrong_changes_nothing_that_is_learned(tmp_path, monkeypatch):
    config = tests.environments.counting_run(tmp_path / "watched", total_steps=32 * 10, normalization="word")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TrainingWarning)
        watched = train(config)
        monkeypatch.setattr(SymptomMonitor, "random_decisions_wanted", lambda self, row: 0)
        alone = train(replace(config, output=tmp_path / "alone"))
    assert any("random_return_mean" in row for row in RunDirectory.open(watched).read_metrics())
    for name in ("adapter_model.safetensors", "critic.safetensors", "optimizers.safetensors"):
        contents = [(RunDirectory.open(path).checkpoint("last") / name).read_bytes() for path in (watched, alone)]
        assert contents[0] == contents[1], name


def test_a_report_lists_the_warnings_of_each_run(tmp_path, monkeypatch):
    from twosome.report.collect import collect
    from twosome.report.experiment import save_report
    from twosome.report.summary import summarize

    found = [Symptom(code, 1, "a reason.", "a remedy.") for code in ("no-reward", "of-a-later-version")]
    monkeypatch.setattr(SymptomMonitor, "see", lambda self, row: found)
    train(tests.environments.counting_run(tmp_path / "runs" / "one", total_steps=32))
    collection = collect(tmp_path / "runs")
    summary = summarize(collection)
    (env,) = summary["worlds"].values()
    (method,) = env["methods"].values()
    assert method["seeds"][0]["warnings"][0] == {"code": "no-reward", "update": 1, "decisions": 32}
    page, text = save_report(collection, summary, tmp_path / "runs")
    assert f"no-reward: {TITLES['no-reward']}, after 32 decisions" in text.read_text()
    assert "of-a-later-version, after 32 decisions" in page.read_text()
