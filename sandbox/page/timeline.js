/** The open conversation: its messages, oldest first. */

import { post } from "./api.js";
import { dayKey, dayLabel, msOf } from "./dates.js";
import { announce, fill, h } from "./dom.js";
import { reconcile } from "./keyed.js";
import { author, follows, keyOf, messageNode } from "./message.js";
import { narrow, go } from "./route.js";
import { on, state } from "./state.js";

let shown = null; // which conversation, as whom
let scroller;
let list;
let atBottom = true;

/** Items of a list of messages with lines between days and before what is new. */
export function timelineItems(messages, { inThread = false, firstUnread = null } = {}) {
  const items = [];
  let before = null;
  for (const message of messages) {
    const ms = msOf(message.ts);
    const day = dayKey(ms);
    if (!inThread && (!before || dayKey(msOf(before.ts)) !== day)) {
      const label = dayLabel(ms);
      items.push({ key: `d:${day}`, sign: label, make: () => h("div", { class: "day", role: "separator" }, h("span", null, label)) });
      before = null;
    }
    if (firstUnread === message.ts) {
      items.push({ key: "new", sign: "new", make: () => h("div", { class: "new-line", role: "separator", "data-testid": "new-line" }, h("span", null, "New")) });
      before = null;
    }
    const compact = follows(message, before);
    items.push({
      key: keyOf(message),
      sign: `${compact}|${state.boot.version}|${state.route.user}|${message.reply_count ? Math.floor((Date.now() + state.skew) / 60e3) : ""}|${day === dayKey(Date.now() + state.skew)}|${JSON.stringify(message)}`,
      make: () => messageNode(message, { compact, inThread }),
    });
    before = message;
  }
  return items;
}

function intro(channel) {
  const name = channel.kind === "im" ? channel.name : `#${channel.name}`;
  return h("div", { class: "intro" }, h("h2", null, h("bdi", null, name)),
    h("p", null, channel.kind === "im" ? `This is the very beginning of your conversation with ${channel.name}.`
      : `This is the very beginning of the ${name} channel.${channel.purpose ? ` ${channel.purpose}` : ""}`));
}

function draw() {
  const data = state.conversation;
  const key = data?.channel ? `${state.route.user}/${data.channel.id}` : null;
  if (!data) {
    shown = null;
    list.replaceChildren();
    return;
  }
  if (data.missing) {
    shown = null;
    reconcile(list, [{ key: "missing", sign: data.missing, make: () => h("div", { class: "empty", "data-testid": "missing" }, h("h2", null, "You can’t see this conversation"), h("p", null, data.missing)) }]);
    return;
  }
  if (data.channel.id !== state.route.place) return;
  const arrived = shown !== key;
  if (arrived) {
    state.firstUnread = data.first_unread;
    list.replaceChildren();
  }
  const bottom = atBottom;
  const items = timelineItems(data.messages, { firstUnread: state.firstUnread });
  if (!data.more) items.unshift({ key: "intro", sign: `${data.channel.name}${data.channel.purpose}`, make: () => intro(data.channel) });
  const fresh = reconcile(list, items);
  shown = key;
  if (arrived) {
    const line = list.querySelector(".new-line");
    scroller.scrollTop = scroller.scrollHeight;
    if (line && line.offsetTop < scroller.scrollTop) scroller.scrollTop = line.offsetTop - 60;
  } else {
    if (bottom || data.messages.at(-1)?.user === state.route.user) scroller.scrollTop = scroller.scrollHeight;
    const texts = data.messages.filter((m) => fresh.includes(keyOf(m)) && m.user !== state.route.user)
      .map((m) => `${author(m).name}: ${(m.text || "new message").slice(0, 200)}`);
    if (texts.length) announce(texts.join(". "));
  }
  spotlight();
  if ((data.unread || arrived || fresh.length) && document.visibilityState === "visible") post("read", { user: state.route.user, channel: data.channel.id }).catch(() => {});
}

/** Scroll to the message that somebody wants to show, and mark it for a moment. */
function spotlight() {
  if (!state.spotlight) return;
  const node = list.querySelector(`[data-ts="${CSS.escape(state.spotlight)}"]`);
  if (!node) return;
  state.spotlight = null;
  node.scrollIntoView({ block: "center" });
  node.classList.add("spotlight");
  node.focus({ preventScroll: true });
  setTimeout(() => node.classList.remove("spotlight"), 2500);
}

/** Arrow keys walk through messages; on a phone a tap on a message opens its thread. */
function walking(event) {
  const node = event.target.closest(".message");
  if (!node || event.target !== node || !["ArrowUp", "ArrowDown"].includes(event.key)) return;
  event.preventDefault();
  const all = [...list.querySelectorAll(".message")];
  all[all.indexOf(node) + (event.key === "ArrowUp" ? -1 : 1)]?.focus();
}

/** Set up the conversation's list. */
export function startTimeline() {
  scroller = document.getElementById("scroller");
  list = document.getElementById("messages");
  scroller.addEventListener("scroll", () => { atBottom = scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight < 80; });
  // What grows below (the composer, a card) must not push the newest message out of sight.
  const size = new ResizeObserver(() => { if (atBottom) scroller.scrollTop = scroller.scrollHeight; });
  size.observe(scroller);
  size.observe(list);
  list.addEventListener("keydown", walking);
  list.addEventListener("click", (event) => {
    const node = event.target.closest(".message:not(.ephemeral)");
    if (!narrow() || !node || event.target.closest("a,button,input,textarea,label,select,.el") || getSelection().toString()) return;
    const message = state.conversation?.messages.find((m) => m.ts === node.dataset.ts && !m.deleted);
    if (message) go({ thread: message.thread_ts || message.ts });
  });
  on(["conversation", "boot", "clock"], draw);
  on(["place"], () => {
    shown = null;
    fill(list, h("div", { class: "loading" }, "Loading…"));
  });
  document.addEventListener("visibilitychange", draw);
  setInterval(() => state.conversation && draw(), 60e3);
}

