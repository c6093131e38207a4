"""The law that comes with eyas, out of a grid that `eyas scale run` trained on the world and the run ahead of it.

    eyas scale run lives/world --data world --budget 24
    eyas scale check lives/world
    python benchmarks/default_law.py lives/world

The law is fitted to the grid and the run ahead together, with E free: held at the world's entropy it foretells too much
for the larger runs. The entropy is the least that it promises.

Writes src/eyas/scaling/default_law.json, and all runs with the law and what the grid's prediction was worth to
benchmarks/results/scale.json.
"""

import json
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import eyas
from eyas.cli.show import plain
from eyas.files import read_json, write_atomic
from eyas.report.scale import load_scale
from eyas.scaling import measure
from eyas.scaling.dial_law import DEFAULT
from eyas.scaling.ground import Ground
from eyas.scaling.law_file import read_law_file, write_law_file
from eyas.scaling.predict import AHEAD
from eyas.scaling.settings import ARCH, FOLDER
from eyas.scaling.table import COUNTINGS, TOKENS, Row, read_rows, write_rows
from eyas.scaling.train_grid import noise

RESULTS = Path(__file__).parent / "results" / "scale.json"
RESAMPLED = 200  # fits behind the intervals: a fifth of the usual, for a file that is shipped


def span(rows: list[Row], column: str) -> str:
    """The least and the most of a column, in millions."""
    values = [float(row[column]) / 1e6 for row in rows]
    return f"{min(values):.2f}m to {max(values):.2f}m"


def main() -> None:
    life = Path(sys.argv[1])
    folder = life / FOLDER
    asked = read_json(folder / "config.json", "scale settings")
    rows, ahead = read_rows(folder / "runs.csv"), read_rows(folder / AHEAD)
    together = [row for row in rows + ahead if row[ARCH] == "transformer"]
    measured = (
        f"{len(together)} runs of {span(together, COUNTINGS[0])} parameters that multiply on {span(together, TOKENS)} "
        f"tokens of {', '.join(asked['data'])}, vocabulary {asked['vocab_size']}, context {asked['context']}, recipe "
        f"of eyas {eyas.__version__}; seeds differ by {100 * noise(rows):.2f} %"
    )
    with TemporaryDirectory() as beside:
        table, law = Path(beside) / "runs.csv", Path(beside) / "law.json"
        write_rows(table, together)
        measure.run(measure.FitConfig(table=table, n=[COUNTINGS[0]], data_set=ARCH, out=law, bootstrap=RESAMPLED))
        laws = read_law_file(law)
    ground = Ground.of_life(life, quiet=True)
    plan = ground.plan
    assert plan is not None, "a run ahead comes after the plan"
    floor = round(ground.entropy(ground.read(plan.tokens)), 6)
    shipped = laws.model_copy(
        update={"measured": measured, "fits": [one.model_copy(update={"floor": floor}) for one in laws.fits]}
    )
    write_law_file(DEFAULT, shipped)
    scale = load_scale(life)
    of_grid = scale and scale.laws
    shown = shipped.fits[0].best_law().as_json()
    told = {
        "settings": asked,
        "measured": measured,
        "shipped": shown,
        "floor": floor,
        "laws": of_grid,
        "runs": together,
    }
    write_atomic(RESULTS, json.dumps(plain(told), indent=1) + "\n")


if __name__ == "__main__":
    main()
