// Asking the server for an answer, and folding what comes into a message of the tree.

import { problem } from "/static/eyas.js";
import { called, spoken } from "/static/chat-tree.js";

/** Ask /v1/chat/completions; yields the events as they come. Throws an Error with the server's own sentence. */
export function ask(body, signal) {
  const wanted = { stream: true, stream_options: { include_usage: true }, logprobs: true, top_logprobs: 6 };
  return events("/v1/chat/completions", { ...body, ...wanted }, signal);
}

/** The events that the server sends in answer to `body`, as they come. Throws as `ask`. */
export async function* events(path, body, signal) {
  const response = await fetch(path, {
    method: "POST", headers: { "Content-Type": "application/json" }, signal, body: JSON.stringify(body),
  });
  if (!response.ok) throw new Error(await problem(response));
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (let part; !(part = await reader.read()).done;) {
    const lines = (rest + part.value).split("\n");
    rest = lines.pop();
    for (const line of lines) {
      if (!line.startsWith("data:")) continue;
      const data = line.slice(5).trim();
      if (data === "[DONE]") return;
      const event = JSON.parse(data);
      if (event.error) throw new Error(event.error.message);
      yield event;
    }
  }
  throw new Error("The connection ended before the answer did.");
}

/** Add an event to the answer `said`. */
export function fold(said, event) {
  if (event.model) said.model = event.model;
  if (event.usage) said.tokens = event.usage.completion_tokens;
  if (event.eyas?.stored) said.id = event.eyas.message;
  // Tools that the server itself ran on the way.
  if (event.eyas?.tools) said.tools = event.eyas.tools.map(({ name, arguments: given, answer }) => ({ name, given, answer }));
  const [choice] = event.choices ?? [];
  if (!choice) return;
  const { delta = {} } = choice;
  said.content += delta.content ?? "";
  said.thought += delta.reasoning_content ?? "";
  for (const call of delta.tool_calls ?? []) {
    const { name, given } = called(call);
    if (name) said.tools.push({ name, given, answer: null });
    else if (said.tools.length) said.tools.at(-1).given += given;
  }
  said.words.push(...spoken(choice.logprobs?.content ?? []));
  if (choice.finish_reason) said.finish = choice.finish_reason;
}
