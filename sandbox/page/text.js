/** A text object, whichever kind it is. */

import { h } from "./dom.js";
import { mrkdwn, plain } from "./mrkdwn.js";

/** Nodes of a `plain_text` or `mrkdwn` object. */
export function textNodes(text) {
  if (!text) return [];
  if (text.type === "mrkdwn") return mrkdwn(text.text || "", { verbatim: Boolean(text.verbatim) });
  return plain(text.text || "", text.emoji !== false);
}

/** A text object in a span. */
export function textSpan(text, className = "") {
  return h("span", { class: className || false, dir: "auto" }, textNodes(text));
}

/** The words of a text object without marks, for labels. */
export function words(text) {
  return h("span", null, textNodes(text)).textContent;
}
