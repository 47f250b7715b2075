/** What a tab keeps for itself; nothing, where the browser keeps nothing for pages. */

/** What is kept under a name; empty where there is nothing. @param {string} name */
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
