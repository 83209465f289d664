/** A picture as large as the window allows, over everything, also over a modal. */

import { fill, h, icon } from "./dom.js";

/** Show a picture; Escape, the cross or a click beside it puts it away and gives the focus back. */
export function enlarge(source, title, alt) {
  const before = document.activeElement;
  const dialog = h("dialog", { class: "lightbox", "aria-label": title || alt, "data-testid": "lightbox" });
  const done = () => {
    dialog.close();
    dialog.remove();
    if (before?.isConnected) before.focus();
  };
  fill(dialog,
    h("div", { class: "lightbox-head" },
      h("strong", { class: "lightbox-title", dir: "auto" }, title),
      h("button", { class: "tool", type: "button", "aria-label": "Close the picture", "data-testid": "lightbox-close", onclick: done }, icon("close"))),
    h("img", { class: "lightbox-picture", src: source, alt, referrerpolicy: "no-referrer" }),
    h("p", { class: "lightbox-alt", dir: "auto" }, alt));
  dialog.addEventListener("cancel", (event) => { event.preventDefault(); done(); });
  dialog.addEventListener("keydown", (event) => event.stopPropagation());
  dialog.addEventListener("click", (event) => { if (event.target === dialog) done(); });
  document.body.append(dialog);
  dialog.showModal();
}
