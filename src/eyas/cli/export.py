"""`eyas export MODEL -o OUT`."""

import click

from eyas.cli.flags import stage_command
from eyas.cli.show import print_figures, print_json
from eyas.progress import Progress
from eyas.runtime.export import ExportConfig, run

HELP = """Write a model as one file for other programs: GGUF, llama2.c, Hugging Face.

A .gguf holds parameters, shape, tokenizer and chat template; llama.cpp and eyas's own run.c read it. A .bin is for
llama2.c, which wants its tokenizer in a second file. f32, f16 and bf16 keep the numbers of a model of that type;
q8_0 and q4_0 round them to 8 and 4 bits.

\b
Example:
  eyas export lives/first/assistant -o assistant.gguf --type q8_0
"""


def body(config: ExportConfig, as_json: bool) -> None:
    with Progress("writing", total=1.0) as progress:
        result = run(config, progress)
    if as_json:
        print_json(result)
        return
    print_figures(
        f"{result.out}: {result.format}, {result.type}",
        {
            "size": _size(result.bytes),
            "parameters": result.parameters,
            "bits per weight": round(result.bits_per_weight, 2),
            "tensors": result.tensors,
            "files": [str(file) for file in result.files] if result.format == "llama2c" else None,
            "seconds": result.seconds,
        },
    )
    for note in result.notes:
        click.echo(f"note: {note}")


def _size(count: int) -> str:
    return f"{count / 1e6:,.1f} MB" if count >= 1e5 else f"{count:,} bytes"


command = stage_command(ExportConfig, body, name="export", help=HELP, arguments={"model": "MODEL"}, short={"out": "-o"})
