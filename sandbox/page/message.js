/** One message of a conversation. */

import { post } from "./api.js";
import { renderAttachments, renderBlocks } from "./blocks.js";
import { ago, clockTime, fullTime, msOf } from "./dates.js";
import { announce, h, icon } from "./dom.js";
import { emoji } from "./emoji.js";
import { formState } from "./formstate.js";
import { mrkdwn } from "./mrkdwn.js";
import { avatar, badges, SLACKBOT } from "./people.js";
import { openMenu } from "./popover.js";
import { refresh } from "./refresh.js";
import { go } from "./route.js";
import { person, state } from "./state.js";

const SYSTEM = ["channel_join", "channel_leave", "channel_topic", "group_join", "group_topic"];
const OFTEN = ["thumbsup", "white_check_mark", "eyes", "tada", "heart", "question"];

/** Who wrote a message, with the name and picture it was posted under. */
export function author(message) {
  if (message.user === "USLACKBOT") return SLACKBOT;
  const known = message.user ? person(message.user) : { id: message.bot_id || "B", name: message.username || "app", is_app: true, tz: "UTC" };
  return message.username ? { ...known, name: message.username, real_name: message.username } : known;
}

/** Which message this is, on the page. */
export function keyOf(message) {
  return message.ephemeral_id ? `e:${message.ephemeral_id}` : `m:${message.channel}:${message.ts}`;
}

/** Whether a message stands under the same name as the one before, within five minutes; cards stand by themselves. */
export function follows(message, before) {
  return Boolean(before) && before.user === message.user && before.username === message.username && Boolean(before.ephemeral_id) === Boolean(message.ephemeral_id)
    && msOf(message.ts) - msOf(before.ts) < 300e3 && !before.reply_count && !message.deleted && !before.deleted && !message.blocks?.length;
}

/**
 * The node of a message.
 * @param {{compact?: boolean, inThread?: boolean}} how compact leaves out name and picture
 */
export function messageNode(message, { compact = false, inThread = false } = {}) {
  const who = author(message);
  const ms = msOf(message.ts);
  const time = h("time", { class: "message-time", datetime: new Date(ms).toISOString(), title: fullTime(ms) }, clockTime(ms));
  const ephemeral = Boolean(message.ephemeral_id);
  const node = h("div", {
    class: `message${compact ? " compact" : ""}${ephemeral ? " ephemeral" : ""}`, role: "article", tabindex: "-1",
    "data-ts": message.ts, "data-testid": ephemeral ? "ephemeral" : "message", "data-user": message.user || false,
    "aria-label": `${who.name}, ${clockTime(ms)}${ephemeral ? ", only visible to you" : ""}`,
  });
  const picture = message.icon_emoji ? h("span", { class: "avatar avatar-emoji", "aria-hidden": "true" }, emoji(message.icon_emoji.replaceAll(":", "")) || "•") : avatar(who, 36);
  node.append(h("div", { class: "message-gutter" }, compact ? time : picture));
  const body = h("div", { class: "message-body" });
  if (ephemeral) body.append(h("div", { class: "only-you" }, icon("eye", 14), "Only visible to you"));
  if (!compact) {
    body.append(h("div", { class: "message-head" },
      h("bdi", { class: "message-name", title: who.title || "" }, who.name), badges(who), time));
  }
  body.append(content(message));
  if (message.reactions?.length) body.append(reactions(message));
  if (!inThread && message.reply_count) body.append(threadLink(message));
  if (ephemeral) body.append(h("button", { class: "text-button dismiss", type: "button", onclick: () => post("dismiss", { user: state.route.user, ephemeral_id: message.ephemeral_id }) }, "Dismiss"));
  node.append(body);
  if (!ephemeral && !message.deleted && !SYSTEM.includes(message.subtype)) node.append(tools(message, inThread));
  return node;
}

