"""Networks without attention speak through PyTorch; what can only run Transformers says so."""

from pathlib import Path

import pytest
import torch

from eyas.errors import EyasError
from eyas.model.architectures import new_network
from eyas.model.checkpoint import save_model
from eyas.model.config import ModelConfig
from eyas.model.network import Network
from eyas.runtime.engine import Engine
from eyas.runtime.export import ExportConfig
from eyas.runtime.export import run as export
from eyas.runtime.opening import engine_of, open_engine
from eyas.runtime.sampling import Sampling
from eyas.runtime.torch_engine import TorchEngine
from eyas.text.tokenizer import Tokenizer

PROMPTS = [[20, 30], [5], [7, 8, 9, 10, 11, 12, 13], list(range(20, 60))]


@pytest.fixture(scope="module", params=["rnn", "cnn"])
def network(request: pytest.FixtureRequest, tokenizer: Tokenizer) -> Network:
    torch.manual_seed(0)
    model = new_network(ModelConfig.from_size("0.3m", tokenizer.vocab_size, 128, request.param)).eval()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.25)
    return model


@pytest.fixture(scope="module")
def engine(network: Network, tokenizer: Tokenizer) -> Engine:
    return engine_of(network, tokenizer)


@torch.no_grad()
def test_a_batch_says_what_the_plain_loop_says(engine: Engine, network: Network) -> None:
    assert isinstance(engine, TorchEngine)
    said = engine.generate(PROMPTS, Sampling(max_tokens=12, temperature=0), ())
    for prompt, done in zip(PROMPTS, said, strict=True):
        ids = list(prompt)
        for _ in range(12):
            ids.append(int(network(torch.tensor([ids]))[0, -1, : engine.tokenizer.vocab_size].argmax()))
        assert done.ids == ids[len(prompt) :]


@torch.no_grad()
def test_log_probabilities_are_the_networks_own(engine: Engine, network: Network) -> None:
    for ids, found in zip(PROMPTS, engine.logprobs(PROMPTS), strict=True):
        expected = network(torch.tensor([ids]))[0, :-1].log_softmax(-1).gather(1, torch.tensor(ids)[1:, None])[:, 0]
        torch.testing.assert_close(torch.from_numpy(found), expected, atol=1e-4, rtol=1e-4)


def test_where_only_transformers_run_it_is_one_sentence(network: Network, tokenizer: Tokenizer, tmp_path: Path) -> None:
    save_model(tmp_path / "model", network, tokenizer, lineage={})
    word = f"Transformers only; a model of --arch {network.config.arch} runs in eyas"
    with pytest.raises(EyasError, match=f"the C engine takes {word}"):
        open_engine(tmp_path / "model", kind="c")
    with pytest.raises(EyasError, match=f"eyas export takes {word}"):
        export(ExportConfig(model=str(tmp_path / "model"), out=tmp_path / "model.gguf"))
    assert not (tmp_path / "model.gguf").exists()
