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
