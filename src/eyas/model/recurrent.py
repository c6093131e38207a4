"""The recurrent network: an LSTM where a Transformer has attention. Shapes: B rows, T tokens, N = B T, H width.

Documents that share a row are read side by side, longest first: a step takes the next token of each that has one, so
that a batch needs as many steps as its longest document has tokens, and no state crosses from one into another.
The recurrence and its gradient are written out: autograd would add up the weight's gradient step by step.
"""

from collections.abc import Callable
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor, nn

from eyas.model.cache import KVCache, LayerCache
from eyas.model.config import ModelConfig
from eyas.model.network import Block, Network, RMSNorm, document_positions


class Steps(NamedTuple):
    """In which order the tokens of a batch are read: place `order[i]` (N,) of the flattened rows comes i-th, `back`
    undoes it; step t takes the next `sizes[t]` (T,) of them, never more than the step before."""

    order: Tensor
    back: Tensor
    sizes: Tensor


def steps_of(doc_ids: Tensor) -> Steps:
    """The steps that read the documents of doc_ids (B, T) side by side."""
    place = document_positions(doc_ids).flatten()
    document = (place == 0).cumsum(0) - 1
    rank = document.bincount().argsort(descending=True, stable=True).argsort()
    order = (place * len(rank) + rank[document]).argsort()
    return Steps(order, order.argsort(), place.bincount(minlength=doc_ids.shape[1]))


def lstm(
    gates: Tensor, weight: Tensor, sizes: Tensor, state: Tensor | None, cell: Tensor | None
) -> tuple[Tensor, Tensor, Tensor]:
    """States, cells (N, H) and gates after their nonlinearities (N, 4 H) of an LSTM (Hochreiter & Schmidhuber 1997).

    gates (N, 4 H): what the inputs say to input, forget, output gate and candidate, in the order of the steps of
    `sizes`. weight (4 H, H): what the last state says to them. state, cell (sizes[0], H): where the first step starts,
    zeros for None. All fp32.
    """
    return cast("tuple[Tensor, Tensor, Tensor]", torch.ops.eyas.lstm(gates, weight, sizes, state, cell))


def _forward(
    gates: Tensor, weight: Tensor, sizes: Tensor, state: Tensor | None, cell: Tensor | None
) -> tuple[Tensor, Tensor, Tensor]:
    width = weight.shape[1]
    acts, cells = torch.empty_like(gates), gates.new_empty(len(gates), width)
    states = torch.empty_like(cells)
    start = 0
    for size in sizes[sizes > 0].tolist():
        here = slice(start, start := start + size)
        now = acts[here]
        if state is None or cell is None:
            now.copy_(gates[here])
        else:
            torch.addmm(gates[here], state[:size], weight.T, out=now)
        now[:, : 3 * width].sigmoid_()
        now[:, 3 * width :].tanh_()
        add, keep, show, candidate = now.split(width, 1)
        torch.mul(add, candidate, out=cells[here])
        if cell is not None:
            cells[here].addcmul_(keep, cell[:size])
        cell = cells[here]
        state = torch.mul(show, cell.tanh(), out=states[here])
    return states, cells, acts


def _backward(
    grad: Tensor, weight: Tensor, sizes: Tensor, states: Tensor, cells: Tensor, acts: Tensor
) -> tuple[Tensor, Tensor]:
    """Gradients by `gates` and `weight` of an LSTM that began with zeros, given the one by the states (N, H)."""
    width = weight.shape[1]
    add, keep, show, candidate = acts.split(width, 1)
    squashed = cells.tanh()
    first = int(sizes[0])
    # Where the token before stands, for all tokens of all steps but the first.
    last = torch.arange(first, len(acts), device=sizes.device) - sizes[:-1].repeat_interleave(sizes[1:])
    before = torch.cat((cells.new_zeros(first, width), cells[last]))
    # All that does not depend on later steps, for all steps at once: d state / d cell, and what a change of the
    # cell (three gates) or of the state (one) asks of each gate.
    through = show * (1 - squashed * squashed)
    wants = torch.stack((candidate * add * (1 - add), before * keep * (1 - keep), add * (1 - candidate * candidate)), 1)
    shows = squashed * show * (1 - show)
    found = torch.empty_like(acts).view(-1, 4, width)
    late_state, late_cell = grad[:0], grad[:0]
    end = len(acts)
    for size in reversed(sizes[sizes > 0].tolist()):
        here = slice(end - size, end)
        end -= size
        state = grad[here].clone()
        state[: len(late_state)] += late_state
        cell = state * through[here]
        cell[: len(late_cell)] += late_cell
        torch.mul(state, shows[here], out=found[here, 2])
        changes = cell[:, None] * wants[here]
        found[here, :2] = changes[:, :2]
        found[here, 3] = changes[:, 2]
        late_state, late_cell = found[here].flatten(1) @ weight, cell * keep[here]
    changed = found.flatten(1)
    return changed, changed[first:].T @ states[last]


