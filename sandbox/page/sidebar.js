/** The aubergine side: workspace, channels, direct messages, the app. */

import { fill, h, icon } from "./dom.js";
import { avatar } from "./people.js";
import { go } from "./route.js";
import { me, on, person, state } from "./state.js";

function mark(channel) {
  if (channel.kind === "im" || channel.kind === "mpim") return avatar(channel.kind === "mpim" ? { id: channel.id, name: channel.name } : person(channel.with), 20);
  if (channel.shared) return icon("shared", 16);
  return icon(channel.kind === "private" ? "lock" : "hash", 16);
}

function row(channel) {
  const here = state.route.place;
  const active = here === channel.id || (channel.app && (here === "home" || here === "about"));
  const count = channel.kind === "im" || channel.kind === "mpim" ? channel.unread : channel.mentions;
  const target = channel.app && !channel.unread && state.boot.app.home_tab ? "home" : channel.id;
  return h("li", null, h("a", {
    class: `side-row${active ? " active" : ""}${channel.unread ? " unread" : ""}${channel.archived ? " archived" : ""}`,
    href: `#/${state.route.user}/${target}`, "aria-current": active ? "page" : false,
    "data-testid": `channel-${channel.id}`, "data-channel": channel.id,
    onclick: (event) => { event.preventDefault(); go({ place: target, thread: null }); },
  }, h("span", { class: "side-mark" }, mark(channel)), h("bdi", { class: "side-name" }, channel.name),
  channel.unread ? h("span", { class: "sr-only" }, `${channel.unread} unread`) : null,
  count ? h("span", { class: "side-count", "aria-hidden": "true", "data-testid": "unread-count" }, String(count)) : null));
}

function section(title, channels) {
  if (!channels.length) return null;
  return h("section", { class: "side-section", "aria-label": title }, h("h2", null, icon("caret", 14), title), h("ul", null, channels.map(row)));
}

function draw() {
  const side = document.getElementById("sidebar");
  const data = state.sidebar;
  if (!data || data.user !== state.route.user) return;
  const held = side.contains(document.activeElement) ? document.activeElement.dataset.channel : null;
  const scroll = side.querySelector(".side-scroll")?.scrollTop || 0;
  const talk = data.channels.filter((one) => one.kind === "public" || one.kind === "private");
  const direct = data.channels.filter((one) => (one.kind === "im" || one.kind === "mpim") && !one.app);
  fill(side,
    h("div", { class: "side-head" }, h("h1", null, h("bdi", null, data.team.name)), h("span", { class: "side-me" }, me().name)),
    h("div", { class: "side-scroll" },
      section("Channels", talk), section("Direct messages", direct), section("Apps", data.channels.filter((one) => one.app))));
  side.querySelector(".side-scroll").scrollTop = scroll;
  if (held) side.querySelector(`[data-channel="${CSS.escape(held)}"]`)?.focus();
  const total = data.channels.reduce((sum, one) => sum + (one.kind === "im" ? one.unread : one.mentions), 0);
  const open = data.channels.find((one) => one.id === state.route.place);
  document.title = `${total ? `(${total}) ` : ""}${open ? open.name : state.boot.app.name} – ${data.team.name} – sandbox`;
}

/** Set up the side bar. */
export function startSidebar() {
  on(["sidebar", "route", "boot"], draw);
}
