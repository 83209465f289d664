/** Standard Markdown of the `markdown` block, as nodes: headings, lists, quotes, code, tables, inline marks. */

import { h } from "./dom.js";
import { emoji } from "./emoji.js";
import { safeLink, userMention } from "./mentions.js";

/** Nodes of a Markdown text. */
export function markdown(text) {
  const rows = text.replace(/\r\n?/g, "\n").split("\n");
  const out = [];
  let i = 0;
  while (i < rows.length) {
    const row = rows[i];
    const fence = /^\s*```/.test(row);
    const heading = /^(#{1,6})\s+(.*?)\s*#*$/.exec(row);
    if (fence) {
      const body = [];
      for (i += 1; i < rows.length && !/^\s*```/.test(rows[i]); i += 1) body.push(rows[i]);
      i += 1;
      out.push(h("pre", { class: "pre" }, body.join("\n")));
    } else if (heading) {
      out.push(h("div", { class: `md-heading md-heading-${heading[1].length}`, role: "heading", "aria-level": heading[1].length + 2 }, inline(heading[2])));
      i += 1;
    } else if (/^\s*([-*_])(\s*\1){2,}\s*$/.test(row)) {
      out.push(h("hr", { class: "divider" }));
      i += 1;
    } else if (/^\s*>/.test(row)) {
      const body = [];
      for (; i < rows.length && /^\s*>/.test(rows[i]); i += 1) body.push(rows[i].replace(/^\s*> ?/, ""));
      out.push(h("blockquote", { class: "quote" }, markdown(body.join("\n"))));
    } else if (isTable(rows, i)) {
      const from = i;
      for (i += 2; i < rows.length && rows[i].includes("|"); i += 1);
      out.push(table(rows.slice(from, i)));
    } else if (item(row)) {
      const body = [];
      for (; i < rows.length && (item(rows[i]) || /^\s{2,}\S/.test(rows[i])); i += 1) body.push(rows[i]);
      out.push(list(body));
    } else if (!row.trim()) {
      i += 1;
    } else {
      const body = [];
      for (; i < rows.length && rows[i].trim() && !item(rows[i]) && !/^\s*(```|>|#{1,6}\s)/.test(rows[i]); i += 1) body.push(rows[i]);
      out.push(h("p", { class: "md-p" }, body.flatMap((line, n) => (n ? [h("br"), ...inline(line)] : inline(line)))));
    }
  }
  return out;
}

function item(row) {
  return /^(\s*)([-*+]|\d{1,9}[.)])\s+(.*)$/.exec(row);
}

function list(rows) {
  const first = item(rows[0]);
  const ordered = /\d/.test(first[2]);
  const node = h(ordered ? "ol" : "ul", { class: "list", start: ordered ? Number.parseInt(first[2], 10) : false });
  const depth = first[1].length;
  for (let i = 0; i < rows.length;) {
    const match = item(rows[i]);
    const inner = [];
    let next = i + 1;
    for (; next < rows.length; next += 1) {
      const deeper = item(rows[next]);
      if (deeper && deeper[1].length <= depth) break;
      inner.push(rows[next]);
    }
    const words = match ? match[3] : rows[i].trim();
    const task = /^\[([ xX])\]\s+/.exec(words);
    node.append(h("li", null, task ? (task[1] === " " ? "☐ " : "☑ ") : null, inline(task ? words.slice(task[0].length) : words),
      inner.length ? markdown(inner.map((line) => line.replace(/^\s{1,4}/, "")).join("\n")) : null));
    i = next;
  }
  return node;
}

function isTable(rows, i) {
  return rows[i].includes("|") && i + 1 < rows.length && /^\s*\|?\s*:?-+:?\s*(\|\s*:?-+:?\s*)*\|?\s*$/.test(rows[i + 1]) && rows[i + 1].includes("|");
}

function cells(row) {
  return row.trim().replace(/^\||\|$/g, "").split("|").map((cell) => cell.trim());
}

function table(rows) {
  const aligns = cells(rows[1]).map((cell) => (/^:.*:$/.test(cell) ? "center" : cell.endsWith(":") ? "right" : "left"));
  const line = (row, tag) => h("tr", null, cells(row).map((cell, n) => h(tag, { style: { textAlign: aligns[n] || "left" } }, inline(cell))));
  return h("div", { class: "table-scroll" }, h("table", { class: "table" },
    h("thead", null, line(rows[0], "th")), h("tbody", null, rows.slice(2).map((row) => line(row, "td")))));
}

const INLINE = /(`+)([^`]+?)\1|!?\[([^\]]*)\]\(([^\s)]+)\)|\*\*([^*]+(?:\*[^*]+)*?)\*\*|__([^_]+)__|~~([^~]+)~~|\*([^*\s][^*]*)\*|\b_([^_]+)_\b|<(https?:[^>\s]+)>|<@([UW][A-Z0-9]+)>|:([a-z0-9_+-]+):|(https?:\/\/[^\s<>)]+[^\s<>).,;:!?])/;

function inline(text) {
  const out = [];
  let rest = text;
  for (let match = INLINE.exec(rest); match; match = INLINE.exec(rest)) {
    if (match.index) out.push(document.createTextNode(rest.slice(0, match.index)));
    out.push(...node(match));
    rest = rest.slice(match.index + match[0].length);
  }
  if (rest) out.push(document.createTextNode(rest));
  return out;
}

function node(match) {
  const [whole, , code, label, address, strong, strong2, strike, em, em2, auto, user, short, bare] = match;
  if (code !== undefined) return [h("code", { class: "code" }, code)];
  if (address !== undefined) return [safeLink(address, label || address)];
  if (strong ?? strong2) return [h("strong", null, inline(strong ?? strong2))];
  if (strike !== undefined) return [h("s", null, inline(strike))];
  if (em ?? em2) return [h("em", null, inline(em ?? em2))];
  if (auto) return [safeLink(auto, auto)];
  if (user) return [userMention(user)];
  if (short) return [document.createTextNode(emoji(short) || whole)];
  return [safeLink(bare, bare)];
}
