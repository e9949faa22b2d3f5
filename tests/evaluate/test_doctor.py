"""The doctor first names what is wrong with an environment of known fault, and finds nothing to mend in a good one."""

import json
from typing import Any

import gymnasium
import pytest
from gymnasium import spaces

import tests.toy_text  # noqa: F401 - registers the environments
from twosome.cli import main
from twosome.evaluate.doctor import Examination, examine
from twosome.report.tokens import save_tokens
from twosome.setting_types import Normalization

_CHARSET = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 .,<>&\"'"
GOOD = ("take the bowl", "chop the tomato", "walk to the cutting board")
PLACES = ("on the table", "in the kitchen", "near the sink")
FAULTS: dict[str, Any] = {
    "none": GOOD,
    "duplicates": ("take the bowl", "chop the tomato", "take the bowl", "take the bowl"),
    "articles": ("take bowl", "chop tomato", "walk to cutting board"),
    "ended": GOOD,
    "long": GOOD,
    "names": ("take the <b>bowl</b>", "chop the tomato & go", 'walk to "x"'),
}


class Kitchen(gymnasium.Env[dict[str, Any], Any]):
    """Three phrases in three places; chopping pays; an episode has three decisions."""

    def __init__(self, fault: str = "none", endless: bool = False) -> None:
        self.fault, self.endless = fault, endless
        text = spaces.Text(min_length=0, max_length=9000, charset=_CHARSET)
        self.action_space = spaces.Discrete(len(FAULTS[fault]))
        self.observation_space = spaces.Dict({"prompt": text, "actions": spaces.Tuple([text] * len(FAULTS[fault]))})

    def observation(self) -> dict[str, Any]:
        prompt = f"You want to make a tomato salad. You see a raw tomato and a bowl {PLACES[self.count % 3]}."
        prompt = " ".join(["You see a tomato."] * 200 + [prompt]) if self.fault == "long" else prompt
        return {"prompt": prompt if self.fault == "ended" else f"{prompt} Now you", "actions": FAULTS[self.fault]}

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None):
        super().reset(seed=seed)
        self.count = 0
        return self.observation(), {}

    def step(self, action: int):
        self.count += 1
        return self.observation(), float(action == 1), self.count == 3 and not self.endless, False, {}


gymnasium.register("twosome-tests/Kitchen-v0", Kitchen)


def examined(
    env: str = "twosome-tests/Kitchen-v0", normalization: Normalization | None = None, **kwargs: Any
) -> Examination:
    return examine(env, kwargs, "hearth", normalization=normalization, episodes=4)


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ("duplicates", "duplicate-phrases"),
        ("articles", "article-missing"),
        ("long", "prompt-too-long"),
        ("ended", "sentence-ended"),
    ],
)
def test_a_fault_of_the_texts_is_named_first(fault, code):
    found = examined(fault=fault)
    assert found.findings[0].code == code
    assert (found.findings[0].effect or 0) > 0.05
    assert code in found.recommendation[0]


def test_a_prior_that_is_certain_is_named_first():
    found = examined("toy-text/Taxi-v0", "word", max_episode_steps=20)
    assert found.findings[0].code == "prior-certain"
    assert found.untrained["word"]["entropy_share"] < 0.15 < found.untrained["learned"]["entropy_share"]
    assert "--normalization learned" in found.recommendation[-1]


def test_an_environment_without_these_faults_has_nothing_that_must_be_mended():
    found = examined()
    assert not [finding for finding in found.findings if (finding.effect or 0) > 0.1]
    assert set(found.untrained) == {"none", "token", "word", "byte", "pmi", "learned"}
    assert found.facts["available_max"] == 3
    assert found.facts["context_tokens"] == 512
    assert found.random.episodes >= 4


def test_an_environment_whose_episodes_never_end_is_left_after_a_while():
    found = examined(endless=True)
    assert found.random.episodes == 0
    assert found.random.return_ci95 is None
    assert found.facts["random_decisions"] == 240


def test_the_same_seed_finds_the_same():
    one, two = examined(), examined()
    assert one.findings == two.findings
    assert one.untrained == two.untrained


def test_the_page_is_legible_without_color_and_escapes_every_name(tmp_path):
    found = examined(fault="names")
    page = tmp_path / "page.html"
    save_tokens({**found.to_json(), "model": "<script>alert(1)</script>"}, page)
    text = page.read_text()
    assert "<script" not in text
    assert "<b>" not in text
    assert "&lt;" in text
    assert ' nats">' in text
    assert "http" not in text
    assert "prefers-color-scheme: dark" in text


def test_the_command_prints_lines_of_eighty_columns_and_a_document(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    assert main(["doctor", "twosome-tests/Kitchen-v0", "--env-kwargs", '{"fault": "articles"}', "--episodes", "2"]) == 0
    printed = capsys.readouterr().out
    assert max(map(len, printed.splitlines())) <= 80
    assert printed.index("article-missing") < printed.index("Recommendation")
    assert main(["doctor", "twosome-tests/Kitchen-v0", "--episodes", "2", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert {"findings", "facts", "random", "untrained", "tokens", "samples", "recommendation"} <= set(document)
