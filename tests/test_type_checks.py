"""What tests rely on: a call that its signature does not allow is an error, for plain values as for arrays."""

from typing import Any

import beartype
import pytest
import torch
from jaxtyping import Float, TypeCheckError
from torch import Tensor

from tests.type_checks import checked
from tests.unchecked import types_unchecked
from twosome.decision import Decision
from twosome.ppo.gae import normalize_advantages
from twosome.statistics import wilson_interval


@pytest.mark.parametrize(
    "call",
    [
        lambda: wilson_interval("3", 4),
        lambda: Decision(3, ("go",)),
        lambda: normalize_advantages(torch.zeros(3, dtype=torch.int64)),
    ],
    ids=["plain", "dataclass", "array"],
)
def test_a_call_of_ours_with_another_type_is_an_error(call):
    with pytest.raises(TypeCheckError):
        call()


@checked(typechecker=beartype.beartype)
def as_whole(number: Any) -> int:
    return number


@checked(typechecker=beartype.beartype)
def product(one: list[Float[Tensor, " A"]], other: Float[Tensor, " A"]) -> Float[Tensor, " A"]:
    return (one[0] * other)[:2]


@checked(typechecker=beartype.beartype)
def numbers(last: "Unknown") -> list[int]:  # type: ignore[name-defined]  # noqa: F821 - as a name is that a later line makes
    return [*range(last)]


def test_what_is_returned_is_checked_too():
    assert as_whole(3) == 3
    with pytest.raises(TypeCheckError):
        as_whole("3")
    with types_unchecked():
        assert as_whole("3") == "3"


def test_lengths_of_one_name_are_one_length():
    assert len(product([torch.ones(2)], torch.ones(2))) == 2
    with pytest.raises(TypeCheckError):
        product([torch.ones(3)], torch.ones(3))
    with pytest.raises(TypeCheckError):
        product([torch.ones(3)], torch.ones(2))


def test_a_name_that_is_not_there_yet_stands_for_anything():
    assert numbers(3) == [0, 1, 2]
