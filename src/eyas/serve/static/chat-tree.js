// A conversation as a tree: every edit and every second answer is a branch, and one path through it is shown.

/** A message. `id` is the store's, null while it has none; `words` are [{token, logprob, bytes, top}] of an answer. */
export function node(role, content, more = {}) {
  return {
    id: null, parent: null, children: [], chosen: null, role, content, thought: "", tools: [], model: null, words: [],
    finish: null, seconds: null, tokens: null, rating: null, comment: "", better: "", error: "", busy: false,
    versus: null, element: null, ...more,
  };
}

/** Hang `child` below `parent` and let the path go through it; returns it. */
export function add(parent, child) {
  child.parent = parent;
  parent.children.push(child);
  parent.chosen = child;
  return child;
}

export function remove(child) {
  const { parent } = child;
  parent.children = parent.children.filter((one) => one !== child);
  if (parent.chosen === child) parent.chosen = parent.children.at(-1) ?? null;
}

/** The messages shown below `root`, which is itself none. */
export function path(root) {
  const shown = [];
  for (let at = root.chosen; at; at = at.chosen) shown.push(at);
  return shown;
}

/** The messages from the first down to `last`, as a model is sent them. */
export function history(last) {
  const said = [];
  for (let at = last; at.parent; at = at.parent) said.unshift({ role: at.role, content: at.content });
  return said;
}

/** The stored answer that the question `asked` follows: its id, null for a first question or one not stored. */
export function follows(asked) {
  for (let at = asked.parent; at; at = at.parent) if (at.role === "assistant") return at.id;
  return null;
}

/** The tree of a stored conversation ([{id, parent, role, ...}], oldest first); the newest branch is chosen.
 *  What a tool was asked and answered on the way to an answer becomes part of that answer. */
export function fromStore(messages) {
  const root = node("root", "");
  const nodes = new Map([[null, root]]);
  for (const one of messages) {
    const parent = nodes.get(one.parent) ?? root;
    if (one.role === "tool" && parent.pending) {
      const waiting = parent.pending.tools.find((tool) => tool.answer === null);
      if (waiting) waiting.answer = one.content;
      nodes.set(one.id, parent);
    } else if (one.role === "assistant" && one.calls.length && one.model === null) {
      // One of several rounds: they share the place of the answer that ends them.
      const pending = parent.pending ?? { tools: [], content: "" };
      pending.tools.push(...one.calls.map(called));
      pending.content += one.content;
      nodes.set(one.id, { asked: parent.asked ?? parent, pending });
    } else {
      const before = parent.pending ?? { tools: [], content: "" };
      const made = node(one.role, before.content + one.content, {
        id: one.id, thought: one.thought, model: one.model, finish: one.finish_reason, seconds: one.seconds,
        tokens: one.completion_tokens, rating: one.rating, comment: one.comment, better: one.better,
        tools: [...before.tools, ...one.calls.map(called)],
        words: spoken((one.tokens ?? []).map(([token, logprob]) => ({ token, logprob }))),
      });
      nodes.set(one.id, add(parent.asked ?? parent, made));
    }
  }
  return root;
}

/** Tokens in OpenAI's shape as words, without thoughts and calls, which the text of an answer leaves out. */
export function spoken(tokens) {
  const words = [];
  let inside = false;
  for (const one of tokens) {
    if (one.token === "<think>" || one.token === "<tool_call>") inside = true;
    else if (one.token === "</think>" || one.token === "</tool_call>") inside = false;
    else if (!inside) words.push({ token: one.token, logprob: one.logprob, bytes: one.bytes, top: one.top_logprobs ?? [] });
  }
  return words;
}

/** A tool call in OpenAI's shape as the page shows it. */
export function called(call) {
  const { name = "", arguments: given = "" } = call.function ?? call;
  return { name, given: typeof given === "string" ? given : JSON.stringify(given), answer: null };
}
