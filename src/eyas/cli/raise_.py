"""`eyas raise LIFE`."""

import click

from eyas.cli.flags import stage_command
from eyas.cli.show import print_json, print_result
from eyas.life import RaiseConfig, run

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
    print_result(f"{config.life} has grown up", result)
    click.echo(f"\nRead how it went: {config.life / 'report.html'}")
    click.echo(f"Talk with it:     eyas chat {config.life}/assistant")


command = stage_command(RaiseConfig, body, name="raise", help=HELP, arguments={"life": "LIFE"})
