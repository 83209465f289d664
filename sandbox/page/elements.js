/** Block elements: buttons and menus here, the others by their own modules. */

import { checkboxes, radioButtons } from "./choices.js";
import { confirmFirst } from "./confirm.js";
import { act } from "./dispatch.js";
import { h, icon } from "./dom.js";
import { dateField, dateTimeField, richField, textField, timeField, fileField } from "./fields.js";
import { openMenu } from "./popover.js";
import { select } from "./selects.js";
import { textNodes, textSpan, words } from "./text.js";

const KINDS = {
  button, workflow_button: button, overflow, feedback_buttons: feedback, icon_button: iconButton,
  radio_buttons: radioButtons, checkboxes,
  plain_text_input: textField, number_input: textField, email_text_input: textField, url_text_input: textField,
  rich_text_input: richField, datepicker: dateField, timepicker: timeField, datetimepicker: dateTimeField, file_input: fileField,
};

/**
 * One element in its holder.
 * @param {object} field of an input block: `{id, labelId, label, described, invalid, quiet}`; quiet elements tell the app nothing until submission
 */
export function element(block, part, ctx, field = {}) {
  const draw = KINDS[part?.type] || (/_select$/.test(part?.type || "") ? select : null);
  if (!draw) return h("span", { class: "unsupported" }, `(${part?.type || "no element"})`);
  const known = part.action_id ? part : { ...part, action_id: `a-${block.block_id}` };
  return h("span", {
    class: `el el-${part.type}`, "data-element": part.type, "data-action-id": field.id ? known.action_id : false,
  }, draw(block, known, ctx, field));
}

/** Elements of an actions block. */
export function actions(block, ctx) {
  return (block.elements || []).map((part, n) => element(block, part.action_id ? part : { ...part, action_id: `a-${block.block_id}-${n}` }, ctx));
}

/** Elements of a context_actions block. */
export function contextActions(block, ctx) {
  return actions(block, ctx);
}

function button(block, part, ctx) {
  const style = part.style === "primary" ? "button-primary" : part.style === "danger" ? "button-danger" : "";
  const props = {
    class: `button ${style}`, "data-action-id": part.action_id, "data-value": part.value || false, "data-testid": `action-${part.action_id}`,
    "aria-label": part.accessibility_label || false, title: words(part.text).length > 30 ? words(part.text) : false,
  };
  const label = h("span", { class: "button-words", dir: "auto" }, textNodes(part.text));
  const press = (event) => {
    const node = event.currentTarget;
    if (node.getAttribute("aria-busy")) return;
    act(ctx, block, part, { value: part.value, text: part.text }, node);
  };
  if (part.url && /^https?:/i.test(part.url)) {
    return h("a", { ...props, href: part.url, target: "_blank", rel: "noopener noreferrer nofollow", onclick: press }, label);
  }
  return h("button", { ...props, type: "button", onclick: press }, label);
}

function overflow(block, part, ctx) {
  const node = h("button", {
    class: "button button-icon", type: "button", "aria-label": "More options", "aria-haspopup": "menu", "aria-expanded": "false",
    "data-action-id": part.action_id, "data-testid": `action-${part.action_id}`,
  }, icon("more"));
  node.addEventListener("click", () => openMenu(node, (part.options || []).map((option) => ({
    node: textSpan(option.text), description: option.description ? words(option.description) : null,
    href: option.url && /^https?:/i.test(option.url) ? option.url : null,
    run: () => act(ctx, block, part, { selected_option: option }, node),
  }))));
  return node;
}

function feedback(block, part, ctx) {
  return [part.positive_button, part.negative_button].filter(Boolean).map((choice) => h("button", {
    class: "button button-small", type: "button", "data-action-id": part.action_id, "data-value": choice.value, "data-testid": `action-${part.action_id}`,
    onclick: (event) => act(ctx, block, part, { value: choice.value, text: choice.text }, event.currentTarget),
  }, textNodes(choice.text)));
}

function iconButton(block, part, ctx) {
  return h("button", {
    class: "button button-small", type: "button", "data-action-id": part.action_id, "aria-label": words(part.text), "data-testid": `action-${part.action_id}`,
    onclick: (event) => act(ctx, block, part, { value: part.value, text: part.text }, event.currentTarget),
  }, textNodes(part.text));
}

/** Ask the confirm dialog of an element, if it has one. */
export async function confirmed(part) {
  return !part.confirm || confirmFirst(part.confirm);
}
