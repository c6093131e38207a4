"""The sources and docstrings of the user's own Python: text that every machine has."""

import ast
import sysconfig
from collections.abc import Iterator
from pathlib import Path

from eyas.data.documents import Document

LEFT_OUT = ("site-packages", "dist-packages", "test", "tests", "idle_test", "__pycache__")
SHORTEST_PAGE = 200


def python_documents(library: Path | None = None) -> Iterator[Document]:
    """For each module of the standard library: its docstrings as one page, then its source, in order of path."""
    root = library or Path(sysconfig.get_paths()["stdlib"])
    for path in sorted(root.rglob("*.py")):
        module = path.relative_to(root)
        if any(part in LEFT_OUT for part in module.parts):
            continue
        try:
            source = path.read_bytes().decode()
            tree = ast.parse(source)
        except (OSError, ValueError, SyntaxError, RecursionError):
            continue  # a few files exist to be wrong: other encodings, templates, test material
        name = ".".join(module.with_suffix("").parts).removesuffix(".__init__")
        page = "\n\n".join(_docstrings(tree, name))
        if len(page) >= SHORTEST_PAGE:
            yield Document(page + "\n")
        if source.strip():
            yield Document(source)


def _docstrings(node: ast.AST, name: str) -> Iterator[str]:
    if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
        text = ast.get_docstring(node)
        if text:
            yield f"{name}\n{text}"
        for child in node.body:
            if isinstance(child, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
                yield from _docstrings(child, f"{name}.{child.name}")
