"""A policy that answers over HTTP says what it says in Python, and whatever it is asked wrongly is refused."""

import asyncio
import json
import socket

import pytest

pytest.importorskip("starlette", reason="needs the extra serve")
pytest.importorskip("uvicorn", reason="needs the extra serve")

from tests.serve.asking import ask
from twosome.agent import Agent
from twosome.cli import main
from twosome.decision import Decision
from twosome.errors import ConfigError
from twosome.serve.api import BusyError, openapi, policy_server
from twosome.serve.batches import Batches
from twosome.serve.web import BODY_BYTES, TOKEN, listen, token_for

TEA = {
    "prompt": "You want to make tea. The kettle is empty. Now you",
    "actions": ["fill the kettle", "", "go to bed"],
}
DECISION = Decision(TEA["prompt"], tuple(TEA["actions"]))


@pytest.fixture(scope="module")
def agent():
    return Agent.from_pretrained("hearth", normalization="pmi")


@pytest.fixture
def app(agent):
    return policy_server(agent.actor)


def asked(app, *arguments, **more):
    return asyncio.run(ask(app, *arguments, **more))


def test_it_says_what_the_agent_says(agent, app):
    expected = agent.probabilities(DECISION).tolist()
    status, _, body = asked(app, "POST", "/act", {**TEA, "deterministic": True})
    answer = json.loads(body)
    assert (status, answer["action"], answer["phrase"]) == (200, 0, "fill the kettle")
    assert answer["probabilities"] == pytest.approx(expected, abs=1e-6)
    rows = json.loads(asked(app, "POST", "/score", TEA)[2])["actions"]
    log_probs = agent.actor.scorer.log_probs([DECISION])[0].tolist()
    assert [row["probability"] for row in rows] == pytest.approx(expected, abs=1e-6)
    assert rows[1] == {"phrase": "", "log_prob": None, "probability": 0}
    assert [rows[i]["log_prob"] for i in (0, 2)] == pytest.approx([log_probs[0], log_probs[2]], abs=1e-4)


def test_what_is_drawn_follows_the_policy_and_the_seed(agent):
    def draws(seed):
        app = policy_server(agent.actor, seed=seed)
        crossing = {"prompt": "You stand at a crossing. Now you", "actions": ["go left", "", "go right"]}
        return [json.loads(asked(app, "POST", "/act", crossing)[2])["action"] for _ in range(40)]

    assert draws(1) == draws(1) != draws(2)
    assert set(draws(1)) == {0, 2}


def test_requests_that_come_at_once_are_scored_together_and_one_that_cannot_be_spoils_no_other(agent, app):
    too_long = {**TEA, "prompt": "go " * 2000 + "on"}
    questions = [{**TEA, "prompt": f"You have {i} cups. Now you"} for i in range(1, 20)]

    async def all_at_once():
        asking = [ask(app, "POST", "/score", question) for question in [*questions[:9], too_long, *questions[9:]]]
        return await asyncio.gather(*asking), await ask(app, path="/metrics")

    answers, (_, _, metrics) = asyncio.run(all_at_once())
    assert answers[9][0] == 422
    assert b"at most 512" in answers[9][2]
    alone = agent.probabilities([Decision(q["prompt"], tuple(q["actions"])) for q in questions])
    for (status, _, body), expected in zip([*answers[:9], *answers[10:]], alone, strict=True):
        assert status == 200
        found = [row["probability"] for row in json.loads(body)["actions"]]
        assert found == pytest.approx(expected.tolist(), abs=1e-5)
    counted = dict(line.rsplit(" ", 1) for line in metrics.decode().splitlines() if not line.startswith("#"))
    assert counted["twosome_decisions_total"] == "20"
    assert int(counted["twosome_batches_total"]) <= 2
    assert counted['twosome_requests_total{path="/score",status="422"}'] == "1"


WRONG = [
    (400, b""),
    (400, b"{"),
    (400, b"\xff\xfe"),
    (400, b'{"prompt": "\\ud800", "actions": ["go"]}'),
    (400, b"[" * 100_000),
    (422, []),
    (422, 5),
    (422, {}),
    (422, {**TEA, "prompt": 5}),
    (422, {**TEA, "prompt": None}),
    (422, {**TEA, "prompt": "x" * 40_000}),
    (422, {**TEA, "prompt": "ends in a blank "}),
    (422, {**TEA, "prompt": "go\0on"}),
    (422, {**TEA, "actions": []}),
    (422, {**TEA, "actions": [""]}),
    (422, {**TEA, "actions": "go"}),
    (422, {**TEA, "actions": ["go", 1]}),
    (422, {**TEA, "actions": ["x" * 4000]}),
    (422, {**TEA, "actions": ["go"] * 2000}),
    (422, {**TEA, "deterministic": "yes"}),
    (422, {**TEA, "\x1b[31m": 1}),
    (413, b"x" * (BODY_BYTES + 1)),
    (413, b"x" * (20 * 1024 * 1024)),
]


