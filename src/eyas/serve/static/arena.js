// A blind battle: a question goes to two unnamed models, a person votes, and only then the server tells their names.

import { api, make, say } from "/static/eyas.js";
import { events } from "/static/chat-stream.js";
import { showMarkdown } from "/static/markdown.js";

const $ = (id) => document.getElementById(id);
const SIDES = ["a", "b"];
const SAID = { model_a: "A is better", model_b: "B is better", tie: "a tie", both_bad: "both are bad" };
const HELLO = "Two models answer what you ask, and you say which is better. Who they were you learn after your vote.";

/** `id` is the server's, null before the first question; `pairs` the elements of the answers; `over` after the vote. */
const newBattle = () => ({ id: null, pairs: [], busy: false, over: false });
let battle = newBattle();

function show() {
  const { pairs, busy, over } = battle;
  $("vote").hidden = over || !pairs.length;
  for (const button of $("vote").querySelectorAll("button")) button.disabled = busy;
  $("told").hidden = !over;
  $("send").disabled = busy;
  $("ask").placeholder = over ? "Ask two others" : pairs.length ? "Ask both something more, or vote" : "Ask both";
}

function fresh() {
  battle = newBattle();
  $("log").replaceChildren(make("p", { class: "hello" }, HELLO));
  show();
  $("ask").focus();
}

/** The element of an answer on its way. */
function answer(side) {
  const name = make("span", { class: "model" }), body = make("div", { class: "markdown" }), note = make("p", { class: "aside" });
  const box = make("article", { class: "turn assistant", "aria-label": `Answer ${side.toUpperCase()}`, "aria-busy": "true" },
    make("p", { class: "who" }, make("span", {}, `Answer ${side.toUpperCase()}`), name), make("div", { class: "body" }, body), note);
  let text = "", waiting = false;
  const draw = () => { waiting = false; showMarkdown(body, text); toEnd(); };
  return Object.assign(box, {
    grow(more) {
      text += more;
      if (!waiting) requestAnimationFrame(draw);
      waiting = true;
    },
    end(finish) {
      box.setAttribute("aria-busy", "false");
      note.textContent = finish === "length" ? "The answer was cut: it reached the longest length."
        : text.trim() ? "" : "The model said nothing.";
    },
    tell(model, better) {
      name.textContent = ` · ${model}`;
      box.classList.toggle("better", better);
    },
  });
}

function toEnd() { $("log").scrollTop = $("log").scrollHeight; }

async function ask(question) {
  if (battle.over) fresh();
  const here = battle, pair = SIDES.map(answer);
  const round = [make("article", { class: "turn user", "aria-label": "You" }, make("p", { class: "text", dir: "auto" }, question)),
    make("div", { class: "pair" }, ...pair)];
  if (!here.pairs.length) $("log").replaceChildren();
  $("log").append(...round);
  here.busy = true;
  here.pairs.push(pair);
  $("ask").value = "";
  $("progress").textContent = "Both models are answering.";
  show();
  toEnd();
  try {
    here.id ??= (await api("POST", "/api/battles")).id;
    for await (const event of events(`/api/battles/${here.id}/questions`, { content: question })) {
      if (here !== battle) return;
      if (event.winner) {
        told(event.winner, event, "Both said the same, which counts as a tie.");
        $("ask").value ||= question; // for the next pair
      }
      else if (event.finish) pair[SIDES.indexOf(event.side)].end(event.finish);
      else pair[SIDES.indexOf(event.side)].grow(event.text);
    }
    here.busy = false;
    show();
    toEnd();
    if (!here.over) $("progress").textContent = "Both answers are there. Escape leads to the vote.";
  } catch (error) {
    if (here !== battle) return;
    // such a question was not asked
    here.busy = false;
    here.pairs.pop();
    for (const one of round) one.remove();
    $("ask").value ||= question;
    $("progress").textContent = "";
    if (!here.pairs.length) fresh();
    show();
    say(error.message, true);
  }
}

async function vote(winner) {
  const here = battle;
  if (here.busy || here.over || !here.pairs.length) return;
  here.busy = true;
  show();
  try {
    const names = await api("POST", `/api/battles/${here.id}/vote`, { winner });
    if (here === battle) told(winner, names, `You said: ${SAID[winner]}.`);
  } catch (error) {
    say(error.message, true);
  }
  here.busy = false;
  show();
}

/** The vote is kept: show who they were. */
function told(winner, names, how) {
  battle.over = true;
  for (const pair of battle.pairs) pair.forEach((one, i) => one.tell(names[`model_${SIDES[i]}`], winner === `model_${SIDES[i]}`));
  $("told").replaceChildren(`${how} A was `, make("b", {}, names.model_a), ", B was ", make("b", {}, names.model_b), ". ",
    make("a", { href: "/arena/board" }, "The board"));
  $("progress").textContent = "";
  show();
  $("ask").focus();
}

$("new").addEventListener("click", fresh);
$("vote").addEventListener("click", ({ target }) => { if (target.closest("button")) vote(target.closest("button").value); });
// Letters vote only once a key has led there: the first letter of a question must not be a vote.
$("vote").addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  $("vote").querySelector(`[data-key="${CSS.escape(event.key.toLowerCase())}"]`)?.click();
});
$("composer").addEventListener("submit", (event) => {
  event.preventDefault();
  const question = $("ask").value.trim();
  if (question && !battle.busy) ask(question);
});
$("ask").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing) { event.preventDefault(); $("composer").requestSubmit(); }
  if (event.key === "Escape") $("vote").focus();
});

fresh();
document.documentElement.dataset.ready = "true";
