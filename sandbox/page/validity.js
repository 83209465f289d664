/** What Slack's client checks before it submits a modal. */

const MESSAGES = {
  required: "Please complete this required field.",
  email: "Please enter a valid email address.",
  url: "Please enter a valid URL, such as https://example.com",
};

function empty(held) {
  return Object.entries(held || {}).every(([key, value]) => key === "type" || key === "timezone" || value === null || value === "" || value === undefined || (Array.isArray(value) && !value.length));
}

function number(element, text) {
  const pattern = element.is_decimal_allowed ? /^-?\d*\.?\d+$/ : /^-?\d+$/;
  if (!pattern.test(text.trim())) return element.is_decimal_allowed ? "Please enter a number." : "Please enter a whole number.";
  const value = Number(text);
  if (element.min_value !== undefined && value < Number(element.min_value)) return `Please enter a number of at least ${element.min_value}.`;
  if (element.max_value !== undefined && value > Number(element.max_value)) return `Please enter a number of at most ${element.max_value}.`;
  return null;
}

function one(block, held) {
  const { element } = block;
  if (empty(held)) return block.optional ? null : MESSAGES.required;
  const { value } = held;
  switch (element.type) {
    case "plain_text_input":
      if (element.min_length && value.length < element.min_length) return `Please enter at least ${element.min_length} characters.`;
      if (element.max_length && value.length > element.max_length) return `Please enter at most ${element.max_length} characters.`;
      return null;
    case "number_input": return number(element, value);
    case "email_text_input": return /^\S+@\S+\.\S+$/.test(value) ? null : MESSAGES.email;
    case "url_text_input": return /^https?:\/\/\S+\.\S+|^https?:\/\/localhost/.test(value) ? null : MESSAGES.url;
    default: return null;
  }
}

/** Errors by block_id; empty when the form may go. */
export function check(blocks, form) {
  const errors = {};
  for (const block of blocks) {
    if (block.type !== "input") continue;
    const message = one(block, form.get(block, block.element));
    if (message) errors[block.block_id] = message;
  }
  return errors;
}
