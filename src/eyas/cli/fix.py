"""`eyas fix LIFE`."""

import click

from eyas.cli.flags import stage_command
from eyas.cli.show import print_figures, print_json
from eyas.flywheel.fix import FixConfig, run

HELP = """Retrain the champion on corrections, test it, and promote it if it is better.

The accepted labels of LIFE become a dataset version, the champion learns it while it rehearses what it knew, and the
new model is asked the corrected questions, paraphrases, the exam and held-out rows. It becomes champion when it passes
every gate and loses no battle; else you are told why not, and the exit code is 1. Killed, the same command goes on.

\b
Example:
  eyas fix lives/first
  eyas fix lives/first --no-promote --json
"""


def body(config: FixConfig, as_json: bool) -> None:
    result = run(config.model_copy(update={"quiet": config.quiet or as_json}))
    if as_json:
        print_json(result)
    else:
        learnt = f"{result.lessons} corrections (dataset version {result.dataset})"
        print_figures(
            f"{result.life / 'models' / result.model}: {result.champion} after {learnt}",
            {"labels": result.labels, "rehearsed": result.rehearsed},
        )
        for gate in result.gates:
            click.echo(f"  {'passed' if gate.passed else 'FAILED'}  {gate.name}: {gate.reason}")
        if result.battle is not None:
            click.echo(f"  battle against {result.champion}: {result.battle.told}")
        if result.promoted:
            click.echo(f"\n{result.model} is the champion now; back: eyas rollback {config.life}")
        elif result.passed:
            click.echo(f"\nIt passed. Make it champion: eyas promote {config.life} {result.model}")
        else:
            click.echo(f"\n{result.champion} stays champion. {result.model} failed: {result.reason}")
    if not result.passed:
        click.get_current_context().exit(1)


command = stage_command(FixConfig, body, name="fix", help=HELP, arguments={"life": "LIFE"})