@pytest.mark.parametrize(("status", "body"), WRONG, ids=lambda value: str(value)[:30])
def test_a_wrong_question_is_refused_with_what_was_expected_what_was_found_and_what_to_do(app, status, body):
    found, _, answer = asked(app, "POST", "/act", body)
    assert found == status
    refusal = json.loads(answer)
    assert set(refusal) == {"error", "expected", "actual", "remedy"}
    assert all(refusal.values())
    assert len(answer) < 2000
    assert refusal["error"].isprintable()


def test_wrong_paths_methods_and_types_are_refused(app):
    assert asked(app, path="/nobody")[0] == 404
    status, headers, _ = asked(app, path="/act")
    assert (status, headers["allow"]) == (405, "POST")
    assert asked(app, "POST", "/act", TEA, headers={"content-type": "text/plain"})[0] == 415


def test_pages_of_other_origins_and_strangers_get_no_answer(agent, app):
    assert asked(app, path="/health", headers={"host": "rebound.example:8000"})[0] == 421
    assert asked(app, path="/health", headers={"host": "[::1]:8000"})[0] == 200
    guarded = policy_server(agent.actor, token="a-token-of-some-length")
    for headers, status in [
        ({}, 401),
        ({"authorization": "Bearer another"}, 401),
        ({"authorization": "Bearer a-token-of-some-length", "host": "elsewhere"}, 200),
    ]:
        assert asked(guarded, "POST", "/act", TEA, headers=headers)[0] == status
        assert asked(guarded, path="/metrics", headers=headers)[0] == status
        assert asked(guarded, path="/health", headers=headers)[0] == 200


def test_others_are_answered_only_where_there_is_a_token(monkeypatch):
    monkeypatch.delenv(TOKEN, raising=False)
    assert token_for("127.0.0.1") is token_for("::1") is token_for("localhost") is None
    for host in ("0.0.0.0", "::", "example.org", ""):
        with pytest.raises(ConfigError, match=TOKEN):
            token_for(host)
    monkeypatch.setenv(TOKEN, "short")
    with pytest.raises(ConfigError, match="5 characters"):
        token_for("127.0.0.1")


def test_no_more_wait_than_may(agent):
    batches = Batches(agent.actor, most_waiting=2)

    async def crowd():
        decisions = [Decision(f"You see {i} plates. Now you", ("go", "stay")) for i in range(6)]
        return await asyncio.gather(*map(batches.scores, decisions), return_exceptions=True)

    found = asyncio.run(crowd())
    assert [isinstance(answer, BusyError) for answer in found] == [False] * 2 + [True] * 4


def test_the_page_describes_all_that_can_be_asked_and_runs_nothing(app):
    document = json.loads(asked(app, path="/openapi.json")[2])
    assert document == json.loads(json.dumps(openapi()))
    page = asked(app, path="/docs")[2].decode()
    for path in document["paths"]:
        assert f" {path}</code>" in page
        assert asked(app, "POST" if path in ("/act", "/score") else "GET", path, TEA)[0] == 200
    assert "<script" not in page
    assert "http" not in page.replace("http://localhost:8000", "")


def test_what_cannot_be_served_is_said_before_a_model_is_loaded(tmp_path, capsys, monkeypatch):
    monkeypatch.delenv(TOKEN, raising=False)
    assert main(["serve", str(tmp_path / "nothing")]) == 1
    assert main(["serve", str(tmp_path), "--port", "70000"]) == 1
    (tmp_path / "agent.json").write_text("{}")
    assert main(["serve", str(tmp_path), "--host", "0.0.0.0"]) == 1
    assert main(["serve", str(tmp_path), "--host", "203.0.113.7.nowhere", "--port", "1"]) == 1
    said = capsys.readouterr().err
    for words in ("nothing", "70000", TOKEN):
        assert words in said
    assert "Loading" not in said


def test_answers_do_not_wait_for_more_to_send():
    """asyncio switches Nagle's algorithm off only where the socket says that it is TCP."""
    with listen("127.0.0.1", 0) as listening:
        assert listening.proto == socket.IPPROTO_TCP
