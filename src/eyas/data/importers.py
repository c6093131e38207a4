"""A raw row of any known format becomes one of eyas's row shapes; which format it is shows in its keys.

    {"text"}                                    pretraining text
    {"messages", "tools"?}                      chat; also Alpaca, ShareGPT, OpenAI fine-tuning, prompt + completion
    {"prompt"}                                  a question alone, for sampling
    {"prompt", "chosen", "rejected"}            a preference; also HH dialogues, DPO tables, judged pairs
    {"prompt", "completion", "label": bool}     a thumb
    {"model_a", "model_b", "winner", "prompt"?, "answer_a"?, "answer_b"?}     a battle; winner a, b, tie or None

Every prompt, chosen, rejected, completion and answer is a list of messages. Other keys of the row are kept, except
unused ones that are named as a part of another shape.
"""

import json
import re
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from eyas.data.messages import BadRow, Message, chat_messages, shown, tool_list, turns

Row = dict[str, Any]

PROMPT_KEYS = ("instruction", "prompt", "question", "query")
INPUT_KEYS = ("input", "context")
ANSWER_KEYS = ("output", "completion", "response", "answer")
CHAT_KEYS = ("messages", "conversations", "conversation")
_SHAPE_KEYS = {"text", "messages", "tools", "prompt", "completion", "chosen", "rejected", "winner"}


def import_row(raw: dict[str, Any]) -> list[Row]:
    """The rows that a raw row stands for (one; several for a self-instruct seed). Raises BadRow saying why not."""
    for matches, build in _IMPORTERS:
        if matches(raw):
            used, rows = build(raw)
            extra = {key: value for key, value in raw.items() if isinstance(key, str) and key not in used | _SHAPE_KEYS}
            return [{**extra, **row} for row in rows]
    columns = ", ".join(str(key) for key in list(raw)[:12]) or "none"
    raise BadRow(
        "no known columns (expected text, messages, prompt and completion, or prompt, chosen and rejected; "
        f"found: {columns})"
    )


def kind_of(row: Row) -> str:
    """`chat`, `pair`, `label`, `battle`, `prompt` or `text`: the shape of an imported row."""
    if "winner" in row and "model_a" in row:
        return "battle"
    if "chosen" in row:
        return "pair"
    if "messages" in row:
        return "chat"
    if "label" in row and "completion" in row:
        return "label"
    return "prompt" if "prompt" in row else "text"


def pair_of_battle(row: Row) -> Row | None:
    """The preference a battle expresses, or None for a tie, an unreadable verdict or a battle without texts."""
    if row["winner"] not in ("a", "b") or "answer_a" not in row:
        return None
    chosen, rejected = ("a", "b") if row["winner"] == "a" else ("b", "a")
    kept = {k: v for k, v in row.items() if k not in ("winner", "model_a", "model_b", "answer_a", "answer_b")}
    models = {"model_chosen": row[f"model_{chosen}"], "model_rejected": row[f"model_{rejected}"]}
    return {**kept, **models, "chosen": row[f"answer_{chosen}"], "rejected": row[f"answer_{rejected}"]}


Built = tuple[set[str], list[Row]]
"""(keys of the raw row that are used up, rows)"""


def _first(raw: dict[str, Any], keys: tuple[str, ...]) -> str | None:
    return next((key for key in keys if raw.get(key) not in (None, "")), None)


def _question(raw: dict[str, Any]) -> tuple[set[str], list[Message]]:
    """The prompt of a row with a prompt-like key: system, history, instruction with its input, or messages."""
    key = _first(raw, PROMPT_KEYS)
    if key is None:
        raise BadRow(f"none of {', '.join(PROMPT_KEYS)} holds text")
    used = {key, "system", "history"}
    value = raw[key]
    if not isinstance(value, str):
        return used, turns(value, "user")
    if value.lstrip().startswith("[{"):
        with suppress(BadRow):  # messages in a text cell of a table, or just a question about some JSON
            return used, chat_messages(value)
    messages: list[Message] = []
    if isinstance(raw.get("system"), str) and raw["system"]:
        messages.append({"role": "system", "content": raw["system"]})
    history = raw.get("history") or []
    for exchange in history if isinstance(history, list) else [history]:
        if not isinstance(exchange, list) or len(exchange) != 2 or not all(isinstance(s, str) for s in exchange):
            raise BadRow("its history is not a list of [question, answer]")
        messages += [{"role": "user", "content": exchange[0]}, {"role": "assistant", "content": exchange[1]}]
    given = _first(raw, INPUT_KEYS)
    used |= {key for key in INPUT_KEYS if key in raw}
    if given is not None:
        if not isinstance(raw[given], str):
            raise BadRow(f"its {given} is not text")
        value = f"{value}\n\n{raw[given]}"
    return used, [*messages, {"role": "user", "content": value}]


