"""The floors of the house: no room imports upward or in a circle. Run as `python tools/floors.py [SRC]`."""

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PACKAGE = "eyas"

# Lowest first. Within a floor a room may import the rooms written before it.
FLOORS: tuple[tuple[str, ...], ...] = (
    ("errors", "files", "config", "progress", "native"),
    ("text", "model"),
    ("store", "world", "data"),
    ("runtime", "train"),
    ("compress", "evals", "scaling", "arena"),
    ("flywheel", "serve"),
    ("report", "life", "cli"),
)
RANK = {room: number for number, room in enumerate(room for floor in FLOORS for room in floor)}
# Held by the package itself (`from eyas import __version__`); it belongs to no room.
PACKAGE_NAMES = frozenset({"__version__", "__file__"})


@dataclass(frozen=True)
class Import:
    """One import of a room, wherever in the file it stands: inside a function counts as much as at the top."""

    file: Path
    line: int
    importer: str
    imported: str


def room_of(file: Path, source: Path) -> str:
    """The room a file belongs to: the first folder, or the module's own name, below `src/eyas`."""
    first = file.relative_to(source).parts[0]
    return first.removesuffix(".py")


def _modules(node: ast.AST, package: list[str]) -> Iterator[str]:
    """Dotted names that an import statement, or a call of `import_module` with a literal, reaches.

    `package` is the dotted package the file lies in, for relative imports.
    """
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        base = package[: len(package) - node.level + 1] if node.level else []
        start = [*base, *([node.module] if node.module else [])]
        # `from eyas import data` names the room only in the alias.
        yield from (".".join([*start, alias.name]) for alias in node.names)
    elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        if name in ("import_module", "__import__") and isinstance(node.args[0].value, str):
            yield node.args[0].value


def imports_of(file: Path, source: Path) -> Iterator[Import]:
    """Every import of another room that `file` makes."""
    package = [PACKAGE, *file.relative_to(source).parts[:-1]]
    own = room_of(file, source)
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"), filename=str(file))):
        for module in _modules(node, package):
            parts = module.split(".")
            if parts[0] != PACKAGE or len(parts) < 2 or parts[1] in PACKAGE_NAMES or parts[1] == own:
                continue
            yield Import(file, getattr(node, "lineno", 0), own, parts[1])


def faults(source: Path) -> list[str]:
    """What is wrong with the imports below `source` (the `src/eyas` folder), a sentence each; empty when sound.

    An order of rooms with every import pointing down cannot hold a circle between rooms. Circles between the files
    of one room are looked for apart.
    """
    found = []
    for file in sorted(source.rglob("*.py")):
        own = room_of(file, source)
        if own == "__init__":
            continue
        if own not in RANK:
            found.append(f"{file}: room `{own}` stands on no floor; give it one in tools/floors.py")
            continue
        for seen in imports_of(file, source):
            if seen.imported not in RANK:
                found.append(f"{file}:{seen.line}: imports `{PACKAGE}.{seen.imported}`, which stands on no floor")
            elif RANK[seen.imported] > RANK[own]:
                found.append(f"{file}:{seen.line}: `{own}` imports upward from `{seen.imported}`")
    return found + circles(source)


def _files_reached(file: Path, source: Path) -> set[Path]:
    """The files of the package that `file` imports when it is itself imported (imports in functions come later)."""
    package = [PACKAGE, *file.relative_to(source).parts[:-1]]
    reached = set()
    for node in _top_level(ast.parse(file.read_text(encoding="utf-8"))):
        for module in _modules(node, package):
            parts = module.split(".")
            if parts[0] != PACKAGE:
                continue
            for length in (len(parts), len(parts) - 1):
                path = source.joinpath(*parts[1:length])
                target = next((at for at in (path.with_suffix(".py"), path / "__init__.py") if at.is_file()), None)
                if target is not None and length > 1:
                    reached.add(target)
                    break
    return reached - {file}


def _top_level(tree: ast.AST) -> Iterator[ast.AST]:
    """Nodes that run on import: not the bodies of functions, nor `if TYPE_CHECKING:`."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        yield node
        yield from _top_level(node)


def circles(source: Path) -> list[str]:
    """Circles among the files, each told once, as a path from a file back to itself."""
    graph = {file: sorted(_files_reached(file, source)) for file in sorted(source.rglob("*.py"))}
    finished: set[Path] = set()
    found: list[str] = []

    def visit(file: Path, path: list[Path]) -> None:
        if file in path:
            ring = [*path[path.index(file) :], file]
            found.append("a circle of imports: " + " -> ".join(str(at.relative_to(source)) for at in ring))
            return
        if file in finished:
            return
        for reached in graph.get(file, []):
            visit(reached, [*path, file])
        finished.add(file)

    for file in graph:
        visit(file, [])
    return found


def main() -> int:
    """Print the faults; exit 1 when there are any."""
    source = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent.parent / "src" / PACKAGE
    if not source.is_dir():
        print(f"floors: {source} is no folder", file=sys.stderr)
        return 1
    found = faults(source)
    for fault in found:
        print(fault, file=sys.stderr)
    if not found:
        print(f"floors: {sum(1 for _ in source.rglob('*.py'))} files import downward only")
    return 1 if found else 0


if __name__ == "__main__":
    raise SystemExit(main())
