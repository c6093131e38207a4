"""`eyas arena table FILE|LIFE` and `eyas arena run LIFE`: ratings out of battles, and battles to rate."""

from collections.abc import Iterator

import click

from eyas.arena.agreement import Agreement
from eyas.arena.board import FEW, Board, Standing
from eyas.arena.run import RunConfig
from eyas.arena.run import run as fight
from eyas.arena.table import TableConfig, TableResult, run
from eyas.cli.flags import stage_command
from eyas.cli.show import harmless, print_json

HELP = """Rate models by their battles.

FILE holds a battle a row: model_a, model_b, winner (a, b, tie, both_bad, a model's name, or A's score from 0 to 1);
other names and codes by flags. A life has its own battles: the votes on its page and the trials of `eyas fix`.
Ratings are Bradley-Terry on the scale of chess (400 points are odds of ten to one) with a stated prior; every rating
has its 95 % interval, and ranks are shared where intervals overlap.

\b
Example:
  eyas arena table lives/first
  eyas arena table battles.csv --prompt question
  eyas arena table votes.jsonl --winner vote --win-a left --win-b right --tie same --ties davidson
"""


def body(config: TableConfig, as_json: bool) -> None:
    result = run(config)
    if as_json:
        print_json(result)
        return
    print_result(result, bootstrap=config.intervals == "bootstrap")


def print_result(result: TableResult, *, bootstrap: bool) -> None:
    """Board after board; warnings stand above the numbers they speak of."""
    for number, board in enumerate(result.boards):
        if number:
            click.echo()
        print_board(board, bootstrap=bootstrap, named=len(result.boards) > 1)
    if result.skipped:
        click.echo(f"\n{result.skipped:,} battles left out (--skip, --skip-bad)")
    if (found := result.agreement) is not None:
        click.echo(f"\npeople and judges agree in {agreement_text(found)}")


def agreement_text(found: Agreement) -> str:
    """The share of verdicts that are the same, kappa, and whether there are enough."""
    few = "" if found.prompts >= FEW else f"; {found.prompts:,} prompts are too few to lean on"
    kappa = f"Cohen's kappa {found.kappa:.2f} [{found.low:.2f}, {found.high:.2f}]"
    return f"{100 * found.share:.1f} % of {found.pairs:,} pairs of verdicts; {kappa}{few}"


def print_board(board: Board, *, bootstrap: bool, named: bool) -> None:
    """The head line, warnings, the table, effects and the next pair."""
    prior = "no prior" if board.prior_sd == float("inf") else f"prior: Gaussian, {board.prior_sd:g} points"
    clusters = "" if board.prompts is None else f" clustered by {board.prompts:,} prompts"
    kind = "bootstrap" if bootstrap else "sandwich"
    title = f"{board.name}: " if named else ""
    bad = f", {board.both_bad:,} of them both bad" if board.both_bad else ""
    click.echo(f"{title}{board.battles:,} battles, {len(board.standings)} models, {board.ties:,} ties{bad}")
    click.echo(f"{prior}; 95 % intervals: {kind}{clusters}")
    for warning in board.warnings:
        click.echo(f"warning: {harmless(warning)}")
    for pool in sorted({one.pool for one in board.standings}):
        click.echo()
        if pool:
            click.echo(f"pool {pool + 1}, never compared with those above")
        for line in _lines([one for one in board.standings if one.pool == pool]):
            click.echo(line)
    if board.tie_nu is not None:
        share = board.tie_nu / (2 + board.tie_nu)
        click.echo(f"\nDavidson's nu {board.tie_nu:.3f}: two equal models tie in {100 * share:.0f} % of their battles")
    for effect in board.effects:
        click.echo(f"\n{effect.name}: {effect.points:+.0f} points [{effect.low:+.0f}, {effect.high:+.0f}]")
    if board.next_pairs:
        best = board.next_pairs[0]
        click.echo(f"\nthe next battle tells most between {harmless(best.model_a)} and {harmless(best.model_b)}")


HEADS = ["rank", "model", "rating", "95 % interval", "battles", "won", "Elo ticker", "to part from next"]


def _lines(standings: list[Standing]) -> Iterator[str]:
    """The table without a frame; names are never cut, so that it can be searched and copied."""
    rows = [HEADS]
    for one in standings:
        interval = f"{_end(one.low)} to {_end(one.high)}"
        won = f"{100 * one.win_rate:.1f} %"
        row = [str(one.rank), harmless(one.model), _rating(one), interval, f"{one.battles:,}", won, f"{one.elo:.0f}"]
        rows.append([*row, _needed(one)])
    widths = [max(len(row[i]) for row in rows) for i in range(len(HEADS))]
    for row in rows:
        cells = [cell.ljust(widths[i]) if i == 1 else cell.rjust(widths[i]) for i, cell in enumerate(row)]
        yield "  ".join(cells).rstrip()


def _rating(one: Standing) -> str:
    """With a sign where the battles hold one end only."""
    sign = "?" if one.low is None and one.high is None else "<" if one.low is None else ">" if one.high is None else ""
    return f"{sign}{one.rating:.0f}"


def _end(value: float | None) -> str:
    return "open" if value is None else f"{value:.0f}"


def _needed(one: Standing) -> str:
    if one.next_below is None:
        return ""
    needed = one.next_below.battles_needed
    if needed is None:
        return "unknown"
    return "done" if needed == 0 else f"{needed:,} battles" if needed < 1_000_000 else "over a million"


table = stage_command(TableConfig, body, name="table", help=HELP, arguments={"battles": "FILE"})


JUDGES = """\
\b
Judges:
  world               the world's truth: a program grades the answer
  rule:shorter        fewer characters (also rule:answers: neither declines nor refuses; rule:no-loops)
  reward:MODEL        a reward model of `eyas reward`
  URL#MODEL           any OpenAI-compatible model, asked twice with the answers in either order;
                      its key stands in EYAS_JUDGE_KEY
"""

RUN_HELP = f"""Let models answer the same prompts, let a judge decide, and rate the models.

The models of LIFE fight, or those that --models names; each battle is the one that tells most about their order. The
world's prompts are those that training never asks. The battles are kept in the life, or in the file of -o; killed, the
same command goes on.

{JUDGES}
\b
Example:
  eyas arena run lives/first --judge world -n 200
  eyas arena run --models lives/first/base --models lives/first/assistant --judge rule:shorter -o battles.jsonl
"""


def run_body(config: RunConfig, as_json: bool) -> None:
    result = fight(config.model_copy(update={"quiet": config.quiet or as_json}))
    if as_json:
        print_json(result)
        return
    unread = f", {result.unreadable:,} of them without a verdict that can be read" if result.unreadable else ""
    click.echo(f"{result.battles:,} battles judged by {harmless(config.judge)}{unread}\n")
    print_result(result.table, bootstrap=False)


run_command = stage_command(
    RunConfig, run_body, name="run", help=RUN_HELP, arguments={"life": "[LIFE]"}, short={"out": "-o", "n": "-n"}
)


@click.group("arena", commands=[table, run_command])
def command() -> None:
    """Let models battle, and rate models by their battles.

    \b
    Example:
      eyas arena run lives/first --judge world
      eyas arena table battles.csv
    """
