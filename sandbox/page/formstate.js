/** What a person has put into the elements of one message or view: Slack's `state.values`. */

export class FormState {
  constructor() {
    this.values = {};
  }

  /** The element's state, or undefined when nobody touched it. */
  get(block, element) {
    const held = this.values[block.block_id]?.[element.action_id];
    return held?.type === element.type ? held : undefined;
  }

  /** Remember an element's state. */
  set(block, element, fields) {
    (this.values[block.block_id] ||= {})[element.action_id] = { type: element.type, ...fields };
  }

  /** Take the initial value where nothing is held yet, and return what is held. */
  start(block, element, fields) {
    if (!this.get(block, element)) this.set(block, element, fields);
    return this.get(block, element);
  }

  /** Forget elements that the blocks no longer have. */
  keepOnly(blocks) {
    const known = new Map((blocks || []).map((block) => [block.block_id, block]));
    for (const id of Object.keys(this.values)) if (!known.has(id)) delete this.values[id];
  }
}

const STATES = new Map();

/** The state of a container, kept while the page lives. */
export function formState(key) {
  if (!STATES.has(key)) STATES.set(key, new FormState());
  return STATES.get(key);
}

/** Forget a container's state. */
export function forgetState(key) {
  STATES.delete(key);
}
