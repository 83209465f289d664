/** Text, number, date and time inputs. */

import { post } from "./api.js";
import { act } from "./dispatch.js";
import { governedNow, zone } from "./dates.js";
import { fill, h, icon } from "./dom.js";
import { richTextWords, typedRichText } from "./richtext.js";
import { state } from "./state.js";
import { words } from "./text.js";
import { bytesOf } from "./upload.js";

function common(part, field) {
  return {
    id: field.id || false, "aria-label": field.id ? false : words(part.placeholder) || part.type.replaceAll("_", " "),
    "aria-describedby": field.described || false, "aria-invalid": field.invalid ? "true" : false, "aria-required": field.required ? "true" : false,
    "data-action-id": part.action_id, "data-testid": `action-${part.action_id}`, autofocus: part.focus_on_load || false,
    "data-focus": part.focus_on_load ? "true" : false,
  };
}

const TYPES = { email_text_input: "email", url_text_input: "url", number_input: "text", plain_text_input: "text" };

/** `plain_text_input`, `number_input`, `email_text_input`, `url_text_input`. */
export function textField(block, part, ctx, field) {
  const held = ctx.form.start(block, part, { value: part.initial_value ? String(part.initial_value) : null });
  const props = {
    ...common(part, field), class: "text-input", value: held.value || "", placeholder: words(part.placeholder) || "", dir: "auto",
    maxlength: part.max_length || false, autocomplete: "off",
  };
  if (part.type === "number_input") props.inputmode = part.is_decimal_allowed ? "decimal" : "numeric";
  const node = part.multiline ? h("textarea", { ...props, rows: 4 }) : h("input", { ...props, type: TYPES[part.type] });
  const config = part.dispatch_action_config?.trigger_actions_on || ["on_enter_pressed"];
  const tell = () => act(ctx, block, part, { value: node.value }, node);
  const counter = part.max_length && part.max_length <= 3000 && part.multiline ? h("span", { class: "counter", "aria-hidden": "true" }) : null;
  const count = () => { if (counter) counter.textContent = part.max_length - node.value.length < 100 ? String(part.max_length - node.value.length) : ""; };
  let typing = 0;
  node.addEventListener("input", () => {
    ctx.form.set(block, part, { value: node.value === "" ? null : node.value });
    count();
    if (!field.quiet && config.includes("on_character_entered")) {
      clearTimeout(typing);
      typing = setTimeout(tell, 250);
    }
  });
  node.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || (part.multiline && !event.metaKey && !event.ctrlKey)) return;
    if (!field.quiet && config.includes("on_enter_pressed")) {
      event.preventDefault();
      tell();
    } else if (event.target.form) {
      event.preventDefault();
      event.target.form.requestSubmit();
    }
  });
  count();
  return counter ? h("span", { class: "counted" }, node, counter) : node;
}

/** `rich_text_input`: typed as plain words, sent as rich text. */
export function richField(block, part, ctx, field) {
  const held = ctx.form.start(block, part, { rich_text_value: part.initial_value || null });
  const node = h("textarea", { ...common(part, field), class: "text-input", rows: 5, value: richTextWords(held.rich_text_value), placeholder: words(part.placeholder) || "", dir: "auto" });
  node.addEventListener("input", () => ctx.form.set(block, part, { rich_text_value: typedRichText(node.value) }));
  return node;
}

function native(type, value, block, part, ctx, field, read) {
  const node = h("input", { ...common(part, field), class: "text-input date-input", type, value: value || "" });
  node.addEventListener("change", async () => {
    const fields = read(node.value);
    const before = ctx.form.get(block, part);
    ctx.form.set(block, part, fields);
    if (!field.quiet && !(await act(ctx, block, part, fields, node)) && part.confirm && before) {
      ctx.form.set(block, part, before);
      node.value = value || "";
    }
  });
  return node;
}

