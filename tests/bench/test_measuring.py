"""Fits, quartiles, requests and memory: numbers whose answers are known."""

import pytest
import torch

from twosome.bench.compare import compare, ratio_by_clock
from twosome.bench.memory import peak_mib
from twosome.bench.methods import ScoringMethod
from twosome.bench.models import SIZES, random_llama, word_tokenizer
from twosome.bench.requests import KITCHEN, WORDS, decisions, env_decisions, phrases, unshared_phrases
from twosome.errors import ConfigError
from twosome.scoring import ActionScorer


@pytest.fixture(scope="module")
def hearth():
    return ActionScorer.from_pretrained("hearth")


def test_ratios_are_of_paired_runs():
    # The machine was twice as slow in the second run, for both: the ratio does not care.
    found = ratio_by_clock([(3.0, 1.0), (6.0, 2.0)], [(1.0, 1.0), (2.0, 1.0)])
    assert found["wall"] == [3.0, 3.0, 3.0]
    assert found["processor"] == [1.25, 1.5, 1.75]


def test_time_is_scaled_by_rows_but_what_is_fixed_counts_once(monkeypatch):
    costs = {"all": 1.0, "some": 3.0, "some fixed": 1.0}
    monkeypatch.setattr(
        "twosome.bench.compare.times_in_turn",
        lambda works, device, **limits: ({n: [(costs[n], costs[n])] for n in works}, dict.fromkeys(works)),
    )
    part = torch.zeros(1).sum
    ways = [
        ScoringMethod("all", (part,), ((0, 0),), 1),
        ScoringMethod("some", (part,), ((0, 0), (0, 1)), 8, fixed=part),
    ]
    found = compare(ways, "forward", torch.nn.Linear(1, 1), torch.device("cpu"), budget_s=0.0)
    assert found["ways"]["some"]["wall_s"][1] == 1 + 4 * (3 - 1)
    assert found["ways"]["all"]["wall_s"][1] == 1.0


def test_peak_memory_sees_what_was_allocated_and_only_that():
    peak = peak_mib(lambda: torch.ones(8, 2**20), torch.device("cpu"))
    if peak is None:
        pytest.skip("this system does not tell")
    assert peak == pytest.approx(32, abs=8)
    least = peak_mib(lambda: None, torch.device("cpu"))
    assert least is not None
    assert least < 4


def test_prompts_have_the_wanted_length_and_nothing_in_common(hearth):
    made = decisions(hearth, 4, 110, phrases(5))
    spans = [hearth.encoder.encode(decision) for decision in made]
    assert {len(item.shared) for item in spans} <= {109, 110}
    assert len({item.shared[:3] for item in spans}) == 4


def test_phrases_are_distinct_and_begin_with_the_kitchens():
    many = phrases(2647)
    assert many[:8] == KITCHEN
    assert len(set(many)) == 2647
    with pytest.raises(ConfigError, match="1 to 2647"):
        phrases(2648)


def test_unshared_phrases_share_no_beginning():
    assert len({phrase.split()[0] for phrase in unshared_phrases(50)}) == 50


def test_an_environment_gives_as_many_distinct_decisions_as_it_has():
    found = env_decisions("FoodPreparation", 32)
    assert 10 < len(found) == len(set(found)) < 32
    assert len(env_decisions("TomatoSalad", 5)) == 5


def test_models_have_the_parameters_that_they_are_called_by():
    size = SIZES["1M"]
    model = random_llama(size)
    layers = sum(p.numel() for name, p in model.named_parameters() if p.ndim == 2 and "layers" in name)
    assert layers == size.matmul_parameters
    assert 1e6 < sum(p.numel() for p in model.parameters()) < 1.5e6
    assert word_tokenizer(WORDS, 2000)("wash the cup").input_ids == [
        WORDS.index(word) for word in ("wash", "the", "cup")
    ]
