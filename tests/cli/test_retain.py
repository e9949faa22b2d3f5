"""`twosome retain`: before and after are the model without and with its adapter, and mistakes are explained."""

import importlib.util
import json
import shutil
from pathlib import Path

import pytest
import torch

from twosome.agent import Agent
from twosome.cli import main
from twosome.cli.retain import conclusion
from twosome.errors import ConfigError
from twosome.evaluate.retention import questions_of
from twosome.scoring import ActionScorer

needs_harness = pytest.mark.skipif(
    importlib.util.find_spec("lm_eval") is None,
    reason="lm-evaluation-harness is too large for every day: pip install -c constraints.txt -e '.[retention]'",
)


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("runs") / "food"
    size = ["--num-envs", "2", "--rollout-steps", "16", "--total-steps", "32"]
    assert main(["train", "--env", "FoodPreparation", *size, "--output", str(path), "--no-show"]) == 0
    return path


@torch.no_grad()
def log_prob(scorer: ActionScorer, text: str) -> float:
    """Of a document after the token that begins it, written out."""
    ids = [scorer.tokenizer.bos_token_id, *scorer.tokenizer(text, add_special_tokens=False)["input_ids"]]
    logp = scorer.model(input_ids=torch.tensor([ids])).logits[0].log_softmax(-1)
    return sum(float(logp[i, token]) for i, token in enumerate(ids[1:]))


@needs_harness
def test_a_tokenizer_that_marks_no_ends_of_texts_is_refused():
    scorer = ActionScorer.from_pretrained("hearth")
    scorer.tokenizer.bos_token = scorer.tokenizer.eos_token = None
    with (
        questions_of(["hearth_grammar"], limit=1) as questions,
        pytest.raises(ConfigError, match="Add bos_token or eos_token"),
    ):
        questions.ask(scorer)


@needs_harness
def test_what_is_measured_is_the_model_without_and_with_its_adapter(run, capfd):
    from twosome.evaluate.retention import FOLDER

    tasks = "hearth_next_step,hearth_perplexity"
    assert main(["retain", str(run), "--tasks", tasks, "--limit", "6", "--json"]) == 0
    printed = capfd.readouterr()
    assert printed.err == ""
    result = json.loads(printed.out)
    assert json.loads((run / "retention.json").read_text()) == result
    lines = (FOLDER / "perplexity.jsonl").read_text().splitlines()[:6]
    texts = [json.loads(line)["text"] for line in lines]
    num_words = sum(len(text.split()) for text in texts)
    for who, scorer in {
        "base": ActionScorer.from_pretrained("hearth"),
        "trained": Agent.load(run).actor.scorer,
    }.items():
        nats = -sum(log_prob(scorer, text) for text in texts) / num_words
        assert result["tasks"]["hearth_perplexity"][who] == pytest.approx(torch.tensor(nats).exp().item(), rel=1e-4)
    assert result["tasks"]["hearth_perplexity"]["ratio"] != 1.0
    assert result["tasks"]["hearth_next_step"]["metric"] == "acc_norm"
    assert result["all"]["items"] == 6
    assert result["all"]["claim"] in ("supported", "undecided", "refuted")


@needs_harness
def test_it_is_printed_as_a_table_with_what_follows(run, capsys):
    assert main(["retain", str(run), "--tasks", "hearth_grammar", "--limit", "4"]) == 0
    printed = capsys.readouterr().out
    assert all(word in printed for word in ("grammar", "accuracy", "that less than one point was lost is", "retention"))


@pytest.fixture(scope="module")
def other(tmp_path_factory, run) -> Path:
    path = tmp_path_factory.mktemp("runs") / "other"
    size = ["--num-envs", "2", "--rollout-steps", "16", "--total-steps", "32", "--seed", "2"]
    assert main(["train", "--env", "FoodPreparation", *size, "--output", str(path), "--no-show"]) == 0
    return path