def _chat(raw: dict[str, Any]) -> Built:
    key = _first(raw, CHAT_KEYS) or "messages"
    messages = chat_messages(raw[key])
    if isinstance(raw.get("system"), str) and raw["system"] and messages[0]["role"] != "system":
        messages.insert(0, {"role": "system", "content": raw["system"]})
    used = {key, "system", "tools", "functions"}
    tools = tool_list(raw.get("tools") or raw.get("functions"))
    if "label" in raw and messages[-1]["role"] == "assistant" and len(messages) > 1:
        row: Row = {"prompt": messages[:-1], "completion": messages[-1:], "label": _truth(raw["label"])}
        used.add("label")
    else:
        row = {"messages": messages}
    return used, [row | ({"tools": tools} if tools else {})]


def _truth(value: Any) -> bool:
    known = {"true": True, "false": False, "1": True, "0": False}
    if isinstance(value, bool) or value in (0, 1):
        return bool(value)
    if isinstance(value, str) and value.strip().lower() in known:
        return known[value.strip().lower()]
    raise BadRow(f"its label is {shown(value)}, neither true nor false")


def _pair(raw: dict[str, Any]) -> Built:
    used = {"chosen", "rejected"}
    if raw["chosen"] is None or raw["rejected"] is None:
        raise BadRow("its chosen or rejected is empty")
    chosen, rejected = _dialogue(raw["chosen"]), _dialogue(raw["rejected"])
    prompt: list[Message] = []
    if (key := _first(raw, CHAT_KEYS)) is not None:
        chat_used, rows = _chat({k: v for k, v in raw.items() if k != "label"})
        used |= chat_used
        prompt = rows[0]["messages"]
    elif (key := _first(raw, PROMPT_KEYS)) is not None:
        prompt_used, prompt = _question(raw)
        used |= prompt_used | {k for k in ANSWER_KEYS if k in raw and key == "instruction"}
    shared = 0
    while shared < min(len(chosen), len(rejected)) - 1 and chosen[shared] == rejected[shared]:
        shared += 1
    if shared and (not prompt or chosen[: len(prompt)] == prompt):
        prompt = chosen[:shared]
    elif shared:
        shared = 0
    if not prompt:
        raise BadRow("chosen and rejected have no prompt and no common beginning")
    if chosen[-1]["role"] != "assistant" or rejected[-1]["role"] != "assistant":
        raise BadRow("chosen or rejected does not end with an assistant's answer")
    tools = tool_list(raw.get("tools")) if key in CHAT_KEYS else []
    row: Row = {"prompt": prompt, "chosen": chosen[shared:], "rejected": rejected[shared:]}
    return used, [row | ({"tools": tools} if tools else {})]


_SPEAKER = re.compile(r"(?:\A|\n\n)(Human|Assistant): ?")


def _dialogue(raw: Any) -> list[Message]:
    """An answer, or a whole dialogue; HH writes it as one text with `Human:` and `Assistant:` between blank lines."""
    if not isinstance(raw, str) or not re.match(r"\s*Human: ?", raw):
        return turns(raw, "assistant")
    parts = _SPEAKER.split(raw)
    roles = {"Human": "user", "Assistant": "assistant"}
    said = zip(parts[1::2], parts[2::2], strict=True)
    return [{"role": roles[who], "content": text.strip()} for who, text in said]


