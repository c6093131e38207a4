"""The Transformer computes what the field's reference implementations compute."""

import dataclasses

import pytest
import torch

from eyas.errors import EyasError
from eyas.model.cache import KVCache
from eyas.model.config import ModelConfig
from eyas.model.transformer import Transformer, additive, attend, document_mask

TINY = ModelConfig(
    vocab_size=97, n_layer=3, n_embd=48, n_head=4, n_kv_head=2, head_dim=16, n_ff=80, max_seq_len=64, rope_theta=5000.0
)


def random_model(config: ModelConfig, seed: int = 0) -> Transformer:
    """A model with every weight random, norms included, so that nothing cancels."""
    torch.manual_seed(seed)
    model = Transformer(config).eval()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    return model


def tokens(rows: int, length: int, seed: int = 0) -> torch.Tensor:
    return torch.randint(0, TINY.vocab_size, (rows, length), generator=torch.Generator().manual_seed(seed))


@torch.no_grad()
def test_documents_in_one_row_cannot_see_each_other() -> None:
    model = random_model(TINY)
    docs = torch.tensor([[0] * 7 + [1] * 9]).int()
    one, other = tokens(1, 16, 1), tokens(1, 16, 2)
    other[:, 7:] = one[:, 7:]
    assert torch.equal(model(one, docs)[:, 7:], model(other, docs)[:, 7:]), "document 1 changed with document 0"
    assert not torch.allclose(model(one)[:, 7:], model(other)[:, 7:]), "without doc_ids it should have"


@torch.no_grad()
def test_a_document_later_in_the_row_equals_the_document_alone() -> None:
    model = random_model(TINY)
    row = tokens(1, 16)
    packed = model(row, torch.tensor([[5] * 7 + [3] * 9]).int())[:, 7:]
    torch.testing.assert_close(packed, model(row[:, 7:]), atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_a_row_of_a_returning_document_number_is_still_causal() -> None:
    model = random_model(TINY)
    one, other = tokens(1, 12, 1), tokens(1, 12, 1)
    other[:, -1] = (other[:, -1] + 1) % TINY.vocab_size
    docs = torch.zeros(1, 12).int()
    assert torch.equal(model(one, docs)[:, :-1], model(other, docs)[:, :-1])


@torch.no_grad()
@pytest.mark.parametrize("chunks", [[16], [1] * 16, [5, 1, 7, 3]])
def test_cached_steps_equal_the_full_forward(chunks: list[int]) -> None:
    model = random_model(TINY)
    row = tokens(2, 16)
    cache = KVCache(TINY, batch=2)
    parts = []
    for chunk in row.split(chunks, dim=1):
        parts.append(model(chunk, cache=cache))
        cache.lengths += chunk.shape[1]
    torch.testing.assert_close(torch.cat(parts, 1), model(row), atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_rows_of_different_lengths_share_a_cache_without_touching() -> None:
    model = random_model(TINY)
    row = tokens(2, 12)
    cache = KVCache(TINY, batch=2)
    model(row[:, :8], cache=cache)  # row 1 is padded: only its first 5 tokens count
    cache.lengths[:] = torch.tensor([8, 5])
    step = model(torch.stack((row[0, 8:10], row[1, 5:7])), cache=cache)
    torch.testing.assert_close(step[0], model(row[:1, :10])[0, 8:], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(step[1], model(row[1:, :7])[0, 5:], atol=1e-5, rtol=1e-5)
    cache.lengths += 2
    cache.keep(torch.tensor([1]))
    torch.testing.assert_close(model(row[1:, 7:8], cache=cache)[0], model(row[1:, :8])[0, 7:], atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_bf16_weights_keep_exact_rotary_tables() -> None:
    model = random_model(TINY)
    exact = model.rope_cos.clone()
    assert torch.equal(model.bfloat16().rope_cos, exact)
    assert model.head(model.hidden(tokens(1, 4))).dtype == torch.bfloat16


def test_equal_seeds_give_equal_models_and_the_first_loss_is_near_uniform() -> None:
    first, again, other = Transformer(TINY), Transformer(TINY), Transformer(TINY)
    first.init_weights(1), again.init_weights(1), other.init_weights(2)
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), again.parameters(), strict=True))
    assert not torch.equal(first.embed.weight, other.embed.weight)
    row = tokens(4, 33)
    loss = torch.nn.functional.cross_entropy(first(row[:, :-1]).flatten(0, 1), row[:, 1:].flatten())
    assert abs(loss.item() - torch.log(torch.tensor(97.0)).item()) < 0.3


def test_every_weight_gets_a_gradient_after_one_step() -> None:
    model = Transformer(TINY)
    model.init_weights(1)
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    for _ in range(3):  # residual outputs start at zero, so what lies before them wakes one step later
        optimizer.zero_grad()
        row = tokens(4, 17)
        torch.nn.functional.cross_entropy(model(row[:, :-1]).flatten(0, 1), row[:, 1:].flatten()).backward()
        optimizer.step()
    silent = [name for name, p in model.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert not silent


def test_a_row_beyond_the_context_is_refused() -> None:
    with pytest.raises(EyasError, match="65 tokens do not fit the model's context of 64"):
        random_model(TINY)(tokens(1, 65))


def test_untied_model_has_its_own_head() -> None:
    untied = Transformer(dataclasses.replace(TINY, tie_embeddings=False))
    assert untied.lm_head.weight is not untied.embed.weight
    tied = Transformer(TINY)
    assert tied.lm_head.weight is tied.embed.weight


@torch.no_grad()
def test_the_kernel_of_other_devices_takes_our_shapes_and_masks() -> None:
    """Shapes only: PyTorch's device without memory takes the branch that a GPU takes."""
    model = Transformer(TINY).to("meta")
    row, docs = tokens(2, 8).to("meta"), torch.zeros(2, 8, device="meta").int()
    assert model(row).shape == model(row, docs).shape == (2, 8, TINY.vocab_size)


@torch.no_grad()
@pytest.mark.parametrize("masked", [True, False])
def test_attention_spelled_out_equals_the_fused_kernel(masked: bool) -> None:
    q, k, v = (torch.randn(2, heads, 9, 16, generator=torch.Generator().manual_seed(heads)) for heads in (4, 2, 2))
    docs = torch.tensor([[0] * 4 + [1] * 5, [2] * 9]) if masked else torch.zeros(2, 9)
    allowed = document_mask(docs)
    fused = torch.nn.functional.scaled_dot_product_attention(
        q, k, v, attn_mask=allowed if masked else None, is_causal=not masked, enable_gqa=True
    )
    torch.testing.assert_close(attend(q, k, v, additive(allowed)), fused, atol=1e-5, rtol=1e-5)
