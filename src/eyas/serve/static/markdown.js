// Markdown into nodes. Every character of the text ends up in a text node or in an attribute checked here; no markup
// is ever parsed, nothing is loaded, and neither depth nor length of a hostile text can hang or break the page.

import { icon, make } from "/static/eyas.js";

const DEEPEST = 8; // lists and quotes inside one another, and emphasis likewise; what goes deeper stays plain text
const FENCE = /^ {0,3}(`{3,}|~{3,})\s*([^`]*)$/;
const HEADING = /^ {0,3}(#{1,6})(?:\s+(.*?))?\s*#*\s*$/;
const RULE = /^ {0,3}([-*_])(?:\s*\1){2,}\s*$/;
const QUOTE = /^ {0,3}> ?/;
const ITEM = /^( {0,3})([-*+]|\d{1,9}[.)])(?:\s+|$)/;
const WIDEST = 50; // columns of a table
const DELIMITERS = /^\s*\|?\s*:?-+:?\s*(?:\|\s*:?-+:?\s*)*\|?\s*$/;

/** Show `text` in `box`. Called again with a longer text, it leaves the blocks alone that did not change. */
export function showMarkdown(box, text) {
  const blocks = split(text.replace(/\r\n?/g, "\n").replace(/\t/g, "    ").split("\n"));
  blocks.forEach((block, i) => {
    const source = block.kind + block.lines.join("\n");
    const old = box.children[i];
    if (old?.source === source) return;
    const fresh = build(block, 0);
    fresh.source = source;
    if (old) old.replaceWith(fresh);
    else box.append(fresh);
  });
  while (box.children.length > blocks.length) box.lastElementChild.remove();
}

/** The blocks of some lines: [{kind, lines, ...}]. */
function split(lines) {
  const blocks = [];
  let i = 0;
  const take = (kind, end, more = {}) => { blocks.push({ kind, lines: lines.slice(i, end), ...more }); i = end; };
  while (i < lines.length) {
    const line = lines[i];
    let match, end = i + 1;
    if (!line.trim()) i++;
    else if ((match = FENCE.exec(line))) {
      const closing = (other) => other.trim().startsWith(match[1]) && !other.trim().replaceAll(match[1][0], "");
      while (end < lines.length && !closing(lines[end])) end++;
      take("code", end, { language: match[2].trim().split(/\s/)[0] });
      i++; // the closing fence
    } else if (HEADING.test(line)) take("heading", end);
    else if (RULE.test(line)) take("rule", end);
    else if (QUOTE.test(line)) {
      while (end < lines.length && QUOTE.test(lines[end])) end++;
      take("quote", end);
    } else if (ITEM.test(line)) {
      const ordered = /\d/.test(ITEM.exec(line)[2]);
      while (end < lines.length && inList(lines, end, ordered)) end++;
      take("list", end, { ordered });
    } else if (line.includes("|") && end < lines.length && lines[end].includes("-") && DELIMITERS.test(lines[end])
      && cells(line).length <= WIDEST) {
      while (end < lines.length && lines[end].includes("|")) end++;
      take("table", end);
    } else {
      while (end < lines.length && lines[end].trim() && !starts(lines[end])) end++;
      take("paragraph", end);
    }
  }
  return blocks;
}

const starts = (line) =>
  FENCE.test(line) || HEADING.test(line) || RULE.test(line) || QUOTE.test(line) || ITEM.test(line);

/** Whether line `i` goes on with the list before it: an item of its kind, or indented, or a blank between such. */
function inList(lines, i, ordered) {
  const line = lines[i];
  if (!line.trim()) {
    const next = lines[i + 1];
    return next !== undefined && (/^ {2,}\S/.test(next) || sameList(next, ordered));
  }
  return /^ {2,}\S/.test(line) || sameList(line, ordered) || (lines[i - 1].trim() !== "" && !starts(line));
}

function sameList(line, ordered) {
  const match = ITEM.exec(line);
  return match !== null && !RULE.test(line) && /\d/.test(match[2]) === ordered;
}

function build(block, depth) {
  const { kind, lines } = block;
  if (kind === "code") return code(lines.slice(1).join("\n"), block.language);
  if (kind === "rule") return make("hr");
  if (kind === "heading") {
    const [, marks, text = ""] = HEADING.exec(lines[0]);
    // The page's own headings are h1 and h2.
    return inline(make(`h${Math.min(6, marks.length + 2)}`, ), text);
  }
  if (kind === "table") return table(lines);
  if (depth < DEEPEST && kind === "quote") {
    return within(make("blockquote"), lines.map((line) => line.replace(QUOTE, "")), depth);
  }
  if (depth < DEEPEST && kind === "list") return list(lines, block.ordered, depth);
  return inline(make("p"), lines.map((line) => line.trim()).join("\n"));
}