function tools(message, inThread) {
  const reply = { label: "Reply in thread", run: () => go({ thread: message.thread_ts || message.ts }) };
  const shortcuts = (state.boot?.app.shortcuts || []).map((one) => ({
    label: one.name, description: state.boot.app.name, run: () => useShortcut(one, message),
  }));
  // On a phone there is no hover: replying stands in the menu.
  const choices = OFTEN.map((name) => ({ label: `${emoji(name)} ${name.replaceAll("_", " ")}`, run: () => react(message, name, true) }));
  const narrow = matchMedia("(max-width: 767px)");
  const items = () => [...(narrow.matches && !inThread ? [reply] : []), ...shortcuts];
  return h("div", { class: "message-tools" },
    h("button", {
      class: "tool", type: "button", "aria-label": "Add a reaction", title: "Add a reaction", "aria-haspopup": "menu", "aria-expanded": "false",
      "data-testid": "add-reaction", onclick: (event) => openMenu(event.currentTarget, choices),
    }, icon("smile")),
    inThread ? null : h("button", {
      class: "tool wide-only", type: "button", "aria-label": reply.label, title: reply.label, "data-testid": "reply-in-thread", onclick: reply.run,
    }, icon("thread")),
    shortcuts.length || !inThread ? h("button", {
      class: `tool${shortcuts.length ? "" : " narrow-only"}`, type: "button", "aria-label": "More actions", title: "More actions", "aria-haspopup": "menu", "aria-expanded": "false",
      "data-testid": "more-actions", onclick: (event) => openMenu(event.currentTarget, items()),
    }, icon("more")) : null);
}

/** Emoji under a message, each with how many reacted; pressing one joins in or takes it back. */
function reactions(message) {
  return h("div", { class: "reactions", "data-testid": "reactions" }, message.reactions.map(({ name, users, count }) => {
    const mine = users.includes(state.route.user);
    const names = users.map((id) => person(id).name).join(", ");
    return h("button", {
      class: `reaction${mine ? " mine" : ""}`, type: "button", "aria-pressed": mine ? "true" : "false", title: `${names} reacted with :${name}:`,
      "aria-label": `${name.replaceAll("_", " ")}, ${count}: ${names}`, "data-testid": `reaction-${name}`, onclick: () => react(message, name, !mine),
    }, emoji(name) || `:${name}:`, h("span", { class: "reaction-count" }, String(count)));
  }));
}

async function react(message, name, add) {
  try {
    await post("react", { user: state.route.user, channel: message.channel, ts: message.ts, name, add });
  } catch (error) {
    announce(error.message);
  }
}

async function useShortcut(shortcut, message) {
  try {
    await post("shortcut", { user: state.route.user, callback_id: shortcut.callback_id, channel: message.channel, ts: message.ts });
  } catch (error) {
    announce(error.message);
  }
  refresh("views", "conversation");
}

function content(message) {
  if (message.deleted) return h("div", { class: "tombstone" }, "This message was deleted.");
  if (SYSTEM.includes(message.subtype)) return h("div", { class: "tombstone" }, mrkdwn(message.text || ""));
  const key = keyOf(message);
  const form = formState(key);
  form.keepOnly(message.blocks);
  const ctx = {
    container: message.ephemeral_id ? { ephemeral_id: message.ephemeral_id } : { channel: message.channel, ts: message.ts },
    form,
  };
  const edited = message.edited ? h("span", { class: "edited", title: fullTime(msOf(message.edited.ts)) }, " (edited)") : null;
  const parts = [];
  if (message.blocks?.length) {
    parts.push(h("div", { class: "blocks" }, renderBlocks(message.blocks, ctx), edited));
  } else if (message.text) {
    parts.push(h("div", { class: "message-text", dir: "auto" }, mrkdwn(message.text), edited));
  }
  if (message.attachments?.length) parts.push(renderAttachments(message.attachments, ctx));
  for (const file of message.files || []) {
    if (/^image\//.test(file.mimetype || "") && file.id) parts.push(h("img", { class: "block-picture", src: `/sandbox/files/${encodeURIComponent(file.id)}`, alt: file.alt_txt || file.title || file.name || "" }));
    else parts.push(h("a", { class: "file-card", href: `/sandbox/files/${encodeURIComponent(file.id)}`, download: file.name || "", "data-testid": "file-card" }, icon("list"), h("bdi", null, file.title || file.name || file.id)));
  }
  return h("div", { class: "message-content", "data-testid": "message-content" }, parts);
}

function threadLink(message) {
  const count = message.reply_count;
  return h("button", {
    class: "thread-link", type: "button", "data-testid": "thread-link", onclick: () => go({ thread: message.ts }),
  }, (message.reply_users || []).slice(0, 4).map((id) => avatar(person(id), 22)),
  h("span", { class: "thread-count" }, `${count} ${count === 1 ? "reply" : "replies"}`),
  h("span", { class: "thread-last" }, `Last reply ${ago(msOf(message.latest_reply))}`), icon("right", 16));
}
