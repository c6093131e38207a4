"""Stores to test with: SQLite, and a PostgreSQL started for the purpose."""

import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine

from eyas.store.database import FILE_NAME, VARIABLE, Store, open_store, open_url
from eyas.store.tables import Base

NewDatabase = Callable[[], str]


@pytest.fixture(autouse=True)
def no_store_of_a_team(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tests use no database that whoever runs them may have named."""
    monkeypatch.delenv(VARIABLE, raising=False)


@pytest.fixture(scope="session")
def postgres(root: Path) -> Iterator[NewDatabase]:
    """Makes databases in a PostgreSQL of one's own; skips, and says so, where there is none."""
    pytest.importorskip("psycopg", reason="psycopg is not installed: pip install 'eyas[postgres]'")
    script = root / "tools" / "postgres.sh"
    folder = Path(tempfile.mkdtemp(prefix="eyas-pg"))  # pytest's own paths are too long for a socket
    started = subprocess.run(["sh", script, "start", folder], capture_output=True, text=True, check=False)
    if started.returncode != 0:
        shutil.rmtree(folder)
        pytest.skip((started.stderr.strip() or "PostgreSQL does not start here").splitlines()[0])
    url = started.stdout.strip()
    names: list[str] = []

    def new() -> str:
        names.append(f"store{len(names)}")
        engine = create_engine(url, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.exec_driver_sql(f"CREATE DATABASE {names[-1]}")
        engine.dispose()
        return url.replace("/postgres?", f"/{names[-1]}?")

    try:
        yield new
    finally:
        subprocess.run(["sh", script, "stop", folder], check=True)


@pytest.fixture
def life(tmp_path: Path) -> Path:
    """A life with the models base and assistant, as far as the store looks at models."""
    for name in ("base", "assistant"):
        folder = tmp_path / "life" / "models" / name
        folder.mkdir(parents=True)
        (folder / "config.json").write_text("{}")
    return tmp_path / "life"


@pytest.fixture(scope="session")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty store in a file: a copy of it is quicker than another one."""
    folder = tmp_path_factory.mktemp("empty")
    open_store(folder).close()
    return folder / FILE_NAME


@pytest.fixture
def sqlite(life: Path, empty: Path) -> Iterator[Store]:
    """The store of `life` in a file."""
    shutil.copy(empty, life / FILE_NAME)
    store = open_store(life)
    yield store
    store.close()


@pytest.fixture(scope="session")
def team(postgres: NewDatabase) -> Iterator[Store]:
    """A store in PostgreSQL; emptied after each test, which is quicker than another one."""
    store = open_url(postgres())
    yield store
    store.close()


@pytest.fixture
def postgresql(team: Store, life: Path) -> Iterator[Store]:
    """A store of `life` in PostgreSQL."""
    yield Store(team.engine, life)
    with team.engine.begin() as connection:
        connection.exec_driver_sql(f"TRUNCATE {', '.join(Base.metadata.tables)} CASCADE")


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest) -> Store:
    """A store of each kind for `life`."""
    store: Store = request.getfixturevalue(request.param)
    return store


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A new, empty database of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'new.db'}"
    new: NewDatabase = request.getfixturevalue("postgres")
    return new()
