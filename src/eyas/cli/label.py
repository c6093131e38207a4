"""`eyas label LIFE`: the queue and who labels; people, instructions, drafts ahead, and labelling in the terminal."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from eyas.cli.show import harmless, print_figures, print_json
from eyas.errors import EyasError

if TYPE_CHECKING:
    from eyas.flywheel.drafts import Desk, Speaker
    from eyas.store.database import Store

_SHOWN = 10


@click.command("label")
@click.argument("life", type=click.Path(path_type=Path))
@click.option("--terminal", is_flag=True, help="Label here, item by item.")
@click.option("--person", metavar="NAME", help="Who labels here (default: this computer's user).")
@click.option("--draft", type=click.IntRange(1), metavar="N", help="Draft answers for the first N items that wait.")
@click.option(
    "--draft-url", metavar="URL", help="An OpenAI-compatible URL to draft and judge, e.g. http://host:8000/v1."
)
@click.option("--draft-model", metavar="NAME", help="The model to ask there; its key comes from EYAS_DRAFT_KEY.")
@click.option("--add-person", metavar="NAME", help="Let NAME sign in; prints a token, once.")
@click.option("--remove-person", metavar="NAME", help="Let NAME sign in no more; their labels stay.")
@click.option(
    "--guidelines", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help="Make FILE the instructions."
)
@click.option("--json", "as_json", is_flag=True, help="Print the figures as one JSON object.")
def command(
    life: Path,
    terminal: bool,
    person: str | None,
    draft: int | None,
    draft_url: str | None,
    draft_model: str | None,
    add_person: str | None,
    remove_person: str | None,
    guidelines: Path | None,
    as_json: bool,
) -> None:
    """Correct flagged answers; who labels, by which guidelines.

    Without flags it tells what waits. The page /label of `eyas serve LIFE` shows the same queue. A person who is added
    signs in there with the token once the server asks for keys.

    \b
    Example:
      eyas label lives/first
      eyas label lives/first --terminal
      eyas label lives/first --add-person ada
      eyas label lives/first --draft 50 --draft-url http://localhost:11434/v1 --draft-model llama3.1
    """
    from eyas.flywheel import people
    from eyas.flywheel.guidelines import change
    from eyas.store.database import open_store

    if (draft_url is None) != (draft_model is None):
        raise EyasError("--draft-url and --draft-model belong together; give both")
    if draft_url is not None and not (draft or terminal):
        raise EyasError("--draft-url is asked with --draft N or --terminal; give one of them")
    store, who = open_store(life), person or people.this_user()
    try:
        if add_person is not None:
            with store.session() as session:
                token = people.add_person(session, add_person)
            click.echo(f"{add_person.strip()} signs in with this token, which is not told again: {token}")
        if remove_person is not None:
            with store.session() as session:
                people.remove_person(session, remove_person)
            click.echo(f"{remove_person.strip()} signs in no more")
        if guidelines is not None:
            with store.session() as session:
                version = change(session, life, _read(guidelines), who).version
            click.echo(f"the instructions are version {version} now")
        if draft is not None:
            _draft(life, store, who, draft, draft_url, draft_model)
        if terminal:
            _label(_desk(life, store, draft_url, draft_model), _speaker(life, store), who)
        if as_json or not (add_person or remove_person or guidelines or draft or terminal):
            _tell(life, store, who, as_json)
    finally:
        store.close()


def _tell(life: Path, store: "Store", who: str, as_json: bool) -> None:
    """What waits, who has labelled, and how far they agree."""
    from eyas.flywheel import groups, guidelines, labels
    from eyas.flywheel.agreement import agreements, counts
    from eyas.flywheel.people import names

    with store.session() as session:
        groups.assign(session)
        waiting = labels.queue(session, who)
        first = [labels.item(session, place.message_id, who) for place in waiting[:_SHOWN]]
        version, by_person = guidelines.current(session, life).version, counts(session)
        pairs, known = agreements(session), names(session)
    if as_json:
        queue = [
            {
                "message": item.message.id,
                "question": item.question,
                "answer": item.message.text,
                "flags": [flag.kind for flag in item.flags],
                "group": item.group.title if item.group else None,
                "worth": place.worth,
            }
            for place, item in zip(waiting[:_SHOWN], first, strict=True)
        ]
        found = {"waiting": len(waiting), "guideline": version, "labels": by_person, "people": known}
        print_json(found | {"agreement": pairs, "queue": queue})
        return
    figures: dict[str, Any] = {"waiting for you": len(waiting), "instructions": f"version {version}"}
    figures |= {f"labelled by {one.person}": f"{one.labels:,} ({one.accepted:,} accepted)" for one in by_person}
    figures["may sign in"] = ", ".join(known) or None
    for pair in pairs:
        agreed = f"kappa {pair.sorts.kappa:.2f} [{pair.sorts.low:.2f}, {pair.sorts.high:.2f}] on {pair.items:,} items"
        figures[f"{pair.one} and {pair.other}"] = agreed
    print_figures(f"{life}: labelling", figures)
    for item in first:
        flags = ", ".join(flag.kind.replace("_", " ") for flag in item.flags)
        click.echo(harmless(f"\n  {_line(item.question)}\n  -> {_line(item.message.text)}  ({flags})"))
    if waiting:
        click.echo(f"\nlabel them at /label of `eyas serve {life}`, or here with --terminal")


def _label(desk: "Desk", speaker: "Speaker", who: str) -> None:
    """One item after the other, until the queue is empty or the person quits."""
    from eyas.flywheel import groups, guidelines, labels
    from eyas.flywheel.drafts import broken

    skipped: set[str] = set()
    while True:
        with desk.store.session() as session:
            groups.assign(session)
            waiting = [one for one in labels.queue(session, who) if one.message_id not in skipped]
            if not waiting:
                return click.echo("nothing waits")
            item = labels.item(session, waiting[0].message_id, who)
            version = guidelines.current(session, desk.life).version
        made = item.drafts or desk.draft(item.message.id, who, speaker)
        drafts = sorted(made, key=broken)
        _show(len(waiting), item, drafts)
        choice = click.prompt("number, (e)dit, (k)eep what was said, (d)iscard, (s)kip, (q)uit", default="s")
        answer, draft_id, verdict = "", None, labels.ACCEPTED
        if choice.isdecimal() and 1 <= int(choice) <= len(drafts):
            answer, draft_id = drafts[int(choice) - 1].text, drafts[int(choice) - 1].id
        elif choice == "e":
            answer = click.prompt("the right answer", default=drafts[0].text if drafts else item.message.text)
        elif choice == "k":
            answer = item.message.text
        elif choice == "d":
            verdict = labels.DISCARDED
        elif choice == "q":
            return None
        else:
            skipped.add(item.message.id)
            continue
        with desk.store.session() as session:
            labels.label(session, item.message.id, who, verdict, answer, draft_id=draft_id, guideline_version=version)


def _show(waiting: int, item: Any, drafts: list[Any]) -> None:
    flags = ", ".join(flag.kind.replace("_", " ") for flag in item.flags)
    click.echo(f"\n{waiting:,} wait; {flags}" + (f"; one of {item.group_size} alike" if item.group_size > 1 else ""))
    for message in item.history:
        click.echo(harmless(f"  {message.role}: {message.text or message.content.get('tool_calls') or ''}"))
    for number, draft in enumerate(drafts, 1):
        click.echo(harmless(f"  {number}  {draft.text}  ({draft.author})"))
        for one in draft.critique:
            if one["verdict"] == "broken":
                click.echo(harmless(f"       breaks {one['point'] or 'a rule'}: {one['why']}"))


def _draft(life: Path, store: "Store", who: str, most: int, url: str | None, model: str | None) -> None:
    from eyas.flywheel import groups, labels
    from eyas.progress import Progress

    with store.session() as session:
        groups.assign(session)
        places = labels.queue(session, who)[:most]
    desk, speaker, made = _desk(life, store, url, model), _speaker(life, store), 0
    with Progress("drafting", quiet=False) as progress:
        for place in places:
            made += len(desk.draft(place.message_id, who, speaker))
        progress.say(f"{made:,} drafts for {len(places):,} items")


def _desk(life: Path, store: "Store", url: str | None, model: str | None) -> "Desk":
    from eyas.flywheel.drafts import Desk, draft_remote

    return Desk(life, store, draft_remote(url, model) if url and model else None)


def _speaker(life: Path, store: "Store") -> "Speaker":
    from eyas.flywheel.drafts import Speaker
    from eyas.runtime.opening import open_engine
    from eyas.store.champion import champion

    name = champion(life, store)
    return Speaker(name, open_engine(life / "models" / name))


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise EyasError(f"--guidelines {path} cannot be read: {error}") from error


def _line(text: str) -> str:
    short = " ".join(text.split())
    return short if len(short) <= 100 else f"{short[:99]}…"
