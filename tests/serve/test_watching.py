"""The page that plays: what its server answers is what the policies say, and a person can take over."""

import asyncio
import json
import os
import re
import shutil
import subprocess
import sys

import pytest

pytest.importorskip("starlette", reason="needs the extra serve")
pytest.importorskip("uvicorn", reason="needs the extra serve")

import tests.environments
from tests.browser import Browser
from tests.serve.asking import ask
from twosome.cli import main
from twosome.config import TrainConfig
from twosome.evaluate.watch import players_of, watched
from twosome.ppo.train import train
from twosome.runs import METRICS
from twosome.serve.watching import watch_server
from twosome.serve.web import TOKEN


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return train(tests.environments.counting_run(tmp_path_factory.mktemp("watch") / "run", checkpoint_every=32))


@pytest.fixture(scope="module")
def app(run):
    return watch_server(run, token=None)


def asked(app, path, question=None, **more):
    status, _, body = asyncio.run(ask(app, "GET" if question is None else "POST", path, question or b"", **more))
    return status, json.loads(body)


def restarted(app, run, *, seed=1000, first=None, second="untrained", env=None, normalization=None):
    choices = asked(app, "/choices")[1]
    players = [{"name": first or choices["players"][0]["name"], "normalization": normalization}, {"name": second}]
    return asked(app, "/restart", {"env": env or choices["env"], "seed": seed, "players": players})


def test_left_alone_it_plays_what_is_recorded_of_the_same_seed(run, app):
    recorded = watched(run, players_of(run, "untrained", "last"), episodes=1)["episodes"][0]
    _, answer = restarted(app, run)
    situation = answer["situation"]
    for step in recorded["steps"]:
        assert (situation["prompt"], situation["value"]) == (step["prompt"], step["value"])
        for shown, expected in zip(situation["actions"], step["actions"], strict=True):
            assert shown["p"] == pytest.approx(expected["p"], abs=1e-5)
            assert [len(tokens) for tokens in shown["tokens"]] == [len(tokens) for tokens in expected["tokens"]]
        status, taken = asked(app, "/step", {"episode": answer["episode"]})
        assert (status, taken["action"], taken["reward"], taken["by_hand"]) == (
            200,
            step["action"],
            step["reward"],
            False,
        )
        situation = taken["situation"]
    assert (situation, taken["return"], taken["success"]) == (None, recorded["return"], recorded["success"])
    status, refusal = asked(app, "/step", {"episode": answer["episode"]})
    assert (status, "over" in refusal["error"]) == (422, True)


def test_a_person_takes_over(run, app):
    _, answer = restarted(app, run)
    _, taken = asked(app, "/step", {"episode": answer["episode"], "action": 1})
    assert (taken["action"], taken["by_hand"], taken["reward"]) == (1, True, 0.0)
    assert taken["situation"]["prompt"] == "You have decided 1 times. Now you"
    status, refusal = asked(app, "/step", {"episode": answer["episode"], "action": 2})  # not offered on odd counts
    assert (status, "available" in refusal["error"]) == (422, True)


def test_players_normalizations_and_environments_can_be_chosen(run, app):
    names = asked(app, "/choices")[1]["names"]
    assert {"untrained", "random", "planner"} < set(names)
    _, answer = restarted(app, run, first=names[0], second="random", normalization="none")
    first = answer["situation"]["actions"]
    assert {action["p"][1] for action in first} == {round(1 / len(first), 6)}
    assert answer["players"][0]["name"] == f"{names[0]}, none"
    assert first[0]["p"] != restarted(app, run, first=names[0])[1]["situation"]["actions"][0]["p"]
    status, answer = restarted(app, run, env="twosome/TomatoSalad-v0", second="planner")
    assert (status, "tomato salad" in answer["situation"]["prompt"]) == (200, True)
    assert answer["situation"]["picture"].startswith("data:image/png;base64,")


