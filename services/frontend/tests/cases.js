/** The cases that these tests share with pytest, so that Python and the script agree. */

import { readFileSync } from "node:fs";

/** The cases of a file, or the kinds of cases that it has. @param {string} file */
export function cases(file) {
  const written = JSON.parse(readFileSync(new URL(file, import.meta.url), "utf8"));
  return written.cases ?? written;
}
