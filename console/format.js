// Numbers, sizes and times as texts. All times are UTC.

const WHOLE = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });
const DAY = 86_400;

/** 12482 as "12,482". */
export const count = (number) => (Number.isFinite(number) ? WHOLE.format(number) : "–");

const rounded = (number) => (number >= 100 || number === Math.trunc(number) ? Math.round(number) : number.toFixed(1));

/** 48210 as ["48.2", "k"]. */
export function short(number) {
  if (!Number.isFinite(number)) return ["–", ""];
  for (const [size, unit] of [[1e9, "G"], [1e6, "M"], [1e4, "k"]]) {
    if (number >= size) return [String(rounded(number / (unit === "k" ? 1e3 : size))), unit];
  }
  return [number >= 1000 ? WHOLE.format(number) : String(rounded(number)), ""];
}

/** 2350000 as "2.2 MiB". */
export function bytes(number) {
  if (!Number.isFinite(number)) return "–";
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let power = 0;
  for (; number >= 1024 && power < units.length - 1; power += 1) number /= 1024;
  return `${power === 0 ? Math.round(number) : rounded(number)} ${units[power]}`;
}

/** Microseconds as "1.8 ms". */
export function duration(microseconds) {
  if (!Number.isFinite(microseconds)) return "–";
  if (microseconds < 1000) return `${Math.round(microseconds)} µs`;
  if (microseconds < 1e6) return `${(microseconds / 1000).toFixed(1)} ms`;
  return `${(microseconds / 1e6).toFixed(1)} s`;
}

/** Seconds as "12 s", "4 min", "3 h", "12 days". */
export function age(seconds) {
  if (!Number.isFinite(seconds)) return "–";
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 100) return `${whole} s`;
  if (whole < 5400) return `${Math.round(whole / 60)} min`;
  if (whole < 2 * DAY) return `${Math.round(whole / 3600)} h`;
  return `${Math.round(whole / DAY)} days`;
}

const date = (time) => new Date(typeof time === "number" ? time * 1000 : time);
/** Seconds since 1970 of a number or of RFC 3339. */
export const unix = (time) => date(time).getTime() / 1000;
const part = (time, from, to) => {
  const moment = date(time);
  return Number.isNaN(moment.getTime()) ? "–" : moment.toISOString().slice(from, to);
};

/** Seconds since 1970 or RFC 3339, as "14:32:31.882". */
export const clock = (time) => part(time, 11, 23);
/** "14:32:31". */
export const seconds = (time) => part(time, 11, 19);
/** "14:32". */
export const minutes = (time) => part(time, 11, 16);
/** "2026-01-31 14:32:31". */
export const moment = (time) => `${part(time, 0, 10)} ${part(time, 11, 19)}`;

export const percent = (share) => (Number.isFinite(share) ? `${Math.round(share * 100)} %` : "–");

/** "310d0c348ad5" as "310d 0c34 8ad5". */
export const fingerprint = (id) => (id ?? "").replace(/(.{4})(?=.)/g, "$1 ");
/** "310d0c348ad5" as "310d…8ad5". */
export const shortFingerprint = (id) => (id ? `${id.slice(0, 4)}…${id.slice(-4)}` : "–");

/** "1 socket", "3 sockets". */
export const plural = (number, one, many = `${one}s`) => `${count(number)} ${number === 1 ? one : many}`;

/** A name from outside, with characters that hide or reorder others made visible. */
export const visible = (text) =>
  String(text ?? "").replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, (char) => `\\u{${char.codePointAt(0).toString(16)}}`);

/** "hooks.example.com" of an endpoint's URL. */
export const hostOf = (url) => (URL.canParse(url) ? new URL(url).host : url);
