/** A click or a choice on its way to the app: confirmation, waiting, and what went wrong. */

import { post } from "./api.js";
import { confirmFirst } from "./confirm.js";
import { append, h, icon } from "./dom.js";
import { refresh } from "./refresh.js";
import { state } from "./state.js";

/** What Slack shows when an app does not answer an interaction. */
export function trouble(outcome) {
  if (outcome.error === "operation_timeout" || outcome.error === "timeout" || outcome.error === "trigger_expired") {
    return "This app took too long to answer. It may still have done it.";
  }
  if (outcome.status) return `This app responded with Status Code ${outcome.status}.`;
  return `The app could not be reached (${outcome.error || "no answer"}).`;
}

/**
 * Send a block action.
 * @param ctx the container: `{container, form}`
 * @param node the control, which shows that it waits
 * @returns true when the app took it, false when the person thought better of it or it failed
 */
export async function act(ctx, block, element, fields, node) {
  if (element.confirm && !(await confirmFirst(element.confirm))) return false;
  const holder = node.closest(".el") || node;
  holder.querySelector(":scope > .el-trouble")?.remove();
  const slow = setTimeout(() => node.classList.add("waiting"), 250);
  node.setAttribute("aria-busy", "true");
  let outcome;
  try {
    outcome = await post("click", {
      user: state.route.user, ...ctx.container, action_id: element.action_id, block_id: block.block_id,
      type: element.type, fields, state: ctx.form.values,
    });
  } catch (error) {
    outcome = { ok: false, error: error.message };
  } finally {
    clearTimeout(slow);
    node.classList.remove("waiting");
    node.removeAttribute("aria-busy");
  }
  if (!outcome.ok) {
    const words = outcome.explanation || trouble(outcome);
    append(holder, [h("span", { class: "el-trouble", role: "alert", title: words, "data-testid": "element-trouble" }, icon("warn", 16), h("span", null, words))]);
  }
  refresh("views");
  return outcome.ok;
}
