/** Several rooms of one connection. Pure. */

/** @import {Room} from "./room.js" */

/** The query that resumes each room after the last frame received of it. One stream has all rooms, so
 * they have one epoch; a room that still has another, or of which nothing came, starts over.
 * @param {Room[]} rooms in the order in which the connection names them */
export function resumeAll(rooms) {
  const epoch = rooms.find(({ seq }) => seq > 0)?.epoch;
  if (epoch === undefined) return "";
  const after = rooms.map((room) => (room.seq > 0 && room.epoch === epoch ? room.seq : ""));
  return `&epoch=${encodeURIComponent(epoch)}&after=${after}`;
}
