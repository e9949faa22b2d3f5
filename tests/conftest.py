"""What all tests share: Hypothesis with the same examples each time, and slow tests only where they are asked for."""

import importlib
import os

import pytest
from hypothesis import Phase, settings

from tests import type_checks

type_checks.install()

# Before torch is imported, here and in the processes that tests start: small models gain nothing from more threads,
# and on a busy machine threads that wait for each other take many times as long.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# A name that is nowhere is refused at once, instead of after the hub was asked several times.
os.environ.setdefault("HF_HUB_OFFLINE", "1")

# Imported by tests by their names; as modules to look for doctests in they would be imported twice.
collect_ignore = ["ranks.py", "environments.py", "type_checks.py"]

# No deadline, since the first call of many a function fills caches. `make fuzz` tries other examples each time, many
# more of them (see tests/fuzz/inputs.py), and says how to repeat one that fails.
_PHASES = tuple(phase for phase in Phase if phase is not Phase.explain)
settings.register_profile("short", deadline=None, phases=_PHASES, derandomize=True)
settings.register_profile("long", deadline=None, phases=_PHASES, print_blob=True)
settings.load_profile("short")


def pytest_collection() -> None:
    """Import the large libraries before `twosome` does.

    Whatever is imported while a module of ours is, whose types are checked, is compiled anew: jaxtyping's import hook
    looks for compiled files under a name of its own.
    """
    for name in ("peft", "matplotlib.figure"):  # and with PEFT, PyTorch and Transformers
        importlib.import_module(name)


def pytest_configure(config: pytest.Config) -> None:
    """Leave slow tests out, unless -m says what to run."""
    config.option.markexpr = config.option.markexpr or "not slow"
