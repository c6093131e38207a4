// Keys for the labelling page, drafts without waiting, and the critique of an answer while it is written.
import { say } from "/static/eyas.js";

const $ = (id) => document.getElementById(id);
const keys = $("keys"), keysOn = $("keys-on");
const answer = $("answer"), form = $("correction");

/** Send a form and give the page that comes back, parsed; nothing in it runs. */
async function sent(form, action = form.action) {
  const response = await fetch(action, { method: "POST", body: new URLSearchParams(new FormData(form)) });
  if (!response.ok) {
    const said = await response.json().catch(() => null);
    throw new Error(said?.error?.message ?? `The server answered ${response.status}.`);
  }
  return new DOMParser().parseFromString(await response.text(), "text/html");
}

/** Fill our part `id` with what another page has there; the element stays, so that screen readers hear of it. */
function take(page, id) {
  const found = page.getElementById(id);
  if (!found) return;
  $(id).replaceChildren(...[...found.childNodes].map((node) => document.adoptNode(node)));
  $(id).classList.remove("stale");
}

let asked = 0, timer = 0;
async function check() {
  clearTimeout(timer);
  const number = ++asked;
  try {
    const page = await sent(form, `${form.action}/check`);
    if (number === asked) for (const part of ["critique", "instructions"]) take(page, part);
  } catch (error) {
    say(error.message, true);
  }
}

function choose(button) {
  for (const one of document.querySelectorAll(".draft")) {
    one.classList.toggle("chosen", one === button);
    one.setAttribute("aria-pressed", one === button);
  }
  form.elements.draft.value = button.value;
  answer.value = button.querySelector(".text").textContent;
  check();
}

async function draft(drafting) {
  const says = $("drafting-says"), before = answer.value, first = $("drafts").children.length === 0;
  if (drafting.dataset.busy) return;
  drafting.dataset.busy = "1";
  says.textContent = "drafting…";
  try {
    const page = await sent(drafting), had = $("drafts").children.length;
    take(page, "drafts");
    const made = $("drafts").children.length - had;
    says.textContent = made ? "" : "nothing new";
    const best = document.querySelector(".draft");
    // what a person has written meanwhile is theirs
    if (first && best && answer.value === before && document.activeElement !== answer) choose(best);
  } catch (error) {
    says.textContent = "";
    say(error.message, true);
  }
  delete drafting.dataset.busy;
}

if (form) {
  $("edit").hidden = false;
  $("check").hidden = true;
  $("edit").addEventListener("click", () => answer.focus());
  answer.addEventListener("input", () => {
    $("critique").classList.add("stale");
    clearTimeout(timer);
    timer = setTimeout(check, 500);
  });
  answer.addEventListener("keydown", (event) => {
    if (event.key === "Escape") answer.blur();
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      form.requestSubmit(form.querySelector("[value=accepted]"));
    }
  });
  const drafting = $("drafting");
  drafting.addEventListener("submit", (event) => { event.preventDefault(); draft(drafting); });
  document.addEventListener("click", (event) => {
    const button = event.target.closest(".draft");
    if (!button) return;
    event.preventDefault();
    choose(button);
  });
  if ("now" in drafting.dataset) draft(drafting);
}

$("keys-open").addEventListener("click", () => keys.showModal());
keysOn.checked = localStorage.getItem("label-keys") !== "off";
keysOn.addEventListener("change", () => localStorage.setItem("label-keys", keysOn.checked ? "on" : "off"));

document.addEventListener("keydown", (event) => {
  // for a moment after it has closed, the dialog's own box still has the focus
  const typing = keys.open || (event.target.closest("input, textarea, select") && !keys.contains(event.target));
  if (typing || event.ctrlKey || event.metaKey || event.altKey || !keysOn.checked) return;
  if (event.key === "?") keys.showModal();
  else if (event.key === "g" && $("instructions")) $("instructions").focus();
  else {
    const target = document.querySelector(`[data-key="${CSS.escape(event.key)}"]`);
    if (!target) return;
    target.click();
  }
  event.preventDefault();
});
$("keys-open").hidden = false; // last: where the button is to be seen, the keys work
