/** The strip outside Slack's frame: the governed clock and the story. */

import { post } from "./api.js";
import { fullTime, governedNow, shortTime } from "./dates.js";
import { announce, fill, h, icon } from "./dom.js";
import { instant, wallClock } from "./fields.js";
import { closePopover, openPopover } from "./popover.js";
import { refresh, setClock } from "./refresh.js";
import { go } from "./route.js";
import { changed, on, person, state } from "./state.js";

let result = null; // what came of the last move or action
let looked = null; // id of the step that is shown although another is current
let drawn = "";

function drawClock() {
  const node = document.getElementById("clock-now");
  const now = governedNow();
  fill(node, icon("clock", 16), h("span", { class: "wide-only" }, fullTime(now)), h("span", { class: "narrow-only" }, shortTime(now)));
  node.title = `The governed time, as ${person(state.route.user).name} reads it. The app believes it is now.`;
}

async function move(body, button) {
  if (state.moving) return;
  state.moving = true;
  result = { waiting: true, text: "Moving the clock…" };
  draw();
  button?.classList.add("waiting");
  try {
    const answer = await post("clock", { ...body, user: state.route.user });
    setClock(answer.now);
    result = { ok: true, text: answer.text, places: answer.places };
  } catch (error) {
    result = { ok: false, text: error.message };
  }
  state.moving = false;
  button?.classList.remove("waiting");
  changed("clock");
  refresh("strip", "sidebar", "conversation", "views");
  announce(result.text);
  draw();
}

function toDate(anchor) {
  const node = openPopover(anchor, { className: "date-pop", align: "right" });
  const input = h("input", { class: "text-input", type: "datetime-local", value: wallClock(governedNow()), "aria-label": "Date and time", "data-testid": "clock-input" });
  const form = h("form", { class: "date-form", onsubmit: (event) => {
    event.preventDefault();
    if (!input.value) return;
    closePopover();
    move({ to: new Date(instant(input.value)).toISOString() }, anchor);
  } }, h("label", null, "Move the clock to", input), h("p", { class: "hint" }, `${person(state.route.user).name}’s time zone. Everything that falls due on the way happens.`),
  h("button", { class: "button button-primary", type: "submit", "data-testid": "clock-set" }, "Move"));
  fill(node, form);
  input.focus({ preventScroll: true });
}

function show(target) {
  if (!target) return;
  state.spotlight = target.ts || null;
  go({ user: target.user, place: target.place, thread: null, force: true });
  changed("spotlight");
}

function resultNode() {
  if (!result) return null;
  return h("div", { class: `strip-result${result.ok === false ? " bad" : ""}${result.waiting ? " busy" : ""}`, role: "status", "data-testid": "strip-result" },
    result.waiting ? h("span", { class: "spinner" }) : icon(result.ok === false ? "warn" : "check", 16), h("span", { class: "strip-result-text" }, result.text),
    (result.places || []).map((place) => h("button", { class: "chip", type: "button", onclick: () => show(place) }, h("bdi", null, place.label))),
    result.waiting ? null : h("button", { class: "tool tool-small", type: "button", "aria-label": "Put this away", onclick: () => { result = null; draw(); } }, icon("close", 14)));
}

function actionButton(action) {
  return h("button", { class: "button button-small", type: "button", title: action.help, "data-testid": `strip-action-${action.id}`, onclick: async (event) => {
    const button = event.currentTarget;
    if (button.getAttribute("aria-busy")) return;
    button.setAttribute("aria-busy", "true");
    button.classList.add("waiting");
    result = { waiting: true, text: `${action.label}…` };
    draw();
    try {
      result = await post(`strip/actions/${encodeURIComponent(action.id)}`);
    } catch (error) {
      result = { ok: false, text: error.message };
    }
    button.removeAttribute("aria-busy");
    button.classList.remove("waiting");
    refresh("strip", "conversation", "sidebar", "views");
    announce(result.text);
    draw();
  } }, action.label);
}

