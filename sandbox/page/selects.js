/** Select menus of every source, single and multiple. */

import { post } from "./api.js";
import { act } from "./dispatch.js";
import { fill, h, icon } from "./dom.js";
import { avatar } from "./people.js";
import { matching, openPicker } from "./picker.js";
import { person, state } from "./state.js";
import { textNodes, words } from "./text.js";

const SOURCES = {
  static: { one: "selected_option", many: "selected_options", placeholder: "Select an option" },
  external: { one: "selected_option", many: "selected_options", placeholder: "Select an option" },
  users: { one: "selected_user", many: "selected_users", placeholder: "Select a user" },
  channels: { one: "selected_channel", many: "selected_channels", placeholder: "Select a channel" },
  conversations: { one: "selected_conversation", many: "selected_conversations", placeholder: "Select a conversation" },
};

function initial(part, source, multiple) {
  const noun = { static: "option", external: "option", users: "user", channels: "channel", conversations: "conversation" }[source];
  const given = part[`initial_${noun}${multiple ? "s" : ""}`];
  if (given) return given;
  if (part.default_to_current_conversation && state.conversation?.channel) return multiple ? [state.conversation.channel.id] : state.conversation.channel.id;
  return multiple ? [] : null;
}

const idOf = (item) => (typeof item === "string" ? item : item.value);

function wordsOf(item, source) {
  if (typeof item !== "string") return textNodes(item.text);
  if (source === "users" || person(item).unknown !== true) return [person(item).name];
  return [`#${state.boot.channels[item]?.name || item}`];
}

function userChoices() {
  return Object.values(state.boot.users).filter((who) => !who.deleted && who.id !== "USLACKBOT")
    .sort((a, b) => a.name.localeCompare(b.name))
    .map((who) => ({ value: who.id, label: who.name, note: who.title || who.real_name, data: who.id, node: h("span", { class: "picker-person" }, avatar(who, 20), h("span", null, who.name)) }));
}

function channelChoices(part, all) {
  const known = new Set((state.sidebar?.channels || []).map((channel) => channel.id));
  const include = part.filter?.include;
  return Object.values(state.boot.channels)
    .filter((channel) => !channel.is_archived && (channel.kind === "public" || known.has(channel.id)))
    .filter((channel) => (all ? channel.kind === "public" || channel.kind === "private" : channel.kind === "public"))
    .filter((channel) => !include || include.includes(channel.kind))
    .map((channel) => ({ value: channel.id, label: `${channel.kind === "private" ? "🔒" : "#"} ${channel.name}`, search: channel.name, data: channel.id }));
}

function optionChoices(options, groups) {
  const make = (option, group) => ({ value: option.value, label: words(option.text), note: option.description ? words(option.description) : "", group, data: option, node: h("span", { class: "picker-label", dir: "auto" }, textNodes(option.text)) });
  if (groups?.length) return groups.flatMap((group) => (group.options || []).map((option) => make(option, words(group.label))));
  return (options || []).map((option) => make(option));
}

function loader(block, part, ctx, source) {
  if (source === "users") return (query) => matching(userChoices(), query);
  if (source === "channels") return (query) => matching(channelChoices(part, false), query);
  if (source === "conversations") return (query) => matching([...channelChoices(part, true), ...(part.filter?.include && !part.filter.include.includes("im") ? [] : userChoices())], query);
  if (source === "static") return (query) => matching(optionChoices(part.options, part.option_groups), query);
  const least = part.min_query_length ?? 3;
  return async (query) => {
    if (query.length < least) return [];
    const answer = await post("options", { user: state.route.user, ...ctx.container, action_id: part.action_id, block_id: block.block_id, query });
    return optionChoices(answer.options, answer.option_groups);
  };
}

/** Any `*_select`. */
export function select(block, part, ctx, field) {
  const multiple = part.type.startsWith("multi_");
  const source = part.type.replace("multi_", "").replace("_select", "");
  const kind = SOURCES[source] || SOURCES.static;
  const key = multiple ? kind.many : kind.one;
  const held = () => ctx.form.get(block, part)?.[key] ?? (multiple ? [] : null);
  ctx.form.start(block, part, { [key]: initial(part, source, multiple) });

  const face = h("span", { class: "select-face", dir: "auto" });
  const node = h("button", {
    class: `select${multiple ? " select-many" : ""}`, type: "button", id: field.id || false, "aria-haspopup": "listbox", "aria-expanded": "false",
    "aria-describedby": field.described || false, "aria-invalid": field.invalid ? "true" : false, "data-focus": part.focus_on_load ? "true" : false,
    "data-action-id": part.action_id, "data-testid": `action-${part.action_id}`,
  }, face, icon("caret", 16));

  function show() {
    const now = held();
    const none = multiple ? now.length === 0 : now === null;
    const placeholder = words(part.placeholder) || kind.placeholder;
    node.classList.toggle("select-empty", none);
    if (multiple && !none) {
      fill(face, now.map((item) => h("span", { class: "pill" }, wordsOf(item, source), h("span", {
        class: "pill-x", role: "button", "aria-label": "Remove", onclick: (event) => { event.stopPropagation(); take(item); },
      }, "×"))));
    } else {
      fill(face, none ? placeholder : wordsOf(now, source));
    }
    const label = multiple ? now.map((item) => h("i", null, wordsOf(item, source)).textContent).join(", ") : none ? "" : h("i", null, wordsOf(now, source)).textContent;
    node.setAttribute("aria-label", `${field.label || placeholder}${label ? `: ${label}` : ""}`);
  }

  async function put(value) {
    const before = held();
    ctx.form.set(block, part, { [key]: value });
    show();
    if (field.quiet || multiple) return;
    if (!(await act(ctx, block, part, { [key]: value }, node)) && part.confirm) {
      ctx.form.set(block, part, { [key]: before });
      show();
    }
  }

  function take(item) {
    const now = held();
    if (!multiple) return put(item);
    const without = now.filter((known) => idOf(known) !== idOf(item));
    const next = without.length === now.length ? [...now, item] : without;
    if (part.max_selected_items && next.length > part.max_selected_items) return undefined;
    return put(next);
  }

  node.addEventListener("click", () => {
    const before = JSON.stringify(held());
    openPicker(node, {
      load: loader(block, part, ctx, source),
      choose: (choice) => take(choice.data),
      chosen: new Set((multiple ? held() : [held()].filter(Boolean)).map(idOf)),
      multiple,
      label: field.label || words(part.placeholder) || kind.placeholder,
      delay: source === "external" ? 200 : 0,
      hint: source === "external" ? (query) => (query.length < (part.min_query_length ?? 3) ? `Type at least ${part.min_query_length ?? 3} characters` : null) : null,
      onClose: () => {
        if (multiple && !field.quiet && JSON.stringify(held()) !== before) act(ctx, block, part, { [key]: held() }, node);
      },
    });
  });
  node.addEventListener("keydown", (event) => {
    if (multiple && event.key === "Backspace" && held().length) take(held().at(-1));
  });
  show();
  return node;
}
