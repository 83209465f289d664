/** Acting as somebody else, and jumping somewhere. */

import { clockTime, governedNow } from "./dates.js";
import { fill, h, icon } from "./dom.js";
import { actingPeople, avatar, badges } from "./people.js";
import { matching, openPicker } from "./picker.js";
import { go } from "./route.js";
import { me, on, state } from "./state.js";

function line(who) {
  return h("span", { class: "switch-person" }, avatar(who, 28), h("span", { class: "switch-words" },
    h("span", { class: "switch-name" }, h("bdi", null, who.name), badges(who)),
    h("span", { class: "switch-note" }, who.title || who.team_name || "")), h("span", { class: "switch-time" }, clockTime(governedNow(), who.tz)));
}

/** Everyone one can act as. */
export function openSwitcher(anchor) {
  const teams = new Set(actingPeople().map((who) => who.team));
  openPicker(anchor, {
    label: "people to act as", className: "switch-list", chosen: new Set([state.route.user]),
    load: (query) => matching(actingPeople().sort((a, b) => (a.team === b.team ? 0 : a.team === me().team ? -1 : b.team === me().team ? 1 : a.team.localeCompare(b.team))).map((who) => ({
      value: who.id, label: who.name, note: who.title, search: `${who.real_name} ${who.handle} ${who.tz}`, node: line(who), data: who.id,
      group: teams.size > 1 ? who.team_name : undefined,
    })).map((choice) => ({ ...choice, note: "", search: `${choice.search} ${choice.note}` })), query),
    choose: (choice) => go({ user: choice.data, place: keepPlace(), thread: null }),
  });
}

function keepPlace() {
  const { place } = state.route;
  const mine = state.sidebar?.channels.find((one) => one.id === place);
  return mine?.app ? "home" : place;
}

function draw() {
  const node = document.getElementById("acting");
  if (!state.boot || !state.route.user) return;
  const who = me();
  fill(node, avatar(who, 24), h("span", { class: "acting-words" }, h("span", { class: "acting-name" }, h("span", { class: "acting-as" }, "Acting as "), h("bdi", null, who.name)),
    h("span", { class: "acting-note" }, [who.title, clockTime(governedNow(), who.tz)].filter(Boolean).join(" · "))), icon("caret", 14));
  node.setAttribute("aria-label", `Acting as ${who.name}, ${who.title || ""}. Act as somebody else`);
}

const areListed = () => state.sidebar?.user === state.route.user;

/** Until the conversations are known: somebody may look for one before they have arrived. */
function listed() {
  return new Promise((resolve) => {
    const look = () => { if (areListed()) resolve(); };
    on(["sidebar"], look);
    look();
  });
}

function jump() {
  const anchor = document.getElementById("jump");
  const rows = () => [
    ...(state.sidebar?.channels || []).map((one) => ({ value: one.id, label: one.name, group: "Yours", data: one.id, note: one.unread ? `${one.unread} unread` : "" })),
    ...(state.sidebar?.others || []).map((one) => ({ value: one.id, label: `#${one.name}`, group: "Other channels", data: one.id, note: one.is_archived ? "archived" : "" })),
  ];
  openPicker(anchor, { label: "conversations", load: (query) => (areListed() ? matching(rows(), query) : listed().then(() => matching(rows(), query))), choose: (choice) => go({ place: choice.data, thread: null }) });
}

/** Set up both. */
export function startSwitcher() {
  const node = document.getElementById("acting");
  node.addEventListener("click", () => openSwitcher(node));
  document.getElementById("jump").addEventListener("click", jump);
  document.addEventListener("keydown", (event) => {
    if ((event.metaKey || event.ctrlKey) && event.key.toLowerCase() === "k" && !document.querySelector(".modal-layer")) {
      event.preventDefault();
      jump();
    }
  });
  on(["route", "boot", "clock", "tick"], draw);
}
