import os

import pytest
import torch
from jaxtyping import config

os.environ["HF_HUB_OFFLINE"] = "1"


@pytest.fixture(autouse=True)
def _one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def without_type_checks():
    """As for a user, who has no checker of types: a wrong argument reaches the function."""
    config.update("jaxtyping_disable", True)
    yield
    config.update("jaxtyping_disable", False)
