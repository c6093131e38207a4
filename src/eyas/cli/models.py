"""Opening the model that a verb was given, and showing tokens on a terminal."""

from typing import TYPE_CHECKING

from eyas.store.names import resolve_model

if TYPE_CHECKING:
    from eyas.runtime.engine import TorchEngine
    from eyas.text.tokenizer import Tokenizer


def open_model(name: str) -> tuple["TorchEngine", "Tokenizer"]:
    """The engine and tokenizer of MODEL, on the GPU where there is one. Raises EyasError."""
    import torch

    from eyas.model.checkpoint import load_model
    from eyas.runtime.engine import TorchEngine

    device = "cuda" if torch.cuda.is_available() else "cpu"
    model, tokenizer = load_model(resolve_model(name), device=device)
    return TorchEngine(model, tokenizer), tokenizer


def token_text(tokenizer: "Tokenizer", token: int) -> str:
    """One token as a person can see it: a line break as `\\n`, bytes that are no whole character as `\\xe2`."""
    text = tokenizer.decode_bytes([token]).decode("utf-8", "backslashreplace")
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in text)
