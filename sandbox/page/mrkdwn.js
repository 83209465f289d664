/** Slack's mrkdwn, as nodes. */

import { slackDate } from "./dates.js";
import { h } from "./dom.js";
import { emoji, withEmoji } from "./emoji.js";
import { channelMention, groupMention, safeLink, specialMention, userMention } from "./mentions.js";

const ENTITIES = { "&amp;": "&", "&lt;": "<", "&gt;": ">" };
const unescape = (text) => text.replace(/&(?:amp|lt|gt);/g, (e) => ENTITIES[e]);
const WORD = /[\p{L}\p{N}]/u;
const MARKS = { "*": "strong", _: "em", "~": "s" };

/** Nodes of a plain_text object: line breaks and, unless refused, emoji. */
export function plain(text, withCodes = true) {
  return lines([document.createTextNode(withCodes ? withEmoji(text) : text)]);
}

/** Nodes of a mrkdwn text. `verbatim` switches off links for bare addresses. */
export function mrkdwn(text, { verbatim = false } = {}) {
  const out = [];
  const parts = text.split("```");
  parts.forEach((part, index) => {
    const fenced = index % 2 === 1 && index < parts.length - 1;
    if (fenced) {
      out.push(h("pre", { class: "pre" }, tokensInCode(part.replace(/^\n|\n$/g, ""))));
    } else {
      let open = index % 2 === 1 ? `\`\`\`${part}` : part;
      if (index > 0 && index % 2 === 0) open = open.replace(/^\n/, "");
      if (open) out.push(...quotes(open, verbatim));
    }
  });
  return out;
}

function quotes(text, verbatim) {
  const out = [];
  let quoted = [];
  let free = [];
  const flushQuote = () => {
    if (quoted.length) out.push(h("blockquote", { class: "quote" }, lines(inline(quoted.join("\n"), verbatim))));
    quoted = [];
  };
  const flushFree = () => {
    if (free.length) out.push(...lines(inline(free.join("\n"), verbatim)));
    free = [];
  };
  const rows = text.split("\n");
  for (let i = 0; i < rows.length; i += 1) {
    const deep = /^(?:&gt;|>){3} ?/.exec(rows[i]);
    const one = /^(?:&gt;|>) ?/.exec(rows[i]);
    if (deep) {
      flushFree();
      quoted.push(rows[i].slice(deep[0].length), ...rows.slice(i + 1));
      break;
    }
    if (one) {
      flushFree();
      quoted.push(rows[i].slice(one[0].length));
    } else {
      flushQuote();
      free.push(rows[i]);
    }
  }
  flushQuote();
  flushFree();
  return out;
}

/** Make "\n" in the text nodes into line breaks. */
export function lines(nodes) {
  return nodes.flatMap((node) => {
    if (node.nodeType !== Node.TEXT_NODE || !node.data.includes("\n")) return [node];
    return node.data.split("\n").flatMap((row, i) => (i ? [h("br"), document.createTextNode(row)] : [document.createTextNode(row)]));
  });
}

/** Inside code, Slack still shows links and mentions, but no other mark. */
function tokensInCode(text) {
  const out = [];
  let at = 0;
  for (const match of text.matchAll(/<([^<>\n]+)>/g)) {
    out.push(document.createTextNode(unescape(text.slice(at, match.index))), angle(match[1]));
    at = match.index + match[0].length;
  }
  out.push(document.createTextNode(unescape(text.slice(at))));
  return out;
}

function inline(text, verbatim) {
  const out = [];
  let buffer = "";
  const flush = () => {
    if (buffer) out.push(...bare(buffer, verbatim));
    buffer = "";
  };
  let i = 0;
  while (i < text.length) {
    const char = text[i];
    if (char === "<") {
      const end = text.indexOf(">", i);
      const body = end > i + 1 ? text.slice(i + 1, end) : "";
      if (body && !body.includes("<") && !body.includes("\n")) {
        flush();
        out.push(angle(body));
        i = end + 1;
        continue;
      }
    } else if (char === "`") {
      const end = text.indexOf("`", i + 1);
      if (end > i + 1 && !text.slice(i, end).includes("\n")) {
        flush();
        out.push(h("code", { class: "code" }, tokensInCode(text.slice(i + 1, end))));
        i = end + 1;
        continue;
      }
    } else if (MARKS[char] && opens(text, i)) {
      const end = closing(text, i);
      if (end > 0) {
        flush();
        out.push(h(MARKS[char], null, inline(text.slice(i + 1, end), verbatim)));
        i = end + 1;
        continue;
      }
    } else if (char === ":") {
      const match = /^:([a-z0-9_+'-]+(?:::skin-tone-[2-6])?):/.exec(text.slice(i, i + 60));
      const picture = match && emoji(match[1]);
      if (picture) {
        flush();
        out.push(h("span", { class: "emoji", role: "img", "aria-label": match[1].replaceAll("_", " "), title: match[0] }, picture));
        i += match[0].length;
        continue;
      }
    }
    buffer += char;
    i += 1;
  }
  flush();
  return out;
}

function opens(text, i) {
  const before = text[i - 1];
  const after = text[i + 1];
  if (after === undefined || /\s/.test(after) || after === text[i]) return false;
  return before === undefined || !(WORD.test(before) || before === text[i]);
}

function closing(text, i) {
  const mark = text[i];
  const stop = text.indexOf("\n", i);
  const limit = stop < 0 ? text.length : stop;
  for (let j = text.indexOf(mark, i + 1); j > 0 && j < limit; j = text.indexOf(mark, j + 1)) {
    const after = text[j + 1];
    if (!/\s/.test(text[j - 1]) && (after === undefined || !(WORD.test(after) || after === mark))) return j;
  }
  return -1;
}

/** Text with bare addresses as links, unless verbatim. */
function bare(text, verbatim) {
  const clean = unescape(text);
  if (verbatim || !clean.includes("://")) return [document.createTextNode(clean)];
  const out = [];
  let at = 0;
  for (const match of clean.matchAll(/https?:\/\/[^\s<>"']+[^\s<>"'.,;:!?)\]]/g)) {
    out.push(document.createTextNode(clean.slice(at, match.index)), safeLink(match[0], match[0]));
    at = match.index + match[0].length;
  }
  out.push(document.createTextNode(clean.slice(at)));
  return out;
}

/** What stands between `<` and `>`: a mention, a date or a link. */
function angle(body) {
  const [head, label] = split(body);
  if (/^@[UW]/.test(head)) return userMention(head.slice(1));
  if (/^#[CG]/.test(head)) return channelMention(head.slice(1), label && unescape(label));
  if (head.startsWith("!subteam^")) return groupMention(head.slice(9).split("^")[0], label && unescape(label));
  if (head.startsWith("!date^")) {
    const [, unix, pattern = "", link] = head.split("^");
    const words = slackDate(unix, unescape(pattern)) ?? unescape(label || "");
    const time = h("time", { class: "date-token", title: unescape(label || "") }, words);
    return link ? safeLink(link, time) : time;
  }
  if (head.startsWith("!")) return specialMention(head.slice(1).split("^")[0], label && unescape(label));
  return safeLink(unescape(head), label ? unescape(label) : unescape(head).replace(/^mailto:/, ""));
}

function split(body) {
  const bar = body.indexOf("|");
  return bar < 0 ? [body, ""] : [body.slice(0, bar), body.slice(bar + 1)];
}
