/** What people write into the form: numbers, minutes and planned holds. `written.py` reads the same, and both
 * are tested by the same cases. */

/** @import {PlannedHold} from "../../../types/protocol" */

const NUMBER = /^(?=\d)(?:(\d+)\s*d(?:$|\s+(?=\d+:\d+:)))?(?:(?:(\d+):(?=[0-5]\d:))?(\d+):(?=[0-5]\d$))?(\d+)?$/;
const HOLD = /^(.+?)(?:\s+for\s+(.+))?$/i;
const THOUSANDS = /^[1-9]\d{0,2},\d{3}$/;
const MAX_LEAD_MS = 100 * 24 * 60 * 60_000;

/** A whole number, also as the time that so many seconds are: 5400, 1:30:00, 99d, 99d 4:00:00; null if it
 * is neither. @param {string} text */
export function number(text) {
  const found = NUMBER.exec(text.trim());
  if (found === null) return null;
  const [days, hours, minutes, seconds] = found.slice(1).map((part) => Number(part ?? 0));
  return ((24 * days + hours) * 60 + minutes) * 60 + seconds;
}

/** Minutes from now in ms, with a decimal point or comma, or a comma between thousands as in 1,440; or a
 * time, as in 99d or 1:30:00. NaN if it is neither, or more than 100 days. @param {string} text */
export function leadMs(text) {
  const isThousands = THOUSANDS.test(text);
  const ms = /[:d]/.test(text) ? (number(text) ?? NaN) * 1000 : Number(text.replace(",", isThousands ? "" : ".")) * 60_000;
  return ms >= 0 && ms <= MAX_LEAD_MS ? ms : NaN;
}

/** Planned holds, each a number and perhaps for how many seconds: `60 for 600, 4`; or the one that can't be
 * read. @param {string} text @returns {PlannedHold[] | string} */
export function holds(text) {
  const read = [];
  for (const part of text.split(",").map((one) => one.trim()).filter(Boolean)) {
    const [, at, length] = HOLD.exec(part) ?? [];
    const hold = { at: number(at ?? ""), for_ms: length === undefined ? 0 : number(length) };
    if (hold.at === null || hold.for_ms === null) return part;
    read.push({ at: hold.at, ...(length !== undefined && { for_ms: 1000 * hold.for_ms }) });
  }
  return read;
}