function within(box, lines, depth) {
  box.append(...split(lines).map((block) => build(block, depth + 1)));
  box.dir = "auto";
  return box;
}

function list(lines, ordered, depth) {
  const first = ordered ? Number.parseInt(ITEM.exec(lines[0])[2], 10) : 1;
  const box = make(ordered ? "ol" : "ul", { start: first === 1 ? null : first });
  let item = [];
  let indent = 0;
  const close = () => {
    if (!item.length) return;
    const made = within(make("li"), item, depth);
    const only = made.children.length && made.firstElementChild;
    if (only && only.localName === "p") only.replaceWith(...only.childNodes); // a tight item
    box.append(made);
  };
  for (const line of lines) {
    const match = ITEM.exec(line);
    if (match && (!item.length || match[1].length < indent)) {
      close();
      indent = match[0].length;
      item = [line.slice(indent)];
    } else item.push(line.replace(new RegExp(`^ {0,${indent}}`), ""));
  }
  close();
  box.dir = "auto";
  return box;
}

function cells(line) {
  return line.trim().replace(/^\||(?<!\\)\|$/g, "").split(/(?<!\\)\|/).map((cell) => cell.trim().replaceAll("\\|", "|"));
}

function table(lines) {
  const head = cells(lines[0]);
  const sides = cells(lines[1]).map((cell) => cell.endsWith(":") ? (cell.startsWith(":") ? "middle" : "end") : "");
  const row = (texts, tag) => make("tr", {}, ...head.map((_, i) =>
    inline(make(tag, { class: sides[i] || null, scope: tag === "th" ? "col" : null }), texts[i] ?? "")));
  return make("div", { class: "wide", role: "region", tabindex: 0, "aria-label": "Table" },
    make("table", { class: "rows" }, make("thead", {}, row(head, "th")),
      make("tbody", {}, ...lines.slice(2).map((line) => row(cells(line), "td")))));
}

function code(text, language) {
  const said = make("span", {}, "Copy");
  const copy = make("button", { type: "button", class: "button quiet", onclick: async () => {
    try { await navigator.clipboard.writeText(text); said.textContent = "Copied"; }
    catch { said.textContent = "The browser forbids it"; }
    setTimeout(() => { said.textContent = "Copy"; }, 2000);
  } }, icon("copy"), said);
  return make("figure", { class: "code" },
    make("figcaption", {}, make("span", {}, language.slice(0, 40) || "text"), copy),
    make("pre", { tabindex: 0, "aria-label": "Code" }, make("code", { dir: "ltr" }, text)));
}

// -- inside a block

