"""`eyas dream MODEL`: documents from nothing."""

import sys
from typing import Any

import click

from eyas.cli.models import engine_options, open_model, penalty_option, speculation_options
from eyas.cli.show import harmless, print_json


@click.command("dream")
@click.argument("model")
@click.option("-n", "--count", type=click.IntRange(1), default=3, show_default=True, help="How many documents.")
@click.option("--prompt", default="", help="The beginning that every document shares.")
@click.option("--max-tokens", type=click.IntRange(1), default=256, show_default=True, help="The longest document.")
@click.option(
    "--temperature",
    type=click.FloatRange(0),
    default=0.8,
    show_default=True,
    help="0 is the likeliest token always; 1 the model's own distribution.",
)
@click.option(
    "--top-p",
    type=click.FloatRange(0, 1, min_open=True),
    default=1.0,
    show_default=True,
    help="Draw from the likeliest tokens that hold this probability together.",
)
@click.option("--seed", type=int, default=0, show_default=True, help="The same seed gives the same dreams.")
@penalty_option
@speculation_options
@engine_options
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list of documents.")
def command(
    model: str,
    count: int,
    prompt: str,
    max_tokens: int,
    temperature: float,
    top_p: float,
    seed: int,
    repetition_penalty: float,
    as_json: bool,
    **engine_flags: Any,
) -> None:
    """Let a model write documents from nothing.

    MODEL is a model folder, LIFE/NAME or a GGUF file. A document ends where the model ends it, or after --max-tokens.

    \b
    Example:
      eyas dream lives/first/base -n 2 --seed 7
    """
    from eyas.runtime.sampling import Sampling

    engine, tokenizer = open_model(model, **engine_flags)
    start = [tokenizer.start, *tokenizer.encode(prompt)]
    sampling = Sampling(
        max_tokens=max_tokens,
        temperature=temperature,
        top_p=top_p,
        seed=seed,
        repetition_penalty=repetition_penalty,
    )
    stops = {tokenizer.endoftext, *(tokenizer.special[name] for name in ("<|im_end|>",) if name in tokenizer.special)}
    completions = engine.generate([start] * count, sampling, stops)
    dreams = [
        {
            "text": prompt + tokenizer.decode([one for one in done.ids if one not in stops]),
            "tokens": len(done.ids),
            "finish_reason": done.finish_reason,
        }
        for done in completions
    ]
    if as_json:
        print_json(dreams)
        return
    for number, dream in enumerate(dreams, 1):
        print_dream(number, str(dream["text"]), ended=dream["finish_reason"] == "stop")


def print_dream(number: int, text: str, *, ended: bool) -> None:
    """A coloured title, then the document as it is; a cut one ends in `...`."""
    title = f"dream {number}"
    click.echo(click.style(f"── {title} ", fg="cyan", bold=True) + click.style("─" * (60 - len(title)), fg="cyan"))
    click.echo(harmless(text.strip("\n")) + ("" if ended else click.style(" ...", dim=True)))
    click.echo()
    sys.stdout.flush()
