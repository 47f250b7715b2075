/** The cases that these tests share with pytest, so that Python and the script agree. */

import { readFileSync } from "node:fs";

/** @param {string} file */
export function cases(file) {
  return JSON.parse(readFileSync(new URL(file, import.meta.url), "utf8")).cases;
}
