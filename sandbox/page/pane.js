/** The white canvas: head, tabs of the app, messages, composer. */

import { post } from "./api.js";
import { composer } from "./composer.js";
import { fill, h, icon } from "./dom.js";
import { homeNode, aboutNode } from "./home.js";
import { avatar } from "./people.js";
import { refresh } from "./refresh.js";
import { go } from "./route.js";
import { on, person, state } from "./state.js";

let footFor = null;

function appChannel() {
  return state.sidebar?.channels.find((one) => one.app);
}

function head() {
  const { place } = state.route;
  const node = document.getElementById("pane-head");
  const dm = appChannel();
  const back = h("button", { class: "tool back", type: "button", "aria-label": "Back to the list", "data-testid": "back", onclick: () => go({ place: null, thread: null }) }, icon("back"));
  const tabs = document.getElementById("tabs");
  const inApp = place === "home" || place === "about" || (dm && place === dm.id);
  if (inApp) {
    const bot = person(state.boot.app.bot_user);
    fill(node, back, h("h1", { class: "pane-title" }, avatar(bot, 24), h("bdi", null, state.boot.app.name), h("span", { class: "badge" }, "APP")));
    const all = [state.boot.app.home_tab ? ["home", "Home"] : null, dm && state.boot.app.messages_tab ? [dm.id, "Messages"] : null, ["about", "About"]].filter(Boolean);
    fill(tabs, all.map(([target, label]) => h("button", {
      class: `tab${place === target ? " active" : ""}`, type: "button", role: "tab", "aria-selected": place === target ? "true" : "false",
      tabindex: place === target ? "0" : "-1", "data-testid": `tab-${label.toLowerCase()}`, onclick: () => go({ place: target, thread: null }),
    }, label)));
    tabs.hidden = false;
    return;
  }
  tabs.hidden = true;
  fill(tabs);
  const channel = state.conversation?.channel;
  if (!channel || channel.id !== place) {
    fill(node, back, h("h1", { class: "pane-title" }, ""));
    return;
  }
  const sign = channel.kind === "im" ? avatar(person(channel.with), 24) : channel.kind === "mpim" ? icon("people") : icon(channel.kind === "private" ? "lock" : "hash", 20);
  fill(node, back,
    h("h1", { class: "pane-title" }, sign, h("bdi", null, channel.name)),
    channel.shared ? h("span", { class: "shared-note", title: channel.shared_with }, icon("shared", 16), h("span", { class: "wide-only" }, channel.shared_with)) : null,
    h("bdi", { class: "topic wide-only" }, channel.topic || ""),
    channel.members ? h("span", { class: "members", title: channel.members.map((id) => person(id).name).join(", ") },
      channel.members.slice(0, 3).map((id) => avatar(person(id), 20)), h("span", null, String(channel.members.length)), h("span", { class: "sr-only" }, " members")) : null);
}

function foot() {
  const node = document.getElementById("pane-foot");
  const channel = state.conversation?.channel;
  const { place, user } = state.route;
  const key = channel && channel.id === place ? `${user}/${channel.id}/${channel.can_write}/${channel.joined}/${channel.archived}` : null;
  if (key === footFor) return;
  footFor = key;
  if (!key) fill(node);
  else if (channel.archived) fill(node, h("div", { class: "no-composer" }, icon("archive"), "This channel is archived: nothing new can be written."));
  else if (!channel.joined) {
    fill(node, h("div", { class: "no-composer" }, h("span", null, "You are looking at ", h("bdi", null, `#${channel.name}`)),
      h("button", { class: "button button-primary", type: "button", "data-testid": "join", onclick: async () => { await post("join", { user, channel: channel.id }); refresh("sidebar", "conversation"); } }, "Join channel")));
  } else if (!channel.can_write) fill(node, h("div", { class: "no-composer" }, "Sending messages to this app has been turned off."));
  else fill(node, composer({ channel, thread: null }));
}

function body() {
  const { place } = state.route;
  const surface = document.getElementById("surface");
  const scroller = document.getElementById("scroller");
  const special = place === "home" || place === "about";
  scroller.hidden = special;
  surface.hidden = !special;
  if (place === "home") homeNode(surface);
  else if (place === "about") fill(surface, aboutNode());
}

/** Set up the canvas. */
export function startPane() {
  on(["route", "conversation", "sidebar", "boot"], () => { head(); foot(); });
  on(["route", "views", "boot"], body);
  document.getElementById("tabs").addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    const all = [...event.currentTarget.children];
    const next = all[(all.indexOf(document.activeElement) + step + all.length) % all.length];
    const label = next.dataset.testid;
    next.click();
    requestAnimationFrame(() => document.querySelector(`[data-testid="${label}"]`)?.focus());
  });
}
