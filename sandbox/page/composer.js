/** Where a person writes: messages, mentions and slash commands. */

import { post } from "./api.js";
import { fill, h, icon, uid } from "./dom.js";
import { avatar } from "./people.js";
import { refresh } from "./refresh.js";
import { me, state } from "./state.js";
import { bytesOf } from "./upload.js";

const DRAFTS = new Map();
const escape = (text) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");

/** Words as typed, with the mentions that were picked made into Slack's. */
function encoded(text, picked) {
  let out = escape(text);
  for (const [words, token] of [...picked].sort((a, b) => b[0].length - a[0].length)) out = out.replaceAll(escape(words), token);
  return out.replace(/(^|\s)@(channel|here|everyone)\b/g, "$1<!$2>");
}

function suggestions(text, caret) {
  if (/^\/\S*$/.test(text)) {
    const commands = state.boot.app.commands.filter((one) => one.command.startsWith(text.toLowerCase()));
    return { kind: "command", from: 0, items: commands.map((one) => ({ insert: `${one.command} `, title: one.command, hint: one.usage_hint, note: one.description, mark: avatar({ id: "app", name: state.boot.app.name, is_app: true }, 24) })) };
  }
  const at = /(?:^|\s)([@#])([\p{L}\p{N}._-]*)$/u.exec(text.slice(0, caret));
  if (!at) return null;
  const from = caret - at[2].length - 1;
  const query = at[2].toLowerCase();
  const items = at[1] === "#"
    ? Object.values(state.boot.channels).filter((one) => ["public", "private"].includes(one.kind) && one.name.toLowerCase().includes(query))
      .map((one) => ({ insert: `#${one.name} `, words: `#${one.name}`, token: `<#${one.id}|${one.name}>`, title: `#${one.name}`, note: "" }))
    : [...Object.values(state.boot.users).filter((one) => !one.deleted && `${one.name} ${one.real_name} ${one.handle}`.toLowerCase().includes(query))
      .map((one) => ({ insert: `@${one.name} `, words: `@${one.name}`, token: `<@${one.id}>`, title: one.name, note: one.title, mark: avatar(one, 24) })),
    ...Object.values(state.boot.groups).filter((one) => one.handle.toLowerCase().includes(query))
      .map((one) => ({ insert: `@${one.handle} `, words: `@${one.handle}`, token: `<!subteam^${one.id}|@${one.handle}>`, title: `@${one.handle}`, note: one.name }))];
  return { kind: "mention", from, items: items.slice(0, 8) };
}

/** A composer for a channel or a thread. */
export function composer({ channel, thread }) {
  const key = `${state.route.user}/${channel.id}/${thread || ""}`;
  const listId = uid("suggest");
  const place = channel.kind === "im" ? channel.name : `#${channel.name}`;
  const picked = new Map();
  const area = h("textarea", {
    class: "composer-text", rows: 1, placeholder: thread ? "Reply…" : `Message ${place}`, "aria-label": thread ? "Reply" : `Message ${place}`,
    role: "combobox", "aria-expanded": "false", "aria-controls": listId, "aria-autocomplete": "list", dir: "auto", spellcheck: "false",
    "data-testid": thread ? "thread-composer" : "composer", value: DRAFTS.get(key) || "", autocomplete: "off",
  });
  const list = h("div", { class: "suggest", role: "listbox", id: listId, "aria-label": "Suggestions", hidden: true, "data-testid": "suggestions" });
  const hint = h("div", { class: "composer-hint", "data-testid": "usage-hint" });
  const trouble = h("div", { class: "composer-trouble", role: "alert" });
  const file = h("input", { type: "file", hidden: true, "data-testid": "file", "aria-label": "Share a file" });
  const attach = thread ? null : h("button", { class: "tool composer-attach", type: "button", "aria-label": "Share a file", title: "Share a file", "data-testid": "attach", onclick: () => file.click() }, icon("attach", 16));
  const sender = h("button", { class: "composer-send", type: "button", "aria-label": "Send", disabled: true, "data-testid": thread ? "thread-send" : "send" }, icon("send", 16));
  let found = null;
  let active = 0;
  let busy = false;

  function grow() {
    area.style.height = "auto";
    area.style.height = `${Math.min(area.scrollHeight, 240)}px`;
    sender.disabled = busy || !area.value.trim();
  }

  function look() {
    found = suggestions(area.value, area.selectionStart);
    if (found && !found.items.length) found = null;
    active = 0;
    paint();
    const used = /^(\/\S+)\s/.exec(area.value);
    const command = used && state.boot.app.commands.find((one) => one.command === used[1].toLowerCase());
    fill(hint, command ? [h("code", null, command.command), " ", h("span", { class: "hint" }, command.usage_hint), command.description ? h("span", { class: "hint-note" }, command.description) : null] : null);
  }

  function paint() {
    list.hidden = !found;
    area.setAttribute("aria-expanded", found ? "true" : "false");
    fill(list, found?.items.map((item, n) => h("div", {
      class: `suggestion${n === active ? " active" : ""}`, role: "option", id: `${listId}-${n}`, "aria-selected": n === active ? "true" : "false",
      "data-testid": "suggestion", onpointerdown: (event) => { event.preventDefault(); take(n); },
    }, item.mark || null, h("span", { class: "suggestion-words" }, h("span", { class: "suggestion-title" }, h("bdi", null, item.title), item.hint ? h("span", { class: "hint" }, ` ${item.hint}`) : null), item.note ? h("span", { class: "suggestion-note" }, item.note) : null))));
    if (found) {
      area.setAttribute("aria-activedescendant", `${listId}-${active}`);
      list.children[active]?.scrollIntoView({ block: "nearest" });
    } else area.removeAttribute("aria-activedescendant");
  }

  function take(n) {
    const item = found.items[n];
    const end = found.kind === "command" ? area.value.length : area.selectionStart;
    area.setRangeText(item.insert, found.from, end, "end");
    if (item.token) picked.set(item.words, item.token);
    found = null;
    changed();
  }

  function changed() {
    DRAFTS.set(key, area.value);
    trouble.replaceChildren();
    grow();
    look();
  }

  async function send() {
    const words = area.value.trim();
    if (!words || busy) return;
    busy = true;
    const command = /^(\/\S+)\s*([\s\S]*)$/.exec(words);
    area.value = "";
    changed();
    sender.classList.add("waiting");
    try {
      const user = me().id;
      const answer = command
        ? await post("slash", { user, channel: channel.id, command: command[1], text: command[2], thread })
        : await post("say", { user, channel: channel.id, text: encoded(words, picked), thread });
      if (answer.ok === false && answer.explanation) fill(trouble, answer.explanation);
      picked.clear();
    } catch (error) {
      if (!area.value) area.value = words;
      fill(trouble, error.message);
    } finally {
      busy = false;
      sender.classList.remove("waiting");
      grow();
      refresh("conversation", "views", ...(thread ? ["thread"] : []));
    }
  }

  async function share() {
    const chosen = file.files[0];
    file.value = "";
    if (!chosen || busy) return;
    busy = true;
    sender.classList.add("waiting");
    try {
      const data = await bytesOf(chosen);
      const text = encoded(area.value.trim(), picked);
      await post("share", { user: me().id, channel: channel.id, name: chosen.name, data, text: text || null });
      area.value = "";
      changed();
    } catch (error) {
      fill(trouble, error.message);
    } finally {
      busy = false;
      sender.classList.remove("waiting");
      grow();
      refresh("conversation");
    }
  }

  file.addEventListener("change", share);
  area.addEventListener("input", changed);
  area.addEventListener("keydown", (event) => {
    if (found && (event.key === "ArrowDown" || event.key === "ArrowUp")) {
      event.preventDefault();
      active = (active + (event.key === "ArrowDown" ? 1 : -1) + found.items.length) % found.items.length;
      paint();
    } else if (found && (event.key === "Tab" || (event.key === "Enter" && !event.shiftKey))) {
      // A whole command typed by hand is sent at once, as in Slack.
      if (event.key === "Enter" && found.kind === "command" && found.items[active].title === area.value) {
        event.preventDefault();
        send();
        return;
      }
      event.preventDefault();
      take(active);
    } else if (found && event.key === "Escape") {
      event.preventDefault();
      event.stopPropagation();
      found = null;
      paint();
    } else if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
      event.preventDefault();
      send();
    }
  });
  area.addEventListener("blur", () => { found = null; paint(); });
  sender.addEventListener("click", send);
  requestAnimationFrame(grow);
  return h("div", { class: "composer-wrap" }, list, hint, h("div", { class: "composer" }, area,
    h("div", { class: "composer-row" }, h("span", { class: "composer-tip wide-only" }, "/ for commands, @ for people, Shift+Enter for a new line"), file, attach, sender)), trouble);
}
