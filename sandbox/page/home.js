/** The app's Home tab and its About page. */

import { renderBlocks } from "./blocks.js";
import { fill, h } from "./dom.js";
import { formState } from "./formstate.js";
import { focusMark, restoreFocus } from "./keyed.js";
import { avatar } from "./people.js";
import { person, state } from "./state.js";

let shown = null;

/** Draw the Home tab into a node; nothing is touched while it is the same. */
export function homeNode(node) {
  const view = state.views.home;
  const sign = `${state.route.user}|${state.boot.version}|${view ? `${view.id}|${view.hash}` : "none"}`;
  if (shown === sign && node.dataset.kind === "home") return;
  shown = sign;
  node.dataset.kind = "home";
  if (!view) {
    fill(node, h("div", { class: "empty", "data-testid": "home-empty" }, avatar(person(state.boot.app.bot_user), 64),
      h("h2", null, "This is a work in progress"), h("p", null, `${state.boot.app.name} has not published anything here yet.`)));
    return;
  }
  const form = formState(`v:${view.id}`);
  for (const [block, held] of Object.entries(view.state?.values || {})) form.values[block] = { ...held, ...form.values[block] };
  form.keepOnly(view.blocks);
  const held = focusMark(node);
  const scroll = node.scrollTop;
  fill(node, h("div", { class: "home blocks", "data-testid": "home" }, renderBlocks(view.blocks, { container: { view_id: view.id }, form })));
  node.scrollTop = scroll;
  restoreFocus(node, held);
}

/** What an app's About page says: description and commands. */
export function aboutNode() {
  shown = null;
  document.getElementById("surface").dataset.kind = "about";
  const { app } = state.boot;
  return h("div", { class: "about", "data-testid": "about" },
    h("div", { class: "about-head" }, avatar(person(app.bot_user), 72), h("div", null, h("h2", null, app.name), h("p", null, app.description))),
    app.long_description ? h("p", { class: "about-long" }, app.long_description) : null,
    app.commands.length ? [h("h3", null, "Commands"), h("dl", { class: "commands" }, app.commands.map((one) => [
      h("dt", null, h("code", { class: "code" }, one.command), one.usage_hint ? h("span", { class: "hint" }, ` ${one.usage_hint}`) : null), h("dd", null, one.description)]))] : null,
    app.scopes.length ? [h("h3", null, "It may"), h("ul", { class: "scopes" }, app.scopes.map((scope) => h("li", null, h("code", { class: "code" }, scope))))] : null);
}
