"""The law that comes with eyas, out of a grid that `eyas scale run` trained on the world.

    eyas scale run lives/world --data world --budget 20
    eyas scale check lives/world
    python benchmarks/default_law.py lives/world

Writes src/eyas/scaling/default_law.json, and all runs with the law and what its prediction was worth to
benchmarks/results/scale.json.
"""

import json
import sys
from pathlib import Path

import eyas
from eyas.cli.show import plain
from eyas.files import read_json, write_atomic
from eyas.report.scale import load_scale
from eyas.scaling.dial_law import DEFAULT
from eyas.scaling.law_file import read_law_file, write_law_file
from eyas.scaling.settings import ARCH, FOLDER
from eyas.scaling.table import COUNTINGS, TOKENS, Row, read_rows
from eyas.scaling.train_grid import noise

RESULTS = Path(__file__).parent / "results" / "scale.json"
RESAMPLED = 200  # fits behind the intervals: a fifth of the usual, for a file that is shipped


def span(rows: list[Row], column: str) -> str:
    """The least and the most of a column, in millions."""
    values = [float(row[column]) / 1e6 for row in rows]
    return f"{min(values):.2f}m to {max(values):.2f}m"


def main() -> None:
    folder = Path(sys.argv[1]) / FOLDER
    asked = read_json(folder / "config.json", "scale settings")
    laws = read_law_file(folder / "law.json")
    rows = [row for row in read_rows(folder / "runs.csv") if row[ARCH] == "transformer"]
    one = laws.one("transformer", COUNTINGS[0], folder / "law.json")
    measured = (
        f"{len(rows)} runs of {span(rows, COUNTINGS[0])} parameters that multiply on {span(rows, TOKENS)} tokens of "
        f"{', '.join(asked['data'])}, vocabulary {asked['vocab_size']}, context {asked['context']}, recipe of eyas "
        f"{eyas.__version__}; seeds differ by {100 * noise(rows):.2f} %"
    )
    shipped = one.model_copy(update={"replicates": one.replicates[:RESAMPLED]})
    write_law_file(DEFAULT, laws.model_copy(update={"fits": [shipped], "measured": measured}))
    scale = load_scale(folder.parent)
    told = {"settings": asked, "measured": measured, "laws": scale and scale.laws, "runs": rows}
    write_atomic(RESULTS, json.dumps(plain(told), indent=1) + "\n")


if __name__ == "__main__":
    main()
