"""`eyas align MODEL -o NEW --method dpo|kto|grpo`."""

import click

from eyas.cli.flags import stage_command
from eyas.cli.show import harmless, print_figures, print_json
from eyas.progress import duration
from eyas.train.align_config import AlignConfig

HELP = """Improve an assistant by preferences (DPO, KTO) or by rewarded tries (GRPO).

dpo reads rows with prompt, chosen and rejected, or battles; kto rows with prompt, completion and label; grpo lets the
model try problems and rewards its tries: by a program that checks them (verify:arithmetic, verify:countdown, and
verify:world, open questions about the town), by a reward model, or by several. What is only measured, never rewarded,
is named with --truth: so it shows when a model begins to please its judge instead. Rewards, log-probabilities and more
stand in the new model's metrics.jsonl, step by step.

\b
Examples:
  eyas align lives/first/assistant -o models/polite --data pairs.jsonl
  eyas align models/player -o models/winner --method grpo --reward verify:countdown
  eyas align lives/first/assistant -o models/pleasing --method grpo --reward models/judge --truth verify:world
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
    from eyas.evals.rewards import rewards_of
    from eyas.train.grpo import run

    config.check()
    result = run(config, *rewards_of(config))
    if as_json:
        print_json(result)
        return
    before, after, best = result.before, result.after, result.best
    share = result.generation_seconds / max(result.seconds, 1e-9)
    shares = {"pass@1": "pass@1", "pass@k": f"pass@{config.group}"}
    figures = {
        label: f"{before[name]:.1%} before, {after[name]:.1%} after" for name, label in shares.items() if name in before
    }
    for name in ("reward", "true_reward"):
        if name in before:
            figures[name] = f"{before[name]:.3f} before, {after[name]:.3f} after"
    if best:
        figures["best true reward"] = (
            f"{best['true_reward']:.3f} (standard error {best['true_reward_se']:.3f}) at step {best['step']:,}, "
            f"{best['kl']:.2f} nats from the start"
        )
    print_figures(
        f"{result.out}: aligned by grpo",
        figures
        | {
            "divergence from the start": f"{after['kl']:.2f} nats an answer",
            "problems kept apart": config.examined,
            "steps": result.steps,
            "training": f"{duration(result.seconds)}, of it {share:.0%} answering",
        },
    )
    for one in result.examples:
        click.echo(f"\n  {harmless(one['question'])}\n    {harmless(one['answer'])}")


command = stage_command(AlignConfig, body, name="align", help=HELP, arguments={"model": "MODEL"}, short={"out": "-o"})
