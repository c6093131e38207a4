"""`eyas eval MODEL`."""

import click

from eyas.cli.flags import stage_command
from eyas.cli.show import print_figures, print_json
from eyas.evals.evaluate import EvalConfig, run
from eyas.evals.exam import SECTIONS, ExamResult
from eyas.evals.heldout import HeldoutResult
from eyas.progress import Progress

HELP = """Measure a model: bits per byte, and the exam on the world.

Without --data the text is what the model's own training held out. The exam asks models that were finetuned on the
world's rows; every share is told with n and its 95 % Wilson interval.

\b
Example:
  eyas eval lives/first/assistant
  eyas eval lives/first/base --data notes.txt --json
"""


def body(config: EvalConfig, as_json: bool) -> None:
    with Progress("eval", quiet=as_json) as progress:
        result = run(config, progress)
    if as_json:
        print_json(result.as_json())
        return
    if result.bpb is not None:
        print_bpb(result.bpb)
    if result.exam is not None:
        print_exam(result.exam)


def print_bpb(found: HeldoutResult) -> None:
    """Bits per byte beside the floor and the compressors."""
    over = (
        None
        if found.over_floor is None
        else f"{found.floor_bpb:.3f} (the model is {100 * found.over_floor:.1f} % above)"
    )
    others = {f"{name}": f"{value:.3f}" for name, value in found.compressors.items()}
    size = f"{found.documents:,} documents, {found.bytes / 1e6:.2f} MB"
    figures = {"bits per byte": f"{found.bpb:.3f} [{found.low:.3f}, {found.high:.3f}]", "entropy floor": over}
    print_figures(f"{found.source}: {size}", figures | others)


def print_exam(found: ExamResult) -> None:
    """A line for each section, then what should be rare."""
    click.echo("\nexam: right answers")
    width = max(len(text) for text in SECTIONS.values())
    for name, share in found.shares.items():
        click.echo(f"  {SECTIONS.get(name, name):<{width}}  {share}")
    print_figures(
        "\nshould be rare", {"harmless, yet refused": str(found.over_refusal), "never ended": str(found.endless)}
    )


command = stage_command(EvalConfig, body, name="eval", help=HELP, arguments={"model": "MODEL"})
