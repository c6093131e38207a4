"""`eyas eval MODEL`."""

import click

from eyas.cli.flags import stage_command
from eyas.cli.show import print_figures, print_json
from eyas.evals.evaluate import EvalConfig, run
from eyas.evals.exam import SECTIONS, ExamResult
from eyas.evals.heldout import HeldoutResult
from eyas.evals.recall import RecallResult
from eyas.progress import Progress

HELP = """Measure a model: bits per byte, the exam on the world, what it remembers of a text.

Without --data the text is what the model's own training held out. The exam asks models that were finetuned on the
world's rows; every share is told with n and its 95 % Wilson interval. Recall tells how much better a model knows what
it has read before, by the distance.

\b
Example:
  eyas eval lives/first/assistant
  eyas eval lives/first/base --data notes.txt --json
  eyas eval lives/first/base --tasks recall
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
    if result.recall is not None:
        print_recall(result.recall)


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


def print_recall(found: RecallResult) -> None:
    """A line for each distance of both ways to remember."""
    copied = {f"{distance} tokens back": str(share) for distance, share in found.copied.items()}
    print_figures("\nright when a text is read again, of what was missed the first time", copied)
    recalled = {f"up to {distance} tokens back": str(share) for distance, share in found.recalled.items()}
    print_figures(
        "\nright pairs of tokens that one document alone holds", {"at first sight": str(found.first)} | recalled
    )


command = stage_command(EvalConfig, body, name="eval", help=HELP, arguments={"model": "MODEL"})
