// MD5 of RFC 1321. Signed requests carry it to name their body; WebCrypto does not have it, as it
// protects nothing on its own.

const SHIFTS = [[7, 12, 17, 22], [5, 9, 14, 20], [4, 11, 16, 23], [6, 10, 15, 21]];
const CONSTANTS = Array.from({ length: 64 }, (_, i) => Math.floor(Math.abs(Math.sin(i + 1)) * 2 ** 32));
const ROUNDS = [
  [(b, c, d) => (b & c) | (~b & d), (i) => i],
  [(b, c, d) => (d & b) | (~d & c), (i) => 5 * i + 1],
  [(b, c, d) => b ^ c ^ d, (i) => 3 * i + 5],
  [(b, c, d) => c ^ (b | ~d), (i) => 7 * i],
];

export function md5(bytes) {
  const padded = new Uint8Array((((bytes.length + 8) >> 6) + 1) << 6);
  padded.set(bytes);
  padded[bytes.length] = 0x80;
  const view = new DataView(padded.buffer);
  view.setUint32(padded.length - 8, bytes.length << 3, true);
  view.setUint32(padded.length - 4, Math.floor(bytes.length / 2 ** 29), true);
  let sum = [0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476];
  for (let at = 0; at < padded.length; at += 64) sum = block(sum, (i) => view.getUint32(at + 4 * i, true));
  const result = new DataView(new ArrayBuffer(16));
  sum.forEach((word, i) => result.setUint32(4 * i, word, true));
  return Array.from(new Uint8Array(result.buffer), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function block(before, word) {
  let [a, b, c, d] = before;
  for (let i = 0; i < 64; i++) {
    const [mix, index] = ROUNDS[i >> 4];
    const sum = (a + mix(b, c, d) + CONSTANTS[i] + word(index(i) & 15)) | 0;
    const shift = SHIFTS[i >> 4][i & 3];
    [a, b, c, d] = [d, (b + ((sum << shift) | (sum >>> (32 - shift)))) | 0, b, c];
  }
  return [a, b, c, d].map((word32, i) => (word32 + before[i]) >>> 0);
}
