"""`eyas world`: read the embedded world's documents, its questions, and what is true in it."""

import textwrap
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any

import click

from eyas.cli.show import print_json
from eyas.world.people import RELATIONS, World
from eyas.world.questions.rows import Row, rows
from eyas.world.stream import Document, documents

WIDTH = 100


@click.command("world")
@click.option(
    "--show", type=click.IntRange(0), default=3, show_default=True, help="Documents and conversations to show."
)
@click.option("--people", type=int, default=200, show_default=True, help="Population of the world.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Another seed is another town.")
@click.option("--truth", is_flag=True, help="Show every person and what is true of them.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(show: int, people: int, seed: int, truth: bool, as_json: bool) -> None:
    """Look at the embedded world: documents, questions, truth.

    People of kind A are asked about in the training rows, people of kind B only stand in documents.

    \b
    Example:
      eyas world --show 5
    """
    world = World(seed, people)
    # The documents of one town are drawn with its own seed; nothing is stored.
    papers, talks = list(islice(documents(world, seed), show)), list(islice(rows(world, seed), show))
    if as_json:
        print_json(
            {
                "seed": seed,
                "documents": papers,
                "conversations": talks,
                "people": [_truth(one) for one in world.people] if truth else None,
            }
        )
        return
    for paper in papers:
        _print_document(paper)
    for talk in talks:
        _print_conversation(talk)
    if truth:
        for one in world.people:
            facts = ", ".join(f"{relation} {getattr(one, relation)}" for relation in RELATIONS)
            click.echo(f"{click.style(one.name, bold=True)} ({one.kind}): {facts}")
    else:
        click.echo(f"A town of {people:,} people; eyas world --truth tells what is true of them.")


def _truth(person: Any) -> dict[str, str]:
    return {"name": person.name, "kind": person.kind} | {one: getattr(person, one) for one in RELATIONS}


def _print_document(paper: Document) -> None:
    floor = paper.floor_bits / max(1, len(paper.text.encode()))
    _title(paper.kind, f"{floor:.2f} bits per byte at best, {len(paper.facts)} facts")
    click.echo("\n".join(_wrapped(paper.text)) + "\n")


def _print_conversation(talk: Row) -> None:
    _title("conversation", ", ".join(talk.kinds))
    for message in talk.messages:
        for kind, text in _lines(message):
            head = f"{kind:>9}  "
            wrapped = _wrapped(text, WIDTH - len(head)) or [""]
            click.echo(click.style(head, fg="cyan" if kind == "user" else None, bold=True) + wrapped[0])
            for line in wrapped[1:]:
                click.echo(" " * len(head) + line)
    click.echo()


def _lines(message: Mapping[str, Any]) -> Sequence[tuple[str, str]]:
    """What a message holds, piece by piece: a thought, the text, the calls."""
    pieces = [("thought", str(message.get("reasoning_content") or "")), (str(message["role"]), str(message["content"]))]
    for call in message.get("tool_calls") or []:
        function = call["function"]
        arguments = ", ".join(str(value) for value in function["arguments"].values())
        pieces.append(("call", f"{function['name']}({arguments})"))
    return [(kind, text) for kind, text in pieces if text]


def _wrapped(text: str, width: int = WIDTH) -> list[str]:
    return [part for line in text.splitlines() for part in (textwrap.wrap(line, width) or [""])]


def _title(title: str, note: str) -> None:
    click.echo(click.style(f"── {title} ", fg="cyan", bold=True) + click.style(note, dim=True))
