// Numbers and times for readers.

const counts = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });
const clock = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });

/** 0.873 as "87 %"; null, which stands for no number, as a dash. */
export const percent = (score) => (score === null ? "–" : `${Math.round(100 * score)} %`);

/** 182412 as "182.4K". */
export const count = (number) => counts.format(number);

/** A Unix time as the reader's "19:04:31". */
export const timeOfDay = (unixTime) => clock.format(1000 * unixTime);

/** 4.21 seconds as "4.2 s", 75 as "1 min 15 s", 7300 as "2 h 1 min". */
export function duration(seconds) {
  const whole = Math.max(0, Math.round(seconds));
  if (seconds < 10) return `${Math.max(0, seconds).toFixed(1)} s`;
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
}

/** Milliseconds as "8.4 ms", "48 ms" or "1.2 s"; a dash where there are none. */
export function milliseconds(value) {
  if (value === undefined || value === null) return "–";
  if (value >= 1000) return `${(value / 1000).toFixed(1)} s`;
  return value < 10 ? `${value.toFixed(1)} ms` : `${Math.round(value)} ms`;
}
