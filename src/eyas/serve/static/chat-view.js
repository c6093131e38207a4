// One message as an element. What it does when pressed is in `acts`, which chat.js gives.

import { api, iconButton, make, say } from "/static/eyas.js";
import { showMarkdown } from "/static/markdown.js";
import { spoken } from "/static/chat-tree.js";
import { bits, grow, wordsBox } from "/static/chat-words.js";

/** The element of a message; `view` is {words, stored}, `acts` {edit, again, choose, follow}. */
export function turn(one, view, acts) {
  if (one.role === "assistant") return answer(one, view, acts);
  const said = make("p", { class: "text", dir: "auto" }, one.content);
  const tools = make("div", { class: "acts" }, branches(one, acts),
    one.role === "tool" ? null : iconButton("edit", one.role === "system" ? "Edit the system prompt" : "Edit", () => edit()));
  const box = make("article", { class: `turn ${one.role}`, "aria-label": { user: "You", system: "System prompt", tool: "Tool" }[one.role] },
    one.role === "user" ? null : make("p", { class: "who" }, one.role === "system" ? "system prompt" : "tool"), said, tools);
  const edit = () => {
    const field = make("textarea", { "aria-label": "Edited message", dir: "auto" });
    field.value = one.content;
    const form = make("form", { class: "stack tight", onsubmit: (event) => {
      event.preventDefault();
      if (field.value.trim()) acts.edit(one, field.value.trim());
    }, onkeydown: (event) => {
      if (event.key === "Escape") { event.stopPropagation(); done(); }
      if (event.key === "Enter" && !event.shiftKey && !event.isComposing) { event.preventDefault(); form.requestSubmit(); }
    } }, field, make("div", { class: "row" }, make("button", { class: "button primary" }, "Ask this instead"),
      make("button", { type: "button", class: "button quiet", onclick: () => done() }, "Cancel")));
    const done = () => { form.replaceWith(said); tools.hidden = false; tools.querySelector("button:last-child").focus(); };
    said.replaceWith(form);
    tools.hidden = true;
    field.focus();
  };
  box.edit = edit;
  return box;
}

function answer(one, view, acts) {
  const body = make("div", { class: "body" });
  const notes = make("div", { class: "notes" });
  const box = make("article", { class: "turn assistant", "aria-label": "Answer" }, head(one, acts), body, notes);
  const thought = box.querySelector(".thought");
  /** Show what has come since; called at most once a frame. */
  box.grow = () => {
    box.setAttribute("aria-busy", String(one.busy));
    thought.hidden = !one.thought;
    thought.textContent = one.thought;
    box.querySelector(".who .model").textContent = acts.blind?.(one) ?? one.model ?? "";
    box.querySelector(".calls").replaceChildren(...one.tools.map((tool) =>
      make("p", { class: "call" }, make("b", {}, tool.name), ` ${tool.given}`, tool.answer === null ? null : ` → ${tool.answer}`)));
    const wanted = view.words && one.words.length ? "words" : "markdown";
    if (!body.firstChild || !body.firstChild.classList.contains(wanted)) {
      body.replaceChildren(wanted === "words" ? wordsBox() : make("div", { class: "markdown" }));
    }
    if (wanted === "words") {
      if (!one.busy && one.id && !one.words[0].top.length) recall(one).then((found) => { if (found) { body.replaceChildren(); box.grow(); } });
      grow(body.firstChild, one);
    }
    else showMarkdown(body.firstChild, one.content);
  };
  box.end = () => {
    box.grow();
    const note = one.error ? make("p", { class: "notice bad", role: "alert" }, one.error)
      : one.finish === "length" ? make("p", { class: "aside" }, "The answer was cut: it reached the longest length.")
      : one.finish === "stopped" ? make("p", { class: "aside" }, "You stopped this answer.")
      : !one.content && !one.tools.length ? make("p", { class: "aside" }, "The model said nothing.") : null;
    notes.replaceChildren(...[note, acts.blind ? null : foot(one, view, acts)].filter(Boolean));
  };
  if (one.busy) box.grow();
  else box.end();
  return box;
}

function head(one) {
  return make("header", {}, make("p", { class: "who" }, make("span", { class: "model" })),
    make("p", { class: "thought", hidden: true, "aria-label": "Thought" }), make("div", { class: "calls" }));
}