function story(data) {
  const current = data.steps.find((step) => !step.done);
  const step = data.steps.find((one) => one.id === looked) || current;
  const ticks = h("ol", { class: "ticks", "aria-label": "Steps" }, data.steps.map((one, n) => h("li", null, h("button", {
    class: `tick${one.done ? " done" : ""}${one === step ? " now" : ""}`, type: "button", title: one.title, "data-testid": `step-${one.id}`, "data-done": one.done ? "true" : "false",
    "aria-label": `Step ${n + 1}, ${one.title}${one.done ? ", done" : ""}`, "aria-current": one === step ? "step" : false,
    onclick: () => { looked = one.id === looked ? null : one.id; draw(); },
  }, one.done ? icon("check", 12) : String(n + 1)))));
  const words = step
    ? [h("span", { class: "step-title", "data-testid": "step-title" }, h("span", { class: "step-n" }, `${data.steps.indexOf(step) + 1}/${data.steps.length}`), step.title), h("span", { class: "step-text" }, step.text)]
    : [h("span", { class: "step-title", "data-testid": "step-title" }, "That was the story."), h("span", { class: "step-text" }, "Everything stays as it is: look around, act as anyone, move the clock.")];
  return h("div", { class: "story" },
    h("div", { class: "story-top" }, h("span", { class: "headline" }, data.headline), ticks),
    h("div", { class: "step", "aria-live": "polite" }, h("div", { class: "step-words" }, words),
      step?.go ? h("button", { class: "button button-primary button-small show-me", type: "button", "data-testid": "show-me", onclick: () => show(step.go) }, "Show me") : null));
}

function draw() {
  const data = state.strip;
  const node = document.getElementById("strip-more");
  const collapsed = document.body.classList.contains("strip-closed");
  const toggle = document.getElementById("strip-toggle");
  toggle.setAttribute("aria-expanded", collapsed ? "false" : "true");
  toggle.hidden = !data?.steps?.length && !data?.actions?.length;
  const sign = JSON.stringify([data, result, looked, collapsed]);
  if (sign === drawn) return;
  drawn = sign;
  const held = node.contains(document.activeElement) ? document.activeElement.dataset.testid : null;
  fill(node, collapsed || !data?.steps?.length ? null : story(data),
    collapsed || !data?.actions?.length ? null : h("div", { class: "strip-actions" }, data.actions.map(actionButton)),
    resultNode());
  if (held) node.querySelector(`[data-testid="${CSS.escape(held)}"]`)?.focus();
}

/** Set up the strip. */
export function startStrip() {
  const bar = document.getElementById("clock-buttons");
  const hour = h("button", { class: "button button-small", type: "button", "data-testid": "clock-hour", onclick: () => move({ seconds: 3600 }, hour) }, "+1 hour");
  const day = h("button", { class: "button button-small", type: "button", "data-testid": "clock-day", onclick: () => move({ seconds: 86400 }, day) }, "+1 day");
  const date = h("button", { class: "button button-small", type: "button", "aria-label": "Move to a date", "aria-haspopup": "dialog", "aria-expanded": "false", "data-testid": "clock-date", onclick: () => toDate(date) }, icon("calendar", 16), h("span", { class: "wide-only" }, "To a date…"));
  fill(bar, hour, day, date);
  document.getElementById("strip-toggle").addEventListener("click", () => {
    const closed = document.body.classList.toggle("strip-closed");
    try { sessionStorage.setItem("strip-closed", closed ? "1" : ""); } catch { /* private window */ }
    draw();
  });
  try { if (sessionStorage.getItem("strip-closed")) document.body.classList.add("strip-closed"); } catch { /* private window */ }
  on(["strip"], () => {
    if (looked && state.strip.steps.find((one) => one.id === looked)?.done) looked = null;
    draw();
  });
  on(["clock", "route", "boot", "tick"], drawClock);
}
