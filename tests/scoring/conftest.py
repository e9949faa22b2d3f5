import os

import pytest
import torch

from tests.unchecked import types_unchecked

os.environ["HF_HUB_OFFLINE"] = "1"


@pytest.fixture(autouse=True)
def _one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def without_type_checks():
    """A wrong argument reaches the function."""
    with types_unchecked():
        yield
