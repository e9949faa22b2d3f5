"""The processes ("ranks") that train one policy together, and the one process that trains alone.

`torchrun`, `accelerate launch` and Ray start the same program several times and tell each copy its rank. Every rank
holds the whole model, acts in its own share of the environments and computes its own share of each policy gradient;
everything else is computed on all ranks alike, from the same numbers. Rank 0 alone writes.

A rank that fails takes the others with it: what it cannot tell them, they notice by the broken connection.
"""

import contextlib
import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any, TypeVar, cast

import torch
import torch.distributed as dist
from torch import Tensor

from twosome.errors import ConfigError, RankError, TwosomeError
from twosome.launch import is_first, num_processes

T = TypeVar("T")


class Synchronizer:
    """When a rank passes through the model: whenever it likes. Not so where the model is spread over the ranks.

    Attributes:
        is_inside: whether the other ranks count on this one to go on with a pass.
    """

    is_inside = False

    def finish(self) -> None:
        """Wait until no rank needs this one for its passes."""

    def backward(self, loss: Tensor) -> None:
        """Add the gradients of a loss, without talking to the other ranks about them."""
        torch.autograd.backward(loss)


class Ranks(ABC):
    """What the training loop asks of the processes that it runs in.

    All methods but `share` and `device` are collective: every rank has to call them, in the same order.
    """

    rank: int  # number of this process, from 0
    size: int  # how many there are
    sync: Synchronizer  # when a rank passes through the model

    def share(self, count: int) -> range:
        """This rank's share of `count` items: contiguous, and as equal as can be."""
        return range(self.rank * count // self.size, (self.rank + 1) * count // self.size)

    @abstractmethod
    def device(self, name: str) -> str:
        """The device of this rank, where the settings say `name`."""

    @abstractmethod
    def gather(self, work: Callable[[], T]) -> list[T]:
        """What `work` gives on each rank, in their order.

        Raises:
            RankError: it failed on another rank. The rank where it failed raises its own error.
        """

    @abstractmethod
    def on_main(self, work: Callable[[], T]) -> T:
        """What `work` gives on rank 0, which alone does it.

        Raises:
            RankError: it failed on rank 0, which raises its own error.
        """

    @abstractmethod
    def enter_on_main(self, make: Callable[[], AbstractContextManager[T]]) -> AbstractContextManager[T]:
        """A context that rank 0 alone enters; elsewhere its value is None, for rank 0's work to use alone."""

    @abstractmethod
    def any(self, flag: bool) -> bool:
        """Whether the flag is set on any rank."""

    @abstractmethod
    def sum_gradients(self, parameters: Sequence[Tensor]) -> None:
        """Replace each gradient by its sum over the ranks; no gradient counts as zero."""

    @abstractmethod
    def sum(self, values: dict[str, float]) -> dict[str, float]:
        """The sum over the ranks of each value."""

    @abstractmethod
    def broadcast(self, tensors: Sequence[Tensor]) -> None:
        """Replace each tensor by rank 0's."""


class OneProcess(Ranks):
    """A process that trains alone: every share is the whole, and there is nobody to talk to."""

    rank = 0
    size = 1
    sync = Synchronizer()

    def device(self, name: str) -> str:
        """As the settings say."""
        return name

    def gather(self, work: Callable[[], T]) -> list[T]:
        """Its own alone."""
        return [work()]

    def on_main(self, work: Callable[[], T]) -> T:
        """Done here."""
        return work()

    def enter_on_main(self, make: Callable[[], AbstractContextManager[T]]) -> AbstractContextManager[T]:
        """Entered here."""
        return make()

    def any(self, flag: bool) -> bool:
        """The flag."""
        return flag

    def sum_gradients(self, parameters: Sequence[Tensor]) -> None:
        """The gradients as they are."""

    def sum(self, values: dict[str, float]) -> dict[str, float]:
        """The values as they are."""
        return values

    def broadcast(self, tensors: Sequence[Tensor]) -> None:
        """The tensors as they are."""


class ProcessGroup(Ranks):
    """A rank among others, through the default group of `torch.distributed`."""

    def __init__(self) -> None:
        self.rank = dist.get_rank()
        self.size = dist.get_world_size()
        self.sync = Synchronizer()

    def device(self, name: str) -> str:
        """The GPU with the number of this rank on its machine, or the CPU."""
        if name not in {"auto", "cpu", "cuda"}:
            raise ConfigError(
                f"--device is {name!r} for all of {self.size} processes, which need a device each. "
                "Use auto, cuda or cpu: with a GPU for each process of a machine, each takes its own."
            )
        if name == "cpu" or (name == "auto" and not torch.cuda.is_available()):
            return "cpu"
        local, count = int(os.environ.get("LOCAL_RANK", self.rank)), torch.cuda.device_count()
        if local >= count:
            raise ConfigError(
                f"process {local} of this machine has no GPU: there are {count}. Start as many processes as there "
                "are GPUs (torchrun --nproc-per-node), or use --device cpu."
            )
        return f"cuda:{local}"

    def gather(self, work: Callable[[], T]) -> list[T]:
        """One from each rank; failures are told to all before any rank gives up."""
        result: T | None = None
        failure: Exception | None = None
        try:
            result = work()
        except Exception as error:  # told to the others, then raised again
            failure = error
        if failure is not None and self.sync.is_inside:
            raise failure  # where it stands it can tell nobody; they notice when it ends
        everyone: list[Any] = [None] * self.size
        with self._collective():
            dist.all_gather_object(everyone, (result, failure and _in_words(failure)))
        if failure is not None:
            raise failure
        for rank, (_, reason) in enumerate(everyone):
            if reason is not None:
                raise RankError(f"rank {rank} failed: {reason}")
        return [value for value, _ in everyone]

    def on_main(self, work: Callable[[], T]) -> T:
        """Done on rank 0, told to all."""
        return cast(T, self.gather(cast(Callable[[], T | None], work if self.rank == 0 else lambda: None))[0])

    @contextmanager
    def enter_on_main(self, make: Callable[[], AbstractContextManager[T]]) -> Iterator[T]:
        """Entered on rank 0."""
        with contextlib.ExitStack() as stack:
            entered: list[T] = []
            self.on_main(lambda: entered.append(stack.enter_context(make())))
            yield entered[0] if entered else cast(T, None)

    def any(self, flag: bool) -> bool:
        """Agreed upon by all."""
        return self.sum({"flag": float(flag)})["flag"] > 0

    def sum_gradients(self, parameters: Sequence[Tensor]) -> None:
        """In one message, in the order of the parameters."""
        for parameter in parameters:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
        gradients = [cast(Tensor, parameter.grad) for parameter in parameters]
        flat = torch.cat([gradient.flatten() for gradient in gradients])
        with self._collective():
            dist.all_reduce(flat)
        sizes = [gradient.numel() for gradient in gradients]
        for gradient, summed in zip(gradients, torch.split(flat, sizes), strict=True):
            gradient.copy_(summed.view_as(gradient))

    def sum(self, values: dict[str, float]) -> dict[str, float]:
        """In double precision, on the CPU."""
        flat = torch.tensor(list(values.values()), dtype=torch.float64)
        with self._collective():
            dist.all_reduce(flat)
        return dict(zip(values, flat.tolist(), strict=True))

    def broadcast(self, tensors: Sequence[Tensor]) -> None:
        """One message each."""
        with torch.no_grad(), self._collective():
            for tensor in tensors:
                dist.broadcast(tensor, src=0)

    @contextmanager
    def _collective(self) -> Iterator[None]:
        try:
            self.sync.finish()
            yield
        except RuntimeError as error:
            raise RankError(
                "another rank ended while this one was waiting for it; its own message says why. What was saved is "
                f"intact. ({str(error).split('. ')[0]})"
            ) from error


def is_main() -> bool:
    """Whether this process is rank 0, or alone; to be asked before the ranks have met, too."""
    if dist.is_initialized():
        return dist.get_rank() == 0
    return is_first()


@contextmanager
def process_group() -> Iterator[Ranks]:
    """The ranks that this process was started with: torchrun's environment variables say, or a group that exists."""
    if dist.is_initialized():
        yield ProcessGroup()
    elif num_processes() == 1:
        yield OneProcess()
    else:
        # Python objects and numbers travel between CPUs, gradients between GPUs.
        dist.init_process_group("cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo")
        yield ProcessGroup()
        # Not after an error: others may be waiting for this rank, and the end of the process tells them at once.
        dist.destroy_process_group()


def _in_words(error: Exception) -> str:
    return str(error) if isinstance(error, TwosomeError) else f"{type(error).__name__}: {error}"
