"""The recurrent and the convolutional network: one document at a time, the same whole or in steps, as the field's."""

import dataclasses
from pathlib import Path

import pytest
import torch

from eyas.errors import EyasError
from eyas.model.architectures import new_network, only_transformer
from eyas.model.cache import KVCache
from eyas.model.checkpoint import load_model, save_model
from eyas.model.config import KERNEL, Arch, ModelConfig
from eyas.model.convolutional import ConvolutionBlock, dilations
from eyas.model.network import Network, document_positions
from eyas.model.recurrent import LstmBlock, lstm, steps_of
from eyas.text.tokenizer import train_tokenizer

VOCAB, CONTEXT = 320, 64


@pytest.fixture(params=["rnn", "cnn"])
def arch(request: pytest.FixtureRequest) -> Arch:
    found: Arch = request.param
    return found


def small(arch: Arch, n_layer: int = 3) -> ModelConfig:
    config = ModelConfig.from_size("0.3m", VOCAB, CONTEXT, arch)
    return dataclasses.replace(config, n_layer=n_layer, n_embd=48, head_dim=48, n_ff=64)


def random_network(arch: Arch, seed: int = 0) -> Network:
    """A network with every weight random, norms included, so that nothing cancels."""
    torch.manual_seed(seed)
    model = new_network(small(arch)).eval()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    return model


def tokens(rows: int, length: int, seed: int = 0) -> torch.Tensor:
    return torch.randint(0, VOCAB, (rows, length), generator=torch.Generator().manual_seed(seed))


def test_positions_begin_anew_with_each_document() -> None:
    docs = torch.tensor([[0, 0, 0, 1, 1], [4, 2, 2, 2, 4]])
    assert document_positions(docs).tolist() == [[0, 1, 2, 0, 1], [0, 0, 1, 2, 0]]


@torch.no_grad()
def test_a_document_in_a_row_of_others_equals_the_document_alone(arch: Arch) -> None:
    model, rows = random_network(arch), tokens(2, 40)
    docs = torch.tensor([[0] * 7 + [1] * 33, [0] * 20 + [1] * 5 + [2] * 15])
    packed = model(rows, docs)
    for row, begin, end in ((0, 0, 7), (0, 7, 40), (1, 0, 20), (1, 20, 25), (1, 25, 40)):
        alone = model(rows[row : row + 1, begin:end])[0]
        torch.testing.assert_close(packed[row, begin:end], alone, atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_no_token_sees_a_later_one_and_the_last_sees_the_first(arch: Arch) -> None:
    model, one = random_network(arch), tokens(1, 40)
    changed = one.clone()
    changed[0, 20] = (changed[0, 20] + 1) % VOCAB
    differs = (model(one) != model(changed)).any(-1)[0]
    assert not differs[:20].any() and differs[20]
    assert differs[-1], "the reach of the layers together spans the row"


@torch.no_grad()
@pytest.mark.parametrize("chunks", [[16], [1] * 16, [5, 1, 7, 3]])
def test_cached_steps_equal_the_full_forward(arch: Arch, chunks: list[int]) -> None:
    model, row = random_network(arch), tokens(2, 16)
    cache = KVCache(model.config, batch=2)
    parts = []
    for chunk in row.split(chunks, dim=1):
        parts.append(model(chunk, cache=cache))
        cache.lengths += chunk.shape[1]
    torch.testing.assert_close(torch.cat(parts, 1), model(row), atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_rows_of_different_lengths_are_padded_cut_and_forked_in_the_cache(arch: Arch) -> None:
    model, row = random_network(arch), tokens(2, 12)
    cache = KVCache(model.config, batch=2)
    model(row[:, :8], cache=cache)
    cache.lengths[:] = torch.tensor([8, 0])  # row 1 is padding from the start
    model(row[:, 8:10].flip(0), cache=cache)
    cache.lengths[:] = torch.tensor([8, 2])  # row 0 forgets its last two tokens
    cache.keep(torch.tensor([0, 0, 1]))
    last = model(torch.stack((row[0, 8:9], row[0, 9:10], row[0, 10:11])), cache=cache)[:, 0]
    histories = (row[0, :9], torch.cat((row[0, :8], row[0, 9:10])), row[0, 8:11])
    for got, history in zip(last, histories, strict=True):
        torch.testing.assert_close(got, model(history[None])[0, -1], atol=1e-5, rtol=1e-5)


def test_the_recurrence_and_its_gradients_are_those_of_pytorchs_lstm() -> None:
    torch.manual_seed(0)
    width, lengths = 16, (9, 4, 7)
    reference = torch.nn.LSTM(width, width, batch_first=True)
    weights = dict(reference.named_parameters())
    x = torch.randn(1, sum(lengths), width, requires_grad=True)
    grad = torch.randn(1, sum(lengths), width)
    torch.cat([reference(part)[0] for part in x.split(lengths, 1)], 1).backward(grad)

    def reordered(weight: torch.Tensor) -> torch.Tensor:
        """PyTorch's gates are input, forget, candidate, output."""
        return weight.detach().view(4, width, -1)[[0, 1, 3, 2]].flatten(0, 1)

    inputs = reordered(weights["weight_ih_l0"])
    weight = reordered(weights["weight_hh_l0"]).requires_grad_()
    bias = reordered(weights["bias_ih_l0"] + weights["bias_hh_l0"]).flatten()
    again = x.detach().requires_grad_()
    docs = torch.repeat_interleave(torch.tensor([3, 1, 2]), torch.tensor(lengths))[None]
    steps = steps_of(docs)
    states, _, _ = lstm((again @ inputs.T + bias).flatten(0, 1)[steps.order], weight, steps.sizes, None, None)
    states[steps.back].backward(grad[0])
    by_weight = weights["weight_hh_l0"].grad
    assert by_weight is not None
    torch.testing.assert_close(again.grad, x.grad)
    torch.testing.assert_close(weight.grad, reordered(by_weight))
    expected = torch.cat([reference(part)[0] for part in x.split(lengths, 1)], 1)[0]
    torch.testing.assert_close(states[steps.back], expected)


@torch.no_grad()
def test_the_convolution_is_pytorchs() -> None:
    torch.manual_seed(0)
    block = ConvolutionBlock(small("cnn"), dilation=4)
    torch.nn.init.normal_(block.taps.weight)
    x = torch.randn(2, 30, 48)
    positions = torch.arange(30).expand(2, 30)
    # With the feed-forward half silent a block gives x + convolution(norm(x)).
    block.down.weight.zero_()
    kernel = block.taps.weight.view(KERNEL, 48, 48).flip(0).permute(1, 2, 0)
    padded = torch.nn.functional.pad(block.norm(x).mT, (4 * (KERNEL - 1), 0))
    expected = torch.nn.functional.conv1d(padded, kernel, dilation=4).mT
    torch.testing.assert_close(block(x, positions) - x, expected, atol=1e-4, rtol=1e-4)


def test_convolutions_reach_over_the_context_and_begin_anew() -> None:
    config = ModelConfig.from_size("3m", arch="cnn")
    assert dilations(config) == [1, 4, 16, 64, 256]
    assert dilations(dataclasses.replace(config, max_seq_len=16)) == [1, 4, 1, 4, 1]


def test_equal_seeds_give_equal_networks_and_every_weight_learns(arch: Arch) -> None:
    first, again = new_network(small(arch)), new_network(small(arch))
    first.init_weights(1), again.init_weights(1)
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), again.parameters(), strict=True))
    optimizer = torch.optim.SGD(first.parameters(), lr=1.0)
    for step in range(3):  # residual outputs start at zero, so what lies before them wakes one step later
        optimizer.zero_grad()
        row = tokens(4, 17, step)
        torch.nn.functional.cross_entropy(first(row[:, :-1]).flatten(0, 1), row[:, 1:].flatten()).backward()
        optimizer.step()
    assert not [name for name, p in first.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]


