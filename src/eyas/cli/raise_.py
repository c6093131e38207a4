"""`eyas raise LIFE`."""

from typing import Any

import click

from eyas.cli.flags import stage_command
from eyas.cli.show import print_figures, print_json
from eyas.evals.exam import SECTIONS
from eyas.life.raising import run
from eyas.life.settings import RaiseConfig
from eyas.progress import duration

HELP = """Raise a life: text, tokenizer, base model, assistant, exam, report.

LIFE is a folder. Without --data it grows up in the embedded world and takes an exam on it. Stopped or killed, the
same command goes on where it was.

\b
Example:
  eyas raise lives/first
  eyas raise lives/notes --data notes/ --chat questions.jsonl --minutes 15
"""


def body(config: RaiseConfig, as_json: bool) -> None:
    result = run(config)
    if as_json:
        print_json(result)
        return
    figures: dict[str, Any] = {
        "took": duration(result.seconds),
        "bits per byte": round(result.bpb, 3),
        "entropy floor": None if result.floor_bpb is None else round(result.floor_bpb, 3),
    }
    shares = {SECTIONS.get(name, name): f"{100 * share:.1f} %" for name, share in (result.exam or {}).items()}
    print_figures(f"\n{result.life} has grown up", figures | shares)
    click.echo(f"\nRead how it went: {result.report}")
    click.echo(f"Talk with it:     eyas chat {result.life}/assistant")
    click.echo(f"Let others talk:  eyas serve {result.life}")
    if (result.life / "assistant.gguf").exists():
        click.echo(f"It is two files:  {result.life}/assistant.gguf and run.c beside it, which needs a C compiler only")


command = stage_command(RaiseConfig, body, name="raise", help=HELP, arguments={"life": "LIFE"})
