"""SayCan by its name: it learns from the decisions that it is given, plays, and says what it was."""

import numpy as np
import pytest

from tests.environments import counting_run
from twosome.config import TrainConfig
from twosome.errors import ConfigError
from twosome.evaluate.evaluator import evaluator_for
from twosome.evaluate.request import Request
from twosome.ppo.train import Trainer, train
from twosome.runs import RunDirectory

COUNTING = "twosome-tests/Counting-v0"


def test_saycan_says_what_it_was_and_can_be_repeated():
    first, again, other = (
        evaluator_for(policy="saycan", env=COUNTING, affordance_decisions=400, affordance_seed=seed).measure(40, 0)
        for seed in (3, 3, 4)
    )
    assert first == again
    assert first["policy"] == "saycan"
    assert first["model"] == "hearth"
    assert first["affordance"] != other["affordance"]
    assert first["affordance"]["decisions"] == 400
    assert 0 < first["affordance"]["in_finished_episodes"] <= 400
    assert (first["seed"], first["affordance"]["seed"]) == (0, 3)


def test_saycan_does_what_succeeds_more_often_than_the_model_alone():
    """ "go left" alone succeeds at once."""
    alone = evaluator_for(model="hearth", env=COUNTING).measure(60, 0)
    with_affordance = evaluator_for(policy="saycan", env=COUNTING, affordance_decisions=2000).measure(60, 0)
    assert with_affordance["return_mean"] > alone["return_mean"]


def test_saycan_knows_the_environments_arguments():
    """Layout C of this kitchen has two actions more, which an affordance for another layout could not tell apart."""
    found = evaluator_for(policy="saycan", env="TomatoSalad", env_kwargs={"layout": "C"}, affordance_decisions=800)
    assert found.policy.affordance.network[-1].out_features == 7
    assert found.env_kwargs == {"layout": "C"}


def test_a_run_that_changed_all_weights_has_no_frozen_model_to_ask(tmp_path):
    config = TrainConfig(env=COUNTING, tuning="full", normalization="word", total_steps=128, output=tmp_path / "run")
    RunDirectory.create(config.output, config.to_json(), {})
    with pytest.raises(ConfigError, match="--normalization pmi asks the frozen model"):
        evaluator_for(run=config.output, normalization="pmi")


def test_an_untrained_model_with_learned_is_where_a_run_begins(tmp_path):
    config = counting_run(tmp_path / "run", normalization="learned", seed=7, target_entropy=0.6, prior_weight=0.5)
    RunDirectory.create(config.output, config.to_json(), {})
    untrained = evaluator_for(run=config.output, model="hearth")
    assert untrained.identity["normalization"] == "learned"
    assert {name: untrained.identity[name] for name in ("temperature", "prior_weight")} == Trainer(
        config
    ).actor.calibration.numbers()
    by_default = evaluator_for(model="hearth", env=COUNTING, normalization="learned")
    expected = Trainer(TrainConfig(env=COUNTING, normalization="learned")).actor.calibration.numbers()
    assert {name: by_default.identity[name] for name in expected} == expected


def test_a_run_that_learned_its_normalization_is_measured_with_it_or_with_another(tmp_path):
    path = train(counting_run(tmp_path / "run", normalization="learned", total_steps=32))
    learned, word = (evaluator_for(run=path, normalization=name) for name in (None, "word"))
    assert learned.identity["temperature"] == RunDirectory.open(path).read_metrics()[-1]["temperature"]
    assert word.identity["normalization"] == "word"
    assert "temperature" not in word.identity


def test_learned_is_refused_for_a_run_that_learned_no_temperature(tmp_path):
    config = counting_run(tmp_path / "run", normalization="word")
    RunDirectory.create(config.output, config.to_json(), {})
    with pytest.raises(ConfigError, match="has learned no temperature"):
        evaluator_for(run=config.output, normalization="learned")


def test_saycan_in_an_environment_without_numbers_is_refused():
    with pytest.raises(ConfigError, match='Wordy-v0 has no symbolic observation: expected "vector"'):
        evaluator_for(policy="saycan", env="twosome-tests/Wordy-v0", affordance_decisions=40)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"policy": "random", "affordance_decisions": 10}, "--affordance-decisions means nothing"),
        ({"model": "hearth", "affordance_seed": 1}, "--affordance-seed means nothing"),
        ({"policy": "saycan", "checkpoint": "best"}, "--checkpoint means nothing"),
        ({"policy": "saycan", "affordance_decisions": 0}, "--affordance-decisions is 0"),
        ({"policy": "planner", "env_workers": 1}, "--env-workers means nothing to --policy planner"),
        ({"policy": "random", "step_timeout": 1.0}, "--step-timeout is 1.0; expected none without --env-workers"),
        ({"policy": "random", "env_workers": -1}, "--env-workers is -1"),
        ({"policy": "sycan"}, "--policy='sycan' is unknown here; .*Did you mean 'saycan'"),
        ({"policy": "tests.evaluate.test_evaluator:Rightist", "model": "hearth"}, "--model means nothing to"),
        ({"policy": "no_such_module:Policy"}, "'no_such_module:Policy' cannot be imported: .*ModuleNotFoundError"),
        ({"policy": "tests.environments:Missing"}, "cannot be imported: .*AttributeError"),
        ({"policy": ":Missing"}, "cannot be imported"),
        ({"policy": "tests.environments:decision"}, "cannot be made: it raised TypeError"),
        ({"policy": "tests.environments:Counting"}, "expected an object with a method probabilities"),
    ],
)
def test_options_that_mean_nothing_are_refused(options, words):
    with pytest.raises(ConfigError, match=words):
        evaluator_for(env=COUNTING, **options)


def test_a_run_is_measured_in_processes_as_it_was_trained_unless_told_otherwise(tmp_path):
    config = counting_run(tmp_path / "run", env_workers=3, step_timeout=5.0)
    RunDirectory.create(config.output, config.to_json(), {})

    def where(**options):
        named = Request(run=config.output, **options).named_env()
        return named.workers, named.timeout_s

    assert where(policy="random") == (3, 5.0)
    assert where(policy="random", env_workers=1) == (1, 5.0)
    assert where(policy="random", step_timeout=2.0) == (3, 2.0)
    assert where(policy="random", env_workers=0) == (0, None)
    assert where(policy="planner") == (0, None)


class Rightist:
    """Goes right where it can, and else left."""

    def probabilities(self, observations):
        return [np.eye(3)[2 if observation.actions[2] else 0] for observation in observations]


def test_a_policy_of_ones_own_is_measured_by_its_name():
    found = evaluator_for(policy="tests.evaluate.test_evaluator:Rightist", env=COUNTING).measure(3, 0)
    assert found["policy"] == "tests.evaluate.test_evaluator:Rightist"
    assert found["return_mean"] == pytest.approx(-0.1 + 0.9**2)
