// The monitor's page works without scripts; this reads an answer token by token with pointer or arrow keys, and sends
// the filters as soon as one is chosen.

import { stepped } from "/static/eyas.js";

const show = (box, token) => {
  if (!token) return;
  box.querySelector(".at")?.classList.remove("at");
  token.classList.add("at");
  box.parentElement.querySelector(".readout").textContent = `“${token.textContent}”: ${token.dataset.told}`;
};

for (const box of document.querySelectorAll(".words")) {
  for (const token of box.children) {
    token.dataset.told = token.title;
    token.removeAttribute("title");
  }
  const touched = ({ target }) => { if (target !== box) show(box, target); };
  box.addEventListener("pointerover", touched);
  box.addEventListener("click", touched);
  box.addEventListener("focus", () => { if (!box.querySelector(".at")) show(box, box.firstElementChild); });
  box.addEventListener("keydown", (event) => {
    const to = stepped(box, event.key);
    if (to) { event.preventDefault(); show(box, to); }
  });
}

for (const select of document.querySelectorAll("form[role=search] select")) {
  select.addEventListener("change", () => select.form.requestSubmit());
}
