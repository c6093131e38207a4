"""`eyas zip FILE -m MODEL`."""

import click

from eyas.cli.flags import stage_command
from eyas.cli.show import print_figures, print_json
from eyas.compress.archive import ZipConfig, run_zip
from eyas.progress import Progress

HELP = """Compress a file with a model's own predictions.

The better the model predicts the text, the fewer bits remain. The result opens with eyas unzip and the same model only,
on any machine; FILE itself is kept. Any bytes are taken; where the model knows too little of them, what came before in
the file helps to predict.

\b
Example:
  eyas zip notes.txt -m lives/first/base
"""


def body(config: ZipConfig, as_json: bool) -> None:
    with Progress("zip", quiet=as_json) as progress:
        result = run_zip(config, progress)
    if as_json:
        print_json(result)
        return
    bits = {"this model": result.bits_per_byte, **result.peers}
    print_figures(
        f"{result.out}: {result.bytes:,} bytes became {result.zipped:,}",
        {
            "bits per byte": ", ".join(f"{name} {value:.3f}" for name, value in bits.items() if value is not None)
            or None,
            "tokens": f"{result.tokens:,} ({result.tokens_per_second:,.0f} a second)" if result.tokens else None,
            "seconds": result.seconds,
        },
    )
    if result.mixed:
        click.echo("note: the model was mixed with what came before in the file, which it predicts better so")
    if not result.coded and result.bytes:
        click.echo("note: this model cannot make the file smaller, so it is stored as it is")


command = stage_command(
    ZipConfig, body, name="zip", help=HELP, arguments={"path": "FILE"}, short={"model": "-m", "out": "-o"}
)
