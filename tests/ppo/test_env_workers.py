"""A run whose environments are in processes of their own is the same run; one whose environments fail can go on."""

import json
import os
import re
import signal
import threading
import time
import warnings
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import twosome
from tests.environments import counting_run
from tests.ranks import begin_command
from tests.unruly import FAULTS
from twosome.cli import main
from twosome.config import TrainConfig
from twosome.envs.losses import EpisodeLostWarning
from twosome.errors import ConfigError, EnvCrashError
from twosome.ppo.state import RestartedEpisodesWarning
from twosome.trust import ChangedRunWarning


def numbers(path: Path) -> list[dict[str, Any]]:
    """The metrics, without seconds."""
    rows = [json.loads(line) for line in (path / "metrics.jsonl").read_text().splitlines()]
    return [{name: value for name, value in row.items() if not name.endswith("_s")} for row in rows]


def test_a_run_with_workers_resumed_with_fewer_has_the_metrics_of_one_in_one_process(tmp_path):
    config = replace(counting_run(tmp_path / "here", num_envs=3, policy_minibatches=1), env="twosome-tests/Shelf-v0")
    config = replace(config, value_minibatches=1, total_steps=3 * 3 * 16)
    twosome.train(config, progress=False)
    path = tmp_path / "there"
    twosome.train(replace(config, output=path, env_workers=2), progress=False, stop=lambda row: row["update"] == 2)
    settings = json.loads((path / "config.json").read_text())
    (path / "config.json").write_text(json.dumps({**settings, "env_workers": 1}))
    with pytest.warns(ChangedRunWarning, match="env_workers is 1 and was 2"):
        twosome.resume(path, progress=False)
    assert numbers(path) == numbers(tmp_path / "here")
    assert len(numbers(path)) == 3


def unruly_run(path: Path, kwargs: dict[str, Any], **settings: Any) -> TrainConfig:
    return replace(
        counting_run(path, normalization="word"), env="twosome-tests/Unruly-v0", env_kwargs=kwargs, **settings
    )


def seed_in(error: BaseException) -> str:
    return re.findall(r"seed (\d+)", str(error))[0]


def test_a_run_that_lost_too_many_episodes_ends_with_commands_and_goes_on_with_other_episodes(tmp_path, capsys):
    path = tmp_path / "run"
    with (
        pytest.warns(EpisodeLostWarning),
        pytest.raises(EnvCrashError, match="2 episodes are lost, more than --max-lost 1") as caught,
    ):
        twosome.train(unruly_run(path, {"fault": "raise", "at": 20}, max_lost=1), progress=False)
    message = str(caught.value)
    assert (
        f"stopped after 32 decisions; all but the rollout under way is saved. Go on with: twosome train --resume {path}"
        in message
    )
    (file,) = re.findall(r"To see it again: twosome replay (\S+\.json)", message)
    assert main(["replay", file]) == 1
    said = capsys.readouterr().out
    assert "RuntimeError: the server is gone" in said
    assert said.count("  reset\n") == 1
    assert main(["replay", file, "--json"]) == 1
    assert "the server is gone" in json.loads(capsys.readouterr().out)["error"]

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", EpisodeLostWarning)
        with pytest.warns(RestartedEpisodesWarning, match="broke off"), pytest.raises(EnvCrashError) as again:
            twosome.resume(path, progress=False)
    assert seed_in(again.value) != seed_in(caught.value)
    assert [row["episodes_lost"] for row in numbers(path)] == [0, 2]  # those of the first attempt


@pytest.mark.parametrize("workers", [0, 1])
def test_ctrl_c_ends_a_run_whose_environment_hangs_and_it_goes_on_from_its_last_update(workers, tmp_path, monkeypatch):
    monkeypatch.setattr("twosome.ppo.interrupt.PATIENCE_S", 0.2)
    path, once = tmp_path / "run", tmp_path / "hangs"

    def interrupt_when_it_hangs() -> None:
        while not once.exists():
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt_when_it_hangs, daemon=True).start()
    config = unruly_run(path, {"fault": "hang", "at": 20, "once": str(once)}, env_workers=workers)
    with pytest.raises(KeyboardInterrupt, match="an environment did not answer: stopped after 32 decisions") as caught:
        twosome.train(config, progress=False)
    assert caught.value.number == signal.SIGINT
    with pytest.warns(RestartedEpisodesWarning, match="broke off"):
        twosome.resume(path, progress=False)
    assert len(numbers(path)) == 3


def is_alive(process: int) -> bool:
    with suppress(OSError):
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


def test_a_killed_trainer_leaves_no_environment_behind_that_hangs(tmp_path):
    once = tmp_path / "hangs"
    kwargs = json.dumps({"fault": "hang", "method": "reset", "at": 2, "once": str(once)})
    words = ["train", "--env", "tests.unruly:twosome-tests/Unruly-v0", "--env-kwargs", kwargs, "--env-workers", "1"]
    trainer = begin_command(
        [*words, "--output", str(tmp_path / "run"), "--num-envs", "1"], tmp_path / "output", tmp_path / "errors"
    )
    while not once.exists() or not once.read_text():
        assert trainer.is_alive(), (tmp_path / "errors").read_text()
        time.sleep(0.05)
    environment = int(once.read_text())
    assert is_alive(environment)
    trainer.kill()
    trainer.join()
    deadline = time.monotonic() + 20
    while is_alive(environment):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_limit_of_time_needs_a_process_that_can_be_ended(tmp_path):
    with pytest.raises(ConfigError, match=r"--step-timeout is 3.*expected none without --env-workers"):
        counting_run(tmp_path, step_timeout=3.0)


@pytest.mark.slow
@pytest.mark.parametrize("moment", range(50))
def test_a_crash_or_hang_at_any_moment_is_survived(moment, tmp_path):
    rng = np.random.default_rng(moment)
    method = str(rng.choice(["reset", "step", "step", "step", "get_state", "close"]))
    at = int(rng.integers(1, {"reset": 12, "step": 45, "get_state": 3, "close": 2}[method]))
    at += method == "reset"  # the first is made before there is an episode
    kwargs = {"fault": FAULTS[moment % 4], "method": method, "at": at, "once": str(tmp_path / "failed")}
    limit = moment % 2
    config = unruly_run(tmp_path / "run", kwargs, env_workers=2, step_timeout=2.0, max_lost=limit, checkpoint_every=32)
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        failed = None
        try:
            twosome.train(config, progress=False)
        except EnvCrashError as error:
            failed = error
        if failed is not None:
            assert limit == 0
            assert "twosome replay" in str(failed)
            if (tmp_path / "run").exists():
                twosome.resume(tmp_path / "run", progress=False)
            else:
                twosome.train(config, progress=False)
    assert len(numbers(tmp_path / "run")) == 3
    lost = [warning for warning in warned if warning.category is EpisodeLostWarning]
    assert len(lost) <= limit
