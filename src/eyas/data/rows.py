"""Training rows from files of any known format: read, recognised, normalised."""

from collections.abc import Iterator
from pathlib import Path

from eyas.data.documents import Tally
from eyas.data.importers import Row, import_row, kind_of, pair_of_battle
from eyas.data.messages import BadRow
from eyas.data.reading import BadInput, kind_of_file
from eyas.data.tables import TABLE_KINDS, raw_rows
from eyas.errors import EyasError


def read_rows(
    path: Path | str, *, skip_bad: bool = False, want: str | None = None, tally: Tally | None = None
) -> Iterator[Row]:
    """The rows of a file, or of every table in a folder, in the shapes that `eyas.data.importers` lists.

    `want` ("chat", "pair", "label", "battle", "prompt", "text") refuses rows of another shape; a battle is turned
    into the pair that it decides (ties are counted). With `skip_bad` bad rows are counted in `tally` instead of
    raising EyasError, which names file and line.
    """
    bad = BadInput(skip_bad, tally if tally is not None else Tally())
    for file in row_files(Path(path)):
        for where, raw in raw_rows(file, bad):
            try:
                rows = import_row(raw)
            except (BadRow, RecursionError) as error:
                bad.report(f"{where}: {error}")
                continue
            for row in rows:
                wanted = _wanted(row, want, where, bad)
                if wanted is not None:
                    yield wanted


def _wanted(row: Row, want: str | None, where: str, bad: BadInput) -> Row | None:
    kind = kind_of(row)
    if want is None or kind == want:
        return row
    if kind == "battle" and want == "pair":
        pair = pair_of_battle(row)
        if pair is None:
            bad.tally.add("undecided battle")
        return pair
    bad.report(f"{where} is a {kind} row where a {want} row is expected")
    return None


def row_files(path: Path) -> list[Path]:
    """The tables that a path names: itself, or every table in a folder and below, in order. Raises EyasError."""
    if not path.exists():
        raise EyasError(f"{path} does not exist")
    if not path.is_dir():
        return [path]
    files = sorted(file for file in path.rglob("*") if file.is_file() and kind_of_file(file) in TABLE_KINDS)
    if not files:
        raise EyasError(f"folder {path} holds no rows: eyas reads {', '.join(TABLE_KINDS)}, also .gz or .zst")
    return files
