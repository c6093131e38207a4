"""`eyas monitor LIFE`: traffic, what looks wrong, and single conversations, in the terminal."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from eyas.cli.show import harmless, print_figures, print_json

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from eyas.flywheel.monitor import Asked, Talk
    from eyas.flywheel.traffic import Drift, Figures
    from eyas.store.database import Store


@click.command("monitor")
@click.argument("life", type=click.Path(path_type=Path))
@click.option("--days", type=click.IntRange(1, 366), default=14, show_default=True, help="How far to look back.")
@click.option("--flag", metavar="KIND", help="List answers with this flag, newest first; `any` for any flag.")
@click.option("--search", metavar="WORDS", help="List answers that hold these words, or whose question does.")
@click.option("--model", metavar="NAME", help="Only what this model said.")
@click.option("--user", metavar="NAME", help="List what this user was answered.")
@click.option("--conversation", metavar="ID", help="Show one conversation in full.")
@click.option("--limit", type=click.IntRange(1), default=20, show_default=True, help="Lines to list at most.")
@click.option("--redact", is_flag=True, help="Replace e-mail addresses, telephone and card numbers and the like.")
@click.option("--export", "export", type=click.Path(path_type=Path), metavar="FILE", help="Write the conversations.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["jsonl", "otel"]),
    default="jsonl",
    show_default=True,
    help="Of --export: rows as for training, or OpenTelemetry gen_ai spans as OTLP/JSON.",
)
@click.option("--no-content", is_flag=True, help="Of --export --format otel: leave out what was said.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(
    life: Path,
    days: int,
    flag: str | None,
    search: str | None,
    model: str | None,
    user: str | None,
    conversation: str | None,
    limit: int,
    redact: bool,
    export: Path | None,
    form: str,
    no_content: bool,
    as_json: bool,
) -> None:
    """Look at what a served life is asked, and at what looks wrong.

    Flagged answers to one question, however it was put, are one issue with a count. The same on a page: /monitor of
    `eyas serve LIFE`.

    \b
    Example:
      eyas monitor lives/first
      eyas monitor lives/first --flag contradiction
      eyas monitor lives/first --export talks.jsonl
    """
    from eyas.store.database import open_existing

    store = open_existing(life)
    ids = None if conversation is None else [conversation]
    if redact or export is not None:
        if redact:
            _redact(store, ids)
        if export is not None:
            _export(store, export, form, ids, not no_content)
        return
    _sort_into_groups(store)
    with store.session() as session:
        if conversation is not None:
            _show_talk(session, conversation, as_json)
        elif any(one is not None for one in (flag, search, user)):
            _show_answers(session, flag, search, model, user, time.time() - 86400 * days, limit, as_json)
        else:
            _show_overview(session, days, model, limit, as_json)


def _redact(store: "Store", ids: list[str] | None) -> None:
    from eyas.data.personal_data import remove_personal_data
    from eyas.store.retention import redact

    changed = redact(store, lambda text: remove_personal_data(text)[0], ids)
    click.echo(f"redacted {changed:,} messages")


def _export(store: "Store", file: Path, form: str, ids: list[str] | None, content: bool) -> None:
    from eyas.files import file_atomic
    from eyas.store.clean import dump_json
    from eyas.store.export import jsonl_rows, otel_lines

    written = 0
    with file_atomic(file) as beside, store.session() as session, open(beside, "w", encoding="utf-8") as out:
        rows = jsonl_rows(session, ids) if form == "jsonl" else otel_lines(session, ids, content=content)
        for row in rows:
            out.write(dump_json(row) + "\n")
            written += 1
    click.echo(f"wrote {written:,} {'rows' if form == 'jsonl' else 'spans'} to {file}")


def _sort_into_groups(store: "Store") -> None:
    """Give all new flags their groups, in transactions short enough for a server that writes in between."""
    from eyas.flywheel.groups import assign

    while True:
        with store.session() as session:
            if not assign(session):
                return


def _show_overview(session: "Session", days: int, model: str | None, limit: int, as_json: bool) -> None:
    from eyas.flywheel.groups import issues
    from eyas.flywheel.traffic import DAY, traffic

    now = time.time()
    found = issues(session, model=model, since=now - DAY * days, now=now)
    seen = traffic(session, days=days, model=model, now=now)
    if as_json:
        print_json({"issues": found[:limit], "n_issues": len(found), "traffic": seen})
        return
    click.echo(f"{len(found):,} open issues" + (f", the first {limit}" if len(found) > limit else ""))
    for one in found[:limit]:
        kinds = ", ".join(f"{_words(kind)} {count}" for kind, count in one.kinds.items())
        done = f", {one.labelled} labelled" if one.labelled else ""
        click.echo(f"  {one.count:>4}x  {harmless(one.title)}\n         {kinds}{done}; last {_when(one.newest)}")
    print_figures(f"{days} days", _figures(seen.total))
    for name, figures in seen.models.items():
        print_figures(f"model {harmless(name)}", _figures(figures))
    if changes := [one for one in seen.drift if one.changed]:
        click.echo("changed since the week before (99 % interval of the difference)")
        for drift in changes:
            click.echo(f"  {drift_line(drift)}")
    for shift in seen.words:
        click.echo(
            f"  asked about {harmless(shift.word)}: {shift.now.value:.1%} of questions, {shift.before.value:.1%} before"
        )


def _show_answers(
    session: "Session",
    flag: str | None,
    search: str | None,
    model: str | None,
    user: str | None,
    since: float,
    limit: int,
    as_json: bool,
) -> None:
    from eyas.flywheel.monitor import Filter, answers

    found = answers(session, Filter(kind=flag, model=model, user=user, search=search, since=since), limit)
    if as_json:
        print_json(found)
        return
    for one in found:
        click.echo(_line(one))


def _line(one: "Asked") -> str:
    marks = [*map(_words, one.flags), *("thumbs up" for rating in one.ratings if rating > 0)]
    head = f"{_when(one.created)}  {one.conversation_id}  {harmless(one.model or '')}  {', '.join(marks)}"
    return f"{head}\n  {_short(one.question)}\n  > {_short(one.answer)}"


def _show_talk(session: "Session", conversation_id: str, as_json: bool) -> None:
    from eyas.flywheel.monitor import talk

    told = talk(session, conversation_id)
    if as_json:
        print_json(_talk_json(told))
        return
    click.echo(f"conversation {told.conversation.id}, {_when(told.conversation.created)}")
    for one in told.messages:
        message = one.message
        which = f" ({one.branch[0]} of {one.branch[1]})" if one.branch[1] > 1 else ""
        by = f" {harmless(message.model)}" if message.model else ""
        click.echo(f"{'  ' * one.level}{message.role}{by}{which}: {harmless(message.text)}")
        for flag in one.flags:
            click.echo(f"{'  ' * one.level}  ! {_words(flag.kind)} {flag.score:.2f}  {harmless(flag.detail)}")
        for given in one.feedback:
            thumb = {1: "thumbs up", -1: "thumbs down"}.get(given.rating or 0, "")
            said = " ".join(filter(None, (thumb, given.comment, given.better and f"better: {given.better}")))
            click.echo(f"{'  ' * one.level}  * {harmless(said)}")
        for label in one.labels:
            click.echo(f"{'  ' * one.level}  = {label.verdict} by {harmless(label.person)}: {harmless(label.answer)}")


def _talk_json(told: "Talk") -> dict[str, Any]:
    def row(one: Any) -> dict[str, Any]:
        return {column.name: getattr(one, column.key) for column in one.__table__.columns}

    return row(told.conversation) | {
        "messages": [
            row(one.message)
            | {
                "flags": [row(flag) for flag in one.flags],
                "feedback": [row(given) for given in one.feedback],
                "labels": [row(label) for label in one.labels],
            }
            for one in told.messages
        ]
    }


def _figures(figures: "Figures") -> dict[str, Any]:
    return {
        "answers": figures.answers,
        "conversations": figures.conversations,
        "users": figures.users,
        "tokens read": figures.prompt_tokens,
        "tokens written": figures.completion_tokens,
        "tokens/s of an answer": figures.tokens_per_second,
        "first token p50 p95 p99": _seconds(figures.first),
        "whole answer p50 p95 p99": _seconds(figures.whole),
        "flagged": str(figures.flagged),
        "flags": {_words(kind): count for kind, count in figures.kinds.items()} or None,
        "thumbs": f"{figures.thumbs_up} up, {figures.thumbs_down} down",
    }


def drift_line(drift: "Drift") -> str:
    """One figure now and before, and how far apart they are."""
    if drift.unit == "share":
        spread = f"{100 * drift.low:+.1f} to {100 * drift.high:+.1f} points"
        return f"{_words(drift.name)}: {drift.now.value:.1%}, {drift.before.value:.1%} before ({spread})"
    spread = f"{drift.low:+.3g} to {drift.high:+.3g}"
    return f"{drift.name}: {drift.now.value:.3g} {drift.unit}, {drift.before.value:.3g} before ({spread})"


def _seconds(percentiles: tuple[float, float, float] | None) -> str | None:
    return None if percentiles is None else " ".join(f"{one:.3g} s" for one in percentiles)


def _words(kind: str) -> str:
    return kind.replace("_", " ")


def _short(text: str, most: int = 100) -> str:
    line = harmless(" ".join(text.split()))
    return line if len(line) <= most else line[: most - 1] + "…"


def _when(at: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(at))
