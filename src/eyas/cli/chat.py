"""`eyas chat MODEL`: a conversation on a terminal, or line by line through a pipe."""

import contextlib
import sys
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import click

from eyas.cli.models import engine_options, open_model, penalty_option, speculation_options
from eyas.cli.show import harmless
from eyas.errors import EyasError

if TYPE_CHECKING:
    from eyas.runtime.chat import ChatSession

WHY_ENDED = {
    "length": "[cut off: no room for more; /reset begins anew]",
    "tools": "[stopped: it kept calling tools]",
    "interrupted": "[stopped]",
}


@click.command("chat")
@click.argument("model")
@click.option("--system", default=None, help="The system prompt.")
@click.option(
    "--temperature",
    type=click.FloatRange(0),
    default=0.0,
    show_default=True,
    help="0 answers the same every time; higher varies.",
)
@click.option(
    "--top-p",
    type=click.FloatRange(0, 1, min_open=True),
    default=1.0,
    show_default=True,
    help="Draw from the likeliest tokens that hold this probability together.",
)
@click.option("--max-tokens", type=click.IntRange(1), default=256, show_default=True, help="The longest answer.")
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of the draws.")
@penalty_option
@speculation_options
@engine_options
def command(
    model: str,
    system: str | None,
    temperature: float,
    top_p: float,
    max_tokens: int,
    seed: int,
    repetition_penalty: float,
    **engine_flags: Any,
) -> None:
    """Talk with a model.

    MODEL is a model folder, LIFE/NAME or a GGUF file. Each line is a turn; a backslash at its end continues it on the
    next. /help lists the commands. Ctrl-C stops an answer and keeps the conversation, Ctrl-D ends it.

    \b
    Example:
      eyas chat lives/first/assistant
      echo "What is 12 * 34?" | eyas chat lives/first/assistant
    """
    from eyas.runtime.chat import ChatSession
    from eyas.runtime.sampling import Sampling

    engine, tokenizer = open_model(model, **engine_flags)
    if not {"<|im_start|>", "<|im_end|>"} <= set(tokenizer.special):
        raise EyasError(f"{model} has no chat tokens, so it cannot chat; see what it writes with: eyas dream {model}")
    sampling = Sampling(
        max_tokens=max_tokens,
        temperature=temperature,
        top_p=top_p,
        seed=seed,
        repetition_penalty=repetition_penalty,
    )
    session = ChatSession(engine, system=system, sampling=sampling, on_tool=_print_call)
    converse(session, interactive=sys.stdin.isatty(), name=model.rstrip("/").rsplit("/", 1)[-1])


def converse(session: "ChatSession", *, interactive: bool, name: str) -> None:
    """Read turns and commands until the input ends; `interactive` shows prompts and goes on after an error."""
    from eyas.cli.slash import Quit, obey

    if interactive:
        # Line editing and the history of this conversation's own lines.
        with contextlib.suppress(ImportError):
            import readline  # noqa: F401
        click.echo(click.style(f"Talking with {name}. /help lists the commands, Ctrl-D ends.", dim=True))
    for line in turns(interactive):
        try:
            if not line.startswith("/"):
                answer(session, line.strip(), name if interactive else "")
            elif (text := obey(session, line)) is not None:
                answer(session, text, name if interactive else "")
        except Quit:
            return
        except EyasError as error:
            if not interactive:
                raise
            click.echo(f"eyas: {error}", err=True)


def turns(interactive: bool) -> Iterator[str]:
    """What the user types, a turn at a time, blank ones left out; ends with the input."""
    if hasattr(sys.stdin, "reconfigure"):
        sys.stdin.reconfigure(errors="replace")
    parts: list[str] = []
    while True:
        try:
            line = input(("... " if parts else "you> ") if interactive else "")
        except EOFError:
            if interactive:
                click.echo()
            if "".join(parts).strip():
                yield "\n".join(parts).rstrip()
            return
        except KeyboardInterrupt:
            if not interactive:
                raise
            parts.clear()
            click.echo(click.style("\n[Ctrl-D or /quit ends the conversation]", dim=True))
            continue
        if line.endswith("\\"):
            parts.append(line[:-1])
            continue
        parts.append(line)
        turn = "\n".join(parts).rstrip()
        parts.clear()
        if turn:
            yield turn


def answer(session: "ChatSession", text: str, name: str) -> None:
    """Send a turn and print the answer as it comes. Ctrl-C stops it; what was said stays in the conversation."""
    if name:
        click.echo(click.style(f"{name}> ", fg="cyan", bold=True), nl=False)
    pieces = session.send(text)
    ended = "\n"
    try:
        for piece in pieces:
            click.echo(harmless(piece), nl=False)
            sys.stdout.flush()
            ended = piece[-1:]
    except KeyboardInterrupt:
        # Closing lets the session keep what was said so far, wherever the signal struck.
        pieces.close()  # type: ignore[attr-defined]
        session.ended = "interrupted"
    if why := WHY_ENDED.get(session.ended):
        click.echo(("" if ended == "\n" else " ") + click.style(why, dim=True))
    elif ended != "\n" or name:
        click.echo()
    if session.forgotten:
        note = f"[the first {session.forgotten} messages no longer fit the context]"
        click.echo(click.style(note, dim=True), err=True)


def _print_call(name: str, arguments: Mapping[str, Any], result: str) -> None:
    shown = ", ".join(str(value) for value in arguments.values())
    click.echo(click.style(harmless(f"[{name}({shown}) = {result}]"), dim=True))
