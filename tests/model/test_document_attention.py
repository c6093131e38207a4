"""Attention in C is the textbook's attention within documents, both ways, whatever the shapes, types and threads."""

import platform
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from eyas.model import document_attention as room
from eyas.model import transformer
from eyas.model.config import ModelConfig
from eyas.model.document_attention import document_attention, document_begins, kernels
from eyas.model.transformer import Transformer, document_mask

pytestmark = pytest.mark.skipif(kernels() is None, reason="no C compiler on this machine")
NAMES = ("out", "by q", "by k", "by v")


def inputs(doc_ids: Tensor, heads: int, groups: int, width: int, seed: int = 0) -> tuple[Tensor, ...]:
    """q, k, v and a gradient by the result."""
    generator = torch.Generator().manual_seed(seed)
    batch, length = doc_ids.shape
    return tuple(torch.randn(batch, h, length, width, generator=generator) for h in (heads, groups, groups, heads))


def both_ways(attention: Callable[..., Tensor], q: Tensor, k: Tensor, v: Tensor, g: Tensor) -> list[Tensor]:
    """The result and its gradients by q, k and v."""
    leaves = [x.detach().requires_grad_() for x in (q, k, v)]
    out = attention(*leaves)
    return [out.detach(), *torch.autograd.grad(out, leaves, g)]


def ours(doc_ids: Tensor) -> Callable[..., Tensor]:
    return lambda q, k, v: document_attention(q, k, v, document_begins(doc_ids))


def textbook(doc_ids: Tensor) -> Callable[..., Tensor]:
    allowed = document_mask(doc_ids)
    return lambda q, k, v: F.scaled_dot_product_attention(q, k, v, attn_mask=allowed, enable_gqa=True)


@settings(deadline=None, max_examples=40)
@given(
    lengths=st.lists(st.integers(1, 70), min_size=1, max_size=4),
    heads=st.sampled_from([(1, 1), (2, 2), (4, 2), (3, 1)]),
    width=st.sampled_from([8, 16, 32, 40, 64, 80]),
    seed=st.integers(0, 99),
)
def test_it_is_attention_within_documents(lengths: list[int], heads: tuple[int, int], width: int, seed: int) -> None:
    row = torch.cat([torch.full((n,), i) for i, n in enumerate(lengths)])
    doc_ids = torch.stack([row, torch.zeros_like(row)])
    drawn = inputs(doc_ids, *heads, width, seed)
    pairs = zip(both_ways(ours(doc_ids), *drawn), both_ways(textbook(doc_ids), *drawn), NAMES, strict=True)
    for found, wanted, name in pairs:
        torch.testing.assert_close(found, wanted, atol=2e-5, rtol=1e-4, msg=lambda m, name=name: f"{name}: {m}")


def test_bf16_is_computed_in_fp32_and_rounded_once() -> None:
    doc_ids = torch.arange(200).div(90, rounding_mode="floor").expand(2, 200)
    drawn = [x.bfloat16() for x in inputs(doc_ids, 2, 2, 64)]
    found = both_ways(ours(doc_ids), *drawn)
    wanted = both_ways(textbook(doc_ids), *(x.float() for x in drawn))
    for mine, exact in zip(found, wanted, strict=True):
        assert mine.dtype == torch.bfloat16
        torch.testing.assert_close(mine.float(), exact, atol=0.02, rtol=0.02)


def test_any_strides_and_any_number_of_threads_give_the_same_bits() -> None:
    doc_ids = torch.arange(130).div(50, rounding_mode="floor").expand(3, 130)
    q, k, v, g = inputs(doc_ids, 4, 2, 32)
    wanted = both_ways(ours(doc_ids), q, k, v, g)
    turned = [x.transpose(1, 2).contiguous().transpose(1, 2) for x in (q, k, v, g)]
    apart = [x.mT.contiguous().mT for x in (q, k, v, g)]
    threads = torch.get_num_threads()
    try:
        for count in (1, 2, 3):
            torch.set_num_threads(count)
            for other in (turned, apart):
                assert all(map(torch.equal, both_ways(ours(doc_ids), *other), wanted))
    finally:
        torch.set_num_threads(threads)


def test_scores_of_any_size_are_borne_and_what_is_no_number_stays_none() -> None:
    doc_ids = torch.zeros(1, 40, dtype=torch.int64)
    q, k, v, g = inputs(doc_ids, 1, 1, 16)
    for scale in (1e4, -1e4, 0.0):
        found, wanted = (both_ways(way(doc_ids), q * scale, k, v, g) for way in (ours, textbook))
        torch.testing.assert_close(found[0], wanted[0], atol=1e-5, rtol=1e-4)
    q[0, 0, 7, 3] = torch.nan
    out = document_attention(q, k, v, document_begins(doc_ids))
    assert out[0, 0, 7].isnan().all() and not out[0, 0, [6, 8]].isnan().any()


