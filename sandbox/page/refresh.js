/** Fetching what is shown, again and again, without doing it twice at once. */

import { get } from "./api.js";
import { changed, state } from "./state.js";

const here = () => `${state.route.user}/${state.route.place}/${state.route.thread}`;

async function boot() {
  state.boot = await get("boot");
  setClock(state.boot.now);
}

/** Take over the governed time. */
export function setClock(iso) {
  state.clock = iso;
  state.skew = Date.parse(iso) - Date.now();
}

const JOBS = {
  boot,
  async clock() {
    setClock((await get("clock")).now);
  },
  async sidebar() {
    if (!state.route.user) return;
    state.sidebar = await get("sidebar", { user: state.route.user });
  },
  async conversation() {
    const { user, place } = state.route;
    if (!user || !place || place === "home" || place === "about") {
      state.conversation = null;
      return;
    }
    state.conversation = await get("conversation", { user, channel: place }).catch((error) => ({ missing: error.message, id: place }));
  },
  async thread() {
    const { user, place, thread } = state.route;
    state.thread = thread ? await get("thread", { user, channel: place, ts: thread }).catch(() => null) : null;
  },
  async views() {
    if (!state.route.user) return;
    state.views = await get("views", { user: state.route.user });
  },
  async strip() {
    state.strip = await get("strip");
  },
  async log() {
    const after = state.log.at(-1)?.n || 0;
    const { exchanges } = await get("requests", { after });
    const last = state.log.at(-1)?.n || 0;
    state.log = [...state.log, ...exchanges.filter((one) => one.n > last)].slice(-500);
  },
};

const running = new Map();

async function run(name) {
  do {
    running.set(name, "running");
    const place = here();
    try {
      await JOBS[name]();
      if (place !== here() && ["conversation", "thread", "sidebar", "views"].includes(name)) {
        running.set(name, "again");
        continue;
      }
      changed(name);
    } catch (error) {
      console.error(name, error);
    }
  } while (running.get(name) === "again");
  running.delete(name);
}

const waits = new Map();

/** Fetch these again; a request during a fetch leads to one more fetch after it. */
export function refresh(...names) {
  return Promise.all(names.map((name) => {
    if (running.has(name)) {
      running.set(name, "again");
      return waits.get(name);
    }
    const wait = run(name);
    waits.set(name, wait);
    return wait;
  }));
}

const timers = new Map();

/** Fetch again soon, at most once per `ms`. */
export function refreshSoon(name, ms) {
  if (timers.has(name)) return;
  timers.set(name, setTimeout(() => {
    timers.delete(name);
    refresh(name);
  }, ms));
}
