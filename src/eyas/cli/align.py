"""`eyas align MODEL -o NEW --method dpo|kto|grpo`."""

import click

from eyas.cli.flags import stage_command
from eyas.cli.show import print_figures, print_json
from eyas.progress import duration
from eyas.train.align_config import AlignConfig

HELP = """Improve an assistant by preferences (DPO, KTO) or by rewarded tries (GRPO).

dpo reads rows with prompt, chosen and rejected, or battles; kto rows with prompt, completion and label; grpo lets the
model try problems that a program checks. Rewards, log-probabilities and more stand in the new model's metrics.jsonl,
step by step.

\b
Examples:
  eyas align lives/first/assistant -o models/polite --data pairs.jsonl
  eyas align models/player -o models/winner --method grpo --reward verify:countdown
"""


def body(config: AlignConfig, as_json: bool) -> None:
    if config.method == "grpo":
        _grpo(config, as_json)
        return
    from eyas.train.align import run

    result = run(config)
    if as_json:
        print_json(result)
        return
    held_out = {f"{name.removeprefix('val_')}, held out": value for name, value in result.val.items()}
    print_figures(
        f"{result.out}: aligned by {config.method}",
        {
            "pairs": result.pairs,
            "left out": result.left_out or None,
            "loss": result.loss,
            **held_out,
            "steps": result.steps,
            "training": f"{duration(result.seconds)}, of it compiling {duration(result.compile_seconds)}",
        },
    )
    if result.falling:
        click.echo(
            "\nChosen answers became less likely together with the rejected ones: something else is gaining. "
            "Try --sft-weight 0.2, a smaller --lr and --matrix-lr, or a larger --beta."
        )


def _grpo(config: AlignConfig, as_json: bool) -> None:
    from eyas.evals.problems import Verified
    from eyas.train.grpo import run

    result = run(config, Verified(config.reward))
    if as_json:
        print_json(result)
        return
    before, after = result.before, result.after
    share = result.generation_seconds / max(result.seconds, 1e-9)
    print_figures(
        f"{result.out}: aligned by grpo",
        {
            "pass@1": f"{before['pass@1']:.1%} before, {after['pass@1']:.1%} after",
            f"pass@{before['k']:.0f}": f"{before['pass@k']:.1%} before, {after['pass@k']:.1%} after",
            "problems kept apart": before["n"],
            "steps": result.steps,
            "training": f"{duration(result.seconds)}, of it {share:.0%} answering",
        },
    )
    for one in result.examples:
        click.echo(f"\n  {one['question']}\n    {one['answer']}")


command = stage_command(AlignConfig, body, name="align", help=HELP, arguments={"model": "MODEL"}, short={"out": "-o"})
