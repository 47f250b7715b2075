/** Elements by id. A stage or an overlay lacks most of them. */

/** @param {string} id @returns {HTMLElement | null} */
export function byId(id) {
  return document.getElementById(id);
}

/** Set a text only if it differs, so that nothing is repainted or read out again.
 * @param {string} id @param {string} text */
export function setText(id, text) {
  setTextOf(byId(id), text);
}

/** @param {Element | null} element @param {string} text */
export function setTextOf(element, text) {
  if (element && element.textContent !== text) element.textContent = text;
}
