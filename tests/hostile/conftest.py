"""Runs to be tampered with: copies of honest ones, whose manifests can be signed anew."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file, save_file

import tests.environments
from twosome.files import sha256
from twosome.ppo.train import train
from twosome.runs import RunDirectory


class Tampered:
    """A run and its last checkpoint, with a manifest that always agrees."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.checkpoint = RunDirectory.open(path).checkpoint("last")

    def sign(self) -> None:
        manifest = self.checkpoint / "manifest.json"
        files = (file for file in sorted(self.checkpoint.iterdir()) if file.is_file() and file != manifest)
        manifest.write_text(json.dumps({file.name: sha256(file) for file in files}))

    def json(self, name: str, edit: Callable[[dict[str, Any]], object]) -> None:
        file = self.checkpoint / name
        content = json.loads(file.read_text())
        edit(content)
        file.write_text(json.dumps(content))
        self.sign()

    def tensors(self, name: str, edit: Callable[[dict[str, Any]], object]) -> None:
        file = self.checkpoint / name
        content = load_file(file)
        edit(content)
        save_file({key: value.contiguous() for key, value in content.items()}, file)
        self.sign()


@pytest.fixture(scope="session")
def honest(tmp_path_factory) -> Path:
    path = train(tests.environments.counting_run(tmp_path_factory.mktemp("honest") / "run", checkpoint_every=32))
    shutil.rmtree(RunDirectory.open(path).checkpoint("last"))  # so that something is left to train
    return path


@pytest.fixture(scope="session")
def honest_full(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("full") / "run"
    return train(tests.environments.counting_run(path, total_steps=32, tuning="full", actor_lr=1e-4))


@pytest.fixture
def run(honest, tmp_path) -> Tampered:
    return Tampered(shutil.copytree(honest, tmp_path / "run"))


@pytest.fixture
def full(honest_full, tmp_path) -> Tampered:
    return Tampered(shutil.copytree(honest_full, tmp_path / "full"))


@pytest.fixture
def canary(tmp_path) -> Path:
    """A file that is there once foreign code has run."""
    return tmp_path / "canary"
