/** Where the page begins. */

import { follow } from "./feed.js";
import { fill, h, icon } from "./dom.js";
import { startInspector } from "./inspector.js";
import { startModals } from "./modal.js";
import { startPane } from "./pane.js";
import { actingPeople } from "./people.js";
import { post } from "./api.js";
import { closePopover } from "./popover.js";
import { refresh } from "./refresh.js";
import { arrive, go, narrow, parse } from "./route.js";
import { startSidebar } from "./sidebar.js";
import { changed, on, state } from "./state.js";
import { startStrip } from "./strip.js";
import { startSwitcher } from "./switcher.js";
import { startThread } from "./threadpane.js";
import { startTimeline } from "./timeline.js";

/** Somewhere to be, when the URL does not say or says somebody unknown. */
function settle() {
  const { user, place } = state.route;
  if (!state.boot.users[user] || state.boot.users[user].is_bot) {
    const start = state.strip?.start;
    const first = state.boot.users[start?.user] ? start : { user: actingPeople()[0]?.id, place: null };
    go({ user: first.user, place: first.place || null, thread: null }, { replace: true });
    return;
  }
  if (!place && !narrow() && state.sidebar?.user === user) {
    const mine = state.sidebar.channels;
    const best = mine.find((one) => one.unread && !one.app) || mine.find((one) => !one.archived);
    if (best) go({ place: best.id }, { replace: true });
  }
}

function panes() {
  const { place, thread } = state.route;
  document.body.dataset.pane = thread ? "thread" : place ? "main" : "list";
}

async function wander(topics) {
  settle();
  panes();
  closePopover({ refocus: false });
  if (!state.route.user) return;
  const { user, place } = state.route;
  if (topics.includes("user")) refresh("sidebar", "views").then(settle);
  if (topics.includes("place")) {
    refresh("conversation");
    const dm = state.sidebar?.user === user && state.sidebar.channels.find((one) => one.app)?.id;
    if (place === "home") post("home", { user, tab: "home" }).catch(() => {});
    else if (place && place === dm) post("home", { user, tab: "messages" }).catch(() => {});
  }
  refresh("thread");
}

function online() {
  const node = document.getElementById("offline");
  node.hidden = state.online;
  fill(node, state.online ? null : [icon("warn", 16), "The sandbox does not answer. Trying again…"]);
}

async function start() {
  state.route = parse(location.hash);
  try {
    await refresh("boot", "strip");
    if (!state.boot) throw new Error("The sandbox does not answer.");
  } catch (error) {
    fill(document.getElementById("messages"), h("div", { class: "empty" }, h("h2", null, "Could not start"), h("p", null, error.message)));
    return;
  }
  for (const begin of [startSidebar, startPane, startTimeline, startThread, startModals, startSwitcher, startInspector, startStrip]) begin();
  on(["route"], wander);
  on(["online"], online);
  addEventListener("hashchange", arrive);
  state.route = { user: null, place: null, thread: null };
  arrive();
  if (!state.route.user) settle();
  changed("boot", "strip", "clock");
  follow(state.boot.feed, state.boot.life);
  setInterval(() => changed("tick"), 5000);
  document.body.classList.add("ready");
}

start();