@needs_harness
def test_several_runs_come_to_what_each_comes_to_alone_and_are_put_together(run, other, capsys):
    how = ["--tasks", "hearth_next_step,hearth_perplexity", "--limit", "40", "--json"]
    alone = []
    for one in (run, other):
        assert main(["retain", str(one), *how]) == 0
        alone.append(json.loads(capsys.readouterr().out))
    assert main(["retain", str(run), str(other), *how]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["runs"] == alone
    assert [json.loads((one / "retention.json").read_text()) for one in (run, other)] == alone
    (mean,) = result["together"]
    assert mean["seeds"] == [1, 2]
    drops = [document["all"]["drop"] for document in alone]
    assert mean["all"]["drop"] == pytest.approx(sum(drops) / 2)
    assert mean["all"]["claim"] in ("supported", "undecided", "refuted")


@needs_harness
def test_runs_that_differ_in_more_than_their_seeds_are_not_put_together(run, tmp_path, capsys):
    another = str(tmp_path / "another")
    size = ["--num-envs", "2", "--rollout-steps", "16", "--total-steps", "32", "--seed", "2", "--actor-lr", "1e-4"]
    assert main(["train", "--env", "FoodPreparation", *size, "--output", another, "--no-show"]) == 0
    capsys.readouterr()
    assert main(["retain", str(run), another, "--tasks", "hearth_grammar", "--limit", "4", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["together"] == []


@needs_harness
def test_every_model_is_asked_with_the_same_examples_before_an_item():
    scorer = ActionScorer.from_pretrained("hearth")
    with questions_of(["hearth_next_step"], limit=3) as questions:
        for task in questions.tasks["tasks"].values():
            task.set_config(key="num_fewshot", value=2)
        first, second = (questions.ask(scorer)["hearth_next_step"] for _ in range(2))
    assert [sample["prompt_hash"] for sample in first] == [sample["prompt_hash"] for sample in second]


@needs_harness
def test_runs_of_one_training_are_told_together_in_words(run, other, capsys):
    assert main(["retain", str(run), str(other), "--tasks", "hearth_grammar", "--limit", "4"]) == 0
    assert "Mean of seeds 1, 2 on" in " ".join(capsys.readouterr().out.split())


def test_runs_of_two_models_a_run_twice_and_no_run_are_refused(run, other, tmp_path, capsys):
    another = tmp_path / "another"
    shutil.copytree(other, another)
    config = json.loads((another / "config.json").read_text())
    (another / "config.json").write_text(json.dumps({**config, "dtype": "bfloat16"}))
    link = tmp_path / "link"
    link.symlink_to(run)
    for runs, error in {
        (run, another): "differ in dtype",
        (run, link): "is named twice",
        (): "at least one run",
    }.items():
        assert main(["retain", *map(str, runs)]) == 1
        assert error in " ".join(capsys.readouterr().err.split())


@needs_harness
def test_an_unknown_task_is_told_with_those_that_are_near(run, capsys):
    assert main(["retain", str(run), "--tasks", "hearth_grammer"]) == 1
    assert "Did you mean hearth_grammar" in capsys.readouterr().err


@needs_harness
def test_a_task_that_cannot_be_had_is_told_with_those_that_need_no_network(run, capsys, monkeypatch):
    import datasets

    def offline(*args: object, **kwargs: object) -> None:
        raise ConnectionError("no network")

    monkeypatch.setattr(datasets, "load_dataset", offline)
    assert main(["retain", str(run), "--tasks", "piqa"]) == 1
    error = capsys.readouterr().err
    assert all(word in error for word in ("cannot load piqa", "no network", "hearth_cloze"))


def test_without_the_harness_it_is_said_what_to_install(run, capsys, monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *rest: None if name == "lm_eval" else find(name, *rest)
    )
    assert main(["retain", str(run)]) == 1
    assert "pip install 'twosome[retention]'" in capsys.readouterr().err


def test_a_folder_that_is_no_run_and_a_limit_of_nothing_are_refused(run, tmp_path, capsys):
    assert main(["retain", str(tmp_path)]) == 1
    assert "not a run directory" in capsys.readouterr().err
    assert main(["retain", str(run), "--limit", "0"]) == 1
    assert "--limit is 0" in capsys.readouterr().err


def test_perplexity_alone_says_nothing_of_points():
    assert "nothing is said" in conclusion(None)
