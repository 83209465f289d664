/** Block Kit blocks as nodes. */

import { actions, contextActions, element } from "./elements.js";
import { h, icon, uid } from "./dom.js";
import { enlarge } from "./lightbox.js";
import { markdown } from "./markdown.js";
import { richText } from "./richtext.js";
import { textNodes, textSpan, words } from "./text.js";

/**
 * Nodes of a list of blocks.
 * @param {object[]} blocks
 * @param {object} ctx `{container: what a click names, form: FormState, errors?: {block_id: text}, redraw?: () => void}`
 */
export function renderBlocks(blocks, ctx) {
  return (blocks || []).map((block, index) => {
    const known = block.block_id ? block : { ...block, block_id: `b${index}` };
    try {
      return one(known, ctx);
    } catch (error) {
      console.error(error);
      return unsupported(block);
    }
  });
}

function unsupported(block) {
  return h("div", { class: "unsupported" }, `(a block of type ${block.type} that this page cannot show)`);
}

function shell(block, className, ...children) {
  return h("div", { class: `block ${className}`, "data-block-id": block.block_id, "data-testid": `block-${block.type}` }, children);
}

function one(block, ctx) {
  switch (block.type) {
    case "section": return section(block, ctx);
    case "header": return shell(block, "block-header", h("div", { role: "heading", "aria-level": 3, dir: "auto" }, textNodes(block.text)));
    case "divider": return shell(block, "block-divider", h("hr", { class: "divider" }));
    case "context": return shell(block, "block-context", (block.elements || []).map((part) => (
      part.type === "image" ? picture(part, "context-image") : h("span", { class: "context-text", dir: "auto" }, textNodes(part)))));
    case "actions": return shell(block, "block-actions", actions(block, ctx));
    case "context_actions": return shell(block, "block-actions", contextActions(block, ctx));
    case "input": return input(block, ctx);
    case "image": return image(block);
    case "rich_text": return shell(block, "block-rich", richText(block));
    case "markdown": return shell(block, "block-markdown", h("div", { dir: "auto" }, markdown(block.text || "")));
    case "table": return table(block);
    case "video": return shell(block, "block-video", h("div", { class: "image-title" }, textNodes(block.title)), picture({ image_url: block.thumbnail_url, alt_text: block.alt_text }));
    case "file": return shell(block, "block-file", h("div", { class: "unsupported" }, `File ${block.external_id || ""}`));
    default: return unsupported(block);
  }
}

function section(block, ctx) {
  const accessory = block.accessory;
  const side = accessory && ["image", "button", "overflow", "workflow_button"].includes(accessory.type);
  return shell(block, `block-section${accessory ? (side ? " with-side" : " with-accessory") : ""}`,
    h("div", { class: "section-body" },
      block.text ? h("div", { class: "section-text", dir: "auto" }, textNodes(block.text)) : null,
      block.fields?.length ? h("div", { class: "fields" }, block.fields.map((field) => h("div", { class: "field", dir: "auto" }, textNodes(field)))) : null),
    accessory ? h("div", { class: "accessory" }, accessory.type === "image" ? picture(accessory, "accessory-image") : element(block, accessory, ctx)) : null);
}

function input(block, ctx) {
  const id = uid("field");
  const error = ctx.errors?.[block.block_id];
  const errorId = `${id}-error`;
  const hintId = `${id}-hint`;
  const group = ["checkboxes", "radio_buttons"].includes(block.element?.type);
  const described = [error ? errorId : "", block.hint ? hintId : ""].filter(Boolean).join(" ");
  const label = [textNodes(block.label), block.optional ? h("span", { class: "optional" }, " (optional)") : null];
  return shell(block, `block-input${error ? " has-error" : ""}`,
    group ? h("div", { class: "input-label", id: `${id}-label` }, label) : h("label", { class: "input-label", for: id, id: `${id}-label` }, label),
    element(block, block.element, ctx, { id, labelId: `${id}-label`, label: words(block.label), described, invalid: Boolean(error), quiet: !block.dispatch_action, required: !block.optional }),
    error ? h("div", { class: "field-error", id: errorId, role: "alert", "data-testid": "field-error" }, icon("warn", 16), h("span", null, error)) : null,
    block.hint ? h("div", { class: "input-hint", id: hintId }, textNodes(block.hint)) : null);
}

