// The next-word view: an answer token by token, each in the colour of its surprise, with what else it could have been.

import { make, stepped } from "/static/eyas.js";

const LEVELS = [0.5, 1, 2, 4, 7]; // bits; the legend of the page names them
const pop = document.getElementById("word");

export const bits = (logprob) => Math.max(0, -logprob / Math.LN2);
const percent = (logprob) => {
  const share = 100 * Math.exp(logprob);
  return share >= 99.95 ? "100 %" : share >= 0.1 ? `${share.toFixed(1)} %` : share >= 0.001 ? `${share.toFixed(3)} %` : "< 0.001 %";
};
const level = (logprob) => `s${LEVELS.filter((limit) => bits(logprob) >= limit).length}`;

/** White space made visible, for a token shown on its own. */
const visible = (text) => text.replace(/ /g, "␣").replace(/\n/g, "↵").replace(/\t/g, "⇥") || "(part of a character)";

/** A box for the words of `said`; `grow(box, said)` adds those that came since. */
export function wordsBox() {
  const box = make("div", {
    class: "words text", tabindex: 0, role: "group", dir: "auto",
    "aria-label": "The answer word by word; the arrow keys step through it",
  });
  box.decoder = new TextDecoder();
  box.addEventListener("pointerover", ({ target }) => { if (target.word) show(box, target); });
  box.addEventListener("pointerleave", () => { if (!box.matches(":focus-visible")) hide(); });
  box.addEventListener("click", ({ target }) => { if (target.word) show(box, target); });
  box.addEventListener("focus", () => {
    if (box.matches(":focus-visible")) show(box, box.querySelector(".at") ?? box.firstElementChild);
  });
  box.addEventListener("blur", hide);
  box.addEventListener("keydown", (event) => {
    const to = stepped(box, event.key);
    if (event.key === "Escape" && !pop.hidden) { hide(); event.stopPropagation(); }
    if (to) { event.preventDefault(); show(box, to); }
  });
  return box;
}

export function grow(box, said) {
  for (const word of said.words.slice(box.children.length)) {
    // A token may be a part of a character: its text comes with the token that ends it.
    const text = word.bytes ? box.decoder.decode(new Uint8Array(word.bytes), { stream: true }) : word.token;
    // Line ends before the first word say nothing.
    const span = make("span", { class: level(word.logprob) }, box.textContent ? text : text.trimStart());
    span.word = { ...word, text };
    box.append(span);
  }
}

function show(box, span) {
  if (!span) return;
  box.querySelector(".at")?.classList.remove("at");
  span.classList.add("at");
  const { text, token, logprob, top } = span.word;
  const own = top.find((one) => one.token === token) ?? { token, logprob };
  const rows = top.length && !top.includes(own) ? [...top, own] : top;
  pop.replaceChildren(
    make("p", { class: "row" }, make("b", { dir: "auto" }, visible(text)),
      make("span", { class: "push" }, percent(logprob)), make("span", { class: "soft" }, `${bits(logprob).toFixed(2)} bits`)),
    rows.length ? make("table", {}, make("caption", { class: "unseen" }, "What could stand here, likeliest first"),
      make("tbody", {}, ...rows.map((one) => make("tr", { class: one === own ? "own" : null },
        make("th", { scope: "row", dir: "auto" }, visible(one.token)), make("td", {}, gauge(Math.exp(one.logprob))),
        make("td", { class: "number" }, percent(one.logprob))))))
      : make("p", { class: "aside" }, "What else could stand here is not known any more."),
  );
  pop.hidden = false;
  const word = span.getClientRects()[0] ?? box.getBoundingClientRect();
  const { offsetWidth: width, offsetHeight: height } = pop;
  const below = word.bottom + 6 + height < innerHeight;
  pop.style.left = `${Math.max(8, Math.min(word.left, innerWidth - width - 8))}px`;
  pop.style.top = `${Math.max(8, below ? word.bottom + 6 : word.top - height - 6)}px`;
}

export function hide() {
  pop.hidden = true;
  document.querySelector(".words .at")?.classList.remove("at");
}

function gauge(share) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("class", "bar");
  svg.setAttribute("aria-hidden", "true");
  for (const [name, width] of [["track", 1], ["fill", share]]) {
    const rect = document.createElementNS("http://www.w3.org/2000/svg", "rect");
    rect.setAttribute("class", name);
    rect.setAttribute("height", "100%");
    rect.setAttribute("width", `${(100 * width).toFixed(2)}%`);
    svg.append(rect);
  }
  return svg;
}

document.addEventListener("scroll", hide, { capture: true, passive: true });