/** `datepicker`. */
export function dateField(block, part, ctx, field) {
  const held = ctx.form.start(block, part, { selected_date: part.initial_date || null });
  return native("date", held.selected_date, block, part, ctx, field, (value) => ({ selected_date: value || null }));
}

/** `timepicker`. */
export function timeField(block, part, ctx, field) {
  const extra = part.timezone ? { timezone: part.timezone } : {};
  const held = ctx.form.start(block, part, { selected_time: part.initial_time || null, ...extra });
  return native("time", held.selected_time, block, part, ctx, field, (value) => ({ selected_time: value || null, ...extra }));
}

/** Wall-clock words ("2026-01-26T09:00") of an instant in a zone. */
export function wallClock(ms, tz = zone()) {
  const parts = new Intl.DateTimeFormat("en-CA", { timeZone: tz, hourCycle: "h23", year: "numeric", month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit" })
    .formatToParts(ms).reduce((all, { type, value }) => ({ ...all, [type]: value }), {});
  return `${parts.year}-${parts.month}-${parts.day}T${parts.hour}:${parts.minute}`;
}

/** The instant (ms) at which a zone's clocks show these words; the later guess settles clock changes. */
export function instant(wall, tz = zone()) {
  const naive = Date.parse(`${wall}:00Z`);
  let guess = naive;
  for (let i = 0; i < 3; i += 1) guess += naive - Date.parse(`${wallClock(guess, tz)}:00Z`);
  return guess;
}

/** `datetimepicker`: seconds since 1970, read in the acting person's zone. */
export function dateTimeField(block, part, ctx, field) {
  const held = ctx.form.start(block, part, { selected_date_time: part.initial_date_time || null });
  const shown = held.selected_date_time ? wallClock(held.selected_date_time * 1000) : "";
  const node = native("datetime-local", shown, block, part, ctx, field, (value) => ({ selected_date_time: value ? Math.round(instant(value) / 1000) : null }));
  node.title = `Your time zone: ${zone()}`;
  node.dataset.now = wallClock(governedNow());
  return node;
}

/** `file_input`: a picked file goes to Slack at once, and to the app when the form is sent. */
export function fileField(block, part, ctx, field) {
  const most = part.max_files || 10;
  const held = () => ctx.form.start(block, part, { files: [] }).files;
  const picker = h("input", {
    type: "file", hidden: true, multiple: most > 1, "data-testid": `file-${part.action_id}`, "aria-label": "Choose a file", tabindex: "-1",
    accept: (part.filetypes || []).map((one) => `.${one.replace(/^\./, "")}`).join(",") || false,
  });
  const button = h("button", { ...common(part, field), class: "button", type: "button", onclick: () => picker.click() }, icon("attach", 16), " ", most > 1 ? "Choose files" : "Choose a file");
  const list = h("div", { class: "chosen-files", "aria-live": "polite" });
  const trouble = h("div", { class: "composer-trouble", role: "alert" });

  function paint() {
    fill(list, held().map((file) => h("span", { class: "pill" }, h("bdi", null, file.name), h("button", {
      class: "pill-x", type: "button", "aria-label": `Remove ${file.name}`,
      onclick: () => { ctx.form.set(block, part, { files: held().filter((one) => one.id !== file.id) }); paint(); button.focus(); },
    }, "×"))));
    button.hidden = held().length >= most;
  }

  picker.addEventListener("change", async () => {
    const chosen = [...picker.files].slice(0, most - held().length);
    picker.value = "";
    fill(trouble);
    button.setAttribute("aria-busy", "true");
    try {
      for (const one of chosen) {
        const { file } = await post("upload", { user: state.route.user, name: one.name, data: await bytesOf(one) });
        ctx.form.set(block, part, { files: [...held(), file] });
      }
    } catch (error) {
      fill(trouble, error.message);
    } finally {
      button.removeAttribute("aria-busy");
      paint();
    }
  });
  paint();
  return h("div", { class: "file-field" }, list, button, picker, trouble);
}
