/** Bringing a list of nodes up to date while untouched ones stay as they are. */

import { focusable } from "./dom.js";

const HELD = new WeakMap();

/**
 * @param {Element} parent
 * @param {{key: string, sign: string, make: () => Node}[]} items a node is made anew only when its sign changes
 * @returns keys that were not there before
 */
export function reconcile(parent, items) {
  const before = HELD.get(parent) || new Map();
  const after = new Map();
  const fresh = [];
  let at = parent.firstChild;
  for (const { key, sign, make } of items) {
    const old = before.get(key);
    let node = old?.node;
    if (!old) fresh.push(key);
    if (!old || old.sign !== sign || !node.isConnected) {
      const made = make();
      if (node?.isConnected) {
        const held = focusMark(node);
        if (at === node) at = made;
        node.replaceWith(made);
        restoreFocus(made, held);
      }
      node = made;
    }
    if (node === at) at = at.nextSibling;
    else parent.insertBefore(node, at);
    after.set(key, { sign, node });
  }
  while (at) {
    const next = at.nextSibling;
    at.remove();
    at = next;
  }
  HELD.set(parent, after);
  return fresh;
}

/** Which control inside a node has the focus: its action id and where its caret stands. */
export function focusMark(node) {
  const now = document.activeElement;
  if (!now || now === document.body || !node.contains(now)) return null;
  const block = now.closest("[data-block-id]")?.dataset.blockId;
  return { action: now.dataset?.actionId, value: now.dataset?.value, block, start: now.selectionStart, end: now.selectionEnd };
}

/** Give the focus back after a node was made anew. */
export function restoreFocus(node, mark) {
  if (!mark) return;
  const same = mark.action && [...node.querySelectorAll("[data-action-id]")].filter((one) => one.dataset.actionId === mark.action && one.matches("button,input,textarea,a,select"))
    .find((one, _, all) => all.length === 1 || one.closest("[data-block-id]")?.dataset.blockId === mark.block);
  const target = same || (node.matches?.("[tabindex]") ? node : focusable(node)[0]);
  target?.focus({ preventScroll: true });
  if (same && typeof mark.start === "number") {
    try { same.setSelectionRange(mark.start, mark.end); } catch { /* not a text field */ }
  }
}
