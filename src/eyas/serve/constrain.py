"""Constrained decoding: which tokens may come next so that an answer fits a JSON schema, a regex or a forced call.

The grammars are llguidance's. A special token stands only where the grammar names it, so never inside JSON; the ends
of a turn are allowed exactly where the grammar may end.
"""

import json
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeGuard

import numpy as np
from llguidance import LLMatcher, LLParserLimits, LLTokenizer, TokenizerWrapper, regex_to_lark
from numpy.typing import NDArray

from eyas.errors import EyasError
from eyas.runtime.request import Mask
from eyas.runtime.speculate import common
from eyas.serve.errors import ApiError
from eyas.text.tokenizer import Tokenizer

if TYPE_CHECKING:
    from llguidance._lib import JsonCompileOptions

# As the template and json.dumps write it: what models saw in training; free white space would let them wander in it.
_STYLE: "JsonCompileOptions" = {"whitespace_flexible": False, "item_separator": ", ", "key_separator": ": "}
_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_VALUES = ("const", "enum", "default", "examples")  # keys of a schema that hold values, not schemas
_EXACT = 2**53 - 1
_LONGEST = 100_000  # characters of a grammar; to compile larger ones would hold everybody up
_LIMITS = LLParserLimits(  # a tenth of the usual fuel: a schema from outside must not hold the server up
    initial_lexer_fuel=100_000,
    step_lexer_fuel=50_000,
    step_max_items=20_000,
    max_lexer_states=25_000,
    max_grammar_size=50_000,
    verbose_errors=False,
)


def mask_for(
    tokenizer: Tokenizer,
    *,
    response_format: Mapping[str, Any] | None = None,
    tools: Sequence[Mapping[str, Any]] | None = None,
    tool_choice: str | Mapping[str, Any] | None = None,
) -> Mask | None:
    """A fresh mask for one answer; None where nothing is forced. Raises ApiError 400 on a format that cannot be kept.

    Formats are OpenAI's `text`, `json_object` and `json_schema`, and {"type": "regex", "pattern": ...}. A `tool_choice`
    of "required", of one function or of allowed tools forces calls; "auto" beside a format allows calls in its place.
    """
    functions = [function for tool in tools or [] if _has_name(function := tool.get("function"))]
    names = _forced(functions, tool_choice)
    where = "tools" if names else "response_format"
    try:
        grammar = _calls(tokenizer, functions, names) if names else _format(response_format)
        if grammar is None:
            return None
        if len(grammar) > _LONGEST:
            raise EyasError(f"it is larger than {_LONGEST:,} characters")
        return _Guide(_matcher(tokenizer, grammar).deep_copy()).allowed
    except (EyasError, RecursionError, ValueError) as error:
        raise ApiError(400, f"`{where}` cannot be followed: {error}", param=where) from error


class _Guide:
    """A matcher that follows what was said, back too when a guessed token was wrong."""

    def __init__(self, matcher: LLMatcher) -> None:
        self.matcher, self.said = matcher, list[int]()

    def allowed(self, said: Sequence[int]) -> NDArray[np.uint32]:
        """Bit mask over the ids that may follow `said`. Raises EyasError where the grammar is too costly to go on."""
        same = common(self.said, said)
        self.matcher.rollback(len(self.said) - same)
        self.matcher.consume_tokens(list(said[same:]))
        self.said = list(said)
        bits = self.matcher.compute_bitmask()
        if self.matcher.is_error():
            raise EyasError(f"grammar: {' '.join(self.matcher.get_error().split())[:300]}")
        return np.frombuffer(bits, dtype=np.uint32)


def _format(response_format: Mapping[str, Any] | None) -> str | None:
    kind = (response_format or {}).get("type", "text")
    if response_format is None or kind == "text":
        return None
    if kind == "json_object":
        return LLMatcher.grammar_from_json_schema({"type": "object"}, overrides=_STYLE)
    if kind == "json_schema":
        named = response_format.get("json_schema")
        schema = named.get("schema") if isinstance(named, Mapping) else None
        if not isinstance(schema, Mapping):
            raise ApiError(400, "`response_format.json_schema.schema` must be an object", param="response_format")
        return LLMatcher.grammar_from_json_schema(_bounded(schema), overrides=_STYLE)
    if kind == "regex":
        if not isinstance(response_format.get("pattern"), str):
            raise ApiError(400, "`response_format.pattern` must be a string", param="response_format")
        pattern = regex_to_lark(response_format["pattern"], use_ascii="dw")  # \\d is 0 to 9, as in JSON Schema
        return LLMatcher.grammar_from_lark(f"start: /{pattern}/")
    raise ApiError(
        400,
        f"`response_format.type` is {kind!r}; types are text, json_object, json_schema and regex",
        param="response_format",
    )


