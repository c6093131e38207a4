"""What Anthropic's client makes of our server; run by test_messages in a process of its own.

    python anthropic_calls.py FOLDER_OF_THE_CLIENT URL

prints one JSON object: what each call gave.
"""

import json
import sys
from typing import Any

sys.path.insert(0, sys.argv[1])

import anthropic

SCHEMA = {
    "type": "object",
    "properties": {"city": {"enum": ["Rome"]}},
    "required": ["city"],
    "additionalProperties": False,
}


def main() -> None:
    client = anthropic.Anthropic(base_url=sys.argv[2], api_key="none", max_retries=0)
    messages: list[Any] = [{"role": "user", "content": "Hello"}]
    # newer versions of the client have no argument for the temperature, which the interface still has
    asked: dict[str, Any] = {"model": "eyas", "max_tokens": 20, "messages": messages, "extra_body": {"temperature": 0}}
    tools = {"tools": [{"name": "weather", "input_schema": SCHEMA}], "tool_choice": {"type": "any"}, "max_tokens": 400}
    whole = client.messages.create(**asked)
    with client.messages.stream(**asked) as stream:
        text = "".join(stream.text_stream)
    call = client.messages.create(**asked | tools).content[-1]
    with client.messages.stream(**asked | tools) as stream:
        streamed = stream.get_final_message().content[-1]
    try:
        client.messages.create(**asked | {"model": "claude"})
        error: list[Any] = []
    except anthropic.APIStatusError as found:
        error = [type(found).__name__, found.status_code, found.body["error"]["type"]]
    counted = client.messages.count_tokens(model="eyas", messages=messages)
    told = {
        "whole": whole.content[0].text,
        "stream": text,
        "call": [call.type, call.name, call.input],
        "stream_call": [streamed.type, streamed.name, streamed.input],
        "count": counted.input_tokens,
        "input_tokens": whole.usage.input_tokens,
        "error": error,
    }
    print(json.dumps(told))


main()
