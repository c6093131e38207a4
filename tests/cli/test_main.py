"""The program as a whole: quick help, one sentence for an error, exit codes."""

import errno
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import pytest

from eyas.cli.main import MODULES, VERBS, cli, run
from eyas.errors import EyasError


def commands() -> list[str]:
    return list(VERBS)


def python(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


def test_help_loads_nothing_heavy() -> None:
    """What makes `eyas --help` answer at once: no torch, no pydantic, nothing but click and this one file."""
    done = python(
        "import sys, json\n"
        "from eyas.cli.main import run\n"
        "code = run(['--help'])\n"
        "heavy = {'torch','pydantic','transformers','numpy','rich','yaml','pyarrow','tokenizers','jinja2','asyncio'}\n"
        "loaded = sorted(heavy & set(sys.modules))\n"
        "rooms = sorted(m for m in sys.modules if m.startswith('eyas.'))\n"
        "print(json.dumps([code, loaded, rooms]))"
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == [0, [], ["eyas.cli", "eyas.cli.main", "eyas.errors"]]
    for verb, line in VERBS.items():
        assert verb in done.stdout and line.split()[0] in done.stdout


def test_every_verb_has_one_file_and_no_file_is_left_over(root: Path) -> None:
    files = {path.stem for path in (root / "src/eyas/cli").glob("*.py")}
    verbs = {MODULES.get(verb, verb) for verb in VERBS}
    assert verbs <= files
    for stem in files - verbs:
        assert "command =" not in (root / f"src/eyas/cli/{stem}.py").read_text()


@pytest.mark.parametrize("verb", commands())
def test_a_verb_explains_itself_with_an_example(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([verb, "--help"]) == 0
    text = capsys.readouterr().out
    assert f"Usage: eyas {verb}" in text
    assert "Example" in text and f"  eyas {verb}" in text.split("Example")[1]


@pytest.mark.parametrize("verb", commands())
def test_the_line_in_the_overview_is_the_verbs_own(verb: str) -> None:
    command = cli.get_command(click.Context(cli), verb)
    assert command is not None and command.name == verb and command.help is not None
    assert " ".join(command.help.strip().split("\n\n")[0].split()) == VERBS[verb]


@pytest.mark.parametrize("verb", commands())
def test_every_flag_has_a_help_text(verb: str) -> None:
    command = cli.get_command(click.Context(cli), verb)
    assert command is not None
    bare = [one.name for one in command.params if isinstance(one, click.Option) and not one.help]
    assert bare == []


@pytest.mark.parametrize("verb", [verb for verb in VERBS if verb not in ("raise", "chat")])
def test_verbs_that_report_figures_do_so_as_json(verb: str) -> None:
    command = cli.get_command(click.Context(cli), verb)
    assert command is not None
    told = command.commands.values() if isinstance(command, click.Group) else [command]
    assert all(any("--json" in one.opts for one in each.params) for each in told)


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Make `eyas env` raise the given error."""

    def put(error: BaseException) -> None:
        def body() -> None:
            raise error

        monkeypatch.setattr(cli, "get_command", lambda context, name: click.Command("env", callback=body))

    return put


@pytest.mark.parametrize(
    ("error", "code", "sentence"),
    [
        (EyasError("the file x is missing"), 1, "eyas: the file x is missing\n"),
        (KeyboardInterrupt(), 130, "eyas: stopped\n"),
        (OSError(errno.ENOSPC, "No space", "out/a"), 1, "eyas: out/a: the disk is full; free some space\n"),
        (PermissionError(errno.EACCES, "no", "/x"), 1, "eyas: /x: permission denied;"),
    ],
)
def test_an_error_is_one_sentence_and_a_code(
    broken: Any, capsys: pytest.CaptureFixture[str], error: BaseException, code: int, sentence: str
) -> None:
    broken(error)
    assert run(["env"]) == code
    printed = capsys.readouterr()
    assert printed.err.strip().startswith(sentence.strip()) and printed.err.strip().count("\n") == 0
    assert printed.out == ""


@pytest.mark.parametrize("error", [ValueError("a bug"), OSError(errno.EIO, "broken disk")])
def test_a_bug_is_not_dressed_up_as_a_users_mistake(broken: Any, error: Exception) -> None:
    broken(error)
    with pytest.raises(type(error)):
        run(["env"])


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["pretrian"], "eyas: there is no `eyas pretrian`; did you mean `eyas pretrain`? (see `eyas --help`)"),
        (["xyzzy"], "eyas: there is no `eyas xyzzy` (see `eyas --help`)"),
        (["env", "--colour"], "eyas: no such option"),
        (["--colour"], "eyas: no such option"),
        (["lineage"], "eyas: missing argument 'MODEL' (see `eyas lineage --help`)"),
    ],
)
def test_wrong_usage_is_one_sentence(arguments: list[str], sentence: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(arguments) == 2
    error = capsys.readouterr().err
    assert error.startswith(sentence) and error.count("\n") == 1


def test_a_reader_that_stops_early_is_no_error() -> None:
    code = "from eyas.cli.main import main; main(['env'])"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as program:
        assert program.stdout is not None and program.stderr is not None
        program.stdout.close()
        assert program.stderr.read() == b""


def test_env_names_versions_and_hardware(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["env", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["torch"] and found["python"].startswith("3.") and found["cores"] >= 1
    assert not any(str(Path.home()) in str(value) for value in found.values())


def test_lineage_tells_the_line_back_to_the_first_model(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from eyas.store.lineage import new_lineage, write_lineage

    base, assistant = tmp_path / "life/models/base", tmp_path / "life/models/assistant"
    for folder, stage, parent in ((base, "pretrain", None), (assistant, "finetune", base)):
        folder.mkdir(parents=True)
        (folder / "config.json").write_text("{}")
        lineage = new_lineage(
            stage, {}, out=folder, parent=parent, data=[{"source": "world"}], seed=3, figures={"bpb": 1.5}
        )
        write_lineage(folder, lineage)
    assert run(["lineage", f"{tmp_path}/life/assistant"]) == 0
    text = capsys.readouterr().out
    assert text.index("(finetune)") < text.index("(pretrain)") and "bpb" in text and "world" in text
    assert run(["lineage", f"{tmp_path}/life/assistant", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["stage"] for row in rows] == ["finetune", "pretrain"] and rows[0]["figures"] == {"bpb": 1.5}
