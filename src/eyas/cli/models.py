"""Opening the model that a verb was given, its flags, and showing tokens on a terminal."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal

import click

if TYPE_CHECKING:
    from eyas.runtime.engine import Engine
    from eyas.text.tokenizer import Tokenizer


def open_model(
    name: str,
    engine: Literal["c", "torch"] | None = None,
    threads: int = 0,
    draft: str | None = None,
    lookup: bool = False,
) -> tuple["Engine", "Tokenizer"]:
    """The engine and tokenizer of MODEL, as the flags of `engine_options` and `speculation_options` ask. Raises
    EyasError."""
    from eyas.runtime.opening import open_engine

    opened = open_engine(name, kind=engine, threads=threads, draft=draft, lookup=lookup)
    return opened, opened.tokenizer


def engine_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The flags --engine and --threads of a verb that runs a model."""
    engine = click.option(
        "--engine",
        type=click.Choice(["c", "torch"]),
        default=None,
        help="What computes: the C engine or PyTorch.  [default: torch on a GPU, else c]",
    )
    threads = click.option(
        "--threads", type=click.IntRange(0), default=0, help="Threads of the CPU.  [default: what suits the model]"
    )
    return engine(threads(command))


def speculation_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The flags --draft and --lookup: the same answers sooner."""
    draft = click.option(
        "--draft", metavar="MODEL", default=None, help="A smaller model of the same tokenizer guesses ahead."
    )
    lookup = click.option("--lookup", is_flag=True, help="Guess ahead by looking up what followed before.")
    return draft(lookup(command))


penalty_option = click.option(
    "--repetition-penalty",
    type=click.FloatRange(0, min_open=True),
    default=1.0,
    show_default=True,
    help="Above 1 makes what was said before less likely.",
)


def token_text(tokenizer: "Tokenizer", token: int) -> str:
    """One token as a person can see it: a line break as `\\n`, bytes that are no whole character as `\\xe2`."""
    text = tokenizer.decode_bytes([token]).decode("utf-8", "backslashreplace")
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in text)
