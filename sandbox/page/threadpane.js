/** The thread at the right (over everything on a phone). */

import { fill, h, icon } from "./dom.js";
import { composer } from "./composer.js";
import { reconcile } from "./keyed.js";
import { messageNode } from "./message.js";
import { go } from "./route.js";
import { on, state } from "./state.js";
import { timelineItems } from "./timeline.js";

let shown = null;

function draw() {
  const pane = document.getElementById("thread");
  const open = Boolean(state.route.thread);
  pane.hidden = !open;
  if (!open) {
    shown = null;
    fill(pane);
    return;
  }
  const data = state.thread;
  if (!data || data.ts !== state.route.thread) return;
  const key = `${state.route.user}/${state.route.place}/${data.ts}`;
  if (shown !== key) {
    const where = data.channel.kind === "im" ? data.channel.name : `# ${data.channel.name}`;
    fill(pane,
      h("header", { class: "pane-head" },
        h("button", { class: "tool back", type: "button", "aria-label": "Back to the conversation", onclick: () => go({ thread: null }) }, icon("back")),
        h("h2", null, "Thread", h("bdi", { class: "pane-sub" }, where)),
        h("button", { class: "tool close", type: "button", "aria-label": "Close thread", "data-testid": "close-thread", onclick: () => go({ thread: null }) }, icon("close"))),
      h("div", { class: "thread-scroll" }, h("div", { class: "thread-list", "data-testid": "thread-messages" })),
      data.channel.can_write ? composer({ channel: data.channel, thread: data.ts }) : h("div", { class: "no-composer" }, "You can read this thread but not reply here."));
  }
  const list = pane.querySelector(".thread-list");
  const count = data.replies.filter((reply) => !reply.ephemeral_id).length;
  const items = [
    { key: "root", sign: `${state.route.user}${state.boot.version}${JSON.stringify(data.parent)}`, make: () => (data.parent ? messageNode(data.parent, { inThread: true }) : h("div", { class: "tombstone message" }, "This message was deleted.")) },
    { key: "count", sign: String(count), make: () => h("div", { class: "reply-count" }, h("span", null, count ? `${count} ${count === 1 ? "reply" : "replies"}` : "No replies yet"), h("hr")) },
    ...timelineItems(data.replies, { inThread: true }),
  ];
  const scroll = pane.querySelector(".thread-scroll");
  const bottom = shown !== key || scroll.scrollHeight - scroll.scrollTop - scroll.clientHeight < 100;
  reconcile(list, items);
  if (bottom && shown === key) scroll.scrollTop = scroll.scrollHeight;
  if (shown !== key) pane.querySelector("textarea, .close")?.focus({ preventScroll: true });
  shown = key;
}

/** Set up the thread pane. */
export function startThread() {
  on(["thread", "route", "boot"], draw);
}
