// The chat page: which conversation is shown, what is sent, and what comes back. The parts are in chat-*.js.

import { api, iconButton, make, say, shortTime } from "/static/eyas.js";
import { ask, fold } from "/static/chat-stream.js";
import { add, follows, fromStore, history, node, path, remove } from "/static/chat-tree.js";
import { duel, turn } from "/static/chat-view.js";
import { hide } from "/static/chat-words.js";

const $ = (id) => document.getElementById(id);
const stored = $("talk").dataset.stored === "true";
const user = $("talk").dataset.user || undefined;
const view = { words: false, compare: false, stored };

/** A conversation on this page: `id` is the store's, `running` the requests under way. */
const newTalk = () => ({ id: null, made: null, title: "", root: node("root", ""), running: new Set() });
let talk = newTalk();
const talks = []; // those of this page: all there are without a store, and where answers are still coming

// -- what is shown

function show() {
  const log = $("log");
  const wanted = [];
  for (const one of path(talk.root)) {
    const pair = one.parent.duel;
    if (pair) { wanted.push(pair.element ??= duel(pair, view, acts)); break; }
    wanted.push(one.element ??= turn(one, view, acts));
  }
  let same = 0;
  while (same < wanted.length && log.children[same] === wanted[same]) same++;
  while (log.children.length > same) log.lastElementChild.remove();
  log.append(...wanted.slice(same));
  if (!wanted.length) log.append(make("p", { class: "hello" }, "What would you like to know?"));
  $("stop").hidden = !talk.running.size;
  $("send").hidden = !!talk.running.size;
}

/** Make the elements of `ones` anew, for their branches or their end have changed. */
function renew(...ones) {
  for (const one of ones) one.element = null;
  show();
}

function toEnd() { $("log").scrollTop = $("log").scrollHeight; }
const atEnd = () => $("log").scrollHeight - $("log").scrollTop - $("log").clientHeight < 60;

const waiting = new Set();
function grow(one) {
  if (!waiting.size) requestAnimationFrame(() => {
    const follow = atEnd();
    for (const each of waiting) each.element?.grow();
    waiting.clear();
    if (follow) toEnd();
  });
  waiting.add(one);
}

// -- asking

// Without a word from the person the likeliest words are taken, and others when the same question is asked again.
const LOOSE = 0.8;

function sampling() {
  const body = { temperature: 0 };
  for (const field of $("settings").querySelectorAll("input")) {
    if (field.value !== "" && field.checkValidity()) body[field.name] = Number(field.value);
  }
  return body;
}

/** The id of the conversation that is shown; two answers asked for at once share one. */
async function conversation(of) {
  if (!stored || of.id !== null) return of.id;
  of.made ??= api("POST", "/api/conversations");
  try { of.id = (await of.made).id; } catch (error) { of.made = null; throw error; }
  list();
  return of.id;
}

/** Let a model answer into `said`; `how` names it and the sampling. */
async function run(said, how) {
  const of = talk, asked = said.parent, stop = new AbortController(), began = performance.now();
  of.running.add(stop);
  if (!talks.includes(of)) talks.unshift(of);
  show();
  try {
    const id = await conversation(of);
    const parent = follows(asked);
    const metadata = id === null ? undefined : { conversation: id, ...(parent === null ? {} : { parent }) };
    for await (const event of ask({ ...how, user, metadata, messages: history(asked) }, stop.signal)) {
      fold(said, event);
      grow(said);
    }
  } catch (error) {
    if (stop.signal.aborted) said.finish = "stopped";
    else said.error = error.message;
  }
  said.busy = false;
  said.seconds = (performance.now() - began) / 1000;
  of.running.delete(stop);
  if (of !== talk) said.element = null;
  else {
    const follow = atEnd();
    said.element?.end();
    asked.duel?.element?.ready();
    show();
    if (follow) toEnd();
    $("progress").textContent = said.error ? "" : `Answer: ${said.content}`;
  }
  if (of === talk && of.id) window.history.replaceState(null, "", `#${of.id}`);
  await list();
}

function answer(asked) {
  const model = $("model").value;
  const given = sampling();
  const busy = () => add(asked, node("assistant", "", { busy: true }));
  if (!view.compare) {
    const said = busy();
    renew(...asked.children);
    toEnd();
    const again = asked.children.length > 1 && $("temperature").value === "";
    return run(said, { ...given, model, ...(again ? { temperature: LOOSE } : {}) });
  }
  const models = [model, $("model-b").value];
  // Two samples of one model that always says the likeliest word would be one and the same.
  if (models[0] === models[1] && given.temperature === 0) given.temperature = LOOSE;
  if (Math.random() < 0.5) models.reverse();
  const [left, right] = [busy(), busy()];
  asked.duel = { left, right, asked };
  renew(...asked.children);
  toEnd();
  const seeds = given.seed === undefined ? [{}, {}] : [{}, { seed: given.seed + 1 }];
  return Promise.all([left, right].map((said, i) => run(said, { ...given, ...seeds[i], model: models[i] })));
}