def _openai_preference(raw: dict[str, Any]) -> Built:
    prompt = chat_messages(raw["input"].get("messages"))
    tools = tool_list(raw["input"].get("tools"))
    row: Row = {
        "prompt": prompt,
        "chosen": turns(raw["preferred_output"], "assistant"),
        "rejected": turns(raw["non_preferred_output"], "assistant"),
    }
    return {"input", "preferred_output", "non_preferred_output"}, [row | ({"tools": tools} if tools else {})]


_WINNERS = {"model_a": "a", "model_b": "b", "a": "a", "b": "b", "tie": "tie", "tie (bothbad)": "tie", "both_bad": "tie"}


def _battle(raw: dict[str, Any]) -> Built:
    """Chatbot Arena logs: conversations or response texts of two models, and who won (perhaps in one-hot columns)."""
    used = {"model_a", "model_b", "winner"}
    winner = raw.get("winner")
    if winner is None:
        hot = {"a": "winner_model_a", "b": "winner_model_b", "tie": "winner_tie"}
        used |= set(hot.values())
        won = [name for name, key in hot.items() if str(raw.get(key)) in ("1", "True", "1.0")]
        winner = won[0] if len(won) == 1 else None
    row: Row = {
        "model_a": str(raw["model_a"]),
        "model_b": str(raw["model_b"]),
        "winner": _WINNERS.get(str(winner).strip().lower()),
    }
    if raw.get("conversation_a") and raw.get("conversation_b"):
        used |= {"conversation_a", "conversation_b"}
        first, second = chat_messages(raw["conversation_a"]), chat_messages(raw["conversation_b"])
        shared = 0
        while shared < min(len(first), len(second)) - 1 and first[shared] == second[shared]:
            shared += 1
        row |= {"prompt": first[:shared], "answer_a": first[shared:], "answer_b": second[shared:]}
    elif all(raw.get(key) is not None for key in ("prompt", "answer_a", "answer_b")):
        used |= {"prompt", "answer_a", "answer_b"}
        answers = {name: turns(raw[name], "assistant") for name in ("answer_a", "answer_b")}
        row |= {"prompt": turns(raw["prompt"], "user"), **answers}
    elif all(raw.get(key) for key in ("prompt", "response_a", "response_b")):
        used |= {"prompt", "response_a", "response_b"}
        prompts, first_said, second_said = (_said(raw[key]) for key in ("prompt", "response_a", "response_b"))
        if not len(prompts) == len(first_said) == len(second_said) or not prompts:
            raise BadRow("prompt, response_a and response_b have different numbers of turns")
        row["prompt"] = [{"role": "user", "content": prompts[0]}]
        for name, said in (("answer_a", first_said), ("answer_b", second_said)):
            talk = [m for q, a in zip(prompts, said, strict=True) for m in (("user", q), ("assistant", a))]
            row[name] = [{"role": role, "content": text} for role, text in talk[1:]]
    return used, [row]


def _said(value: Any) -> list[str]:
    """The turns of one side: text, a list of texts, or the JSON text of such a list (null is an empty answer)."""
    if isinstance(value, str) and value.startswith("["):
        with suppress(ValueError, RecursionError):  # else an ordinary text that begins with a bracket
            value = json.loads(value)
    listed = value if isinstance(value, list) else [value]
    texts = ["" if text is None else text for text in listed]
    if not all(isinstance(text, str) for text in texts):
        raise BadRow("a turn of the battle is not text")
    return texts


def _scored_battle(raw: dict[str, Any]) -> Built:
    """`model_1, model_2, score`: 1 or 2 wins, 3 is a tie, anything else was no readable verdict (QLoRA's table)."""
    winner = {"1": "a", "2": "b", "3": "tie", "1.0": "a", "2.0": "b", "3.0": "tie"}.get(str(raw["score"]).strip())
    row: Row = {"model_a": str(raw["model_1"]), "model_b": str(raw["model_2"]), "winner": winner}
    return {"model_1", "model_2", "score"}, [row]


