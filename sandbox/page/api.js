/** Asking the sandbox. */

export class SandboxError extends Error {}

async function answer(response) {
  let body;
  try {
    body = await response.json();
  } catch {
    throw new SandboxError(`The sandbox answered ${response.status} without JSON.`);
  }
  if (!response.ok) throw new SandboxError(body.error || `The sandbox answered ${response.status}.`);
  return body;
}

/** GET `/sandbox/<path>` with query parameters. */
export async function get(path, params = {}) {
  const query = new URLSearchParams(params).toString();
  return answer(await fetch(`/sandbox/${path}${query ? `?${query}` : ""}`, { cache: "no-store" }));
}

/** POST JSON to `/sandbox/<path>`. */
export async function post(path, body = {}) {
  return answer(await fetch(`/sandbox/${path}`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  }));
}
