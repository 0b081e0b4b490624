// Names of channels and passes for them, as the layers of a list demand.
//
// With signed names a pass is for one list, and the name carries a signature: the server checks both.
// Without, a pass opens every list without signatures whose number somebody tries.

import { serverApi, signedId, signJwt } from "../lib/server.mjs";
import { LAX, PREFIXES } from "./settings.mjs";

const DAY = 86_400;
const ABILITIES = ["subscribe", "history", "trigger"];
/** A signature stands behind the id, so none of these opens a signed name. */
const ANY_NUMBER = [...[PREFIXES.open, PREFIXES.sealed].flatMap((prefix) => [`${prefix}*-p`, `${prefix}*-e`]), `${PREFIXES.presence}*-here`];

/** The Sealcast app of a list, with its signed API. */
export function appFor({ sealcast }, secrets, layers) {
  const app = layers.origins ? sealcast.app : { id: LAX, ...secrets[LAX] };
  return { id: app.id, key: app.key, secret: app.secret, api: serverApi({ url: () => sealcast.url, app }) };
}

export function namesOf(app, list, layers) {
  const sign = (prefix, id) => (layers.names ? signedId(app.secret, `${prefix}${list}-`, id) : `${prefix}${list}-${id}`);
  return {
    channel: sign(layers.disk ? PREFIXES.sealed : PREFIXES.open, layers.passphrase ? "e" : "p"),
    presence: sign(PREFIXES.presence, "here"),
  };
}

/** The server ends this kind by its user, but in sealed channels alone. An open channel needs the other kind. */
const isJwt = (layers) => layers.names && layers.disk;

/** `subject` is a device of a user, so that one device can be shut out alone. */
export async function makePass(app, list, layers, { subject, info, seconds }) {
  const names = namesOf(app, list, layers);
  const lifetime = layers.passes ? seconds : DAY;
  const place = { app: { id: app.id, key: app.key }, ...names, subject, lifetime };
  if (isJwt(layers)) {
    const now = Math.floor(Date.now() / 1000);
    return { ...place, token: signJwt(app.secret, { sub: subject, list, iat: now, exp: now + lifetime, user_info: info }) };
  }
  const channels = layers.names ? [names.channel, names.presence] : ANY_NUMBER;
  const { token } = await app.api.accessToken({ user: subject, channels, allow: ABILITIES, ttl: lifetime, info });
  return { ...place, token };
}

/** All passes that this device holds for the list end now, and its subscriptions with them. */
export async function endPasses(app, list, layers, subject) {
  if (!isJwt(layers)) return app.api.revokeUser(subject);
  const { channel } = namesOf(app, list, layers);
  await app.api.call("POST", `/channels/${channel}/revoke`, { body: { user_id: subject } });
}
