/** The `rich_text` block, and the reverse for a rich_text_input. */

import { slackDate } from "./dates.js";
import { h } from "./dom.js";
import { emoji } from "./emoji.js";
import { channelMention, groupMention, safeLink, specialMention, userMention } from "./mentions.js";
import { lines } from "./mrkdwn.js";

/** Nodes of a rich_text block. */
export function richText(block) {
  return (block.elements || []).map(group);
}

function group(element) {
  switch (element.type) {
    case "rich_text_section": return h("div", { class: "rt-section" }, (element.elements || []).flatMap(leaf));
    case "rich_text_quote": return h("blockquote", { class: "quote" }, (element.elements || []).flatMap(leaf));
    case "rich_text_preformatted": return h("pre", { class: "pre" }, (element.elements || []).flatMap(leaf));
    case "rich_text_list": {
      const tag = element.style === "ordered" ? "ol" : "ul";
      return h(tag, { class: `list list-${element.indent || 0}`, start: tag === "ol" && element.offset ? element.offset + 1 : false,
        style: { marginLeft: `${(element.indent || 0) * 22}px` } },
      (element.elements || []).map((item) => h("li", null, (item.elements || []).flatMap(leaf))));
    }
    default: return h("div", { class: "unsupported" }, `(${element.type})`);
  }
}

function leaf(element) {
  let nodes;
  switch (element.type) {
    case "text": nodes = lines([document.createTextNode(element.text || "")]); break;
    case "link": nodes = [safeLink(element.url || "", element.text || element.url || "")]; break;
    case "user": nodes = [userMention(element.user_id)]; break;
    case "channel": nodes = [channelMention(element.channel_id)]; break;
    case "usergroup": nodes = [groupMention(element.usergroup_id)]; break;
    case "broadcast": nodes = [specialMention(element.range)]; break;
    case "emoji": nodes = [h("span", { class: "emoji", role: "img", "aria-label": element.name }, emoji(element.name || "") || `:${element.name}:`)]; break;
    case "date": nodes = [h("time", { class: "date-token" }, slackDate(element.timestamp, element.format || "") ?? element.fallback ?? "")]; break;
    case "color": nodes = [h("span", { class: "swatch", style: { background: /^#[0-9a-f]{3,8}$/i.test(element.value) ? element.value : "transparent" } }), element.value]; break;
    default: nodes = [document.createTextNode(`(${element.type})`)];
  }
  const style = element.style || {};
  if (style.code) nodes = [h("code", { class: "code" }, nodes)];
  if (style.strike) nodes = [h("s", null, nodes)];
  if (style.italic) nodes = [h("em", null, nodes)];
  if (style.bold) nodes = [h("strong", null, nodes)];
  if (style.underline) nodes = [h("u", null, nodes)];
  return nodes;
}

/** What a person typed, as a rich_text value: one section, line breaks kept. */
export function typedRichText(text) {
  if (!text) return null;
  return { type: "rich_text", elements: [{ type: "rich_text_section", elements: [{ type: "text", text }] }] };
}

/** The words of a rich_text value, to edit them again. */
export function richTextWords(value) {
  return (value?.elements || []).map((part) => (part.elements || []).map((e) => e.text || "").join("")).join("\n");
}