def _keep(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor, Tensor]) -> None:
    _, weight, sizes, *_ = inputs
    ctx.save_for_backward(weight, sizes, *output)


def _gradients(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, None, None, None]:
    weight, sizes, states, cells, acts = ctx.saved_tensors
    by_gates, by_weight = torch.ops.eyas.lstm_backward(grads[0].contiguous(), weight, sizes, states, cells, acts)
    return by_gates, by_weight, None, None, None


def _forward_shapes(
    gates: Tensor, weight: Tensor, sizes: Tensor, state: Tensor | None, cell: Tensor | None
) -> tuple[Tensor, Tensor, Tensor]:
    shape = (len(gates), weight.shape[1])
    return gates.new_empty(shape), gates.new_empty(shape), torch.empty_like(gates)


def _backward_shapes(
    grad: Tensor, weight: Tensor, sizes: Tensor, states: Tensor, cells: Tensor, acts: Tensor
) -> tuple[Tensor, Tensor]:
    return torch.empty_like(acts), torch.empty_like(weight)


# Operations of their own, for the compiler cannot look into them: how many steps there are is data.
_LIBRARY = torch.library.Library("eyas", "DEF")
_LIBRARY.define(
    "lstm(Tensor gates, Tensor weight, Tensor sizes, Tensor? state, Tensor? cell) -> (Tensor, Tensor, Tensor)"
)
_LIBRARY.define(
    "lstm_backward(Tensor grad, Tensor weight, Tensor sizes, Tensor states, Tensor cells, Tensor acts)"
    " -> (Tensor, Tensor)"
)
for _name, _function, _shapes in (
    ("lstm", _forward, _forward_shapes),
    ("lstm_backward", _backward, _backward_shapes),
):
    _LIBRARY.impl(_name, _function, "CompositeExplicitAutograd")
    torch.library.register_fake(f"eyas::{_name}", _shapes, lib=_LIBRARY)
torch.library.register_autograd("eyas::lstm", _gradients, setup_context=_keep, lib=_LIBRARY)


class LstmBlock(Block):
    """x + out(LSTM(norm(x))), then x + feed-forward(norm(x))."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__(config)
        width = config.n_embd
        self.norm = RMSNorm(width, config.norm_eps)
        self.gates = nn.Linear(width, 4 * width)
        self.recurrent = nn.Parameter(torch.empty(4 * width, width))
        self.out = nn.Linear(width, width, bias=False)
        self.row_blocks |= {"gates.weight": (width,) * 4, "recurrent": (width,) * 4}

    def forward(self, x: Tensor, steps: Steps, cache: LayerCache | None = None) -> Tensor:
        gates = self.gates(self.norm(x)).flatten(0, 1)[steps.order].float()
        state, cell = (part.squeeze(1).float() for part in cache.last()) if cache is not None else (None, None)
        with torch.autocast(x.device.type, enabled=False):
            states, cells, _ = lstm(gates, self.recurrent.float(), steps.sizes, state, cell)
        states = states[steps.back].view(x.shape)
        if cache is not None:
            cache.append(states.unsqueeze(1), cells[steps.back].view(x.shape).unsqueeze(1))
        return self.feed(x + self.out(states.to(x.dtype)))

    def init_weights(self, normal: Callable[[Tensor, float], None]) -> None:
        width = self.recurrent.shape[1]
        normal(self.gates.weight, width**-0.5)
        normal(self.recurrent, width**-0.5)
        self.gates.bias.zero_()
        self.gates.bias[width : 2 * width] = 1.0  # a fresh cell remembers (Jozefowicz et al. 2015)
        super().init_weights(normal)
        self.out.weight.zero_()


class Recurrent(Network):
    """Blocks of LSTMs. What a token leaves in the cache is the state after it, so that rows can be cut and forked."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__(config, (LstmBlock(config) for _ in range(config.n_layer)))

    def run_blocks(self, x: Tensor, doc_ids: Tensor | None, cache: KVCache | None) -> Tensor:
        if cache is not None:
            cache.place(x.shape[1])
        if doc_ids is None:
            doc_ids = torch.zeros(x.shape[:2], dtype=torch.int32, device=x.device)
        steps = steps_of(doc_ids)
        for index, block in enumerate(self.blocks):
            x = block(x, steps, cache.layers[index] if cache is not None else None)
        return x
