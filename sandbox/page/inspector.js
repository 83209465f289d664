/** A drawer with every request between the app and the sandbox, both ways. */

import { get } from "./api.js";
import { append, fill, h, icon } from "./dom.js";
import { refresh } from "./refresh.js";
import { on, state } from "./state.js";

let wanted = "";
const open = new Map(); // n → details

function pretty(value) {
  if (value === null || value === undefined || value === "") return "(empty)";
  const full = typeof value === "string" ? value : JSON.stringify(value, null, 2);
  return full.length > 100_000 ? `${full.slice(0, 100_000)}\n… ${full.length - 100_000} more characters` : full;
}

function part(title, value) {
  return h("div", { class: "log-part" }, h("h4", null, title), h("pre", { tabindex: "0" }, pretty(value)));
}

function details(one) {
  return h("div", { class: "log-details" }, one.note ? h("p", { class: "log-note" }, `Fault: ${one.note}`) : null,
    part("Request", one.body), part("Answer", one.answer), part("Headers", one.headers));
}

function row(one) {
  const toApp = one.direction === "to_app";
  const bad = one.status === null ? Boolean(one.error) : one.status >= 400 || one.error;
  const node = h("li", { class: `log-row${bad ? " bad" : ""}`, "data-n": one.n, "data-testid": "request" });
  const toggle = h("button", { class: "log-line", type: "button", "aria-expanded": "false" },
    h("span", { class: `log-way ${toApp ? "to-app" : "to-slack"}`, title: toApp ? "Slack → app" : "app → Slack" }, toApp ? "→ app" : "← app"),
    h("span", { class: "log-name" }, one.label, one.detail ? h("span", { class: "log-detail" }, ` ${one.detail}`) : null),
    h("span", { class: "log-status" }, one.error || (one.status ?? "–")), h("span", { class: "log-ms" }, `${one.ms < 10 ? one.ms.toFixed(1) : Math.round(one.ms)} ms`));
  toggle.addEventListener("click", async () => {
    const shown = node.querySelector(".log-details");
    toggle.setAttribute("aria-expanded", shown ? "false" : "true");
    if (shown) {
      shown.remove();
      return;
    }
    try {
      if (!open.has(one.n)) open.set(one.n, await get(`requests/${one.n}`));
      append(node, [details(open.get(one.n))]);
    } catch (error) {
      append(node, [h("div", { class: "log-details" }, error.message)]);
    }
  });
  return append(node, [toggle]);
}

let last = 0;

function draw() {
  const pane = document.getElementById("inspector");
  if (pane.hidden) return;
  const list = pane.querySelector(".log-list");
  const bottom = list.scrollHeight - list.scrollTop - list.clientHeight < 60;
  for (const one of state.log) {
    if (one.n <= last) continue;
    last = one.n;
    const node = row(one);
    node.hidden = !matches(one);
    list.append(node);
  }
  while (list.children.length > 500) list.firstChild.remove();
  if (bottom) list.scrollTop = list.scrollHeight;
}

function matches(one) {
  return !wanted || `${one.label} ${one.detail} ${one.status} ${one.error || ""}`.toLowerCase().includes(wanted);
}

/** Show or hide the drawer. */
export function toggleInspector(show) {
  const pane = document.getElementById("inspector");
  pane.hidden = !(show ?? pane.hidden);
  const button = document.getElementById("inspect");
  button.setAttribute("aria-expanded", pane.hidden ? "false" : "true");
  document.body.classList.toggle("inspecting", !pane.hidden);
  if (!pane.hidden) {
    refresh("log").then(draw);
    pane.querySelector("input").focus();
  } else if (pane.contains(document.activeElement) || document.activeElement === document.body) {
    button.focus();
  }
}

/** Set up the drawer. */
export function startInspector() {
  const pane = document.getElementById("inspector");
  const filter = h("input", { class: "log-filter", type: "search", placeholder: "Filter", "aria-label": "Filter requests" });
  filter.addEventListener("input", () => {
    wanted = filter.value.trim().toLowerCase();
    const known = new Map(state.log.map((one) => [String(one.n), one]));
    for (const node of pane.querySelectorAll(".log-row")) node.hidden = !matches(known.get(node.dataset.n) || { label: "", detail: "", status: "" });
  });
  fill(pane, h("header", { class: "log-head" }, h("h2", null, "Requests"), filter,
    h("button", { class: "tool", type: "button", "aria-label": "Close requests", onclick: () => toggleInspector(false) }, icon("close"))),
  h("ol", { class: "log-list", "aria-label": "Requests, oldest first" }));
  pane.addEventListener("keydown", (event) => { if (event.key === "Escape") toggleInspector(false); });
  document.getElementById("inspect").addEventListener("click", () => toggleInspector());
  on(["log"], draw);
}
