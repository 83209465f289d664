/** Slack's "Are you sure?" before an action. */

import { fill, focusable, h } from "./dom.js";
import { textNodes, words } from "./text.js";

/** Ask; resolves to true when the person confirms. */
export function confirmFirst(confirm) {
  return new Promise((resolve) => {
    const before = document.activeElement;
    const dialog = h("dialog", { class: "confirm", "aria-label": words(confirm.title), "data-testid": "confirm" });
    const done = (answer) => {
      dialog.close();
      dialog.remove();
      if (before?.isConnected) before.focus();
      resolve(answer);
    };
    fill(dialog,
      h("h2", { class: "confirm-title" }, textNodes(confirm.title)),
      h("div", { class: "confirm-text" }, textNodes(confirm.text)),
      h("div", { class: "confirm-buttons" },
        h("button", { class: "button", type: "button", "data-testid": "confirm-deny", onclick: () => done(false) }, confirm.deny ? textNodes(confirm.deny) : "Cancel"),
        h("button", { class: `button ${confirm.style === "danger" ? "button-danger-full" : "button-primary"}`, type: "button", "data-testid": "confirm-yes", onclick: () => done(true) },
          confirm.confirm ? textNodes(confirm.confirm) : "Yes")));
    dialog.addEventListener("cancel", (event) => { event.preventDefault(); done(false); });
    dialog.addEventListener("keydown", (event) => event.stopPropagation());
    document.body.append(dialog);
    dialog.showModal();
    focusable(dialog).at(-1)?.focus();
  });
}
