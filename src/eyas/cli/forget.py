"""`eyas forget LIFE`."""

from pathlib import Path

import click

from eyas.cli.show import print_figures, print_json


@click.command("forget")
@click.argument("life", type=click.Path(path_type=Path))
@click.option("--conversation", metavar="ID", help="Remove this conversation.")
@click.option("--person", metavar="NAME", help="Remove all that this user said; as a labeller the name alone goes.")
@click.option("--older-than", metavar="DAYS", type=click.FloatRange(min=0), help="Remove talks silent for so long.")
@click.option("--json", "as_json", is_flag=True, help="Print what went as one JSON object.")
def command(life: Path, conversation: str | None, person: str | None, older_than: float | None, as_json: bool) -> None:
    """Remove a conversation or a person from a life's store.

    Feedback, flags, drafts and labels go with it, and so do the files of the dataset versions that hold it: the next
    `eyas fix` writes a version without it. Models that learnt from it are named; they keep what they know until they
    are removed. Backups made before still hold it.

    \b
    Example:
      eyas forget lives/first --person ana@example.org
    """
    from eyas.store.database import open_existing
    from eyas.store.forget import forget_conversation, forget_old, forget_person
    from eyas.store.retention import older_than as silent_for

    if [conversation, person, older_than].count(None) != 2:
        raise click.UsageError("give one of --conversation, --person and --older-than", click.get_current_context())
    store = open_existing(life)
    try:
        if conversation is not None:
            done = forget_conversation(life, store, conversation)
        elif person is not None:
            done = forget_person(life, store, person)
        else:
            done = forget_old(life, store, silent_for(older_than or 0.0))
    finally:
        store.close()
    if as_json:
        print_json(done)
        return
    print_figures(
        f"{life}: forgotten",
        {
            "conversations": done.conversations,
            "messages": done.messages,
            "feedback": done.feedback or None,
            "labels": done.labels or None,
            "comparisons": done.comparisons or None,
            "dataset versions removed": done.datasets or None,
            "models that learnt from it": done.models or None,
        },
    )
