import nacl from 'tweetnacl';

const bytes = (base64) => new Uint8Array(Buffer.from(base64, 'base64'));
const text = (base64) => Buffer.from(base64).toString('base64');

/** The plaintext of an event's `data`, or null when this key does not open it. */
export function opened(data, key) {
  const { nonce, ciphertext } = JSON.parse(data);
  const plaintext = nacl.secretbox.open(bytes(ciphertext), bytes(nonce), key);
  return plaintext && Buffer.from(plaintext).toString('utf8');
}

/** An event's `data` as a publisher seals it. */
export function sealed(plaintext, key) {
  const nonce = nacl.randomBytes(nacl.secretbox.nonceLength);
  const ciphertext = nacl.secretbox(new Uint8Array(Buffer.from(plaintext)), nonce, key);
  return JSON.stringify({ nonce: text(nonce), ciphertext: text(ciphertext) });
}

const unicode = 'Grüße, 日本語, العربية, 🦀 and √∞ '.repeat(100);

/** Fragile plaintexts, and their values in pusher-js. */
export const payloads = [
  { name: 'a zero', plaintext: '0', read: 0 },
  { name: 'an empty string', plaintext: '', read: '' },
  { name: 'null', plaintext: 'null', read: null },
  { name: 'a bare word', plaintext: 'hello', read: 'hello' },
  { name: 'an object', plaintext: '{"a":1}', read: { a: 1 } },
  { name: 'an object with blanks', plaintext: ' { "a" :  1 } ', read: { a: 1 } },
  { name: 'long unicode', plaintext: JSON.stringify(unicode), read: unicode },
];
