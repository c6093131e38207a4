"""`eyas reward MODEL -o NEW --data PAIRS`."""

from eyas.cli.flags import stage_command
from eyas.cli.show import print_figures, print_json
from eyas.evals.intervals import wilson
from eyas.progress import duration
from eyas.train.reward import RewardConfig, run

HELP = """Train a reward model from pairs of answers.

PAIRS are rows with prompt, chosen and rejected, or battles. A tenth of the prompts is held out: how the model ranks
their answers, how sure it claims to be, and whether it merely likes long ones is told at the end.

\b
Example:
  eyas reward lives/first/assistant -o models/judge --data pairs.jsonl
"""


def body(config: RewardConfig, as_json: bool) -> None:
    result = run(config)
    accuracy = wilson(result.val_right, result.val_pairs)
    if as_json:
        print_json({**vars(result), "accuracy": accuracy.as_json()})
        return
    bias = result.length_bias
    print_figures(
        f"{result.out}: a reward model",
        {
            "pairs": result.pairs,
            "left out": result.left_out or None,
            "loss": result.loss,
            "ranked right, held out": str(accuracy) if result.val_pairs else None,
            "sure of them, and right": ", ".join(
                f"{bin['claimed']:.0%}: {bin['right']:.0%}" for bin in result.calibration
            ),
            "longer answer wins": bias
            and f"{bias['longer_wins_by_model']:.0%} by the model, {bias['longer_wins_by_people']:.0%} in the data",
            "training": f"{duration(result.seconds)}, of it compiling {duration(result.compile_seconds)}",
        },
    )
    if accuracy.low <= 0.5:
        print("\nIt is not shown to rank better than chance: do not lean on it; give it more pairs, or longer.")


command = stage_command(RewardConfig, body, name="reward", help=HELP, arguments={"model": "MODEL"}, short={"out": "-o"})
