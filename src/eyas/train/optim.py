"""Muon for the matrices inside the blocks, AdamW for everything else; or AdamW alone.

Muon (Jordan et al. 2024, https://kellerjordan.github.io/posts/muon/) moves each matrix by the nearest
semi-orthogonal matrix to its momentum. The Newton-Schulz iteration that finds it runs over all matrices of one shape
at once: a few large batched products instead of many small ones.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from eyas.errors import EyasError

# Odd quintics a x + b x^3 + c x^5, each the minimax one for the interval that the one before leaves of [0.003, 1]
# (Amsel et al. 2025, "The Polar Express"; solved as linear programs). Four of them bring singular values to 0.8 .. 1.2,
# which trains as well as five that bring them to 0.9 .. 1.1 and costs a fifth less.
POLAR: tuple[tuple[float, float, float], ...] = (
    (8.383676, -24.765923, 18.357096),
    (4.043420, -3.011405, 0.569512),
    (3.505571, -2.626655, 0.525720),
    (2.490116, -1.834275, 0.436835),
)


@dataclass(frozen=True)
class OptimConfig:
    """Rates and decay; `lr` drives AdamW (embeddings, norms, head), `matrix_lr` drives Muon (matrices in blocks)."""

    kind: str = "muon"
    lr: float = 3e-3
    matrix_lr: float = 0.02
    weight_decay: float = 0.01
    momentum: float = 0.95
    betas: tuple[float, float] = (0.9, 0.95)
    eps: float = 1e-10


def orthogonalise(matrices: Tensor) -> Tensor:
    """The nearest semi-orthogonal matrix to each of (n, rows, columns), in bf16 and to a few per cent."""
    x = matrices.bfloat16()
    tall = x.size(1) > x.size(2)
    if tall:
        x = x.mT
    x = x / (x.norm(dim=(1, 2), keepdim=True) * 1.02 + 1e-7)
    for a, b, c in POLAR:
        gram = torch.bmm(x, x.mT)
        poly = torch.baddbmm(gram, gram, gram, beta=b, alpha=c)
        x = torch.baddbmm(x, poly, x, beta=a)
    return x.mT if tall else x


@dataclass
class _Stack:
    """All matrices of one shape: the (sub)matrices of parameters, and their momentum (n, rows, columns)."""

    parts: list[tuple[nn.Parameter, int, int]]
    momentum: Tensor


class Optimizer:
    """Muon + AdamW over a model's parameters; its state is a flat dict of tensors, ready for safetensors.

    A fused matrix (query, key and value in one) is orthogonalised part by part when its module names it in
    `row_blocks`, a dict from the parameter's name to the numbers of rows of its parts.
    """

    def __init__(self, model: nn.Module, config: OptimConfig) -> None:
        if config.kind not in ("muon", "adamw"):
            raise EyasError(f"--optimizer {config.kind} is unknown; use muon or adamw")
        self.config = config
        named = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
        inside = _block_parameters(model)
        matrices = [p for _, p in named if config.kind == "muon" and p.ndim == 2 and p in inside]
        taken = set(matrices)
        self.parameters = [p for _, p in named]
        self._stacks = _stack(matrices, _row_blocks(model))
        self._rest = [(name, p) for name, p in named if p not in taken]
        self._adam = _Adam([p for _, p in self._rest])

    @torch.no_grad()
    def step(self, scale: float) -> None:
        """Move the parameters along their gradients at `scale` times the peak rates."""
        self._adam.step(self.config, scale)
        for stack in self._stacks.values():
            self._step_stack(stack, self.config.matrix_lr * scale)

    def _step_stack(self, stack: _Stack, rate: float) -> None:
        if any(p.grad is None for p, _, _ in stack.parts):
            raise EyasError("a block matrix received no gradient; the objective must use every block")
        rows, columns = stack.momentum.shape[1:]
        grads = torch.stack([p.grad[start:end] for p, start, end in stack.parts])  # type: ignore[index]
        stack.momentum.lerp_(grads, 1 - self.config.momentum)
        update = orthogonalise(grads.lerp_(stack.momentum, self.config.momentum))
        # An orthogonal update of a tall matrix is small per output: Jordan's factor evens it out.
        step = rate * max(1.0, rows / columns) ** 0.5
        weights = [p[start:end] for p, start, end in stack.parts]
        if self.config.weight_decay:
            torch._foreach_mul_(weights, 1 - rate * self.config.weight_decay)
        torch._foreach_add_(weights, list(update.float().unbind()), alpha=-step)

    def zero_grad(self) -> None:
        """Forget the gradients."""
        for p in self.parameters:
            p.grad = None

    def state(self) -> dict[str, Tensor]:
        """Every tensor the next step depends on, by a stable name."""
        tensors: dict[str, Tensor] = {f"muon.{key}": stack.momentum for key, stack in self._stacks.items()}
        for (name, _), mean, square in zip(self._rest, self._adam.means, self._adam.squares, strict=True):
            tensors |= {f"adamw.mean.{name}": mean, f"adamw.square.{name}": square}
        return tensors | {"adamw.steps": torch.tensor(self._adam.steps)}

    def load(self, tensors: dict[str, Tensor]) -> None:
        """Take up the state that `state` gave. Raises EyasError when it belongs to another model or optimizer."""
        for key, stack in self._stacks.items():
            stack.momentum.copy_(_fitting(tensors, f"muon.{key}", stack.momentum.shape))
        for (name, p), mean, square in zip(self._rest, self._adam.means, self._adam.squares, strict=True):
            mean.copy_(_fitting(tensors, f"adamw.mean.{name}", p.shape))
            square.copy_(_fitting(tensors, f"adamw.square.{name}", p.shape))
        self._adam.steps = int(_fitting(tensors, "adamw.steps", torch.Size([])))


class _Adam:
    """AdamW (Loshchilov & Hutter 2019); 1-D parameters do not decay.

    It calls the fused kernel beneath `torch.optim.AdamW`, which takes a tenth of the time of separate operations;
    the class itself would load the whole compiler.
    """

    def __init__(self, parameters: list[nn.Parameter]) -> None:
        self.parameters = parameters
        self.means = [torch.zeros_like(p) for p in parameters]
        self.squares = [torch.zeros_like(p) for p in parameters]
        self.steps = 0

    def step(self, config: OptimConfig, scale: float) -> None:
        """Move every parameter that has a gradient."""
        self.steps += 1
        for table in (True, False):
            states = zip(self.parameters, self.means, self.squares, strict=True)
            moved = [(p, p.grad, *state) for p, *state in states if p.grad is not None and (p.ndim > 1) == table]
            if not moved:
                continue
            parameters, grads, means, squares = (list(column) for column in zip(*moved, strict=True))
            torch._fused_adamw_(
                parameters, grads, means, squares, [], [_count(self.steps, p.device) for p in parameters],
                lr=config.lr * scale, beta1=config.betas[0], beta2=config.betas[1], eps=config.eps,
                weight_decay=config.weight_decay if table else 0.0, amsgrad=False, maximize=False,
            )  # fmt: skip


def _count(steps: int, device: torch.device) -> Tensor:
    return torch.tensor(float(steps), device=device)


def _fitting(tensors: dict[str, Tensor], name: str, shape: torch.Size) -> Tensor:
    if name not in tensors or tensors[name].shape != shape:
        raise EyasError(f"the checkpoint holds no `{name}` of shape {tuple(shape)}; it belongs to another run")
    return tensors[name]


def _block_parameters(model: nn.Module) -> set[nn.Parameter]:
    """Parameters inside repeated blocks: there a 2-D tensor is a matrix that acts on hidden states, not a table."""
    return {p for module in model.modules() if isinstance(module, nn.ModuleList) for p in module.parameters()}


def _row_blocks(model: nn.Module) -> dict[nn.Parameter, tuple[int, ...]]:
    found: dict[nn.Parameter, tuple[int, ...]] = {}
    for module in model.modules():
        declared: Any = getattr(module, "row_blocks", {})
        found.update({module.get_parameter(name): rows for name, rows in declared.items()})
    return found


def _stack(matrices: list[nn.Parameter], row_blocks: dict[nn.Parameter, tuple[int, ...]]) -> dict[str, _Stack]:
    by_shape: dict[tuple[int, int], list[tuple[nn.Parameter, int, int]]] = {}
    for p in matrices:
        start = 0
        for rows in row_blocks.get(p, (p.shape[0],)):
            by_shape.setdefault((rows, p.shape[1]), []).append((p, start, start + rows))
            start += rows
    return {
        f"{rows}x{columns}": _Stack(parts, torch.zeros(len(parts), rows, columns, device=parts[0][0].device))
        for (rows, columns), parts in by_shape.items()
    }
