"""The program `eyas`: verbs that load only when they are used, and errors in one sentence."""

import errno
import sys
from collections.abc import Sequence
from importlib import import_module

import click

from eyas import __version__
from eyas.errors import EyasError

# Verb -> the line `eyas --help` prints. The verb lives in eyas/cli/VERB.py as the click command `command`.
# The lines stand here so that the help needs no other file; a test holds them equal to the commands' own.
VERBS = {
    "raise": "Raise a life: text, tokenizer, base model, assistant, exam, report.",
    "world": "Look at the embedded world: documents, questions, truth.",
    "tokenizer": "Train a tokenizer.",
    "pretrain": "Train a base model on text.",
    "finetune": "Train an assistant from a base model and rows.",
    "reward": "Train a reward model from pairs of answers.",
    "align": "Improve an assistant by preferences (DPO, KTO) or by rewarded tries (GRPO).",
    "eval": "Measure a model: bits per byte, the exam on the world, what it remembers of a text.",
    "scale": "Measure a law of scale, or fit one to a table of runs, and predict a larger run.",
    "compare": "Let a life's models answer in pairs, and judges say which answer is better.",
    "arena": "Let models battle, and rate models by their battles.",
    "bench": "Measure how fast a model runs here, next to what the machine can do at most.",
    "next": "Show what a model expects next, and how surprised it was.",
    "dream": "Let a model write documents from nothing.",
    "chat": "Talk with a model.",
    "export": "Write a model as one file for other programs: GGUF, llama2.c, Hugging Face.",
    "import": "Make a model of other people's file: GGUF, llama2.c, a Hugging Face folder.",
    "zip": "Compress a file with a model's own predictions.",
    "unzip": "Open a file that eyas zip wrote, bit for bit.",
    "serve": "Serve a model or a life over HTTP, with a page to chat.",
    "monitor": "Look at what a served life is asked, and at what looks wrong.",
    "label": "Correct flagged answers; who labels, by which guidelines.",
    "fix": "Retrain the champion on corrections, test it, and promote it if it is better.",
    "promote": "Make a model of a life its champion.",
    "rollback": "Give the champion's place back to the previous one.",
    "forget": "Remove a conversation or a person from a life's store.",
    "backup": "Copy a life's store into one file, while it is served or not.",
    "restore": "Put a backup back into a life.",
    "lineage": "Tell where a model comes from.",
    "env": "Print versions and hardware, for bug reports.",
}
# These words are Python's own, or would hide a standard module's name in tracebacks.
MODULES = {"raise": "raise_", "eval": "eval_", "import": "import_", "zip": "zip_"}

DISK_ERRORS = {
    errno.ENOSPC: "the disk is full; free some space",
    errno.EDQUOT: "the disk quota is used up; free some space",
    errno.EROFS: "the file system is read-only; choose another place",
    errno.EACCES: "permission denied; choose another place or change the permissions",
}


class LazyGroup(click.Group):
    """A click group that imports a verb's module only when that verb is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in VERBS:
            return None
        module = import_module(f"eyas.cli.{MODULES.get(cmd_name, cmd_name)}")
        command: click.Command = module.command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in VERBS and not args[0].startswith("-"):
            from difflib import get_close_matches

            near = get_close_matches(args[0], VERBS, n=1)
            meant = f"; did you mean `eyas {near[0]}`?" if near else ""
            raise click.UsageError(f"there is no `eyas {args[0]}`{meant}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(VERBS.items()))


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="eyas")
def cli() -> None:
    """The whole life of a language model, on your own machine.

    \b
    Try it:
      eyas raise lives/first             some minutes later there is a model ...
      eyas chat lives/first/assistant    ... and you talk with it
    """


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the program and exit: 0 done, 1 one clear sentence, 2 wrong usage, 130 stopped by Ctrl-C."""
    sys.exit(run(arguments))


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the program on `arguments` (default: the command line's) and give its exit code."""
    try:
        code = cli.main(
            args=list(sys.argv[1:] if arguments is None else arguments), prog_name="eyas", standalone_mode=False
        )
        return code if isinstance(code, int) else 0
    except click.UsageError as error:
        hint = f" (see `{error.ctx.command_path} --help`)" if error.ctx is not None else ""
        return _fail(f"{_sentence(error.format_message())}{hint}", 2)
    except click.ClickException as error:
        return _fail(_sentence(error.format_message()), 1)
    except EyasError as error:
        return _fail(str(error), 1)
    except (KeyboardInterrupt, click.Abort):
        return _fail("stopped", 130)
    except OSError as error:
        if error.errno not in DISK_ERRORS:
            raise
        where = f"{error.filename}: " if error.filename else ""
        return _fail(f"{where}{DISK_ERRORS[error.errno]}", 1)


def _sentence(message: str) -> str:
    """click's message as the rest of ours: one line, first letter small, no full stop."""
    line = " ".join(message.split()).removesuffix(".")
    return line[:1].lower() + line[1:]


def _fail(message: str, code: int) -> int:
    click.echo(f"eyas: {message}", err=True)
    return code
