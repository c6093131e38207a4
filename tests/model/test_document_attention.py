"""Attention in C is the textbook's attention within documents, both ways, whatever the shapes, types and threads."""

import platform
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import hypothesis
import pytest
import torch
import torch.nn.functional as F
from hypothesis import settings
from hypothesis import strategies as st
from torch import Tensor

from eyas.model import document_attention as room
from eyas.model import transformer
from eyas.model.config import ModelConfig
from eyas.model.document_attention import document_attention, document_begins, kernels
from eyas.model.transformer import Transformer, document_mask, rope_tables, rotate

pytestmark = pytest.mark.skipif(kernels() is None, reason="no C compiler on this machine")
EPS = 1e-6
NAMES = ("out", "by qkv", "by the norms")


@dataclass
class Given:
    """What attention is computed of, and a gradient by the result."""

    qkv: Tensor
    norms: Tensor | None
    gradient: Tensor
    doc_ids: Tensor
    heads: int
    groups: int

    @property
    def turns(self) -> tuple[Tensor, Tensor]:
        """cos and sin of the positions."""
        width = self.gradient.shape[2] // self.heads
        config = ModelConfig(vocab_size=9, n_layer=1, n_embd=8, n_head=1, n_kv_head=1, head_dim=width, n_ff=8,
                             max_seq_len=self.qkv.shape[1])  # fmt: skip
        return rope_tables(config)


def given(doc_ids: Tensor, heads: int, groups: int, width: int, seed: int = 0, normed: bool = True) -> Given:
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator)

    qkv = normal(*doc_ids.shape, (heads + 2 * groups) * width)
    norms = 1 + normal(2, width) / 4 if normed else None
    return Given(qkv, norms, normal(*doc_ids.shape, heads * width), doc_ids, heads, groups)


def ours(qkv: Tensor, norms: Tensor | None, case: Given) -> Tensor:
    return document_attention(qkv, norms, *case.turns, document_begins(case.doc_ids), case.heads, EPS)


def textbook(qkv: Tensor, norms: Tensor | None, case: Given) -> Tensor:
    batch, length, _ = qkv.shape
    heads = qkv.view(batch, length, case.heads + 2 * case.groups, -1).transpose(1, 2)
    q, k, v = heads.split((case.heads, case.groups, case.groups), 1)
    if norms is not None:
        q, k = (F.rms_norm(x, x.shape[-1:], norm, EPS) for x, norm in zip((q, k), norms, strict=True))
    q, k = (rotate(x, *case.turns) for x in (q, k))
    seen = F.scaled_dot_product_attention(q, k, v, attn_mask=document_mask(case.doc_ids), enable_gqa=True)
    return seen.transpose(1, 2).flatten(2)


def both_ways(attention: Callable[..., Tensor], case: Given) -> list[Tensor]:
    """The result and its gradients by what has some."""
    leaves = [x.detach().requires_grad_() for x in (case.qkv, case.norms) if x is not None]
    out = attention(leaves[0], leaves[1] if len(leaves) > 1 else None, case)
    return [out.detach(), *torch.autograd.grad(out, leaves, case.gradient.to(out.dtype))]


def documents(length: int, each: int, rows: int) -> Tensor:
    return torch.arange(length).div(each, rounding_mode="floor").expand(rows, length)


@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16])
@settings(deadline=None, max_examples=40)
@hypothesis.given(
    lengths=st.lists(st.integers(1, 70), min_size=1, max_size=4),
    heads=st.sampled_from([(1, 1), (2, 2), (4, 2), (3, 1)]),
    width=st.sampled_from([8, 16, 32, 40, 64, 80]),
    seed=st.integers(0, 99),
    normed=st.booleans(),
)
def test_it_is_attention_within_documents(
    kind: torch.dtype, lengths: list[int], heads: tuple[int, int], width: int, seed: int, normed: bool
) -> None:
    row = torch.cat([torch.full((n,), i) for i, n in enumerate(lengths)])
    case = given(torch.stack([row, torch.zeros_like(row)]), *heads, width, seed, normed)
    case.qkv, case.gradient = case.qkv.to(kind), case.gradient.to(kind)
    found = both_ways(ours, case)
    assert [x.dtype for x in found] == [kind, kind, torch.float32][: len(found)]
    wanted = both_ways(textbook, replace(case, qkv=case.qkv.float(), gradient=case.gradient.float()))
    share, rtol = (2e-5, 1e-4) if kind == torch.float32 else (0.01, 0.01)
    for mine, exact, name in zip(found, wanted, NAMES, strict=False):
        allowed = share * max(1.0, float(exact.abs().max()))
        torch.testing.assert_close(
            mine.float(), exact, atol=allowed, rtol=rtol, msg=lambda m, name=name: f"{name}: {m}"
        )


def test_any_strides_and_any_number_of_threads_give_the_same_bits() -> None:
    case = given(documents(130, 50, 3), 4, 2, 32)
    wanted = both_ways(ours, case)
    strided = replace(case, qkv=case.qkv.mT.contiguous().mT, gradient=case.gradient.mT.contiguous().mT)
    threads = torch.get_num_threads()
    try:
        for count in (1, 2, 3):
            torch.set_num_threads(count)
            assert all(map(torch.equal, both_ways(ours, case), wanted))
            assert all(map(torch.equal, both_ways(ours, strided), wanted))
    finally:
        torch.set_num_threads(threads)


