/** The moment that a form means by a time of day, in the browser's time zone. Pure. */

/** The moment at which a clock in the browser's time zone shows `clock` on that date: of two, the one that is
 * still to come; NaN if there is none.
 * @param {string} date as yyyy-mm-dd @param {string} clock as hh:mm or hh:mm:ss @param {number} time */
export function onDate(date, clock, time) {
  // Without a zone it is the browser's.
  const moments = showing(clock, new Date(`${date}T${clock}`));
  return moments.find((moment) => moment > time) ?? moments[0] ?? NaN;
}

/** The next moment at which a clock in the browser's time zone shows `clock`, by the server's time.
 * @param {string} clock as hh:mm or hh:mm:ss @param {number} time */
export function nextTime(clock, time) {
  const [hours, minutes, seconds = 0] = clock.split(":").map(Number);
  const moments = [0, 1, 2].flatMap((days) => {
    const moment = new Date(time);
    moment.setDate(moment.getDate() + days);
    moment.setHours(hours, minutes, seconds, 0);
    return showing(clock, moment);
  });
  return moments.filter((moment) => moment > time).sort((a, b) => a - b)[0];
}

/** From `first` on, the moments at which clocks show `clock`: when summer time ends, they show an hour twice, up
 * to an hour apart; when it begins, one never. @param {string} clock @param {Date} first */
function showing(clock, first) {
  const [hours, minutes] = clock.split(":").map(Number);
  return [0, 30, 60]
    .map((later) => first.getTime() + later * 60_000)
    .filter((moment) => {
      const date = new Date(moment);
      return date.getHours() === hours && date.getMinutes() === minutes;
    });
}
