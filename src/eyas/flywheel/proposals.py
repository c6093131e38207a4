"""One correction proposed for its whole group: a draft for each other answer, which a person accepts singly."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from eyas.errors import EyasError
from eyas.flywheel.drafts import Desk, adapted, as_json
from eyas.flywheel.guidelines import current
from eyas.flywheel.labels import ACCEPTED, item, queue
from eyas.store.conversations import history
from eyas.store.database import write_lock
from eyas.store.tables import Draft, Label


def propose(session: Session, desk: Desk, label: Label) -> list[Draft]:
    """Drafts with the correction of `label`, adapted, for the answers of its group that wait for its person; those that
    are there already are given as they are.

    Where the words do not tell how to adapt it (another name, other numbers) there is no draft. Raises EyasError for a
    label that corrects nothing or stands in no group.
    """
    if label.verdict != ACCEPTED or label.group_id is None:
        raise EyasError("only an accepted correction of an answer in a group can be proposed for the group")
    write_lock(session)
    asked = next((one.text for one in reversed(history(session, label.message_id)) if one.role == "user"), "")
    author, version = f"label {label.id}", current(session, desk.life).version
    drafts = []
    for place in queue(session, label.person, label.group_id):
        about = item(session, place.message_id, label.person)
        text = adapted(asked, label.answer, about.question)
        there = select(Draft).where(Draft.message_id == place.message_id, Draft.author == author)
        draft = session.scalar(there.limit(1))
        if draft is None and text is not None:
            draft = Draft(message_id=place.message_id, author=author, text=text, guideline_version=version)
            draft.critique = as_json(desk.check(desk.case(session, about), text))
            session.add(draft)
        if draft is not None:
            drafts.append(draft)
    session.flush()
    return drafts
