"""Which network a config asks for."""

from eyas.errors import EyasError
from eyas.model.config import Arch, ModelConfig
from eyas.model.convolutional import Convolutional
from eyas.model.network import Network
from eyas.model.recurrent import Recurrent
from eyas.model.transformer import Transformer

_NETWORKS: dict[Arch, type[Transformer | Recurrent | Convolutional]] = {
    "transformer": Transformer,
    "rnn": Recurrent,
    "cnn": Convolutional,
}


def new_network(config: ModelConfig) -> Network:
    """The network of `config`; its weights are undefined until `init_weights` or a checkpoint sets them."""
    return _NETWORKS[config.arch](config)


def only_transformer(config: ModelConfig, who: str) -> None:
    """Raise EyasError, which says that `who` takes no other network, unless `config` is a Transformer's."""
    if config.arch != "transformer":
        raise EyasError(f"{who} takes Transformers only; a model of --arch {config.arch} runs in eyas, with PyTorch")
