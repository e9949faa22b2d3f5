"""What the layers below the adapters make of a decision: computed once, and kept for as long as the run lasts.

Where only the upper layers are adapted, the hidden states that enter them never change. Each decision is read by the
lower layers in a forward of its own, so what is kept follows from the decision alone, to the last bit, and not from the
company in which it was met first: a resumed run computes the same. A packed row takes the state of each of its tokens
from a decision that has the same tokens before it, and enters the model at the first adapted layer.

The model's own code runs, whatever the family: the layers to be left out are made to hand on what they are given.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from twosome.models import decoder_layers
from twosome.scoring.adapters import inner_model
from twosome.scoring.attention import model_mask
from twosome.scoring.cache import BoundedCache
from twosome.scoring.forest import PackedRow
from twosome.scoring.trie import ActionTrie

KEPT_BYTES = 2**29
"""Most memory for states that are kept; beyond it those that were not asked for longest are computed again."""


@dataclass(frozen=True)
class _Known:
    """A decision's row, and the state of each of its tokens where it enters the first adapted layer."""

    row: PackedRow
    states: Float[Tensor, "N D"]


class LowerLayers:
    """The frozen layers below the first adapted one.

    Args:
        model: with or without adapters; read anew whenever it is asked for.
        first: number of the first adapted layer, at least 1.
        kept_bytes: bound on the memory for what is kept.
    """

    def __init__(self, model: Any, first: int, kept_bytes: int = KEPT_BYTES) -> None:
        self._base = inner_model(model).base_model
        self._config = model.config
        self._dtype = model.dtype
        self._layers = list(decoder_layers(inner_model(model))[1])
        self.first = first
        self._hand_on_tuples = False
        self._known: BoundedCache[tuple[Any, ...], _Known] = BoundedCache(
            kept_bytes, lambda known: known.states.numel() * known.states.element_size()
        )

    @property
    def kept_bytes(self) -> int:
        """Memory for what is kept now."""
        return self._known.weight

    def states(
        self,
        tries: Sequence[ActionTrie],
        rows: Sequence[PackedRow],
        row_of: Callable[[ActionTrie], PackedRow],
        device: torch.device,
    ) -> Float[Tensor, "B N D"]:
        """The states with which packed rows enter the first adapted layer; zeros in front of shorter rows.

        Args:
            tries: what the rows' `owners` count.
            rows: of one forward.
            row_of: makes a row of a single trie.
            device: where the model takes its tokens.
        """
        parts = [self._of_row(tries, row, row_of, device) for row in rows]
        width = max(row.length for row in rows)
        return torch.stack([nn.functional.pad(part, (0, 0, width - len(part), 0)) for part in parts])

    def _of_row(
        self,
        tries: Sequence[ActionTrie],
        row: PackedRow,
        row_of: Callable[[ActionTrie], PackedRow],
        device: torch.device,
    ) -> Float[Tensor, "N D"]:
        numbers: dict[tuple[int, int], int] = {}
        place: dict[int, int] = {}
        parts = []
        done = 0
        for owner in np.unique(row.owners).tolist():
            known = self._known_of(tries[owner], row_of, device)
            parts.append(known.states)
            for column, path in enumerate(_paths(known.row, numbers)):
                place.setdefault(path, done + column)
            done += known.row.length
        columns = [place[path] for path in _paths(row, numbers)]
        return torch.cat(parts)[torch.tensor(columns, device=device)]

    def _known_of(self, trie: ActionTrie, row_of: Callable[[ActionTrie], PackedRow], device: torch.device) -> _Known:
        key = (trie.shared, trie.tokens.tobytes(), trie.depths.tobytes())
        known = self._known.find(key)
        if known is None:
            row = row_of(trie)
            known = self._known.put(key, _Known(row, self._read(row, device)))
        return known

    @torch.no_grad()
    def _read(self, row: PackedRow, device: torch.device) -> Float[Tensor, "N D"]:
        """What the lower layers make of a row; the others hand it on."""
        tokens, positions, order, ends = (
            torch.from_numpy(array[None]).to(device) for array in (row.tokens, row.positions, row.order, row.ends)
        )
        found: list[Tensor] = []

        def lowest(_module: nn.Module, _args: Any, output: Any) -> None:
            self._hand_on_tuples = isinstance(output, tuple)

        def enters(*args: Any, **kwargs: Any) -> Any:
            found.append(_given(args, kwargs))
            return self._handed_on(found[0])

        hook = self._layers[0].register_forward_hook(lowest)
        try:
            with _in_place({i: enters if i == self.first else self._hand_on for i in self._upper}, self._layers):
                self._base(
                    input_ids=tokens,
                    attention_mask=model_mask(self._config, order, ends, positions, self._dtype),
                    position_ids=positions,
                    use_cache=False,
                )
        finally:
            hook.remove()
        return found[0][0]

    @contextmanager
    def left_out(self, states: Float[Tensor, "B N D"]) -> Iterator[None]:
        """While the context lasts, forwards of the model enter the first adapted layer with these states."""
        handed_on = self._handed_on(states)
        top = self.first - 1
        with _in_place({**dict.fromkeys(range(top), self._hand_on), top: partial(_ignoring, handed_on)}, self._layers):
            yield

    @property
    def _upper(self) -> range:
        return range(self.first, len(self._layers))

    def _hand_on(self, *args: Any, **kwargs: Any) -> Any:
        return self._handed_on(_given(args, kwargs))

    def _handed_on(self, states: Tensor) -> Any:
        return (states,) if self._hand_on_tuples else states


@contextmanager
def _in_place(forwards: dict[int, Callable[..., Any]], layers: Sequence[nn.Module]) -> Iterator[None]:
    """Let some layers compute something else while the context lasts."""
    with ExitStack() as stack:
        for i, forward in forwards.items():
            vars(layers[i])["forward"] = forward
            stack.callback(vars(layers[i]).pop, "forward")
        yield


def _given(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Tensor:
    """The hidden states that a layer is given, first of all."""
    states: Tensor = args[0] if args else kwargs["hidden_states"]
    return states


def _ignoring(result: Any, *_args: Any, **_kwargs: Any) -> Any:
    return result


def _paths(row: PackedRow, numbers: dict[tuple[int, int], int]) -> list[int]:
    """For each column the number of its path, the tokens from the row's beginning to its own; equal ones are equal."""
    paths = [0] * row.length
    above: list[int] = []
    tokens, positions = row.tokens.tolist(), row.positions.tolist()
    for column in np.argsort(row.order).tolist():
        depth = positions[column]
        path = numbers.setdefault((above[depth - 1] if depth else -1, tokens[column]), len(numbers))
        above[depth:] = [path]
        paths[column] = path
    return paths
