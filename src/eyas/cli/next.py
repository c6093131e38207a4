"""`eyas next MODEL TEXT`: the next-token distribution, and how surprised the model was on the way."""

from dataclasses import asdict, dataclass
from typing import Any

import click

from eyas.cli.models import engine_options, open_model, token_text
from eyas.cli.show import print_json

BAR_WIDTH = 30


@dataclass(frozen=True)
class Shown:
    """An expectation with its tokens as text; bits per byte are of the text itself, None when it is empty."""

    prompt: list[dict[str, Any]]
    bits_per_byte: float | None
    entropy: float
    candidates: list[dict[str, Any]]


def look(name: str, text: str, *, chat: bool, top: int, temperature: float, **engine_flags: Any) -> Shown:
    """What model `name` expects after `text`, a document's beginning or (`chat`) a user's turn. Raises EyasError."""
    from eyas.runtime.next_token import expect
    from eyas.text.chat import render

    engine, tokenizer = open_model(name, **engine_flags)
    ids = [tokenizer.start, *tokenizer.encode(text)]
    if chat:
        ids = render(tokenizer, [{"role": "user", "content": text}], add_generation_prompt=True).ids
    found = expect(engine, ids, top=top, temperature=temperature)
    n_bytes = int(tokenizer.token_bytes[ids[1:]].sum())
    return Shown(
        prompt=[{"text": token_text(tokenizer, one.id), **asdict(one)} for one in found.prompt],
        bits_per_byte=sum(one.bits for one in found.prompt) / n_bytes if n_bytes else None,
        entropy=found.entropy,
        candidates=[{"text": token_text(tokenizer, one.id), **asdict(one)} for one in found.candidates],
    )


def print_expectation(found: Shown) -> None:
    """The prompt's tokens with their surprise, then a bar for each candidate."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(highlight=False)
    if found.prompt:
        line = Text()
        for token in found.prompt:
            line.append(token["text"], style=surprise_style(token["bits"]))
            line.append(f" {token['bits']:.1f}  ", style="dim")
        console.print(line)
        if found.bits_per_byte is not None:
            console.print(f"surprise in bits after each token; {found.bits_per_byte:.2f} bits per byte\n", style="dim")
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(justify="right")
    table.add_column(justify="right")
    table.add_column(no_wrap=True)
    largest = max((one["probability"] for one in found.candidates), default=1.0)
    for one in found.candidates:
        bar = "█" * round(BAR_WIDTH * one["probability"] / largest)
        table.add_row(
            Text(f"'{one['text']}'", style="bold"), f"{100 * one['probability']:.2f} %", Text(bar or "▏", style="cyan")
        )
    console.print(table)
    rest = 1 - sum(one["probability"] for one in found.candidates)
    console.print(
        f"\nentropy {found.entropy:.2f} bits, as unsure as between {2**found.entropy:,.1f} equal choices; "
        f"all other tokens together {100 * max(0.0, rest):.2f} %",
        style="dim",
    )


def surprise_style(bits: float) -> str:
    """Green for the expected, yellow for the unexpected, red for a surprise of more than ten bits (1 in 1,024)."""
    return "green" if bits < 3 else "yellow" if bits < 10 else "red"


@click.command("next")
@click.argument("model")
@click.argument("text")
@click.option("--top", type=click.IntRange(1), default=12, show_default=True, help="How many candidates to show.")
@click.option(
    "--temperature",
    type=click.FloatRange(0, min_open=True),
    default=1.0,
    show_default=True,
    help="Flatten (> 1) or sharpen (< 1) the distribution.",
)
@click.option("--chat", is_flag=True, help="Take TEXT as a user's turn and look at how the answer would begin.")
@engine_options
@click.option("--json", "as_json", is_flag=True, help="Print the figures as one JSON object.")
def command(
    model: str, text: str, top: int, temperature: float, chat: bool, as_json: bool, **engine_flags: Any
) -> None:
    """Show what a model expects next, and how surprised it was.

    MODEL is a model folder, LIFE/NAME or a GGUF file. TEXT is the beginning of a document.

    \b
    Example:
      eyas next lives/first/base "The cat sat on a"
    """
    found = look(model, text, chat=chat, top=top, temperature=temperature, **engine_flags)
    if as_json:
        print_json(found)
    else:
        print_expectation(found)
