/** Building the page's nodes. Foreign text only ever becomes a text node. */

const SVG = "http://www.w3.org/2000/svg";

/**
 * Make an element.
 * @param {string} tag
 * @param {object|null} props `class`, `style` (object), `on<Event>` functions; all else is an attribute;
 *   `false`, `null` and `undefined` leave an attribute out, `true` sets it empty.
 * @param {...(Node|string|number|Array|null|false)} children
 */
export function h(tag, props, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(props || {})) {
    if (value === false || value === null || value === undefined) continue;
    if (name.startsWith("on") && typeof value === "function") {
      node.addEventListener(name.slice(2).toLowerCase(), value);
    } else if (name === "style") {
      Object.assign(node.style, value);
    } else if (name === "value" || name === "checked" || name === "disabled") {
      node[name] = value;
    } else {
      node.setAttribute(name === "class" ? "class" : name, value === true ? "" : String(value));
    }
  }
  append(node, children);
  return node;
}

/** Append nodes and strings, flattening arrays and leaving out null and false. */
export function append(node, children) {
  for (const child of children.flat(Infinity)) {
    if (child === null || child === undefined || child === false) continue;
    node.append(child instanceof Node ? child : document.createTextNode(String(child)));
  }
  return node;
}

/** Replace what a node holds. */
export function fill(node, ...children) {
  node.replaceChildren();
  return append(node, children);
}

const PATHS = {
  hash: "M7.5 3 6 17M14 3l-1.5 14M3.5 7h14M2.5 13h14",
  lock: "M5 9h10v8H5zM7 9V6.5a3 3 0 0 1 6 0V9",
  caret: "m6 8 4 4 4-4",
  down: "m6 8 4 4 4-4",
  right: "m8 6 4 4-4 4",
  back: "M12 4 6 10l6 6",
  close: "m5 5 10 10M15 5 5 15",
  attach: "M13.5 6.5 7.6 12.4a1.8 1.8 0 0 0 2.5 2.5l6-6a3.4 3.4 0 0 0-4.8-4.8l-6 6a5 5 0 0 0 7 7l4.6-4.6",
  send: "m3 4 14 6-14 6 2-6zM5 10h6",
  search: "M9 4a5 5 0 1 1 0 10A5 5 0 0 1 9 4m4 9 4 4",
  thread: "M4 5h12v8H9l-3 3v-3H4zM7 8h6M7 10.5h4",
  more: "M5 10h.01M10 10h.01M15 10h.01",
  smile: "M10 3a7 7 0 1 1 0 14 7 7 0 0 1 0-14M7 12a3.5 3.5 0 0 0 6 0M7.5 8h.01M12.5 8h.01",
  eye: "M2 10s3-5 8-5 8 5 8 5-3 5-8 5-8-5-8-5m8-2a2 2 0 1 1 0 4 2 2 0 0 1 0-4",
  check: "m4 10.5 4 4 8-9",
  clock: "M10 3a7 7 0 1 1 0 14 7 7 0 0 1 0-14m0 3v4l3 2",
  home: "m3 9 7-6 7 6v8h-5v-5H8v5H3z",
  people: "M7 9a2.5 2.5 0 1 1 0-5 2.5 2.5 0 0 1 0 5m-5 7c0-3 2-5 5-5s5 2 5 5M13 9a2 2 0 1 0 0-4m5 11c0-3-1.5-4.5-4-4.800",
  chat: "M3 5h14v9H9l-4 3v-3H3z",
  pulse: "M2 10h4l2-5 4 10 2-5h4",
  shared: "M8 6H5a4 4 0 0 0 0 8h3m4-8h3a4 4 0 0 1 0 8h-3M7 10h6",
  warn: "M10 3 2 17h16zm0 5v4m0 2.5h.01",
  pin: "M10 3v9m-3-3 3 3 3-3M4 17h12",
  calendar: "M3 5h14v12H3zM3 8h14M7 3v3m6-3v3",
  list: "M4 6h12M4 10h12M4 14h12",
  archive: "M3 5h14v3H3zm1 3h12v8H4zm4 3h4",
  flag: "M5 17V4h10l-2 3.5 2 3.5H5",
};

/** A line icon of 20 by 20 units; it says nothing to a screen reader. */
export function icon(name, size = 18) {
  const svg = document.createElementNS(SVG, "svg");
  for (const [key, value] of Object.entries({
    viewBox: "0 0 20 20", width: size, height: size, fill: "none", stroke: "currentColor",
    "stroke-width": name === "more" ? 2.6 : 1.6, "stroke-linecap": "round", "stroke-linejoin": "round",
    "aria-hidden": "true", class: `icon icon-${name}`,
  })) svg.setAttribute(key, String(value));
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", PATHS[name] || PATHS.more);
  svg.append(path);
  return svg;
}

let serial = 0;
/** An id no other node of the page has. */
export function uid(prefix = "n") {
  serial += 1;
  return `${prefix}-${serial}`;
}

/** What Tab can reach inside a node, in order. */
export function focusable(root) {
  const all = root.querySelectorAll(
    'a[href],button,input,select,textarea,[tabindex]:not([tabindex="-1"])',
  );
  return [...all].filter((node) => !node.disabled && node.offsetParent !== null);
}

/** Say something to screen readers. */
export function announce(text) {
  const live = document.getElementById("live");
  if (live) fill(live, text);
}