function foot(one, view, acts) {
  const can = view.stored && one.id !== null;
  const rate = (rating) => async () => {
    const wanted = one.rating === rating ? 0 : rating;
    if (!await keep(one, { rating: wanted })) return;
    up.setAttribute("aria-pressed", String(one.rating === 1));
    down.setAttribute("aria-pressed", String(one.rating === -1));
    if (wanted === -1) open("What is wrong with it?");
    else if (wanted) say("Thank you. It is kept with the answer.");
  };
  const up = iconButton("up", "Good answer", rate(1), { "aria-pressed": String(one.rating === 1) });
  const down = iconButton("down", "Bad answer", rate(-1), { "aria-pressed": String(one.rating === -1) });
  const better = iconButton("better", "Write the better answer", () => open("What should it have said?"), { "aria-expanded": "false" });
  const box = make("footer", { class: "stack tight" }, make("div", { class: "acts" }, branches(one, acts),
    iconButton("copy", "Copy the answer", () => copy(one.content)), iconButton("again", "Answer again", () => acts.again(one)),
    can ? up : null, can ? down : null, can ? better : null, make("span", { class: "aside figures" }, figures(one))));
  let form = null;
  const close = () => { form?.remove(); form = null; better.setAttribute("aria-expanded", "false"); };
  const open = (title) => {
    if (form) return close();
    const comment = make("input", { value: one.comment, maxlength: 2000, dir: "auto" });
    const text = make("textarea", { rows: 3, maxlength: 20000, dir: "auto" });
    text.value = one.better || one.content;
    form = make("form", { class: "card stack tight correct", onsubmit: async (event) => {
      event.preventDefault();
      const said = text.value.trim() === one.content.trim() ? "" : text.value.trim();
      if (await keep(one, { comment: comment.value.trim(), better: said })) { close(); better.focus(); say("Thank you. It is kept for whoever labels."); }
    }, onkeydown: (event) => { if (event.key === "Escape") { event.stopPropagation(); close(); better.focus(); } } },
      make("h3", {}, title),
      make("label", { class: "field" }, make("span", { class: "label" }, "The better answer"), text),
      make("label", { class: "field" }, make("span", { class: "label" }, "A comment"), comment),
      make("div", { class: "row" }, make("button", { class: "button primary" }, "Keep"),
        make("button", { type: "button", class: "button quiet", onclick: () => { close(); better.focus(); } }, "Cancel")));
    box.append(form);
    better.setAttribute("aria-expanded", "true");
    (title.includes("wrong") ? comment : text).focus();
  };
  return box;
}

/** Store what a person thinks of an answer; whether that worked. */
async function keep(one, thought) {
  try {
    Object.assign(one, await api("PUT", "/api/feedback", { message: one.id, ...thought }));
    return true;
  } catch (error) { say(error.message, true); return false; }
}

/** The store keeps no alternatives to an answer's words: let its model read it once more. Whether that was needed. */
async function recall(one) {
  if (one.recalled) return false;
  one.recalled = true;
  try { one.words = spoken(await api("GET", `/api/messages/${one.id}/words`)); return true; }
  catch { return false; } // the model may be gone; what is stored is shown
}

async function copy(text) {
  try { await navigator.clipboard.writeText(text); say("Copied."); }
  catch { say("The browser does not let this page copy.", true); }
}

/** "31 tokens, 412 a second, 0.42 bits a token". */
function figures(one) {
  const parts = [];
  if (one.tokens) parts.push(`${one.tokens} tokens`);
  if (one.tokens && one.seconds) parts.push(`${Math.round(one.tokens / one.seconds)} a second`);
  if (one.words.length) parts.push(`${(one.words.reduce((sum, word) => sum + bits(word.logprob), 0) / one.words.length).toFixed(2)} bits a token`);
  return parts.join(", ");
}

/** Which of several branches is shown, and the way to the others. */
function branches(one, acts) {
  const all = one.parent?.children ?? [];
  if (all.length < 2) return null;
  const at = all.indexOf(one);
  const to = (step) => () => acts.choose(all[at + step], step);
  return make("span", { class: "branches", role: "group", "aria-label": "Branches" },
    iconButton("left", "Branch before", to(-1), { disabled: at === 0 }),
    make("span", { class: "aside", "aria-label": `Branch ${at + 1} of ${all.length}` }, `${at + 1}/${all.length}`),
    iconButton("right", "Branch after", to(1), { disabled: at === all.length - 1 }));
}

/** Two answers beside each other, their models unnamed, and the vote. `duel` is {left, right}. */
export function duel(pair, view, acts) {
  const sides = [pair.left, pair.right].map((one, i) => {
    one.element = turn(one, view, { ...acts, blind: () => `Answer ${"AB"[i]}` });
    return one.element;
  });
  const vote = make("div", { class: "row vote", role: "group", "aria-label": "Which answer is better?" },
    ...[["model_a", "A is better"], ["model_b", "B is better"], ["tie", "A tie"], ["both_bad", "Both are bad"]].map(([winner, label]) =>
      make("button", { type: "button", class: "button", onclick: () => acts.vote(pair, winner) }, label)),
    make("button", { type: "button", class: "button quiet", onclick: () => acts.vote(pair, null) }, "Skip"));
  const box = make("section", { class: "duel", "aria-label": "Two answers" }, make("div", { class: "pair" }, ...sides), vote);
  box.ready = () => { for (const button of vote.children) button.disabled = pair.left.busy || pair.right.busy; };
  box.ready();
  return box;
}

