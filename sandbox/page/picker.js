/** A searchable list in a popover: the body of every select, of the switchers and of the jump box. */

import { fill, h, icon, uid } from "./dom.js";
import { closePopover, openPopover, replacePopover } from "./popover.js";

/**
 * @typedef {{value: string, label: string, node?: Node, note?: string, group?: string, search?: string, data?: any}} Choice
 */

const MOST_LISTED = 200;

/**
 * Open a picker under an anchor.
 * @param {HTMLElement} anchor
 * @param {object} options
 * @param {(query: string) => Promise<Choice[]>|Choice[]} options.load asked again on each change of the search text
 * @param {(choice: Choice) => void} options.choose
 * @param {Set<string>} [options.chosen] values that bear a tick
 * @param {boolean} [options.multiple] stays open while choosing
 * @param {string} [options.label] what the list is of
 * @param {number} [options.delay] ms to wait after typing, for lists that others answer
 * @param {(query: string) => string|null} [options.hint] why nothing is listed yet
 */
export function openPicker(anchor, { load, choose, chosen = new Set(), multiple = false, label = "Options", delay = 0, hint = null, align = "left", onClose = null, className = "" }) {
  const listId = uid("list");
  const list = h("div", { class: "picker-list", role: "listbox", id: listId, "aria-label": label, "aria-multiselectable": multiple ? "true" : false });
  const search = h("input", {
    class: "picker-search", type: "text", role: "combobox", "aria-controls": listId, "aria-expanded": "true",
    "aria-autocomplete": "list", "aria-label": `Search ${label}`, placeholder: "Search", autocomplete: "off", spellcheck: "false", "data-testid": "picker-search",
  });
  const node = openPopover(anchor, { className: `picker ${className}`, width: Math.max(anchor.offsetWidth, 260), align, onClose });
  fill(node, h("div", { class: "picker-head" }, icon("search", 16), search), list);

  let choices = [];
  let active = 0;
  let turn = 0;
  let timer = 0;
  let ready = Promise.resolve(); // until the list answers to what is typed

  function mark(index) {
    const nodes = list.querySelectorAll('[role="option"]');
    nodes[active]?.classList.remove("active");
    active = nodes.length ? (index + nodes.length) % nodes.length : 0;
    const now = nodes[active];
    if (now) {
      now.classList.add("active");
      now.scrollIntoView({ block: "nearest" });
      search.setAttribute("aria-activedescendant", now.id);
    } else {
      search.removeAttribute("aria-activedescendant");
    }
  }

  function pick(choice) {
    if (!multiple) closePopover();
    else if (chosen.has(choice.value)) chosen.delete(choice.value);
    else chosen.add(choice.value);
    choose(choice);
    if (multiple) {
      show();
      search.focus();
    }
  }

  function show() {
    const keep = active;
    let group;
    const listed = choices.slice(0, MOST_LISTED);
    fill(list, listed.map((choice) => {
      const head = choice.group && choice.group !== group ? h("div", { class: "picker-group", role: "presentation" }, choice.group) : null;
      group = choice.group;
      const ticked = chosen.has(choice.value);
      return [head, h("div", {
        class: "picker-option", role: "option", id: uid("option"), "aria-selected": ticked ? "true" : "false",
        "data-value": choice.value, "data-testid": "picker-option", onclick: () => pick(choice),
        onpointermove: (event) => mark([...list.querySelectorAll('[role="option"]')].indexOf(event.currentTarget)),
      }, h("span", { class: "picker-words" }, choice.node || h("span", { class: "picker-label", dir: "auto" }, choice.label),
        choice.note ? h("span", { class: "picker-note" }, choice.note) : null),
      ticked ? icon("check", 16) : null)];
    }), choices.length > listed.length ? h("div", { class: "picker-empty", role: "presentation" }, `${(choices.length - listed.length).toLocaleString("en")} more: type to find them`) : null, choices.length ? null : h("div", { class: "picker-empty" }, hint?.(search.value) || "No matches"));
    mark(multiple ? keep : search.value ? 0 : Math.max(0, choices.findIndex((choice) => chosen.has(choice.value))));
    replacePopover(align);
  }

  async function reload() {
    const mine = ++turn;
    try {
      const found = await load(search.value.trim());
      if (mine !== turn) return;
      choices = found;
      show();
    } catch (error) {
      if (mine !== turn) return;
      choices = [];
      fill(list, h("div", { class: "picker-empty picker-error", role: "alert" }, error.message));
    }
  }
  const refresh = async () => {
    if (delay) fill(list, h("div", { class: "picker-empty" }, "Loading…"));
    await reload();
  };
  search.addEventListener("input", () => {
    active = 0;
    clearTimeout(timer);
    ready = delay ? new Promise((resolve) => { timer = setTimeout(() => refresh().then(resolve), delay); }) : refresh();
  });
  search.addEventListener("keydown", (event) => {
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      mark(active + (event.key === "ArrowDown" ? 1 : -1));
    } else if (event.key === "Enter") {
      event.preventDefault();
      event.stopPropagation();
      ready.then(() => { if (node.isConnected && choices[active]) pick(choices[active]); });
    } else if (event.key === "Tab") {
      closePopover();
    }
  });
  ready = refresh();
  search.focus({ preventScroll: true }); // at once: keys typed in the same moment are meant for it
}

/** Choices whose words hold every word of the query. */
export function matching(choices, query) {
  const parts = query.toLowerCase().split(/\s+/).filter(Boolean);
  if (!parts.length) return choices;
  return choices.filter((choice) => {
    const words = `${choice.label} ${choice.note || ""} ${choice.search || ""} ${choice.group || ""}`.toLowerCase();
    return parts.every((part) => words.includes(part));
  });
}
