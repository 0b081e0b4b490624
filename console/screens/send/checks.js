// What can be said about an event before it is sent.

const ENCODER = new TextEncoder();
const DEFAULTS = { event_bytes: 10_240, channels_per_event: 100 };

const ALIAS = "private-sealed-";
const ENCRYPTED = "private-encrypted-";

export const splitChannels = (text) => [...new Set(text.split(/\s+/).filter(Boolean))];

/** The channel on which clients get an event for `name`. */
export const targetOf = (name) => (name.startsWith(ALIAS) ? ENCRYPTED + name.slice(ALIAS.length) : name);
export const isEncrypted = (name) => targetOf(name).startsWith(ENCRYPTED);

/** Bytes of UTF-8, as the server counts. */
export const bytesOf = (text) => ENCODER.encode(text).length;

/** The value of a setting of the app, if the configuration has it. */
export const settingOf = (settings, app, name) => settings?.find((it) => it.setting === `apps.${app}.${name}`)?.value ?? undefined;

export const limitsOf = (settings, app) => ({
  bytes: settingOf(settings, app, "limits.event_bytes") ?? DEFAULTS.event_bytes,
  channels: settingOf(settings, app, "limits.channels_per_event") ?? DEFAULTS.channels_per_event,
  mixed: settingOf(settings, app, "allow_mixed") === true,
});

const kindOfValue = (value) => (Array.isArray(value) ? `a list of ${value.length}` : value === null ? "null" : typeof value === "object" ? `an object of ${Object.keys(value).length}` : `a ${typeof value}`);

/** `{ value, kind }` of JSON, or `{ error }` with the place of the fault. Text is always right. */
export function checkData(text, isText) {
  if (isText || text.trim() === "") return {};
  try {
    const value = JSON.parse(text);
    return { value, kind: kindOfValue(value) };
  } catch (error) {
    return { error: `Not JSON: ${reason(error, text)}` };
  }
}

/** Browsers name the position or the line; the line is what an editor shows. */
function reason({ message }, text) {
  const position = /position (\d+)/.exec(message)?.[1];
  const what = message.replace(/^JSON\.parse: /, "").replace(/ in JSON at position.*| \(line.*|, "?.*is not valid JSON$/s, "");
  if (position === undefined) return what;
  const before = text.slice(0, Number(position)).split("\n");
  return `${what}, line ${before.length}, column ${before.at(-1).length + 1}`;
}
