/** Times as the acting person reads them: their zone, the governed clock. */

import { state } from "./state.js";

/** The governed time now, in milliseconds since 1970. */
export function governedNow() {
  return Date.now() + state.skew;
}

/** The IANA zone of the acting person. */
export function zone() {
  return state.boot?.users?.[state.route.user]?.tz || "UTC";
}

/** Slack shows 12 hours where people prefer it; in the sandbox that is the Americas. */
export function twelveHours(tz = zone()) {
  return tz.startsWith("America/");
}

function format(ms, options, tz = zone()) {
  try {
    return new Intl.DateTimeFormat("en-GB", { timeZone: tz, ...options }).format(ms);
  } catch {
    return new Intl.DateTimeFormat("en-GB", { timeZone: "UTC", ...options }).format(ms);
  }
}

/** Milliseconds of a Slack timestamp ("1769417400.000100"). */
export function msOf(ts) {
  return Math.floor(Number.parseFloat(ts) * 1000);
}

/** "09:35", or "9:35 AM" where people read twelve hours. */
export function clockTime(ms, tz = zone(), seconds = false) {
  const options = { hour: "2-digit", minute: "2-digit", ...(seconds ? { second: "2-digit" } : {}) };
  if (!twelveHours(tz)) return format(ms, { ...options, hourCycle: "h23" }, tz);
  return format(ms, { ...options, hour: "numeric", hour12: true }, tz).replace(/\s*(am|pm)$/i, (m) => ` ${m.trim().toUpperCase()}`);
}

/** "2026-01-26" in a zone: one value for one calendar day. */
export function dayKey(ms, tz = zone()) {
  return new Intl.DateTimeFormat("en-CA", { timeZone: tz, year: "numeric", month: "2-digit", day: "2-digit" }).format(ms);
}

function ordinal(day) {
  const n = Number(day);
  if (n % 100 >= 11 && n % 100 <= 13) return `${n}th`;
  return `${n}${{ 1: "st", 2: "nd", 3: "rd" }[n % 10] || "th"}`;
}

function relativeDay(ms) {
  const now = governedNow();
  const key = dayKey(ms);
  if (key === dayKey(now)) return "today";
  if (key === dayKey(now - 86400e3)) return "yesterday";
  if (key === dayKey(now + 86400e3)) return "tomorrow";
  return null;
}

function capital(word) {
  return word.charAt(0).toUpperCase() + word.slice(1);
}

/** The words on the line between two days: "Today", "Monday, January 26th". */
export function dayLabel(ms) {
  const near = relativeDay(ms);
  if (near) return capital(near);
  const year = format(ms, { year: "numeric" });
  const sameYear = year === format(governedNow(), { year: "numeric" });
  return `${format(ms, { weekday: "long" })}, ${format(ms, { month: "long" })} ${ordinal(format(ms, { day: "numeric" }))}${sameYear ? "" : `, ${year}`}`;
}

/** "5 minutes ago", "in 2 days", by the governed clock. */
export function ago(ms) {
  const seconds = Math.round((governedNow() - ms) / 1000);
  const size = Math.abs(seconds);
  if (size < 60) return seconds >= 0 ? "just now" : "in a moment";
  const [n, unit] = size < 3600 ? [Math.round(size / 60), "minute"]
    : size < 86400 ? [Math.round(size / 3600), "hour"]
      : size < 30 * 86400 ? [Math.round(size / 86400), "day"]
        : size < 365 * 86400 ? [Math.round(size / (30 * 86400)), "month"] : [Math.round(size / (365 * 86400)), "year"];
  const words = `${n} ${unit}${n === 1 ? "" : "s"}`;
  return seconds >= 0 ? `${words} ago` : `in ${words}`;
}

/** "Mon 26 Jan 2026, 08:50 GMT" for the strip and for titles. */
export function fullTime(ms, tz = zone()) {
  const day = format(ms, { weekday: "short", day: "numeric", month: "short", year: "numeric" }, tz).replace(",", "");
  // Only American English knows EST, only British English GMT and CET.
  const locale = tz.startsWith("America/") ? "en-US" : "en-GB";
  const name = new Intl.DateTimeFormat(locale, { timeZone: tz, timeZoneName: "short" }).format(ms).split(", ").pop();
  return `${day}, ${clockTime(ms, tz)} ${name}`;
}

/** "Mon 26 Jan, 08:50": short, for narrow places. */
export function shortTime(ms, tz = zone()) {
  return `${format(ms, { weekday: "short", day: "numeric", month: "short" }, tz).replace(",", "")}, ${clockTime(ms, tz)}`;
}

/** One `{token}` of Slack's `<!date^…>`, or null when Slack has no such token. */
function dateToken(token, ms) {
  const year = format(ms, { year: "numeric" });
  const long = `${format(ms, { month: "long" })} ${ordinal(format(ms, { day: "numeric" }))}, ${year}`;
  const short = `${format(ms, { month: "short" })} ${format(ms, { day: "numeric" })}, ${year}`;
  const full = `${format(ms, { weekday: "long" })}, ${long}`;
  switch (token) {
    case "date_num": return dayKey(ms);
    case "date_slash": return `${format(ms, { month: "2-digit" })}/${format(ms, { day: "2-digit" })}/${year}`;
    case "date": return long;
    case "date_long": return full;
    case "date_long_full": return full;
    case "date_short": return short;
    case "date_pretty": return relativeDay(ms) || long;
    case "date_short_pretty": return relativeDay(ms) || short;
    case "date_long_pretty": return relativeDay(ms) || full;
    case "day_divider_pretty": return dayLabel(ms);
    case "time": return clockTime(ms);
    case "time_secs": return clockTime(ms, zone(), true);
    case "ago": return ago(ms);
    default: return null;
  }
}

/** The text of a `<!date^unix^format>`; null when the seconds or a token are not Slack's. */
export function slackDate(unix, pattern) {
  const seconds = Number(unix);
  if (!Number.isFinite(seconds)) return null;
  let known = true;
  const text = pattern.replace(/\{([a-z_]+)\}/g, (whole, token) => {
    const words = dateToken(token, seconds * 1000);
    if (words === null) known = false;
    return words ?? whole;
  });
  return known ? text.replace(/^(today|yesterday|tomorrow)/, capital) : null;
}