function send(text) {
  const shown = path(talk.root);
  if (talk.running.size) return say("One answer at a time: stop this one first.", true);
  if (shown.some((one) => one.duel)) return say("Say first which answer is better, or skip.", true);
  let last = shown.at(-1) ?? talk.root;
  const system = $("system").value.trim();
  if (last === talk.root && system) last = add(talk.root, node("system", system));
  talk.title ||= text.slice(0, 80);
  $("ask").value = "";
  return answer(add(last, node("user", text)));
}

const acts = {
  /** Ask `text` instead of the message `one`: a new branch beside it. */
  edit(one, text) {
    if (talk.running.size) return say("One answer at a time: stop this one first.", true);
    const fresh = add(one.parent, node(one.role, text));
    one.parent.children.forEach((each) => { each.element = null; });
    if (one.role === "user") return answer(fresh);
    const [first] = one.children;
    return first ? answer(add(fresh, node("user", first.content))) : show();
  },
  again(one) {
    if (talk.running.size) return say("One answer at a time: stop this one first.", true);
    if (one.error) remove(one);
    return answer(one.parent);
  },
  choose(one, step) {
    one.parent.chosen = one;
    renew(one);
    const buttons = one.element.querySelectorAll(".branches button");
    (buttons[step < 0 ? 0 : 1].disabled ? buttons[step < 0 ? 1 : 0] : buttons[step < 0 ? 0 : 1]).focus();
  },
  /** Keep a vote, tell the names, and go on with the winner. */
  async vote(pair, winner) {
    const { left, right, asked } = pair;
    if (winner && stored && left.id && right.id) {
      try { await api("POST", "/api/comparisons", { message_a: left.id, message_b: right.id, winner }); }
      catch (error) { return say(error.message, true); }
    }
    say(`A was ${left.model ?? "no answer"}, B was ${right.model ?? "no answer"}.`);
    asked.chosen = winner === "model_b" ? right : left;
    asked.duel = null;
    renew(left, right);
    $("ask").focus();
  },
};

// -- conversations

let before = null;
let listing = 0;
async function list(older = false) {
  const now = ++listing;
  let found = talks.map((one) => ({ title: one.title, talk: one }));
  if (stored) {
    const wanted = new URLSearchParams();
    if ($("search").value.trim()) wanted.set("query", $("search").value.trim());
    if (older && before !== null) wanted.set("before", before);
    try {
      const answer = await api("GET", `/api/conversations?${wanted}`);
      if (now !== listing) return; // asked again meanwhile
      ({ conversations: found, before } = answer);
    } catch (error) { return say(error.message, true); }
    // The store hears of a conversation when its first answer has ended.
    const coming = talks.filter((one) => one.running.size && one.id && !found.some(({ id }) => id === one.id));
    if (!older && !wanted.has("query")) found.unshift(...coming);
  }
  const items = found.map((one) => {
    const here = one.talk ? one.talk === talk : one.id !== null && one.id === talk.id;
    const title = make("button", { type: "button", "aria-current": here ? "true" : null, title: one.title,
      onclick: () => { open(one); shut(); } }, make("span", { dir: "auto" }, one.title),
      one.updated ? make("small", {}, shortTime(new Date(1000 * one.updated))) : null);
    return make("li", {}, title, stored ? iconButton("remove", `Forget “${one.title}”`, () => forget(one)) : null);
  });
  if (older) $("conversations").append(...items);
  else $("conversations").replaceChildren(...items);
  $("more").hidden = before === null;
}

/** Show a conversation: one of this page (`talk`), or the one the store has under `id`. */
async function open(one) {
  hide();
  const here = one.talk ?? talks.find((each) => each.id === one.id && each.running.size);
  if (here) talk = here;
  else if (one.id !== talk.id) {
    try {
      const { id, title, messages } = await api("GET", `/api/conversations/${encodeURIComponent(one.id)}`);
      talk = { ...newTalk(), id, title, root: fromStore(messages) };
      window.history.replaceState(null, "", `#${id}`);
    } catch (error) { window.history.replaceState(null, "", location.pathname); return say(error.message, true); }
  }
  $("log").replaceChildren();
  show();
  toEnd();
  return list();
}

