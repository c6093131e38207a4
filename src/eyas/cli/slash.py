"""The commands of a chat: `/help`, `/retry`, `/save FILE` and the others."""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from eyas.cli.show import harmless
from eyas.errors import EyasError
from eyas.files import write_atomic

if TYPE_CHECKING:
    from eyas.runtime.chat import ChatSession


class Quit(Exception):
    """The user is done."""


def obey(session: "ChatSession", line: str) -> str | None:
    """Carry out the command `line`; gives the turn to send when the command asks for one. Raises EyasError, Quit."""
    name, _, argument = line[1:].partition(" ")
    if name not in COMMANDS:
        raise EyasError(f"there is no /{name}; /help lists the commands, and a leading space sends a line as it is")
    return COMMANDS[name][1](session, argument.strip())


def _help(session: "ChatSession", argument: str) -> None:
    """List these commands."""
    width = max(len(usage) for usage, _ in COMMANDS.values())
    for usage, action in COMMANDS.values():
        click.echo(f"  {usage:<{width}}  {action.__doc__}")


def _system(session: "ChatSession", argument: str) -> None:
    """Show the system prompt, or set it; `/system -` removes it."""
    if not argument:
        click.echo(harmless(session.system) if session.system else "There is no system prompt.")
        return
    kept = [message for message in session.messages if message["role"] != "system"]
    session.system = None if argument == "-" else argument
    session.reset()
    session.messages += kept


def _reset(session: "ChatSession", argument: str) -> None:
    """Forget the conversation, keep the system prompt."""
    session.reset()


def _retry(session: "ChatSession", argument: str) -> str:
    """Take back the last answer and ask for another."""
    text = _take_back(session)
    if session.sampling.temperature == 0:
        click.echo(click.style("[temperature 0 gives the same answer; try /temperature 0.8]", dim=True))
    return text


def _undo(session: "ChatSession", argument: str) -> None:
    """Take back the last turn and its answer."""
    click.echo(click.style(f"[taken back: {harmless(_take_back(session))}]", dim=True))


def _take_back(session: "ChatSession") -> str:
    """Drop the last user's turn and all after it; gives its text."""
    places = [i for i, message in enumerate(session.messages) if message["role"] == "user"]
    if not places:
        raise EyasError("nothing has been said yet")
    text = str(session.messages[places[-1]]["content"])
    del session.messages[places[-1] :]
    return text


def _temperature(session: "ChatSession", argument: str) -> None:
    """Show or set the temperature: 0 is the likeliest always, 1 the model's own spread."""
    if argument:
        try:
            value = float(argument)
        except ValueError:
            raise EyasError(f"/temperature takes a number, not {argument}") from None
        session.sampling = dataclasses.replace(session.sampling, temperature=value)
    click.echo(f"The temperature is {session.sampling.temperature:g}.")


def _thought(session: "ChatSession", argument: str) -> None:
    """Show what the model thought before its last answer."""
    thoughts = [message.get("reasoning_content") for message in session.messages if message["role"] == "assistant"]
    click.echo(harmless(thoughts[-1]) if thoughts and thoughts[-1] else "It did not think aloud.")


def _raw(session: "ChatSession", argument: str) -> None:
    """Show the conversation as the model reads it, special tokens and all."""
    from eyas.text.chat import render_text

    click.echo(harmless(render_text(session.messages, session.tool_specs)), nl=False)


def _save(session: "ChatSession", argument: str) -> None:
    """Add the conversation to FILE as one training row (JSONL)."""
    path = _path(argument, "/save")
    if not any(message["role"] == "user" for message in session.messages):
        raise EyasError("nothing has been said yet")
    try:
        before = path.read_text(encoding="utf-8") if path.exists() else ""
    except (OSError, UnicodeDecodeError) as error:
        raise EyasError(f"{path} is no text file to add to: {error}") from error
    if before and not before.endswith("\n"):
        before += "\n"
    write_atomic(path, before + json.dumps({"messages": session.messages}, ensure_ascii=False) + "\n")
    click.echo(f"Saved {len(session.messages)} messages to {path}.")


def _load(session: "ChatSession", argument: str) -> None:
    """Go on with the last conversation in FILE."""
    from eyas.data.rows import read_rows

    path = _path(argument, "/load")
    last = None
    for row in read_rows(path, want="chat"):
        last = row
    if last is None:
        raise EyasError(f"{path} holds no conversation")
    messages = [dict(message) for message in last["messages"]]
    session.system = str(messages[0]["content"]) if messages and messages[0]["role"] == "system" else None
    session.reset()
    session.messages = messages
    click.echo(f"Loaded {len(messages)} messages from {path}.")


def _path(argument: str, command: str) -> Path:
    if not argument:
        raise EyasError(f"{command} needs a file name, such as: {command} talk.jsonl")
    return Path(argument).expanduser()


def _quit(session: "ChatSession", argument: str) -> None:
    """End the conversation (as does Ctrl-D)."""
    raise Quit


COMMANDS: dict[str, tuple[str, Callable[["ChatSession", str], str | None]]] = {
    "help": ("/help", _help),
    "system": ("/system [TEXT]", _system),
    "reset": ("/reset", _reset),
    "retry": ("/retry", _retry),
    "undo": ("/undo", _undo),
    "temperature": ("/temperature [T]", _temperature),
    "thought": ("/thought", _thought),
    "raw": ("/raw", _raw),
    "save": ("/save FILE", _save),
    "load": ("/load FILE", _load),
    "quit": ("/quit", _quit),
}
