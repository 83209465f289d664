/** Pictures and names of people and the app. */

import { h } from "./dom.js";
import { state } from "./state.js";

const COLOURS = ["#3e6e8e", "#8a4b6b", "#2f7d5b", "#8b5e2b", "#5c5aa7", "#a2483e", "#2e7d8c", "#6b7330", "#7b4fa0", "#a0522d", "#386641", "#1d5c96"];

function colour(id) {
  let sum = 0;
  for (const char of id || "") sum = (sum * 31 + char.codePointAt(0)) >>> 0;
  return COLOURS[sum % COLOURS.length];
}

function initials(name) {
  const letters = (name || "").replace(/[^\p{L}\p{N}\s]/gu, "").trim().split(/\s+/).filter(Boolean);
  if (!letters.length) return "?";
  const first = [...letters[0]][0];
  return (letters.length > 1 ? first + [...letters[letters.length - 1]][0] : first).toUpperCase();
}

/** A square picture: initials on the person's colour, or the app's mark. */
export function avatar(who, size = 36) {
  const app = who.is_app || who.is_bot;
  const mark = who.slackbot ? "🤖" : initials(who.real_name || who.name);
  return h("span", {
    class: `avatar${app ? " avatar-app" : ""}`, "aria-hidden": "true",
    style: { width: `${size}px`, height: `${size}px`, background: app ? "" : colour(who.id), fontSize: `${Math.round(size * 0.4)}px`, borderRadius: `${Math.max(4, Math.round(size / 4.5))}px` },
  }, mark);
}

/** Small words after a name: APP, guest, another organisation, deactivated. */
export function badges(who) {
  const out = [];
  if (who.is_app || who.is_bot) out.push(h("span", { class: "badge" }, "APP"));
  if (who.guest) out.push(h("span", { class: "badge badge-guest", title: "Guest: sees only the channels they were invited to" }, "GUEST"));
  if (who.stranger) out.push(h("span", { class: "badge badge-guest", title: "From another organisation" }, "EXTERNAL"));
  if (who.deleted) out.push(h("span", { class: "badge" }, "DEACTIVATED"));
  return out;
}

export const SLACKBOT = { id: "USLACKBOT", name: "Slackbot", real_name: "Slackbot", slackbot: true, tz: "UTC", title: "" };

/** People one can act as: everyone but bots. */
export function actingPeople() {
  return Object.values(state.boot?.users || {}).filter((who) => !who.is_bot && who.id !== "USLACKBOT" && !who.deleted);
}
