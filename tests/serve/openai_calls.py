"""What the `openai` client of one major version makes of our server; run by test_openai_client in a process of its own.

    python openai_calls.py FOLDER_OF_THE_CLIENT URL

prints one JSON object: what each call gave.
"""

import asyncio
import json
import sys
from typing import Any, Literal

sys.path.insert(0, sys.argv[1])

import openai
from pydantic import BaseModel

URL = sys.argv[2]
USER = [{"role": "user", "content": "What is 12 * 34?"}]
PARAMETERS = {
    "type": "object",
    "properties": {"city": {"enum": ["Rome"]}},
    "required": ["city"],
    "additionalProperties": False,
}
TOOL = {"type": "function", "function": {"name": "weather", "parameters": PARAMETERS}}


class Pet(BaseModel):
    kind: Literal["cat", "goat"]
    age: int


def chat(client: openai.OpenAI, **more: Any) -> Any:
    body = {"model": "eyas", "messages": USER, "temperature": 0, "max_tokens": 12} | more
    return client.chat.completions.create(**body)


def chats(client: openai.OpenAI) -> dict[str, Any]:
    whole = chat(client, logprobs=True, top_logprobs=2)
    choice = whole.choices[0]
    chunks = list(chat(client, stream=True, stream_options={"include_usage": True}))
    several = chat(client, n=3, temperature=1, seed=1)
    return {
        "text": choice.message.content,
        "role": choice.message.role,
        "finish": choice.finish_reason,
        "usage": [whole.usage.prompt_tokens, whole.usage.completion_tokens, whole.usage.total_tokens],
        "logprobs": [
            "".join(bytes(t.bytes).decode("latin-1") for t in choice.logprobs.content),
            len(choice.logprobs.content),
        ],
        "tops": [len(token.top_logprobs) for token in choice.logprobs.content],
        "stream": "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices),
        "stream_role": chunks[0].choices[0].delta.role,
        "stream_finish": [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices],
        "stream_usage": [chunk.usage.total_tokens for chunk in chunks if chunk.usage],
        "several": sorted({one.index for one in several.choices}),
        "stored": whole.eyas["stored"],
    }


def tools(client: openai.OpenAI) -> dict[str, Any]:
    offered = {"tools": [TOOL], "tool_choice": "required", "max_tokens": 60}
    call = chat(client, **offered).choices[0].message.tool_calls[0]
    name, arguments, finish = "", "", ""
    for chunk in chat(client, **offered, stream=True):
        for part in chunk.choices[0].delta.tool_calls or []:
            if part.index == 0:
                name += part.function.name or ""
                arguments += part.function.arguments or ""
        finish = chunk.choices[0].finish_reason or finish
    messages = [
        *USER,
        {"role": "assistant", "content": None, "tool_calls": [call.model_dump()]},
        {"role": "tool", "tool_call_id": call.id, "content": "sunny"},
    ]
    after = chat(client, messages=messages, tools=[TOOL]).choices[0]
    return {
        "call": [call.type, call.function.name, call.function.arguments],
        "stream": [name, arguments, finish],
        "after": after.finish_reason,
    }


def formats(client: openai.OpenAI) -> dict[str, Any]:
    pattern = {"type": "regex", "pattern": "[a-z]{3}-[0-9]"}
    parse = (
        client.chat.completions.parse
        if hasattr(client.chat.completions, "parse")
        else client.beta.chat.completions.parse
    )
    small = {"type": "object", "properties": {"ok": {"type": "boolean"}}, "required": ["ok"]}
    schema = {
        "type": "json_schema",
        "json_schema": {"name": "small", "schema": small | {"additionalProperties": False}},
    }
    pet = parse(model="eyas", messages=USER, response_format=Pet, temperature=0).choices[0].message.parsed
    return {
        "regex": chat(client, extra_body={"response_format": pattern}).choices[0].message.content,
        "schema": json.loads(chat(client, response_format=schema).choices[0].message.content),
        "pet": [type(pet).__name__, pet.kind in ("cat", "goat"), type(pet.age).__name__],
    }


def responses(client: openai.OpenAI) -> dict[str, Any]:
    body: dict[str, Any] = {"model": "eyas", "instructions": "Be short.", "input": "What is 12 * 34?", "temperature": 0}
    word = {"text": {"format": {"type": "regex", "pattern": "[a-z]{12}"}}}
    whole = client.responses.create(**body, **word)
    with client.responses.stream(**body, **word) as stream:
        kinds = [event.type for event in stream]
        final = stream.get_final_response()
    cut = client.responses.create(**body, **word, max_output_tokens=1)
    tool = {"type": "function", "name": "weather", "parameters": PARAMETERS, "strict": True}
    called = client.responses.create(**body, tools=[tool], tool_choice="required").output[-1]
    output = {"type": "function_call_output", "call_id": called.call_id, "output": "sunny"}
    history = [{"role": "user", "content": "Weather?"}, called.model_dump(exclude_none=True), output]
    after = client.responses.create(**body | {"input": history}, **word)
    return {
        "text": whole.output_text,
        "status": whole.status,
        "kinds": kinds,
        "stream": final.output_text,
        "cut": [cut.status, cut.incomplete_details.reason, cut.usage.output_tokens],
        "call": [called.type, called.name, called.arguments],
        "after": after.output[0].type,
    }


def others(client: openai.OpenAI) -> dict[str, Any]:
    text = client.completions.create(model="base", prompt="The cat", max_tokens=5, temperature=0, logprobs=1, echo=True)
    parts = client.completions.create(model="base", prompt="The cat", max_tokens=5, temperature=0, stream=True)
    vectors = client.embeddings.create(model="base", input=["The cat", "Mira"])
    return {
        "models": [model.id for model in client.models.list()],
        "model": client.models.retrieve("eyas").id,
        "completion": text.choices[0].text,
        "tokens": len(text.choices[0].logprobs.token_logprobs),
        "completion_stream": "".join(part.choices[0].text for part in parts),
        "vectors": [round(sum(x * x for x in one.embedding), 3) for one in vectors.data],
    }


def errors(client: openai.OpenAI) -> dict[str, Any]:
    def told(**more: Any) -> list[Any]:
        try:
            chat(client, **more)
        except openai.APIStatusError as error:
            return [type(error).__name__, error.status_code, error.code, error.param]
        return []

    return {
        "model": told(model="gpt-4"),
        "long": told(messages=[{"role": "user", "content": "goat " * 3000}]),
        "temperature": told(temperature=9),
        "stream": told(messages=[{"role": "user", "content": "goat " * 3000}], stream=True),
        "key": _key(),
    }


def _key() -> str:
    try:
        openai.OpenAI(base_url=f"{URL}/v1", api_key="k", max_retries=0).get("/nowhere", cast_to=object)
    except openai.NotFoundError as error:
        return str(error.code)
    return ""


async def leaving() -> int:
    """Break off a stream; the pieces read."""
    async with openai.AsyncOpenAI(base_url=f"{URL}/v1", api_key="none", max_retries=0) as client:
        stream = await client.chat.completions.create(model="eyas", messages=USER, stream=True, max_tokens=200)
        read = 0
        async for _ in stream:
            read += 1
            if read == 3:
                break
        await stream.close()
    return read


def main() -> None:
    client = openai.OpenAI(base_url=f"{URL}/v1", api_key="none", max_retries=0)
    found: dict[str, Any] = {"version": openai.__version__, "left_after": asyncio.run(leaving())}
    for part in (chats, tools, formats, responses, others, errors):
        found[part.__name__] = part(client)
    print(json.dumps(found))


main()