const SPECIAL = /\\[!-/:-@[-`{-~]|`+|!?\[|<(?:https?:\/\/|mailto:)[^\s<>]*>|https?:\/\/[^\s<>]+|\*+|_+|~~|\n/g;

/** Put the marked-up `text` of one block into `box`; returns it. Links are not made within links. */
function inline(box, text, linked = false) {
  const parts = []; // strings, nodes, and runs of emphasis signs
  const absent = new Set(); // lengths of backtick runs that do not come again
  let at = 0;
  const plain = (end) => { if (end > at) parts.push(text.slice(at, end)); };
  SPECIAL.lastIndex = 0;
  for (let match; (match = SPECIAL.exec(text)); SPECIAL.lastIndex = at) {
    const [found] = match;
    const start = match.index;
    let end = start + found.length;
    plain(start);
    at = end;
    const first = found[0];
    if (first === "\\") parts.push(found[1]);
    else if (found === "\n") parts.push(make("br"));
    else if (first === "`") {
      const close = absent.has(found.length) ? -1 : closingRun(text, end, found.length);
      if (close < 0) { absent.add(found.length); parts.push(found); continue; }
      parts.push(make("code", {}, text.slice(end, close).replace(/^ (.*) $/s, "$1")));
      at = close + found.length;
    } else if (found.endsWith("[")) {
      const link = linked ? null : bracketed(text, end);
      if (!link) { parts.push(found); continue; }
      const words = text.slice(end, link.middle);
      const image = found === "![";
      parts.push(anchor(link.address, (a) => image ? a.append(`image: ${words || link.address}`) : inline(a, words, true), text.slice(start, link.end)));
      at = link.end;
    } else if (first === "<" || first === "h") {
      const address = first === "<" ? found.slice(1, -1) : found.slice(0, withoutTail(found));
      parts.push(linked ? address : anchor(address, (a) => a.append(address), address));
      at = first === "<" ? end : start + address.length;
    } else parts.push(run(text, start, found));
  }
  SPECIAL.lastIndex = 0;
  plain(text.length);
  pairUp(parts.filter((part) => part.tags));
  return assemble(box, parts);
}

/** How long a bare address is without the signs of the sentence around it. */
function withoutTail(address) {
  const tail = address.includes("(") ? ".,:;!?'\"*_~" : ".,:;!?'\"*_~)";
  let end = address.length;
  while (tail.includes(address[end - 1])) end--;
  return end;
}

function closingRun(text, from, length) {
  const runs = /`+/g;
  runs.lastIndex = from;
  for (let run; (run = runs.exec(text));) if (run[0].length === length) return run.index;
  return -1;
}

/** What follows `[`: where `](` is and the address in it; null when it is no link. Brackets within are not looked for. */
function bracketed(text, from) {
  const rest = /[^[\]\n]{0,1000}(\]\(\s*)(?:<([^<>\n]{0,2000})>|([^\s()<>]{0,2000}(?:\([^\s()<>]{0,2000}\)[^\s()<>]{0,2000})?))(?:\s+"[^"\n]{0,500}")?\s*\)/y;
  rest.lastIndex = from;
  const match = rest.exec(text);
  return match && { middle: text.indexOf("](", from), address: match[2] ?? match[3], end: rest.lastIndex };
}

/** A link, or `otherwise` as plain text where the address is not one we let people follow. */
function anchor(address, fill, otherwise) {
  let url = null;
  try { url = new URL(address); } catch { /* no address */ }
  if (!url || !["http:", "https:", "mailto:"].includes(url.protocol)) return otherwise;
  const link = make("a", { href: url.href, title: url.href, target: "_blank", rel: "noopener noreferrer nofollow" });
  fill(link);
  return link;
}

/** A run of `*`, `_` or `~~`; `opens` and `closes` by what stands on either side of it. */
function run(text, start, signs) {
  const before = text[start - 1] ?? " ", after = text[start + signs.length] ?? " ";
  const space = /\s/, sign = /[\p{P}\p{S}]/u;
  const left = !space.test(after) && (!sign.test(after) || space.test(before) || sign.test(before));
  const right = !space.test(before) && (!sign.test(before) || space.test(after) || sign.test(after));
  const inWord = left && right && (signs[0] === "_" || (/\d/.test(before) && /\d/.test(after))); // snake_case, 2*3*4
  return {
    start, sign: signs[0], length: signs.length, tags: [], ends: 0,
    opens: left && (!inWord || sign.test(before)), closes: right && (!inWord || sign.test(after)),
  };
}

/** Pair runs that match: each closing run takes the nearest opening one. Linear in their number. */
function pairUp(runs) {
  const open = { "*": [], "_": [], "~": [] };
  const pairs = []; // the outermost so far: {start, depth}
  for (const closer of runs) {
    const stack = open[closer.sign];
    while (closer.closes && closer.length && stack.length) {
      const opener = stack.at(-1);
      let depth = 1;
      while (pairs.length && pairs.at(-1).start > opener.start) depth = Math.max(depth, 1 + pairs.pop().depth);
      if (pairs.length && pairs.at(-1).start === opener.start) depth = Math.max(depth, 1 + pairs.pop().depth);
      if (depth > DEEPEST) { stack.length = 0; break; } // too deep for every opening run before it, too
      pairs.push({ start: opener.start, depth });
      for (const other of Object.values(open)) while (other.length && other.at(-1).start > opener.start) other.pop();
      const width = closer.sign === "~" ? 2 : Math.min(2, opener.length, closer.length);
      opener.tags.unshift(closer.sign === "~" ? "del" : width === 2 ? "strong" : "em");
      closer.ends++;
      opener.length -= width;
      closer.length -= width;
      if (!opener.length) stack.pop();
    }
    if (closer.opens && closer.length) stack.push(closer);
  }
}

/** The parts as nodes in `box`, put into it at once, or it would look for its direction at every step. */
function assemble(box, parts) {
  const made = new DocumentFragment();
  let at = made;
  for (const part of parts) {
    if (!part.tags) { at.append(part); continue; }
    for (let end = 0; end < part.ends; end++) at = at.parentNode;
    if (part.length) at.append(part.sign.repeat(part.length));
    for (const tag of part.tags) at = at.appendChild(make(tag));
  }
  box.append(made);
  box.dir = "auto";
  return box;
}
