"""What an assistant produced, back into a message."""

import json
import re
from collections.abc import Iterable, Sequence
from typing import Any

from eyas.errors import EyasError
from eyas.text.tokenizer import Tokenizer

_TAGS = ("<think>", "</think>", "<tool_call>", "</tool_call>", "<|im_end|>", "<|endoftext|>")
_TAG = re.compile("|".join(map(re.escape, _TAGS)))


def parse_assistant(output: str | Sequence[int], tok: Tokenizer | None = None) -> dict[str, Any]:
    """The message {"role", "content", "reasoning_content"?, "tool_calls"?, "error"?} in an assistant's output.

    Give ids and their tokenizer wherever there are ids: then only true special tokens count, and text that spells
    `<tool_call>` stays text. Tolerant: thinking or a call cut off at the end is taken as far as it goes; a call that
    is not valid JSON stays in `content` as it was written, and `error` says what is wrong with it.
    """
    if isinstance(output, str):
        segments = _segments_of_text(output)
    elif tok is None:
        raise EyasError("parse_assistant needs the tokenizer of the ids")
    else:
        segments = _segments_of_ids(output, tok)

    content: list[str] = []
    reasoning: list[str] = []
    calls: list[dict[str, Any]] = []
    errors: list[str] = []
    inside = ""  # the tag that is open
    pending = ""  # text since that tag

    def close(tag: str = "") -> None:
        nonlocal inside, pending
        if inside == "<think>":
            reasoning.append(_without_edges(pending, whole=tag == "</think>"))
        elif inside == "<tool_call>":
            call, error = _call(pending)
            if call:
                calls.append(call)
            else:
                content.append(f"<tool_call>{pending}{tag}")
                errors.append(error)
        else:
            content.append(pending)
        inside = pending = ""

    after_thinking = False
    for text, is_tag in segments:
        if not is_tag:
            pending += re.sub(r"\A\n{1,2}", "", text) if after_thinking and not inside else text
            after_thinking = False
            continue
        after_thinking = False
        if text in ("<|im_end|>", "<|endoftext|>"):
            break
        if text in ("<think>", "<tool_call>"):
            close()
            inside = text
        elif text == "</think>":
            if not inside:  # some templates open the thinking in the prompt
                pending, content, inside = "".join(content) + pending, [], "<think>"
            if inside == "<think>":
                close(text)
                after_thinking = True
        elif inside == "<tool_call>":
            close(text)
        else:
            content.append(pending + text)
            pending = ""
    close()

    message: dict[str, Any] = {"role": "assistant", "content": "".join(content)}
    if any(reasoning):
        message["reasoning_content"] = "\n".join(filter(None, reasoning))
    if calls:
        message["tool_calls"] = calls
    if errors:
        message["error"] = "; ".join(errors)
    return message


def _segments_of_text(text: str) -> Iterable[tuple[str, bool]]:
    done = 0
    for match in _TAG.finditer(text):
        if match.start() > done:
            yield text[done : match.start()], False
        yield match[0], True
        done = match.end()
    if done < len(text):
        yield text[done:], False


def _segments_of_ids(ids: Sequence[int], tok: Tokenizer) -> Iterable[tuple[str, bool]]:
    names = {tok.special[tag]: tag for tag in _TAGS if tag in tok.special}
    start = 0
    for at, i in enumerate(ids):
        if i in names:
            if at > start:
                yield tok.decode(ids[start:at]), False
            yield names[i], True
            start = at + 1
    if start < len(ids):
        yield tok.decode(ids[start:]), False


def _without_edges(text: str, whole: bool) -> str:
    """Reasoning without the line ends that the template puts around it."""
    text = text.removeprefix("\n")
    return text.removesuffix("\n") if whole else text


def _call(text: str) -> tuple[dict[str, Any] | None, str]:
    try:
        call = json.loads(text, parse_constant=_no_constant)
        if isinstance(call, dict) and isinstance(call.get("arguments"), str):
            call["arguments"] = json.loads(call["arguments"], parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        return None, f"a tool call is not valid JSON: {error}"
    if not isinstance(call, dict) or not isinstance(call.get("name"), str):
        return None, "a tool call has no name"
    if not isinstance(call.get("arguments", {}), dict):
        return None, "the arguments of a tool call are not an object"
    return {"type": "function", "function": {"name": call["name"], "arguments": call.get("arguments", {})}}, ""


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")
