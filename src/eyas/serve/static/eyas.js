// What the scripts of all pages share. Elements are made, never parsed from text: nothing here knows innerHTML.

/** A new element. `attributes`: functions become listeners (`onclick`), true/false set or leave out, the rest are set
 *  as attributes; `children` are nodes or strings, null is left out. */
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

/** An icon of icons.svg. */
export function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  use.setAttribute("href", `/static/icons.svg#${name}`);
  svg.append(use);
  return svg;
}

/** A button with an icon alone; `label` is what it does, for the pointer and the screen reader. */
export function iconButton(name, label, onclick, attributes = {}) {
  return make("button", { type: "button", class: "button icon", "aria-label": label, title: label, onclick, ...attributes }, icon(name));
}

/** JSON to and from this server. Throws an Error with the server's own sentence. */
export async function api(method, path, body) {
  const response = await fetch(path, {
    method,
    headers: body === undefined ? {} : { "Content-Type": "application/json" },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  if (!response.ok) throw new Error(await problem(response));
  return response.status === 204 ? null : response.json();
}

/** What an answer that is not 2xx says was wrong. */
export async function problem(response) {
  const said = await response.json().catch(() => null);
  return said?.error?.message ?? `The server answered ${response.status} ${response.statusText}.`;
}

/** Say something at the foot of the page, to eyes and screen readers; `wrong` colours it. */
export function say(text, wrong = false) {
  let box = document.getElementById("said");
  if (!box) document.body.append(box = make("div", { id: "said", role: "status", "aria-live": "polite" }));
  box.className = wrong ? "bad" : "";
  box.textContent = text;
  clearTimeout(say.timer);
  say.timer = setTimeout(() => { box.textContent = ""; }, wrong ? 12000 : 4000);
}

/** "14:05" today, "Tue 14:05" this week, else "2026-11-21". `date` is a Date. */
export function shortTime(date) {
  const two = (number) => String(number).padStart(2, "0");
  const clock = `${two(date.getHours())}:${two(date.getMinutes())}`;
  const days = (Date.now() - date) / 86400e3;
  if (days < 1 && date.getDate() === new Date().getDate()) return clock;
  if (days < 6) return `${date.toLocaleDateString("en", { weekday: "short" })} ${clock}`;
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
}

/** The word that a key leads to from the one looked at (class `at`) in a box of words; undefined for other keys. */
export function stepped(box, key) {
  const at = box.querySelector(".at") ?? box.firstElementChild;
  return {
    ArrowRight: at?.nextElementSibling, ArrowLeft: at?.previousElementSibling,
    Home: box.firstElementChild, End: box.lastElementChild,
  }[key];
}

for (const time of document.querySelectorAll("time[datetime]")) {
  const date = new Date(time.dateTime);
  time.title = date.toLocaleString();
  time.textContent = shortTime(date);
}