def test_a_fresh_cell_remembers() -> None:
    model = new_network(small("rnn"))
    model.init_weights(0)
    block = model.blocks[0]
    assert isinstance(block, LstmBlock)
    assert block.gates.bias.view(4, -1).mean(1).tolist() == [0, 1, 0, 0]


@pytest.mark.parametrize("size", ["0.3m", "1m", "3m", "10m"])
def test_sizes_mean_the_same_for_all_networks_and_are_counted_exactly(arch: Arch, size: str) -> None:
    config = ModelConfig.from_size(size, arch=arch)
    same = ModelConfig.from_size(size)
    assert config.n_multiplying() == pytest.approx(same.n_multiplying(), rel=0.1)
    with torch.device("meta"):
        assert sum(p.numel() for p in new_network(config).parameters()) == config.n_params()
    assert config.flops_per_token(512) == 6 * config.n_multiplying()


def test_a_folder_comes_back_whole_and_says_that_only_eyas_reads_it(arch: Arch, tmp_path: Path) -> None:
    tokenizer = train_tokenizer(["Mira keeps a goat in Mill Lane.\n"] * 20, 290)
    model = random_network(arch)
    save_model(tmp_path / "m", model, tokenizer, lineage={})
    again, _ = load_model(tmp_path / "m")
    assert again.config == model.config
    row = tokens(1, 9)
    assert torch.equal(again(row), model(row))
    assert "library_name: eyas" in (tmp_path / "m" / "README.md").read_text()
    with pytest.raises(EyasError, match=f"zip takes Transformers only; a model of --arch {arch}"):
        only_transformer(model.config, "zip")


def test_a_config_with_the_heads_of_another_network_is_refused(arch: Arch) -> None:
    with pytest.raises(EyasError, match="one head as wide as the model"):
        ModelConfig.from_hf(small(arch).to_hf() | {"num_attention_heads": 2})
