/** Mentions and links. */

import { h } from "./dom.js";
import { go } from "./route.js";
import { me, person, state } from "./state.js";

const SAFE = /^(https?:|mailto:|tel:|slack:)/i;

/** A link, or plain text where the address is not one a browser should follow. */
export function safeLink(address, label) {
  if (!SAFE.test(address)) return document.createTextNode(typeof label === "string" ? label : label.textContent);
  return h("a", { class: "link", href: address, target: "_blank", rel: "noopener noreferrer nofollow", title: address }, label);
}

/** "@Name"; one's own is marked. */
export function userMention(id) {
  const known = person(id);
  return h("span", { class: `mention${id === me().id ? " mention-me" : ""}`, "data-user": id, title: known.title || known.real_name }, `@${known.name}`);
}

/** "#channel": leads there when the acting person can see it. */
export function channelMention(id, label) {
  const channel = state.boot?.channels?.[id];
  const hidden = channel?.kind === "private" && !state.sidebar?.channels.some((one) => one.id === id);
  if (hidden) return h("span", { class: "mention" }, "🔒 private channel");
  const name = channel?.name || label || id;
  if (!channel) return h("span", { class: "mention" }, `#${name}`);
  return h("a", {
    class: "mention mention-channel", href: `#/${state.route.user}/${id}`,
    onclick: (event) => { event.preventDefault(); go({ place: id }); },
  }, `#${name}`);
}

/** "@group". */
export function groupMention(id, label) {
  const group = state.boot?.groups?.[id];
  const name = group ? `@${group.handle}` : (label || `@${id}`);
  const mine = group?.users?.includes(me().id);
  return h("span", { class: `mention${mine ? " mention-me" : ""}`, title: group?.name || "" }, name.startsWith("@") ? name : `@${name}`);
}

/** `<!channel>`, `<!here>`, `<!everyone>`: they ping, so they are marked as such. */
export function specialMention(word, label) {
  const pings = ["channel", "here", "everyone"].includes(word);
  return h("span", { class: pings ? "mention mention-me" : "mention", "data-ping": pings ? word : false }, pings ? `@${word}` : (label || `<${word}>`));
}