async function forget(one) {
  if (!confirm(`Forget “${one.title}” for good?`)) return;
  try {
    const { models } = await api("DELETE", `/api/conversations/${encodeURIComponent(one.id)}`);
    say(models.length ? `Forgotten. It stood in the data of ${models.join(", ")}.` : "Forgotten.");
  } catch (error) { return say(error.message, true); }
  if (one.id === talk.id) fresh();
  await list();
}

function fresh() {
  hide();
  talk = newTalk();
  window.history.replaceState(null, "", location.pathname);
  $("log").replaceChildren();
  show();
  list();
  shut();
  $("ask").focus();
}

// -- settings, which this browser keeps

const KEPT = "eyas-chat";
function keep() {
  const values = { model: $("model").value, "model-b": $("model-b").value, words: view.words, compare: view.compare };
  for (const field of $("settings").querySelectorAll("input, textarea")) values[field.name] = field.value;
  try { localStorage.setItem(KEPT, JSON.stringify(values)); } catch { /* not remembered then */ }
}

function kept() {
  try { return JSON.parse(localStorage.getItem(KEPT)) ?? {}; } catch { return {}; }
}

async function settings() {
  const values = kept();
  for (const field of $("settings").querySelectorAll("input, textarea")) field.value = values[field.name] ?? "";
  try {
    const { data } = await api("GET", "/v1/models");
    for (const [id, wanted] of [["model", values.model], ["model-b", values["model-b"]]]) {
      const best = data.find((one) => one.aliases.includes("eyas"));
      const options = [...(best ? [["eyas", `Best: ${best.id}`]] : []), ...data.map((one) => [one.id, one.id])];
      $(id).replaceChildren(...options.map(([value, label]) => make("option", { value }, label)));
      if (options.some(([value]) => value === wanted)) $(id).value = wanted;
    }
  } catch (error) { say(error.message, true); }
  toggle("words", values.words === true);
  toggle("compare", values.compare === true);
}

function toggle(name, on) {
  view[name] = on;
  $(name).setAttribute("aria-pressed", String(on));
  $({ words: "legend", compare: "against" }[name]).hidden = !on;
  if (name === "words") { hide(); for (const one of path(talk.root)) one.element?.grow?.(); }
}

// -- the page's own buttons and keys

/** On a phone the list lies over the talk, or is away. */
function side(open) {
  document.body.classList.toggle("with-side", open);
  $("open-side").setAttribute("aria-expanded", String(open));
  $("talk").inert = open;
}
const shut = () => side(false);

for (const name of ["words", "compare"]) $(name).addEventListener("click", () => { toggle(name, !view[name]); keep(); });
for (const id of ["model", "model-b"]) $(id).addEventListener("change", keep);
$("settings").addEventListener("change", keep);
$("reset").addEventListener("click", () => setTimeout(keep));
$("open-settings").addEventListener("click", () => $("settings").showModal());
$("new").addEventListener("click", fresh);
$("more").addEventListener("click", () => list(true));
$("open-side").addEventListener("click", (event) => { event.stopPropagation(); side(true); $("close-side").focus(); });
$("close-side").addEventListener("click", () => { shut(); $("open-side").focus(); });
document.addEventListener("click", ({ target }) => { if ($("talk").inert && !target.closest("#side")) shut(); });
let typing = 0;
$("search")?.addEventListener("input", () => { clearTimeout(typing); typing = setTimeout(list, 200); });
$("composer").addEventListener("submit", (event) => {
  event.preventDefault();
  const text = $("ask").value.trim();
  if (text) send(text);
});
$("ask").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing) { event.preventDefault(); $("composer").requestSubmit(); }
  if (event.key === "ArrowUp" && !$("ask").value) {
    const last = path(talk.root).findLast((one) => one.role === "user");
    if (last?.element) { event.preventDefault(); last.element.edit(); }
  }
});
const stopAll = () => { for (const one of talk.running) one.abort(); };
$("stop").addEventListener("click", () => { stopAll(); $("ask").focus(); });
document.addEventListener("keydown", (event) => {
  if ($("settings").open) return;
  if (event.key === "Escape") { if ($("talk").inert) $("close-side").click(); else stopAll(); }
  if (event.key === "/" && !event.target.closest("input, textarea, select")) { event.preventDefault(); $("ask").focus(); }
});
addEventListener("hashchange", () => { if (location.hash.length > 1) open({ id: location.hash.slice(1) }); });

await settings();
if (stored && location.hash.length > 1) await open({ id: location.hash.slice(1) });
else { show(); await list(); }
document.documentElement.dataset.ready = "true";
