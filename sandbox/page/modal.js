/** Modals: the top of the acting person's stack. */

import { post } from "./api.js";
import { renderBlocks } from "./blocks.js";
import { trouble } from "./dispatch.js";
import { fill, focusable, h, icon } from "./dom.js";
import { forgetState, formState } from "./formstate.js";
import { focusMark, restoreFocus } from "./keyed.js";
import { avatar } from "./people.js";
import { closePopover, popoverOpen } from "./popover.js";
import { refresh } from "./refresh.js";
import { on, person, state } from "./state.js";
import { textNodes, words } from "./text.js";
import { check } from "./validity.js";

let layer = null;
let shown = null; // id of the view that is drawn
let sign = null;
let errors = {};
let banner = null;
let busy = false;
let before = null; // what had the focus before the first modal opened

const top = () => state.views.modals.at(-1) || null;

function closeLayer() {
  closePopover({ refocus: false });
  if (shown) forgetState(`v:${shown}`);
  layer?.remove();
  layer = null;
  shown = null;
  sign = null;
  errors = {};
  banner = null;
  document.getElementById("app").inert = false;
  if (before?.isConnected) before.focus();
  before = null;
}

function draw() {
  const view = top();
  if (!view) {
    if (layer) closeLayer();
    return;
  }
  const next = `${view.id}|${view.hash}|${state.boot.version}|${state.views.modals.length}|${JSON.stringify(errors)}|${banner}`;
  if (layer && next === sign) return;
  const same = shown === view.id;
  if (!same) {
    errors = {};
    banner = null;
  }
  const known = new Set(view.blocks.map((block) => block.block_id));
  errors = Object.fromEntries(Object.entries(errors).filter(([id]) => known.has(id)));
  if (!layer) {
    before = document.activeElement;
    layer = h("div", { class: "modal-layer" });
    layer.addEventListener("keydown", keys);
    document.body.append(layer);
    document.getElementById("app").inert = true;
  }
  const held = same ? focusMark(layer) : null;
  const scroll = same ? layer.querySelector(".modal-body")?.scrollTop || 0 : 0;
  closePopover({ refocus: false });
  const form = formState(`v:${view.id}`);
  for (const [block, values] of Object.entries(view.state?.values || {})) form.values[block] = { ...values, ...form.values[block] };
  form.keepOnly(view.blocks);
  fill(layer, dialog(view, form));
  const body = layer.querySelector(".modal-body");
  body.scrollTop = scroll;
  shown = view.id;
  sign = `${view.id}|${view.hash}|${state.boot.version}|${state.views.modals.length}|${JSON.stringify(errors)}|${banner}`;
  const wrong = Object.keys(errors).length ? body.querySelector(".has-error :is(input,textarea,button)") : null;
  if (wrong && !held?.fresh) wrong.focus();
  else if (held) restoreFocus(layer, held);
  else (body.querySelector('[data-focus="true"]') || body.querySelector(".block-input :is(input,textarea,button)") || focusable(body)[0] || focusable(layer.querySelector(".modal-foot"))[0] || layer.querySelector(".modal"))?.focus();
}

function dialog(view, form) {
  const depth = state.views.modals.length;
  const ctx = { container: { view_id: view.id }, form, errors };
  return h("div", { class: "modal", role: "dialog", "aria-modal": "true", "aria-labelledby": "modal-title", tabindex: "-1", "data-testid": "modal", "data-view-id": view.id, "data-callback-id": view.callback_id || false },
    h("header", { class: "modal-head" },
      depth > 1 ? h("button", { class: "tool", type: "button", "aria-label": "Back", "data-testid": "modal-back", onclick: () => close(view, false) }, icon("back")) : avatar(person(state.boot.app.bot_user), 24),
      h("h2", { id: "modal-title" }, textNodes(view.title)),
      h("button", { class: "tool", type: "button", "aria-label": depth > 1 ? "Close all" : "Close", "data-testid": "modal-x", onclick: () => close(view, depth > 1) }, icon("close"))),
    banner ? h("div", { class: "modal-banner", role: "alert", "data-testid": "modal-banner" }, icon("warn", 18), banner) : null,
    h("form", { class: "modal-form", novalidate: true, onsubmit: (event) => { event.preventDefault(); submit(view, form); } },
      h("div", { class: "modal-body blocks" }, renderBlocks(view.blocks, ctx)),
      h("footer", { class: "modal-foot" },
        h("button", { class: "button", type: "button", "data-testid": "modal-close", onclick: () => close(view, false) }, view.close ? words(view.close) : view.submit ? "Cancel" : "Close"),
        view.submit ? h("button", { class: "button button-primary", type: "submit", "data-testid": "modal-submit" }, words(view.submit)) : null)));
}

async function submit(view, form) {
  if (busy) return;
  const found = check(view.blocks, form);
  if (Object.keys(found).length) {
    errors = found;
    banner = null;
    draw();
    return;
  }
  busy = true;
  const button = layer.querySelector('[data-testid="modal-submit"]');
  button.classList.add("waiting");
  button.setAttribute("aria-busy", "true");
  let outcome;
  try {
    outcome = await post("submit", { user: state.route.user, view_id: view.id, values: form.values });
  } catch (error) {
    outcome = { ok: false, explanation: error.message, errors: {} };
  }
  busy = false;
  button.classList.remove("waiting");
  button.removeAttribute("aria-busy");
  errors = outcome.errors || {};
  banner = outcome.ok || Object.keys(errors).length ? null : outcome.explanation || trouble(outcome);
  sign = null;
  await refresh("views");
  draw();
}

async function close(view, clear) {
  if (busy) return;
  busy = true;
  try {
    await post("close", { user: state.route.user, view_id: view.id, clear });
  } catch (error) {
    banner = error.message;
  } finally {
    busy = false;
  }
  await refresh("views");
}

function keys(event) {
  if (event.key === "Escape" && !popoverOpen()) {
    event.preventDefault();
    close(top(), false);
  } else if (event.key === "Tab" && !popoverOpen()) {
    const all = focusable(layer);
    const edge = event.shiftKey ? all[0] : all.at(-1);
    if (document.activeElement === edge || !layer.contains(document.activeElement)) {
      event.preventDefault();
      (event.shiftKey ? all.at(-1) : all[0])?.focus();
    }
  } else if (event.key === "Enter" && (event.metaKey || event.ctrlKey)) {
    event.preventDefault();
    layer.querySelector("form")?.requestSubmit();
  }
}

/** Set up the modals. */
export function startModals() {
  on(["views", "boot"], draw);
}
