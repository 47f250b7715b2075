/** Requests to the API, each of which may be made again: its id says that it is the same. */

/** A double click is one press. */
export const DOUBLE_CLICK_MS = 500;
/** So long after a press whose outcome is unknown, another one still means the same. */
const AGAIN_MS = 10_000;

/**
 * @typedef {{
 *   method: string,
 *   address: string,
 *   body: object | null,
 *   onSuccess?: () => void,
 *   onAnswer?: (status: number) => void,
 * }} ApiRequest `onAnswer` is told 504 if there was none
 */
/**
 * The same request, with the same id, for a form that is submitted again before its outcome is known, or
 * by a double click; a new one otherwise.
 * @param {(form: HTMLFormElement) => ApiRequest | string} toRequest
 * @returns {(form: HTMLFormElement) => ApiRequest | string}
 */
export function repeatable(toRequest) {
  /** @type {{fields: string, request: ApiRequest} | null} */
  let asked = null;
  return (form) => {
    const fields = JSON.stringify([...new FormData(form)]);
    if (asked?.fields === fields) return asked.request;
    const request = toRequest(form);
    if (typeof request === "string") return request;
    const made = (asked = { fields, request });
    const forget = () => {
      if (asked === made) asked = null;
    };
    setTimeout(forget, AGAIN_MS);
    request.onAnswer = (status) => {
      if (status < 500) setTimeout(forget, status < 400 ? DOUBLE_CLICK_MS : 0);
    };
    return request;
  };
}

/**
 * A request for each press of a button, named by the last part of its address: two presses of +10 s are
 * twenty seconds. After one whose outcome is unknown it is the same again, with the same id. A double
 * click on Hold must not press Resume, which takes its place.
 * @param {(action: string, value: string) => ApiRequest} toRequest
 * @returns {(form: HTMLFormElement, button: HTMLButtonElement) => ApiRequest | null}
 */
export function eachPress(toRequest) {
  /** @type {Map<string, ApiRequest>} */
  const lost = new Map();
  let isDouble = false;
  return (_, { formAction, value }) => {
    const action = formAction.slice(formAction.lastIndexOf("/") + 1);
    if (action !== "adjust") {
      if (isDouble) return null;
      isDouble = true;
      setTimeout(() => (isDouble = false), DOUBLE_CLICK_MS);
    }
    const key = action + value;
    const request = lost.get(key) ?? toRequest(action, value);
    lost.delete(key);
    request.onAnswer = (status) => {
      if (status < 500) return;
      lost.set(key, request);
      setTimeout(() => lost.get(key) === request && lost.delete(key), AGAIN_MS);
    };
    return request;
  };
}

/** An id for a run, a change or a message. `crypto.randomUUID` exists on pages over HTTPS only. */
export function newId() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** What went wrong, in words; empty if nothing did.
 * @param {ApiRequest} request @param {string} link the one that gives the right, if one does */
export async function send({ method, address, body, onSuccess, onAnswer }, link) {
  /** @type {Record<string, string>} */
  const headers = { "Content-Type": "application/json" };
  if (link) headers.Authorization = `Bearer ${link}`;
  try {
    const response = await fetch(address, { method, headers, body: body && JSON.stringify(body) });
    onAnswer?.(response.status);
    if (response.ok) {
      onSuccess?.();
      return "";
    }
    return (await response.json()).detail ?? `It was refused (${response.status}).`;
  } catch {
    onAnswer?.(504);
    return "The server can't be reached.";
  }
}
