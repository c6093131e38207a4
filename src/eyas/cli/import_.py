"""`eyas import FILE -o MODEL`."""

from eyas.cli.flags import stage_command
from eyas.cli.show import print_figures, print_json
from eyas.runtime.import_model import ImportConfig, run

HELP = """Make a model of other people's file: GGUF, llama2.c, a Hugging Face folder.

Llama, Qwen2 and Qwen3 models are read; quantised weights become float32. FILE is a .gguf, a folder with config.json,
hf:OWNER/NAME (the only form that uses the network) or a llama2.c .bin with its tokenizer.

\b
Example:
  eyas import stories260K.bin --tokenizer tok512.bin -o models/stories
"""


def body(config: ImportConfig, as_json: bool) -> None:
    result = run(config)
    if as_json:
        print_json(result)
        return
    print_figures(
        f"{result.out}: a {result.family} model from {result.kind}",
        {
            "parameters": result.parameters,
            "vocabulary": result.vocab_size,
            "context": result.context,
            "type": result.type,
            "seconds": result.seconds,
        },
    )


command = stage_command(ImportConfig, body, name="import", help=HELP, arguments={"source": "FILE"}, short={"out": "-o"})