def _judged(raw: dict[str, Any], prompt: list[Message], answers: tuple[str, str], winner: str | None) -> Row:
    """Two answers to one prompt and a verdict, as a battle; PandaLM names the models "A_B" in cmp_key."""
    a, _, b = str(raw.get("cmp_key", "1_2")).partition("_")
    first, second = (turns(raw[key], "assistant") for key in answers)
    return {"model_a": a, "model_b": b, "winner": winner, "prompt": prompt, "answer_a": first, "answer_b": second}


def _llmbar(raw: dict[str, Any]) -> Built:
    winner = {"1": "a", "2": "b"}.get(str(raw["label"]))
    row = _judged(raw, turns(raw["input"], "user"), ("output_1", "output_2"), winner)
    return {"input", "output_1", "output_2", "label"}, [row]


def _pandalm(raw: dict[str, Any]) -> Built:
    """Up to three people's verdicts (1, 2, 0 for a tie): the winner is what most of them say; they are kept."""
    votes = [str(raw[key]) for key in ("annotator1", "annotator2", "annotator3") if raw.get(key) is not None]
    most = [vote for vote in ("1", "2", "0") if 2 * votes.count(vote) > len(votes)]
    winner = {"1": "a", "2": "b"}.get(most[0], "tie") if most else "tie"
    used, prompt = _question(raw)
    return used | {"response1", "response2", "cmp_key"}, [_judged(raw, prompt, ("response1", "response2"), winner)]


def _seed(raw: dict[str, Any]) -> Built:
    rows: list[Row] = []
    for instance in raw["instances"]:
        if not isinstance(instance, dict):
            raise BadRow("an instance is not an object")
        rows += _answered({"instruction": raw.get("instruction"), **instance})[1]
    return {"instruction", "instances"}, rows


def _answered(raw: dict[str, Any]) -> Built:
    """A question and its answer (Alpaca and its many cousins); with a label, a thumb."""
    used, prompt = _question(raw)
    key = _first(raw, ANSWER_KEYS) or next((key for key in ANSWER_KEYS if key in raw), None)
    if key is None:
        raise BadRow(f"none of {', '.join(ANSWER_KEYS)} holds an answer")
    completion = turns(raw[key] if raw[key] is not None else "", "assistant")
    used.add(key)
    if "label" in raw and key == "completion":
        return used | {"label"}, [{"prompt": prompt, "completion": completion, "label": _truth(raw["label"])}]
    tools = tool_list(raw.get("tools"))
    return used | {"tools"}, [{"messages": [*prompt, *completion]} | ({"tools": tools} if tools else {})]


def _prompt(raw: dict[str, Any]) -> Built:
    used, prompt = _question(raw)
    tools = tool_list(raw.get("tools"))
    return used, [{"prompt": prompt} | ({"tools": tools} if tools else {})]


def _text(raw: dict[str, Any]) -> Built:
    return {"text"}, [{"text": raw["text"]}]


def _has(*keys: str) -> Callable[[dict[str, Any]], bool]:
    return lambda raw: all(raw.get(key) is not None for key in keys)


def _has_question(raw: dict[str, Any]) -> bool:
    return _first(raw, PROMPT_KEYS) is not None


# Order matters: a row is taken by the first importer whose keys it has.
_IMPORTERS: tuple[tuple[Callable[[dict[str, Any]], bool], Callable[[dict[str, Any]], Built]], ...] = (
    (_has("model_a", "model_b"), _battle),
    (_has("model_1", "model_2", "score"), _scored_battle),
    (lambda raw: "chosen" in raw and "rejected" in raw, _pair),
    (
        lambda raw: _has("preferred_output", "non_preferred_output")(raw) and isinstance(raw.get("input"), dict),
        _openai_preference,
    ),
    (_has("input", "output_1", "output_2", "label"), _llmbar),
    (_has("instruction", "response1", "response2", "annotator1"), _pandalm),
    (lambda raw: _first(raw, CHAT_KEYS) is not None, _chat),
    (lambda raw: isinstance(raw.get("instances"), list), _seed),
    (lambda raw: _has_question(raw) and any(key in raw for key in ANSWER_KEYS), _answered),
    (lambda raw: isinstance(raw.get("text"), str), _text),
    (_has_question, _prompt),
)