/** Where a picture of an image block or element is; empty when it names none. A Slack file is fetched from this page's own place. */
export function sourceOf(part) {
  if (part.image_url) return part.image_url;
  const id = part.slack_file?.id || /\b(F[A-Z0-9]{8,})\/[^/?#]+$/.exec(part.slack_file?.url || "")?.[1];
  return id ? `/sandbox/files/${encodeURIComponent(id)}` : "";
}

/** A picture, with its alt text when it cannot be loaded. */
export function picture(part, className = "") {
  const alt = part.alt_text || "";
  const source = sourceOf(part);
  const fallback = () => h("span", { class: `image-missing ${className}`, role: "img", "aria-label": alt }, alt || "(picture)");
  if (!/^(https?:|\/sandbox\/)/.test(source)) return fallback();
  const node = h("img", { src: source, alt, title: alt, class: className, loading: "lazy", referrerpolicy: "no-referrer" });
  node.addEventListener("error", () => {
    const button = node.closest(".image-link");
    if (button) button.disabled = true;
    node.replaceWith(fallback());
  });
  return node;
}

function image(block) {
  const title = block.title ? words(block.title) : "";
  return shell(block, "block-image",
    title ? h("div", { class: "image-title", dir: "auto" }, textNodes(block.title)) : null,
    h("button", { class: "image-link", type: "button", "aria-label": `Enlarge: ${title || block.alt_text}`, "data-testid": "enlarge", onclick: () => enlarge(sourceOf(block), title, block.alt_text || "") }, picture(block, "block-picture")));
}

function table(block) {
  const settings = block.column_settings || [];
  const cell = (part, n, tag) => h(tag, {
    style: { textAlign: settings[n]?.align || "left", whiteSpace: settings[n]?.is_wrapped ? "normal" : "nowrap" }, dir: "auto",
  }, part?.type === "rich_text" ? richText(part) : part?.type === "raw_number" ? String(part.value ?? part.text ?? "") : part?.text ?? "");
  const [head, ...rows] = block.rows || [];
  return shell(block, "block-table", h("div", { class: "table-scroll", tabindex: "0", role: "region", "aria-label": "Table" }, h("table", { class: "table" },
    h("thead", null, h("tr", null, (head || []).map((part, n) => cell(part, n, "th")))),
    h("tbody", null, rows.map((row) => h("tr", null, row.map((part, n) => cell(part, n, "td"))))))));
}

/** Attachments of older apps: a coloured bar, texts, fields, blocks. */
export function renderAttachments(attachments, ctx) {
  return (attachments || []).map((part) => h("div", { class: "attachment", style: { borderLeftColor: /^#?[0-9a-f]{3,6}$/i.test(part.color || "") ? `#${part.color.replace("#", "")}` : "" } },
    part.pretext ? h("div", null, textSpan({ type: "mrkdwn", text: part.pretext })) : null,
    part.author_name ? h("div", { class: "attachment-author" }, part.author_name) : null,
    part.title ? h("div", { class: "attachment-title" }, textSpan({ type: "mrkdwn", text: part.title })) : null,
    part.blocks ? renderBlocks(part.blocks, ctx) : part.text ? h("div", { dir: "auto" }, textNodes({ type: "mrkdwn", text: part.text })) : null,
    part.fields ? h("div", { class: "fields" }, part.fields.map((field) => h("div", { class: "field" }, h("strong", null, field.title || ""), h("br"), textSpan({ type: "mrkdwn", text: String(field.value ?? "") })))) : null,
    part.footer ? h("div", { class: "context-text" }, part.footer) : null));
}
