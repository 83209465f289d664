/** What the page knows, and who is told when it changes. */

export const state = {
  boot: null, // people, groups, app, commands: what rarely changes
  route: { user: null, place: null, thread: null },
  sidebar: null, // the acting person's conversations with unread counts
  conversation: null, // {channel, messages, ephemerals} of the open conversation
  thread: null, // {channel, parent, replies} of the open thread
  views: { modals: [], home: null }, // of the acting person
  clock: null,
  strip: null,
  log: [], // requests both ways, oldest first
  online: true,
  skew: 0, // governed time minus this machine's time, in ms
  firstUnread: null, // ts of the first message not yet read when the conversation was opened
};

const listeners = new Map();

/** Call `listener` whenever one of the topics changes. */
export function on(topics, listener) {
  for (const topic of topics) {
    if (!listeners.has(topic)) listeners.set(topic, new Set());
    listeners.get(topic).add(listener);
  }
}

/** Tell the listeners of these topics, each once. */
export function changed(...topics) {
  const calls = new Set();
  for (const topic of topics) for (const listener of listeners.get(topic) || []) calls.add(listener);
  for (const call of calls) call(topics);
}

/** A person of the directory, also when unknown to it. */
export function person(id) {
  return state.boot?.users?.[id] || { id, name: id, real_name: id, title: "", tz: "UTC", unknown: true };
}

/** The acting person. */
export function me() {
  return person(state.route.user);
}
