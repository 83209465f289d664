/** A small surface beside a control: menus and lists of options. One is open at a time. */

import { h } from "./dom.js";

let current = null;

/** Close what is open, giving focus back when asked. */
export function closePopover({ refocus = true } = {}) {
  if (!current) return;
  const { node, anchor, onClose, listeners } = current;
  current = null;
  for (const [target, type, listener] of listeners) target.removeEventListener(type, listener, true);
  node.remove();
  anchor.setAttribute("aria-expanded", "false");
  if (refocus && anchor.isConnected) anchor.focus();
  onClose?.();
}

/** True while a popover is open. */
export function popoverOpen() {
  return current !== null;
}

/**
 * Open a popover under (or above) its anchor.
 * @returns the node to fill
 */
export function openPopover(anchor, { className = "", onClose = null, width = null, align = "left" } = {}) {
  closePopover({ refocus: false });
  const node = h("div", { class: `popover ${className}`, "data-testid": "popover" });
  if (width) node.style.minWidth = `${width}px`;
  (anchor.closest("dialog, .modal-layer") || document.body).append(node);
  anchor.setAttribute("aria-expanded", "true");
  const listeners = [];
  const listen = (target, type, listener) => {
    target.addEventListener(type, listener, true);
    listeners.push([target, type, listener]);
  };
  listen(document, "pointerdown", (event) => {
    if (!node.contains(event.target) && !anchor.contains(event.target)) closePopover({ refocus: false });
  });
  listen(document, "keydown", (event) => {
    if (event.key === "Escape") {
      event.stopPropagation();
      event.preventDefault();
      closePopover();
    }
  });
  listen(window, "resize", () => closePopover({ refocus: false }));
  listen(document, "scroll", (event) => { if (!node.contains(event.target)) place(node, anchor, align); });
  current = { node, anchor, onClose, listeners };
  requestAnimationFrame(() => place(node, anchor, align));
  return node;
}

/** Put an open popover where its anchor is now. */
export function replacePopover(align = "left") {
  if (current) place(current.node, current.anchor, align);
}

function place(node, anchor, align) {
  const box = anchor.getBoundingClientRect();
  const { offsetWidth: width, offsetHeight: height } = node;
  const gap = 4;
  const below = innerHeight - box.bottom - gap;
  const top = below >= height || below >= box.top ? box.bottom + gap : box.top - height - gap;
  const left = align === "right" ? box.right - width : box.left;
  node.style.top = `${Math.max(8, Math.min(top, innerHeight - height - 8))}px`;
  node.style.left = `${Math.max(8, Math.min(left, innerWidth - width - 8))}px`;
}

/** A menu of actions: `[{label, danger, href, run}]`. */
export function openMenu(anchor, items, { label = "More actions" } = {}) {
  const node = openPopover(anchor, { className: "menu", align: "right" });
  node.setAttribute("role", "menu");
  node.setAttribute("aria-label", label);
  for (const item of items) {
    const props = {
      class: `menu-item${item.danger ? " menu-danger" : ""}`, role: "menuitem", tabindex: "-1", "data-testid": "menu-item",
      onclick: () => { closePopover(); item.run?.(); },
      ...(item.href ? { href: item.href, target: "_blank", rel: "noopener noreferrer nofollow" } : { type: "button" }),
    };
    node.append(h(item.href ? "a" : "button", props, item.node || item.label, item.description ? h("span", { class: "menu-note" }, item.description) : null));
  }
  const all = [...node.children];
  node.addEventListener("keydown", (event) => {
    const at = all.indexOf(document.activeElement);
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step) {
      event.preventDefault();
      all[(at + step + all.length) % all.length].focus();
    } else if (event.key === "Tab") {
      closePopover();
    }
  });
  all[0]?.focus({ preventScroll: true }); // at once: keys pressed in the same moment are meant for it
}
