"""Text to ids and back: tokenizer, chat template, streaming decode."""

from eyas.text.chat import Rendered, parse_assistant, render, render_text
from eyas.text.stream import Utf8Stream
from eyas.text.tokenizer import Tokenizer, train_tokenizer

__all__ = ["Rendered", "Tokenizer", "Utf8Stream", "parse_assistant", "render", "render_text", "train_tokenizer"]
