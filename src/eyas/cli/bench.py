"""`eyas bench MODEL`: tokens a second, next to the machine's limits and to llama.cpp."""

from typing import TYPE_CHECKING, Any

import click

from eyas.cli.models import engine_options, open_model, speculation_options
from eyas.cli.show import print_figures, print_json

if TYPE_CHECKING:
    from eyas.runtime.bench import BenchResult

NAMES = {"prefill": "prefill of {prompt}", "decode": "decode", "batched": "decode, {sequences} sequences"}


@click.command("bench")
@click.argument("model")
@click.option("--prompt", type=click.IntRange(1), default=512, show_default=True, help="Tokens read at once.")
@click.option("--tokens", type=click.IntRange(1), default=128, show_default=True, help="Tokens said one by one.")
@click.option("--sequences", type=click.IntRange(1), default=16, show_default=True, help="Sequences side by side.")
@speculation_options
@engine_options
@click.option("--json", "as_json", is_flag=True, help="Print the figures as one JSON object.")
def command(model: str, prompt: int, tokens: int, sequences: int, as_json: bool, **engine_flags: Any) -> None:
    """Measure how fast a model runs here, next to what the machine can do at most.

    MODEL is a model folder, LIFE/NAME or a GGUF file. With a GGUF file and llama-cpp-python installed, llama.cpp runs
    it in alternating rounds; figures are medians. With --draft or --lookup, guessing ahead is measured too.

    \b
    Example:
      eyas bench assistant.gguf --sequences 8
    """
    from eyas.runtime.bench import measure

    engine, _ = open_model(model, **engine_flags)
    threads = engine_flags["threads"]
    result = measure(engine, model, prompt=prompt, tokens=tokens, sequences=sequences, threads=threads)
    if as_json:
        print_json(result)
    else:
        print_result(result)


def print_result(result: "BenchResult") -> None:
    """The model, the machine, then a line for each kind of work."""
    limits = result.limits
    figures: dict[str, Any] = {
        "engine": f"{result.engine}, {result.threads} thread{'s' * (result.threads > 1)}",
        "parameters that multiply": result.parameters,
        "their bytes": f"{result.weight_bytes / 1e6:,.1f} MB",
    }
    if limits is not None:
        figures["memory bandwidth"] = f"{limits.bandwidth / 1e9:.1f} GB/s"
        figures["f32 arithmetic"] = f"{limits.f32_operations / 1e9:,.0f} GFLOP/s"
        figures["int8 arithmetic"] = f"{limits.int8_operations / 1e9:,.0f} GOP/s"
    print_figures(result.model, figures)
    with_peer = any(work.llama_cpp for work in result.work.values())
    head = ["", "tokens/s", "MB/token", "MFLOP/token", "of bandwidth", "of arithmetic"]
    rows = [head + (["llama.cpp", "ratio"] if with_peer else [])]
    for name, work in result.work.items():
        row = [NAMES[name].format(prompt=result.prompt, sequences=result.sequences), f"{work.tokens_per_second:,.0f}"]
        row += [f"{work.bytes_per_token / 1e6:,.2f}", f"{work.operations_per_token / 1e6:,.1f}"]
        row += [_share(work.bandwidth_share), _share(work.arithmetic_share)]
        if with_peer:
            row += [f"{work.llama_cpp:,.0f}", f"{work.ratio:.2f}"]
        rows.append(row)
    click.echo()
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        cells = [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        click.echo("  ".join(cells).rstrip())
    if result.speculation is not None:
        found = result.speculation
        click.echo(
            f"\nrepetitive text: {found.plain:,.0f} tokens/s, guessing ahead {found.guessing:,.0f} "
            f"({found.guessing / found.plain:.2f} times); {100 * found.accepted:.0f} % of the guesses were right"
        )


def _share(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.0f} %"
