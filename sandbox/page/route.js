/** Who and where, kept in the URL's hash: `#/U1/C2/1769417400.000100`. */

import { changed, state } from "./state.js";

/** Read the hash. */
export function parse(hash) {
  const [user, place, thread] = hash.replace(/^#\/?/, "").split("/").map((part) => {
    try { return decodeURIComponent(part) || null; } catch { return null; }
  });
  return { user: user || null, place: place || null, thread: thread || null };
}

function write({ user, place, thread }) {
  return `#/${[user, place, thread].filter(Boolean).map(encodeURIComponent).join("/")}`;
}

/**
 * Go somewhere; what is left out stays. A new user or place closes the thread.
 * @param {{user?: string, place?: string|null, thread?: string|null}} to
 */
export function go(to, { replace = false } = {}) {
  const next = { ...state.route, ...to };
  if (!("thread" in to) && ("place" in to || "user" in to)) next.thread = null;
  if (!next.place) next.thread = null;
  const hash = write(next);
  if (hash === location.hash) {
    if (to.force) arrive();
    return;
  }
  if (replace) {
    history.replaceState(null, "", hash);
    arrive();
  } else {
    location.hash = hash; // hashchange leads to arrive()
  }
}

/** Take over what the URL says. */
export function arrive() {
  const before = state.route;
  state.route = parse(location.hash);
  const topics = ["route"];
  if (before.user !== state.route.user) topics.push("user");
  if (before.place !== state.route.place || before.user !== state.route.user) topics.push("place");
  changed(...topics);
}

/** True on a phone-wide window, where one pane is shown at a time. */
export function narrow() {
  return matchMedia("(max-width: 767px)").matches;
}
