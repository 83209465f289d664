/** Radio buttons and checkboxes. */

import { act } from "./dispatch.js";
import { h, uid } from "./dom.js";
import { textNodes } from "./text.js";

function option(kind, name, choice, checked, field, change) {
  const id = uid("choice");
  return h("div", { class: "choice" },
    h("input", { type: kind, id, name, value: choice.value, checked, "data-value": choice.value, "aria-invalid": field.invalid ? "true" : false, onchange: change }),
    h("label", { for: id },
      h("span", { class: "choice-text", dir: "auto" }, textNodes(choice.text)),
      choice.description ? h("span", { class: "choice-note", dir: "auto" }, textNodes(choice.description)) : null));
}

function group(role, part, field, children) {
  return h("div", {
    class: "choices", role, id: field.id || false, "aria-labelledby": field.labelId || false, "aria-label": field.labelId ? false : "Options",
    "aria-describedby": field.described || false, "data-action-id": part.action_id, "data-testid": `action-${part.action_id}`,
  }, children);
}

/** `radio_buttons`. */
export function radioButtons(block, part, ctx, field) {
  const held = ctx.form.start(block, part, { selected_option: part.initial_option || null });
  const name = uid("radio");
  return group("radiogroup", part, field, (part.options || []).map((choice) => option("radio", name, choice, held.selected_option?.value === choice.value, field, async (event) => {
    const node = event.currentTarget;
    const before = ctx.form.get(block, part)?.selected_option || null;
    ctx.form.set(block, part, { selected_option: choice });
    if (field.quiet) return;
    if (!(await act(ctx, block, part, { selected_option: choice }, node)) && part.confirm) {
      ctx.form.set(block, part, { selected_option: before });
      for (const radio of node.closest(".choices").querySelectorAll("input")) radio.checked = radio.value === before?.value;
    }
  })));
}

/** `checkboxes`. */
export function checkboxes(block, part, ctx, field) {
  const held = ctx.form.start(block, part, { selected_options: part.initial_options || [] });
  const chosen = new Set(held.selected_options.map((choice) => choice.value));
  return group("group", part, field, (part.options || []).map((choice) => option("checkbox", uid("box"), choice, chosen.has(choice.value), field, async (event) => {
    const node = event.currentTarget;
    const before = ctx.form.get(block, part)?.selected_options || [];
    const now = new Set(before.map((known) => known.value));
    if (node.checked) now.add(choice.value);
    else now.delete(choice.value);
    const selected = part.options.filter((known) => now.has(known.value));
    ctx.form.set(block, part, { selected_options: selected });
    if (field.quiet) return;
    if (!(await act(ctx, block, part, { selected_options: selected }, node)) && part.confirm) {
      ctx.form.set(block, part, { selected_options: before });
      node.checked = !node.checked;
    }
  })));
}
