/** The parts of the page by their ids; a stage or an overlay lacks most of them. */

/** @param {string} id @returns {HTMLElement | null} */
export function find(id) {
  return document.getElementById(id);
}

/** Change a text only where it differs, so that nothing is painted or read out for nothing.
 * @param {string} id @param {string} text */
export function say(id, text) {
  const part = find(id);
  if (part && part.textContent !== text) part.textContent = text;
}

/** What this tab keeps for itself under a name; nothing, where the browser keeps nothing for pages.
 * @param {string} name */
export function kept(name) {
  try {
    return sessionStorage.getItem(name) ?? "";
  } catch {
    return "";
  }
}

/** @param {string} name @param {string | null} value null to keep it no longer */
export function keep(name, value) {
  try {
    if (value === null) sessionStorage.removeItem(name);
    else sessionStorage.setItem(name, value);
  } catch {
    // Then it is not kept.
  }
}
