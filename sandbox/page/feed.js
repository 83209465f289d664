/** The sandbox's feed of changes, by server-sent events: in order, and again after a break. */

import { changed, state } from "./state.js";
import { refresh, refreshSoon } from "./refresh.js";

let last = null;
let source = null;
let life = null;

function everything() {
  refresh("boot", "sidebar", "conversation", "thread", "views", "strip", "log");
}

/** Follow the feed from number `n`, which the page already shows. */
export function follow(n, serverLife) {
  last = n;
  life = serverLife;
  connect();
}

function connect() {
  source?.close();
  source = new EventSource(`/sandbox/events?after=${last}`);
  source.addEventListener("hello", (event) => {
    const hello = JSON.parse(event.data);
    const returned = !state.online;
    state.online = true;
    if (hello.life !== life) {
      location.reload(); // another sandbox took its place: nothing shown here is true any more
    } else if (hello.missed) {
      last = hello.last;
      everything();
    } else if (returned) {
      everything();
    }
    changed("online");
  });
  source.addEventListener("change", (event) => {
    const item = JSON.parse(event.data);
    if (item.n <= last) return;
    last = item.n;
    take(item);
  });
  source.addEventListener("error", () => {
    if (state.online) {
      state.online = false;
      changed("online");
    }
    if (source.readyState === EventSource.CLOSED) setTimeout(connect, 1000);
    else {
      // The browser would come back to the old address: go on from where we are instead.
      source.close();
      setTimeout(connect, 700);
    }
  });
}

function take(item) {
  const { user, place, thread } = state.route;
  if (item.user && item.user !== user && item.type !== "exchange") {
    refreshSoon("strip", 400);
    return;
  }
  switch (item.type) {
    case "message":
    case "message_changed":
    case "message_deleted":
      if (item.channel === place) refresh("conversation");
      if (thread && item.channel === place && (item.thread_ts === thread || item.ts === thread)) refresh("thread");
      refreshSoon("sidebar", 30);
      break;
    case "ephemeral":
    case "ephemeral_changed":
    case "ephemeral_deleted":
      if (item.channel === place) refresh("conversation", ...(thread ? ["thread"] : []));
      break;
    case "modals":
    case "home":
      refresh("views");
      break;
    case "exchange":
      refreshSoon("log", 150);
      refreshSoon("strip", 700);
      return;
    case "clock":
      refresh("clock", "strip");
      return;
    case "read":
      refreshSoon("sidebar", 30);
      break;
    default:
      refresh("boot", "sidebar", "conversation");
  }
  refreshSoon("strip", 300);
}