def test_scores_of_any_size_are_borne_and_what_is_no_number_stays_none() -> None:
    case = given(documents(40, 40, 1), 1, 1, 16, normed=False)
    queries = case.qkv[..., :16].clone()
    for scale in (1e4, -1e4, 0.0):
        case.qkv[..., :16] = queries * scale
        found, wanted = both_ways(ours, case)[0], both_ways(textbook, case)[0]
        torch.testing.assert_close(found, wanted, atol=0.02, rtol=0)  # scores of 1e5 are rounded to hundredths
    case.qkv[0, 7, 3] = torch.nan
    out = ours(case.qkv, None, case)
    assert out[0, 7].isnan().all() and not out[0, [6, 8]].isnan().any()


@pytest.mark.parametrize("normed", [True, False])
def test_pytorch_finds_nothing_wrong_with_the_operation(normed: bool) -> None:
    case = given(documents(20, 9, 2), 4, 2, 16, normed=normed)
    norms = case.norms.requires_grad_() if case.norms is not None else None
    inputs = (case.qkv.requires_grad_(), norms, *case.turns, document_begins(case.doc_ids), case.heads, EPS)
    torch.library.opcheck(room._attend, inputs)


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
        Input in = {.threads = 1, .eps = 1e-6f};
        in.batch = 1 + rand_r(&seed) % 2, in.groups = 1 + rand_r(&seed) % 2, in.half = rand_r(&seed) % 2;
        in.heads = in.groups * (1 + rand_r(&seed) % 2), in.length = 1 + rand_r(&seed) % 90;
        in.width = 2 * (1 + rand_r(&seed) % 44);
        const long tokens = in.batch * in.length, each = in.half ? 2 : 4, heads = in.heads + 2 * in.groups;
        void *qkv = calloc(tokens * heads * in.width, each), *grad_qkv = malloc(tokens * heads * in.width * each);
        void *out = malloc(tokens * in.heads * in.width * each), *grad = calloc(tokens * in.heads * in.width, each);
        float *turns = calloc(in.length * in.width, sizeof(float)), *norms = calloc(2 * in.width, sizeof(float));
        float *logs = malloc(tokens * in.heads * sizeof(float));
        float *grad_norms = calloc(in.batch * in.groups * 2 * in.width, sizeof(float));
        int32_t *begins = calloc(tokens, sizeof(int32_t));
        for (long t = 0, at = 0; t < tokens; t++) {
            if (t % in.length == 0 || rand_r(&seed) % 20 == 0) at = t % in.length;
            begins[t] = at;
        }
        in.qkv = qkv, in.norms = rand_r(&seed) % 2 ? norms : NULL, in.begins = begins;
        in.cos = turns, in.sin = turns + in.length * in.width / 2;
        if (!eyas_attend(&in, out, logs)) return 1;
        if (!eyas_attend_back(&in, out, logs, grad, grad_qkv, grad_norms)) return 2;
        void *all[] = {qkv, grad_qkv, out, grad, turns, norms, logs, grad_norms, begins};
        for (int i = 0; i < 9; i++) free(all[i]);
    }
    puts("fine");
}
"""


# Tiles of a processor, which the sanitizers do not see through, step by step.
PLAIN_TILES = """
#define EYAS_TILES
#include <stdint.h>
#include <string.h>
enum { EDGE = 32 };
static int tiles_lent(void) { return 1; }
static void tiles_begin(void) {}
static void tiles_end(void) {}
static uint16_t cut(float x) { uint32_t bits; memcpy(&bits, &x, 4); return bits >> 16; }
static float grown(uint16_t x) { uint32_t bits = (uint32_t)x << 16; float all; memcpy(&all, &bits, 4); return all; }
static void to_left(float *rows, long count, long width, long room) {
    for (long t = 0; t < count; t++)
        for (long j = 0; j < width; j++) ((uint16_t *)(rows + t * room))[j] = cut(rows[t * room + j]);
}
static void to_right(const float *from, long count, long width, long room, float *to) {
    for (long t = 0; t < count; t += 2)
        for (long j = 0; j < width; j++) {
            const uint16_t pair[] = {cut(from[t * room + j]), cut(from[(t + 1) * room + j])};
            memcpy(to + t * room + j, pair, 4);
        }
}
static void tile_multiply(long m, long n, long depth, const float *left, long left_step, const float *right,
                          long right_step, float *c, long c_step, int add) {
    for (long i = 0; i < m; i++)
        for (long j = 0; j < n; j++) {
            float sum = add ? c[i * c_step + j] : 0;
            for (long k = 0; k < depth; k++)
                sum += grown(((uint16_t *)(left + i * left_step))[k])
                     * grown(((uint16_t *)(right + k / 2 * right_step + j))[k % 2]);
            c[i * c_step + j] = sum;
        }
}
"""


@pytest.mark.parametrize(("march", "tiles"), [("native", ""), ("x86-64-v3", ""), ("x86-64-v3", PLAIN_TILES)])
def test_no_shape_makes_it_read_or_write_outside(march: str, tiles: str, tmp_path: Path) -> None:
    if march != "native" and platform.machine() != "x86_64":
        pytest.skip("of x86 alone")
    (tmp_path / "harness.c").write_text(tiles + HARNESS)
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
