/** Elements by id. A stage or an overlay lacks most of them. */

/** @param {string} id @returns {HTMLElement | null} */
export function byId(id) {
  return document.getElementById(id);
}

/** Set a text only if it differs, so that nothing is repainted or read out again.
 * @param {string} id @param {string} text */
export function setText(id, text) {
  const element = byId(id);
  if (element && element.textContent !== text) element.textContent = text;
}
