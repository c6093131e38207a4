"""Reading streams of events as they stand on the wire."""

import json
from typing import Any

import httpx2


def named_events(http: httpx2.Client, path: str, body: dict[str, Any]) -> list[dict[str, Any]]:
    """The events of a stream in which each has its name beside its data, and the same in it."""
    answer = http.post(path, json=body | {"stream": True})
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("text/event-stream")
    events = []
    for block in answer.text.removesuffix("\n\n").split("\n\n"):
        name, data = block.split("\n")
        event = json.loads(data.removeprefix("data: "))
        assert name == f"event: {event['type']}"
        events.append(event)
    return events
