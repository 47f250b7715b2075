/** Session storage that never throws: browsers may deny it to a page. */

/** The value saved under a name; empty if there is none. @param {string} name */
export function load(name) {
  try {
    return sessionStorage.getItem(name) ?? "";
  } catch {
    return "";
  }
}

/** @param {string} name @param {string | null} value null removes it */
export function save(name, value) {
  try {
    if (value === null) sessionStorage.removeItem(name);
    else sessionStorage.setItem(name, value);
  } catch {
    // Storage is denied or full; the page works without it.
  }
}
