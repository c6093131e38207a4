"""Many clients that stream from `eyas serve` at once: tokens a second, times to the first token, nothing lost.

    python benchmarks/serve_load.py                        a random 15M q8_0 GGUF, no store: eyas, llama.cpp if given
        [--clients 1,4,16,32] [--seconds 20] [--tokens 128] [--temperature 0] [--llama-server PATH] [--rounds 3]
    python benchmarks/serve_load.py --store [--life LIFE]  a life with its store (a random 3M model, or a copy of LIFE);
        [--seconds 300] [--kill]                           looks for all it acknowledged; --kill: kill -9 at the end
    [--json FILE]

The clients live in one process of their own and share the machine's processors with the server. A client streams one
completion after the other (`/v1/completions` of a GGUF, `/v1/chat/completions` of a life), each over a connection of
its own, and reads every event, as bytes. Tokens are those that the server's usage tells; both servers get the same
requests, in alternating rounds. "acknowledged" are answers whose last event said that they are stored.
"""

import argparse
import asyncio
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
from inference import write_random

THREADS = 2
EYAS = str(Path(sys.executable).with_name("eyas"))


@dataclass
class Load:
    """What the clients saw."""

    answers: int = 0
    tokens: int = 0
    errors: list[str] = field(default_factory=list)
    first: list[float] = field(default_factory=list)
    acknowledged: list[str] = field(default_factory=list)
    seconds: float = 0.0

    def figures(self) -> dict[str, Any]:
        first = sorted(self.first) or [0.0]
        return {
            "answers": self.answers,
            "tokens": self.tokens,
            "tokens_per_second": round(self.tokens / self.seconds, 1),
            "errors": len(self.errors),
            "first_token_p50": round(first[len(first) // 2], 4),
            "first_token_p99": round(first[min(len(first) - 1, len(first) * 99 // 100)], 4),
            "seconds": round(self.seconds, 1),
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--store", action="store_true", help="serve a life and look at its store afterwards")
    parser.add_argument("--life", type=Path, help="... a copy of this one")
    parser.add_argument("--clients", default="1,4,16,32")
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--tokens", type=int, default=128)
    parser.add_argument("--temperature", type=float, default=0.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--llama-server", type=Path)
    parser.add_argument("--kill", action="store_true", help="kill -9 the server while it answers")
    parser.add_argument("--json", type=Path, help="write the figures here as well")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.worker:
        print(json.dumps(asdict(asyncio.run(clients(json.loads(args.worker))))))
        return
    with tempfile.TemporaryDirectory() as folder:
        found = of_life(args, Path(folder)) if args.store or args.life else of_file(args, Path(folder))
    if args.json:
        args.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


def of_file(args: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Eyas and llama.cpp in turn on the same file."""
    file = folder / "15M-q8_0.gguf"
    write_random(file, "15M", "q8_0")
    sides = {"eyas": [EYAS, "serve", str(file), "--threads", str(THREADS)]}
    if args.llama_server:
        slots = max(map(int, args.clients.split(",")))
        sides["llama.cpp"] = [
            str(args.llama_server), "-m", str(file), "-t", str(THREADS), "-np", str(slots), "-c", str(1024 * slots),
            "-tb", str(THREADS), "--no-webui",
        ]  # fmt: skip
    found: dict[str, Any] = {"model": "15M-q8_0", "temperature": args.temperature, "tokens": args.tokens, "clients": {}}
    for count in map(int, args.clients.split(",")):
        rates: dict[str, list[dict[str, Any]]] = {name: [] for name in sides}
        for _ in range(args.rounds):
            for name, command in sides.items():
                rates[name].append(one_round(command, name, count, args, args.seconds / args.rounds).figures())
        row: dict[str, Any] = {name: middle(figures) for name, figures in rates.items()}
        if len(sides) == 2:
            ours, theirs = ([figures["tokens_per_second"] for figures in rates[name]] for name in sides)
            row["ratios"] = [round(a / max(b, 1), 2) for a, b in zip(ours, theirs, strict=True)]
        found["clients"][count] = row
        print(count, json.dumps(row), flush=True)
    return found


def middle(figures: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The round of median speed, and the errors of all."""
    ordered = sorted(figures, key=lambda one: one["tokens_per_second"])
    return ordered[len(ordered) // 2] | {"errors": sum(one["errors"] for one in figures)}


def one_round(command: list[str], name: str, count: int, args: argparse.Namespace, seconds: float) -> Load:
    port = free_port()
    server = start([*command, "--port", str(port)], port)
    try:
        body = {"max_tokens": args.tokens, "temperature": args.temperature, "stream": True}
        body |= {"stream_options": {"include_usage": True}, "ignore_eos": True, "cache_prompt": False}
        wish = {"port": port, "path": "/v1/completions", "body": body, "count": count, "seconds": seconds, "warm": 2.0}
        return ask(wish)
    finally:
        stop(server)


def of_life(args: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """A life under load; then what its store has is compared with what was acknowledged."""
    life = folder / "life"
    if args.life:
        shutil.copytree(args.life, life, ignore=shutil.ignore_patterns("eyas.db*"))
    else:
        random_life(life)
    port, count = free_port(), max(map(int, args.clients.split(",")))
    server = start([EYAS, "serve", str(life), "--port", str(port)], port)
    body = {"max_tokens": args.tokens, "temperature": 0.7, "stream": True, "stream_options": {"include_usage": True}}
    wish = {
        "port": port,
        "path": "/v1/chat/completions",
        "body": body,
        "count": count,
        "seconds": args.seconds,
        "warm": 0,
    }
    if args.kill:
        wish["kill"] = server.pid
    try:
        load = ask(wish)
    finally:
        stop(server)
    stored = ids_in_store(life)
    lost = [one for one in load.acknowledged if one not in stored]
    found = load.figures() | {
        "life": args.life.name if args.life else "random 3M", "clients": count, "killed": args.kill,
        "acknowledged": len(load.acknowledged), "stored": len(stored), "lost": len(lost),
        "first_errors": load.errors[:3],
    }  # fmt: skip
    print(json.dumps(found))
    return found


def random_life(life: Path) -> None:
    """A life whose assistant has 3M random weights."""
    import torch

    from eyas.model.checkpoint import save_model
    from eyas.model.config import ModelConfig
    from eyas.model.transformer import Transformer
    from eyas.text.tokenizer import train_tokenizer
    from eyas.world.people import World
    from eyas.world.stream import documents

    texts = (document.text for document in islice(documents(World(0, 150)), 3000))
    tokenizer = train_tokenizer(texts)
    torch.manual_seed(0)
    model = Transformer(ModelConfig.from_size("3m", tokenizer.vocab_size)).eval()
    save_model(life / "models" / "assistant", model, tokenizer, lineage={"stage": "random", "parent": None, "data": []})


def ids_in_store(life: Path) -> set[str]:
    from sqlalchemy import select

    from eyas.store.database import open_store
    from eyas.store.tables import Message

    store = open_store(life)
    with store.session() as session:
        return set(session.scalars(select(Message.id).where(Message.role == "assistant")))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def start(command: list[str], port: int) -> "subprocess.Popen[bytes]":
    """The server, once it answers."""
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        try:
            with socket.create_connection(("127.0.0.1", port), 1) as probe:
                probe.sendall(b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
                if b" 200 " in probe.recv(100):
                    return server
        except OSError:
            pass
        if server.poll() is not None:
            break
        time.sleep(0.1)
    raise SystemExit(f"the server did not start: {' '.join(command)}")


def stop(server: "subprocess.Popen[bytes]") -> None:
    server.send_signal(signal.SIGTERM)
    try:
        server.wait(20)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()


def ask(wish: dict[str, Any]) -> Load:
    """Run the clients in a process of their own."""
    command = [sys.executable, __file__, "--worker", json.dumps(wish)]
    return Load(**json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout))


async def clients(wish: dict[str, Any]) -> Load:
    load = Load()
    started = time.monotonic()
    begin, end = started + wish.get("warm", 0), started + wish.get("warm", 0) + wish["seconds"]
    tasks = [asyncio.create_task(client(number, wish, load, begin, end)) for number in range(wish["count"])]
    if "kill" in wish:
        await asyncio.sleep(wish["seconds"])
        os.kill(wish["kill"], signal.SIGKILL)
    await asyncio.gather(*tasks)
    load.seconds = wish["seconds"]
    return load


async def client(number: int, wish: dict[str, Any], load: Load, begin: float, end: float) -> None:
    """One user: asks, reads to the end, asks again. What ends within the time counts, whole."""
    turn = 0
    while time.monotonic() < end:
        turn += 1
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", wish["port"], limit=1 << 20)
            await one_answer(number, turn, wish, load, begin, end, reader, writer)
            writer.close()
        except (OSError, ValueError, asyncio.IncompleteReadError) as error:
            if "kill" not in wish:
                load.errors.append(f"{type(error).__name__}: {error}"[:200])
            return


async def one_answer(
    number: int, turn: int, wish: dict[str, Any], load: Load, begin: float, end: float,
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter,
) -> None:  # fmt: skip
    writer.write(request_for(number, turn, wish))
    asked = time.monotonic()
    head = await reader.readuntil(b"\r\n\r\n")
    if b" 200 " not in head.split(b"\r\n")[0]:
        raise ValueError(head.split(b"\r\n")[0].decode())
    first, tail = 0.0, b""
    while True:
        size = int(await reader.readuntil(b"\r\n"), 16)
        data = await reader.readexactly(size + 2)
        if size == 0:
            break
        if not first:
            first = time.monotonic() - asked
        tail = (tail + data[:-2])[-4096:]
    events = [event for event in tail.split(b"\n\n") if event.startswith(b"data: {")]
    if not tail.rstrip().endswith(b"data: [DONE]"):
        raise ValueError(f"the stream ended with {tail[-200:]!r}")
    last = json.loads(events[-1][6:])
    if begin <= time.monotonic() <= end:
        load.answers += 1
        load.tokens += last["usage"]["completion_tokens"]
        load.first.append(first)
    if last.get("eyas", {}).get("stored"):
        load.acknowledged.append(last["eyas"]["message"])


def request_for(number: int, turn: int, wish: dict[str, Any]) -> bytes:
    body = dict(wish["body"])
    if wish["path"].endswith("/chat/completions"):
        question = f"What is {number + 11} plus {turn % 80 + 3}?" if turn % 2 else f"Who is number {number}, {turn}?"
        body |= {"messages": [{"role": "user", "content": question}], "user": f"client {number}"}
    else:
        body |= {"prompt": f"w{number} w{turn} w{number + turn} w7"}
    data = json.dumps(body).encode()
    head = f"POST {wish['path']} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(data)}\r\n\r\n".encode() + data


if __name__ == "__main__":
    main()
