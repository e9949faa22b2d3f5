"""The page of episodes: what is recorded is what the policies say, and what anybody wrote is shown as text."""

import json
import shutil
import subprocess

import pytest
from safetensors.torch import load_file

import tests.environments
from twosome.agent import Agent
from twosome.checkpoint_schema import CRITIC, FEATURES
from twosome.cli import main
from twosome.decision import Decision
from twosome.errors import CheckpointError
from twosome.evaluate.watch import players_of, watched
from twosome.policy.critic import ValueHead
from twosome.ppo.train import train
from twosome.report.watch import watch_page
from twosome.runs import RunDirectory

HOSTILE = "</script><img src=x onerror=\"document.title='owned'\"><!-- &amp; \u2028"


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return train(tests.environments.counting_run(tmp_path_factory.mktemp("watch") / "run", checkpoint_every=32))


@pytest.fixture(scope="module")
def document(run):
    return watched(run, players_of(run, "untrained", "last"), episodes=1)


def test_each_situation_has_what_both_policies_make_of_it(run, document):
    agent = Agent.load(run)
    assert [player["name"] for player in document["players"]] == ["trained", "untrained"]
    assert [episode["player"] for episode in document["episodes"]] == [0, 1]
    for episode in document["episodes"]:
        for step in episode["steps"]:
            phrases = {action["id"]: action for action in step["actions"]}
            decision = Decision(step["prompt"], tuple(phrases[i]["phrase"] if i in phrases else "" for i in range(3)))
            expected = agent.probabilities(decision)
            for i, action in phrases.items():
                assert action["p"][0] == pytest.approx(expected[i], abs=1e-5)
                joint = sum(logp for _, logp in action["tokens"][0])
                assert joint == pytest.approx(agent.actor.scorer.score([decision]).logp[0, i].item(), abs=0.01)
            assert sum(action["p"][1] for action in step["actions"]) == pytest.approx(1, abs=1e-4)
        assert step["action"] in phrases


def test_the_value_is_that_of_the_run_s_critic(run, document):
    step = document["episodes"][0]["steps"][0]
    folder = RunDirectory.open(run).checkpoint()
    saved = load_file(folder / FEATURES)
    features = saved["features"][json.loads(saved["prompts"].numpy().tobytes()).index(step["prompt"])]
    head = ValueHead(len(features))
    head.load_state_dict(load_file(folder / CRITIC))
    assert step["value"] == pytest.approx(head(features[None]).item(), abs=1e-6)


def test_a_checkpoint_the_planner_and_random_play_can_stand_beside_it(run, capsys):
    assert main(["watch", str(run), "--against", "random", "--episodes", "1", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    first = found["episodes"][0]["steps"][0]["actions"]
    assert {action["p"][1] for action in first} == {round(1 / len(first), 6)}
    assert first[0]["tokens"][1] is None
    assert list(players_of(run, "step-0000000064", "last")) == ["trained", "checkpoint step-0000000064"]
    with pytest.raises(CheckpointError, match="step-0000000001"):
        players_of(run, "step-0000000001", "last")


def test_the_page_is_written_into_the_run_or_where_it_is_wanted(run, tmp_path, capsys):
    assert main(["watch", str(run), "--episodes", "1", "--html", str(tmp_path / "mine.html")]) == 0
    assert str(tmp_path / "mine.html") in capsys.readouterr().out.replace("\n", "")
    assert (tmp_path / "mine.html").stat().st_size < 2_000_000
    assert main(["watch", str(run), "--html", str(tmp_path / "no" / "folder.html")]) == 1


def test_nothing_in_the_data_can_leave_its_script(document):
    episode = document["episodes"][0]
    step = {**episode["steps"][0], "prompt": HOSTILE, "value": float("nan")}
    page = watch_page({**document, "run": HOSTILE, "episodes": [{**episode, "steps": [step]}]})
    (data,) = page.split('<script id="data" type="application/json">')[1:]
    data = data.split("</script>")[0]
    assert not set("<>&") & set(data)
    shown = json.loads(data)
    assert shown["episodes"][0]["steps"][0]["value"] is None
    assert shown["run"].startswith("</script><img src=x")
    assert "http:" not in page.replace("http://www.w3.org/2000/svg", "")
    assert "https:" not in page


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("chromium"), reason="needs Chromium")
def test_a_browser_shows_it_and_runs_nothing_of_the_data(document, tmp_path):
    episode = document["episodes"][0]
    actions = [{**action, "phrase": HOSTILE} for action in episode["steps"][0]["actions"]]
    hostile = [{**episode["steps"][0], "prompt": HOSTILE, "actions": actions}, *episode["steps"][1:]]
    page = tmp_path / "page.html"
    page.write_text(watch_page({**document, "run": HOSTILE, "episodes": [{**episode, "steps": hostile}]}))
    command = ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=2000", "--dump-dom"]
    shown = subprocess.run([*command, page.as_uri()], capture_output=True, text=True, timeout=120, check=True).stdout
    body = shown.split('<script id="data"')[0]
    assert "<title>owned" not in shown
    assert '<img src="x"' not in body
    assert "&lt;/script&gt;&lt;img src=x" in body
    assert "chosen by trained" in body
    assert f"1 of {len(hostile)}" in body
    assert body.count("<svg") >= 3
