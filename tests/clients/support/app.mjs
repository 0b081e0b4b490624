import { createHash, createHmac, randomBytes } from 'node:crypto';

let lastId = 1000;

/** A new app with random credentials. `settings` are those of its section in the configuration file. */
export function anApp(settings = {}) {
  lastId += 1;
  const key = randomBytes(10).toString('hex');
  const secret = randomBytes(20).toString('hex');
  return { id: String(lastId), key, secret, settings };
}

/** The same with a random master key, so that the server can seal. */
export function aSealingApp(settings = {}) {
  const masterKey = aMasterKey();
  return { ...anApp({ master_key: masterKey, ...settings }), masterKey };
}

/** 32 random bytes in the notation of the official SDKs. */
export function aMasterKey() {
  return randomBytes(32).toString('base64');
}

/** The app's section of the configuration file. */
export function section(app) {
  return { key: app.key, secret: app.secret, ...app.settings };
}

/** The `auth` of a subscription, computed here and not by an SDK. */
export function channelAuth(app, socketId, channel, channelData) {
  const parts = channelData === undefined ? [socketId, channel] : [socketId, channel, channelData];
  return `${app.key}:${createHmac('sha256', app.secret).update(parts.join(':')).digest('hex')}`;
}

const base64url = (text) => Buffer.from(text).toString('base64url');

/** An HS256 token as an application would issue it to its clients. Valid for an hour unless the claims say otherwise. */
export function token(app, claims) {
  const exp = Math.floor(Date.now() / 1000) + 3600;
  const head = `${base64url('{"alg":"HS256","typ":"JWT"}')}.${base64url(JSON.stringify({ exp, ...claims }))}`;
  return `${head}.${createHmac('sha256', app.secret).update(head).digest('base64url')}`;
}

/** The key of an encrypted channel as the official SDKs derive it, computed independently of them. */
export function channelKey(masterKeyBase64, channel) {
  const hash = createHash('sha256').update(channel, 'utf8').update(Buffer.from(masterKeyBase64, 'base64'));
  return new Uint8Array(hash.digest());
}

/** The key of an encrypted channel as the official .NET SDK derives it. */
export function dotnetChannelKey(masterKeyBase64, channel) {
  const hmac = createHmac('sha256', Buffer.from(masterKeyBase64, 'base64')).update(channel, 'utf8');
  return new Uint8Array(hmac.digest());
}
