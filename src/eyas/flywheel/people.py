"""Who may label: names, and tokens that are told once and kept only as hashes."""

import getpass
import hashlib
import hmac
import secrets

from sqlalchemy import select
from sqlalchemy.orm import Session

from eyas.errors import EyasError
from eyas.store.tables import Person

MAX_NAME = 60


def add_person(session: Session, name: str) -> str:
    """Let `name` sign in; gives the token, which nobody can read again. Raises EyasError for a bad or taken name."""
    name = name.strip()
    if not name or len(name) > MAX_NAME or not name.isprintable():
        raise EyasError(f"a person's name must have 1 to {MAX_NAME} printable characters, not {name[:80]!r}")
    if session.get(Person, name) is not None:
        raise EyasError(f"{name} is a person here already; for a new token use --remove-person and --add-person")
    token = secrets.token_urlsafe(24)
    session.add(Person(name=name, token_sha256=_hash(token)))
    return token


def remove_person(session: Session, name: str) -> None:
    """Let `name` sign in no more, at once; labels keep the name. Raises EyasError when there is no such person."""
    person = session.get(Person, name.strip())
    if person is None:
        known = ", ".join(names(session)) or "nobody"
        raise EyasError(f"there is no person {name.strip()!r} to remove; there is {known}")
    session.delete(person)
    session.flush()


def check_token(session: Session, name: str, token: str) -> Person | None:
    """The person, when `token` is theirs. Takes as long for a name that nobody has."""
    person = session.get(Person, name.strip())
    known = person.token_sha256 if person else _hash("")
    right = hmac.compare_digest(known, _hash(token.strip()))
    return person if right else None


def names(session: Session) -> list[str]:
    """All who may sign in."""
    return list(session.scalars(select(Person.name).order_by(Person.name)))


def this_user() -> str:
    """What the computer calls whoever runs this program: who labels where nobody has to sign in."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return "local"


def _hash(token: str) -> str:
    """Plain SHA-256: a token is 192 random bits, so there is nothing to guess that a slow hash would protect."""
    return hashlib.sha256(token.encode()).hexdigest()