def _bounded(schema: Any) -> Any:
    """`schema` with limits on whole numbers that have none: small models like to go on with digits to the end of the
    context, and readers of JSON hold no more of them exactly (RFC 7493)."""
    if isinstance(schema, list):
        return [_bounded(one) for one in schema]
    if not isinstance(schema, Mapping):
        return schema
    bounded = {key: value if key in _VALUES else _bounded(value) for key, value in schema.items()}
    if schema.get("type") == "integer":
        for side, limit in (("Minimum", -_EXACT), ("Maximum", _EXACT)):
            if not {side.lower(), f"exclusive{side}"} & schema.keys():
                bounded[side.lower()] = limit
    return bounded


def _forced(functions: Sequence[Mapping[str, Any]], choice: str | Mapping[str, Any] | None) -> list[str]:
    """Names of the functions one of which must be called; empty where none must."""
    offered = [function["name"] for function in functions]
    if choice in (None, "auto", "none"):
        return []
    if choice == "required":
        wanted = offered
    elif isinstance(choice, Mapping) and choice.get("type") == "function":
        wanted = [_named(choice)]
    elif isinstance(choice, Mapping) and choice.get("type") == "allowed_tools":
        allowed = choice.get("allowed_tools", choice)
        if not isinstance(allowed, Mapping) or allowed.get("mode") != "required":
            return []
        wanted = [_named(tool) for tool in allowed.get("tools") or [] if isinstance(tool, Mapping)]
    else:
        raise ApiError(400, '`tool_choice` must be "auto", "none", "required" or name a function', param="tool_choice")
    if not wanted or not set(wanted) <= set(offered):
        missing = ", ".join(sorted(set(wanted) - set(offered))) or "a tool"
        raise ApiError(400, f"`tool_choice` asks for {missing}, which `tools` does not offer", param="tool_choice")
    return wanted


def _has_name(function: Any) -> TypeGuard[Mapping[str, Any]]:
    return isinstance(function, Mapping) and isinstance(function.get("name"), str)


def _named(choice: Mapping[str, Any]) -> str:
    function = choice.get("function", choice)
    return str(function["name"]) if _has_name(function) else ""


def _calls(tokenizer: Tokenizer, functions: Sequence[Mapping[str, Any]], names: Sequence[str]) -> str:
    """A grammar of one call or more of the named functions, as the chat template writes calls."""
    start, end = (tokenizer.special.get(mark) for mark in ("<tool_call>", "</tool_call>"))
    if start is None or end is None:
        raise ApiError(400, "this model knows no tool calls, so none can be forced", param="tool_choice")
    rules = []
    for function in functions:
        name, parameters = function["name"], function.get("parameters") or {}
        if name in names:
            if not _NAME.fullmatch(name):
                raise ApiError(400, "a function's name has 1 to 64 letters, digits, _ . or -", param="tools")
            if not isinstance(parameters, Mapping):
                raise ApiError(400, f"the parameters of {name} must be a JSON schema", param="tools")
            schema = {"type": "object", **_bounded(parameters), "x-guidance": _STYLE}
            opening = json.dumps(f'{{"name": "{name}", "arguments": ')
            rules.append(f'{opening} %json {json.dumps(schema)} "}}"')
    lines = [f"start: (<[{start}]> call <[{end}]>)+"]
    lines += [f"call: {' | '.join(f'call_{place}' for place in range(len(rules)))}"]
    lines += [f"call_{place}: {rule}" for place, rule in enumerate(rules)]
    return LLMatcher.grammar_from_lark("\n".join(lines))


@lru_cache(maxsize=64)
def _matcher(tokenizer: Tokenizer, grammar: str) -> LLMatcher:
    """The matcher of a grammar, to be copied; clients send the same one again and again. Raises EyasError."""
    matcher = LLMatcher(_vocabulary(tokenizer), grammar, log_level=0, limits=_LIMITS)
    _Guide(matcher).allowed([])
    return matcher


@lru_cache(maxsize=8)
def _vocabulary(tokenizer: Tokenizer) -> LLTokenizer:
    """`tokenizer` as llguidance knows them; made once, for it takes some milliseconds."""
    return LLTokenizer(TokenizerWrapper(_Words(tokenizer)), tokenizer.vocab_size, eos_token=_ends(tokenizer))


def _ends(tokenizer: Tokenizer) -> list[int]:
    return list(dict.fromkeys([tokenizer.im_end, tokenizer.endoftext]))


class _Words:
    """What llguidance's wrapper reads of a tokenizer."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self.eos_token_id, self.bos_token_id = tokenizer.im_end, None
        self.tokens = [tokenizer.decode_bytes([i]) for i in range(tokenizer.vocab_size)]
        self.special_token_ids = sorted(tokenizer.special_ids)
        self._encode = tokenizer.encode

    def __call__(self, text: bytes | str) -> list[int]:
        return self._encode(text if isinstance(text, str) else text.decode("utf-8", "replace"))
