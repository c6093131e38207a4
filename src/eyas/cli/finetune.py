"""`eyas finetune MODEL -o NEW --data ROWS`."""

import click

from eyas.cli.flags import stage_command
from eyas.cli.show import print_figures, print_json
from eyas.progress import duration
from eyas.train.finetune import FinetuneConfig, run

HELP = """Train an assistant from a base model and rows.

Rows are JSONL, Parquet or CSV of conversations (`messages`), Alpaca, ShareGPT or OpenAI fine-tuning rows, or `world`.
Only what the assistant says is learned. Stopped or killed, the same command goes on where it was.

\b
Example:
  eyas finetune lives/first/base -o models/helper --data world --minutes 3
"""


def body(config: FinetuneConfig, as_json: bool) -> None:
    result = run(config)
    if as_json:
        print_json(result)
        return
    print_figures(
        f"{result.out}: an assistant",
        {
            "conversations": result.conversations,
            "cut to the context": result.truncated or None,
            "left out": result.left_out or None,
            "loss": result.loss,
            "loss held out": result.val_loss,
            "tokens": result.tokens,
            "steps": result.steps,
            "training": f"{duration(result.seconds)}, of it compiling {duration(result.compile_seconds)}",
            "tokens per second": round(result.tokens_per_second),
            "MFU": f"{100 * result.mfu:.0f} %",
        },
    )
    click.echo(f"\nTalk with it: eyas chat {result.out}")


command = stage_command(
    FinetuneConfig, body, name="finetune", help=HELP, arguments={"model": "MODEL"}, short={"out": "-o"}
)
