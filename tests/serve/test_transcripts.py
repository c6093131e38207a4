"""Recorded exchanges: what goes over the wire stays as clients were first seen to read it.

A file of transcripts/ holds a request and the answer to it, ids, times and counts of said tokens masked, pieces of one
text joined. To record them anew, after a change that is meant, run this file with RECORD=1 in the environment.
"""

import json
import os
import re
from pathlib import Path
from typing import Any

import httpx2
import pytest

FILES = sorted((Path(__file__).parent / "transcripts").glob("*.txt"))
MASKS = [
    (r"\b(chatcmpl|cmpl|resp|msg|rs|fc|call)([-_])[0-9a-f]{24,}", r"\1\2ID"),
    (r'("(?:conversation|message)":)"[0-9a-f]{32}"', r'\1"ID"'),
    (r'("(?:created|created_at|completed_at)":)\d+', r"\1TIME"),
    (r'("(?:completion_tokens|output_tokens|total_tokens|sequence_number)":)\d+', r"\1N"),
    (r"eyas-[0-9a-f]{12}", "eyas-HASH"),
]


def text_of(event: dict[str, Any]) -> tuple[dict[str, Any], str] | None:
    """Where a piece of text stands in an event, if it brings one."""
    delta = (event.get("choices") or [{}])[0].get("delta", event.get("delta"))
    if isinstance(delta, str):
        return event, "delta"
    found = [key for key in ("content", "text") if isinstance(delta, dict) and delta.get(key)]
    return (delta, found[0]) if found else None


def joined(stream: str) -> str:
    """The stream with neighbouring pieces of one text as one: how many came depends on who was how fast."""
    blocks: list[tuple[str, Any]] = []
    for block in stream.removesuffix("\n\n").split("\n\n"):
        *name, data = block.split("\n")
        event = data.removeprefix("data: ")
        now = event if event == "[DONE]" else json.loads(event)
        last = blocks[-1][1] if blocks else None
        if isinstance(now, dict) and isinstance(last, dict) and (new := text_of(now)) and (old := text_of(last)):
            old[0][old[1]] += new[0][new[1]]
        else:
            blocks.append(("\n".join(name), now))
    lines = []
    for names, event in blocks:
        shown = event if isinstance(event, str) else json.dumps(event, ensure_ascii=False, separators=(",", ":"))
        lines.append("\n".join([*filter(None, [names]), f"data: {shown}"]))
    return "\n\n".join(lines)


def masked(answer: httpx2.Response) -> str:
    kind = answer.headers["content-type"].partition(";")[0]
    text = (
        joined(answer.text) if kind == "text/event-stream" else json.dumps(answer.json(), indent=1, ensure_ascii=False)
    )
    text = f"{answer.status_code} {kind}\n{text}\n"
    for pattern, mask in MASKS:
        text = re.sub(pattern.replace('":', '": ?'), mask, text)
    return text


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_an_exchange_is_as_it_was_recorded(http: httpx2.Client, file: Path) -> None:
    request, _, recorded = file.read_text(encoding="utf-8").partition("\n\n")
    path, _, body = request.removeprefix("POST ").partition("\n")
    found = masked(http.post(path, json=json.loads(body)))
    if os.environ.get("RECORD"):
        file.write_text(f"{request}\n\n{found}", encoding="utf-8")
    assert found == recorded or os.environ.get("RECORD")


def test_there_are_recordings() -> None:
    assert len(FILES) >= 10
