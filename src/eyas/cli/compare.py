"""`eyas compare LIFE`."""

import click

from eyas.arena.compare import CompareConfig, CompareResult, Tallied, run
from eyas.cli.arena import JUDGES, agreement_text
from eyas.cli.flags import stage_command
from eyas.cli.show import harmless, print_json
from eyas.evals.intervals import wilson

HELP = f"""Let a life's models answer in pairs, and judges say which answer is better.

The champion answers every prompt twice, or the --models each once. Every verdict is kept in the life's store; what more
than half of the judges decide becomes a row to learn from (--out), for `eyas reward` and `eyas align`. The judges are
also asked about the pairs that people have voted on. Killed, the same command goes on.

{JUDGES}
\b
Example:
  eyas compare lives/first -n 500 --judge world --judge rule:shorter --out pairs.jsonl
  eyas compare lives/first --prompts store --judge http://localhost:11434/v1#llama3.1
"""


def body(config: CompareConfig, as_json: bool) -> None:
    result = run(config.model_copy(update={"quiet": config.quiet or as_json}))
    if as_json:
        print_json(result)
    else:
        print_result(result)


def print_result(result: CompareResult) -> None:
    """The judges one by one, how they agree, and where the rows are."""
    twice = " twice" if len(result.models) == 1 else ""
    asked = f"{result.pairs:,} pairs of answers by {harmless(' and '.join(result.models))}{twice}"
    click.echo(f"{asked}, {result.same:,} of them alike")
    width = max(len(one.judge) for one in result.judges)
    for one in result.judges:
        click.echo(f"  {harmless(one.judge):<{width}}  {_told(one, result.models)}")
    if result.agreements:
        people = f", and on {result.votes:,} pairs that people voted on" if result.votes else ""
        click.echo(f"\nagreement on the pairs that differ{people}; a tie is a verdict too")
    for found in result.agreements:
        click.echo(f"  {harmless(found.one)} and {harmless(found.other)}: {agreement_text(found.agreement)}")
        if found.decided.n:
            click.echo(f"    where both decide: {found.decided}")
    if result.out is not None:
        click.echo(f"\n{result.rows:,} rows in {result.out}: eyas reward MODEL -o JUDGE --data {result.out}")


def _told(one: Tallied, models: list[str]) -> str:
    """Of two models, whom a judge prefers; of one, how many pairs it decides."""
    decided = sum(one.wins.values())
    if len(models) == 2 and decided:
        parts = [f"{harmless(models[1])} wins {wilson(one.wins.get(models[1], 0), decided)} of those decided"]
    elif len(models) < 3:
        parts = [f"{decided:,} decided"]
    else:
        parts = [f"{harmless(name)} wins {one.wins.get(name, 0):,}" for name in models]
    parts.append(f"{one.ties:,} ties")
    parts += [f"{one.both_bad:,} both bad"] if one.both_bad else []
    parts += [f"{one.unreadable:,} unreadable"] if one.unreadable else []
    return ", ".join(parts)


command = stage_command(
    CompareConfig, body, name="compare", help=HELP, arguments={"life": "LIFE"}, short={"out": "-o", "n": "-n"}
)
