"""`eyas pretrain -o MODEL --data SRC`."""

import click

from eyas.cli.flags import stage_command
from eyas.cli.show import print_figures, print_json
from eyas.progress import duration
from eyas.scaling.dial_law import law_for
from eyas.train.pretrain import PretrainConfig, run

HELP = """Train a base model on text.

Sources are `world`, `python-docs`, files and folders (.txt .md .jsonl .parquet .csv, also .gz and .zst) and
hf:OWNER/NAME[:split]. With --minutes the size is chosen by a law of scale (that of LIFE for a model LIFE/models/NAME,
where eyas scale run measured one on the same text), and what to expect is told before.
Stopped or killed, the same command goes on where it was.

\b
Example:
  eyas pretrain -o models/town --data world --size 3m --minutes 5
"""


def body(config: PretrainConfig, as_json: bool) -> None:
    result = run(config, law_for(config))
    if as_json:
        print_json(result)
        return
    print_figures(
        f"{result.out}: a base model of {result.n_params:,} parameters",
        {
            "bits per byte": result.bpb,
            "expected": result.as_expected(),
            "loss": result.loss,
            "tokens": result.tokens,
            "steps": result.steps,
            "training": f"{duration(result.seconds)}, of it compiling {duration(result.compile_seconds)}",
            "tokens per second": round(result.tokens_per_second),
            "MFU": f"{100 * result.mfu:.0f} %",
        },
    )
    click.echo(f"\nSee what it writes: eyas dream {result.out}")


command = stage_command(PretrainConfig, body, name="pretrain", help=HELP, short={"out": "-o"})