@pytest.mark.parametrize(
    "wrong",
    [{"env": "os:system"}, {"env": "twosome/Nowhere-v0"}, {"second": "../other"}, {"second": "planner"}, {"seed": -1}],
    ids=str,
)
def test_what_is_no_choice_is_refused_and_what_is_played_goes_on(run, app, wrong):
    _, answer = restarted(app, run)
    status, refusal = restarted(app, run, **wrong)
    assert (status, set(refusal)) == (422, {"error", "expected", "actual", "remedy"})
    assert asked(app, "/step", {"episode": answer["episode"]})[0] == 200
    assert asked(app, "/step", {"episode": answer["episode"] - 1})[0] == 422


def test_the_curves_grow_while_the_run_trains(run, app, tmp_path):
    before = asked(app, "/progress")[1]
    text = (run / METRICS).read_text()
    last = json.loads(text.splitlines()[-1])
    try:
        with (run / METRICS).open("a") as file:
            later = {**last, "decisions": last["decisions"] + 32, "warnings": ["entropy"]}
            file.write(json.dumps(later) + '\n{"decisions": 1')
        after = asked(app, "/progress")[1]
    finally:
        (run / METRICS).write_text(text)
    assert after["decisions"] == before["decisions"] + 32
    assert len(after["curves"]["decisions"]) == len(before["curves"]["decisions"]) + 1
    assert after["warnings"][-1] == {"code": "entropy", "decisions": after["decisions"]}


def test_the_page_says_nothing_of_the_run_without_the_token(run):
    guarded = watch_server(run, token="a-token-of-some-length")
    status, _, page = asyncio.run(ask(guarded, path="/"))
    assert status == 200
    assert run.name not in page.decode().split('<script id="data"')[1].split("</script>")[0]
    assert "connect-src 'self'" in page.decode()
    for path in ("/choices", "/progress"):
        assert asked(guarded, path)[0] == 401
        assert asked(guarded, path, headers={"authorization": "Bearer a-token-of-some-length"})[0] == 200


def test_flags_of_the_server_are_checked_before_anything_is_loaded(run, capsys, monkeypatch):
    monkeypatch.delenv(TOKEN, raising=False)
    assert main(["watch", str(run), "--serve", "--host", "0.0.0.0"]) == 1
    assert main(["watch", str(run), "--serve", "--port", "70000"]) == 1
    assert main(["watch", str(run), "--port", "9000"]) == 1
    assert main(["watch", str(run), "--serve", "--episodes", "3"]) == 1
    said = capsys.readouterr().err
    assert TOKEN in said
    assert "--port cannot be given without --serve" in said
    assert "--episodes cannot be given with --serve" in said
    assert "Loading" not in said


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("chromium"), reason="needs Chromium")
def test_it_is_played_in_a_browser_with_the_keyboard_alone_and_fits_a_phone(tmp_path):
    run = train(TrainConfig(env="TomatoSalad", total_steps=128, output=tmp_path / "run"), progress=False)
    command = [sys.executable, "-m", "twosome", "watch", str(run), "--serve", "--port", "0"]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1", TOKEN: "a-token-of-some-length"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as server:
        try:
            address = next(found[1] for line in server.stdout if (found := re.search(r"(http://[\d.]+:\d+)", line)))
            with Browser(tmp_path / "profile") as browser:
                for width in (390, 830, 1440):
                    browser.open(f"{address}/#token=a-token-of-some-length", width)
                    browser.wait("document.querySelectorAll('#actions li').length > 0")
                    assert browser.run("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
                assert "token" not in browser.run("location.href")
                browser.press("ArrowRight")
                browser.wait("/chose:/.test(document.querySelector('#verdict').textContent)")
                browser.run("document.querySelector('#seed').focus()")
                browser.press("Enter")
                browser.wait("document.querySelector('#where').textContent === '1'")
                for _ in range(30):
                    browser.press("Tab")
                    if browser.run("document.activeElement.textContent") == "Take":
                        break
                browser.press("Enter")
                browser.wait("document.querySelector('#verdict').textContent.startsWith('You chose')")
                assert browser.run("document.activeElement.textContent") == "Take"
                browser.open(f"{address}/#token=another-token-of-some-length")
                browser.wait("/token/.test(document.querySelector('#problem').textContent)")
        finally:
            server.terminate()
