"""`eyas unzip FILE -m MODEL`."""

from eyas.cli.flags import stage_command
from eyas.cli.show import print_figures, print_json
from eyas.compress.archive import UnzipConfig, run_unzip
from eyas.progress import Progress

HELP = """Open a file that eyas zip wrote, bit for bit.

It takes the model that zipped it. The content is checked by its SHA-256: what is written is the original, or nothing.

\b
Example:
  eyas unzip notes.txt.eyz -m lives/first/base -o again.txt
"""


def body(config: UnzipConfig, as_json: bool) -> None:
    with Progress("unzip", quiet=as_json) as progress:
        result = run_unzip(config, progress)
    if as_json:
        print_json(result)
        return
    print_figures(
        f"{result.out}: {result.bytes:,} bytes, as they were",
        {
            "tokens": f"{result.tokens:,} ({result.tokens_per_second:,.0f} a second)" if result.tokens else None,
            "seconds": result.seconds,
        },
    )


command = stage_command(
    UnzipConfig, body, name="unzip", help=HELP, arguments={"path": "FILE"}, short={"model": "-m", "out": "-o"}
)
