"""What all fuzz tests share: types unchecked, as for users, and a folder in which nothing may appear."""

import os
from collections.abc import Iterator

import matplotlib.font_manager  # noqa: F401 - it writes a cache when it is first imported
import pytest
import torch

from tests.fuzz.checking import files_below
from tests.unchecked import types_unchecked

os.environ["HF_HUB_OFFLINE"] = "1"

collect_ignore = ["checking.py", "inputs.py"]


@pytest.fixture(autouse=True, scope="module")
def as_in_use() -> Iterator[None]:
    """Types are not checked, and PyTorch has one thread."""
    torch.set_num_threads(1)
    with types_unchecked():
        yield


@pytest.fixture(autouse=True)
def nothing_elsewhere(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Current and home folder are empty, and stay so."""
    folder = tmp_path_factory.mktemp("elsewhere")
    here, home = folder / "here", folder / "home"
    here.mkdir()
    home.mkdir()
    monkeypatch.chdir(here)
    monkeypatch.setenv("HOME", str(home))
    yield
    assert files_below(folder) == {"here", "home"}


@pytest.fixture(scope="module")
def monkeypatch_module() -> Iterator[pytest.MonkeyPatch]:
    """Changes that stay for all inputs of a module."""
    with pytest.MonkeyPatch.context() as patch:
        yield patch