def test_pytorch_finds_nothing_wrong_with_the_operation() -> None:
    doc_ids = torch.arange(20).div(9, rounding_mode="floor").expand(2, 20)
    q, k, v, _ = (x.requires_grad_() for x in inputs(doc_ids, 4, 2, 16))
    torch.library.opcheck(room._attend, (q, k, v, document_begins(doc_ids)))


@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16])
def test_a_model_says_the_same_without_a_compiler(kind: torch.dtype, monkeypatch: pytest.MonkeyPatch) -> None:
    config = ModelConfig(
        vocab_size=80, n_layer=2, n_embd=64, n_head=2, n_kv_head=1, head_dim=32, n_ff=96, max_seq_len=64
    )
    model = Transformer(config)
    model.init_weights(0)
    generator = torch.Generator().manual_seed(0)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.2, generator=generator)
    model.to(kind)
    tokens = torch.randint(80, (2, 60), generator=generator)
    doc_ids = torch.arange(60).div(25, rounding_mode="floor").expand(2, 60)
    used: list[str] = []
    call = room._call
    monkeypatch.setattr(room, "_call", lambda name, *rest: (used.append(name), call(name, *rest)))
    results = []
    for available in (True, False):
        if not available:
            monkeypatch.setattr(transformer, "kernels", lambda: None)
        model.zero_grad()
        logits = model(tokens, doc_ids)
        logits.float().square().mean().backward()
        gradient = model.embed.weight.grad
        assert gradient is not None
        results.append((logits.detach().float(), gradient.float()))
    assert used == ["eyas_attend"] * 2 + ["eyas_attend_back"] * 2
    for with_it, without in zip(*results, strict=True):
        scale = float(without.abs().max())
        torch.testing.assert_close(with_it, without, atol=scale * (1e-5 if kind == torch.float32 else 0.05), rtol=0)


HARNESS = """
#include "attention.c"
#include <stdio.h>

int main(void) {
    unsigned seed = 1;
    for (int trial = 0; trial < 60; trial++) {
        Shape s = {.threads = 1};
        s.batch = 1 + rand_r(&seed) % 2, s.groups = 1 + rand_r(&seed) % 2, s.half = rand_r(&seed) % 2;
        s.heads = s.groups * (1 + rand_r(&seed) % 2), s.length = 1 + rand_r(&seed) % 90;
        s.width = 8 * (1 + rand_r(&seed) % 10) + rand_r(&seed) % 2;
        const long row = (long)s.length * s.width, many = s.batch * s.heads * row, few = s.batch * s.groups * row;
        s.q[0] = s.grad[0] = s.heads * row, s.k[0] = s.v[0] = s.groups * row;
        s.q[1] = s.grad[1] = s.k[1] = s.v[1] = row, s.q[2] = s.grad[2] = s.k[2] = s.v[2] = s.width;
        void *all[8];
        for (int i = 0; i < 8; i++) all[i] = calloc(i < 4 ? many : few, s.half ? 2 : 4);
        float *logs = malloc(s.batch * s.heads * s.length * sizeof(float));
        int32_t *begins = calloc(s.batch * s.length, sizeof(int32_t));
        for (long t = 0, at = 0; t < s.batch * s.length; t++) {
            if (t % s.length == 0 || rand_r(&seed) % 20 == 0) at = t % s.length;
            begins[t] = at;
        }
        if (!eyas_attend(&s, all[0], all[4], all[5], begins, all[1], logs)) return 1;
        if (!eyas_attend_back(&s, all[0], all[4], all[5], begins, all[1], logs, all[2], all[3], all[6], all[7]))
            return 2;
        for (int i = 0; i < 8; i++) free(all[i]);
        free(logs), free(begins);
    }
    puts("fine");
}
"""


@pytest.mark.parametrize("march", ["native", "x86-64-v3"])
def test_no_shape_makes_it_read_or_write_outside(march: str, tmp_path: Path) -> None:
    if march != "native" and platform.machine() != "x86_64":
        pytest.skip("of x86 alone")
    (tmp_path / "harness.c").write_text(HARNESS)
    sanitised = [
        "cc",
        "-std=gnu11",
        "-O1",
        f"-march={march}",
        "-fsanitize=address,undefined",
        f"-I{room.SOURCE.parent}",
    ]
    files = ["-o", str(tmp_path / "harness"), str(tmp_path / "harness.c"), "-lm"]
    made = subprocess.run([*sanitised, *files], capture_output=True, text=True, check=False)
    if made.returncode:
        pytest.skip(f"no sanitizers for {march} here: {made.stderr[:200]}")
    said = subprocess.run([str(tmp_path / "harness")], capture_output=True, text=True, check=False)
    assert (said.returncode, said.stdout) == (0, "fine\n"), said.stderr
