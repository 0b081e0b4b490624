// A TCP proxy that keeps every byte, and can stand for a lost line.

import { connect, createServer } from "node:net";

const MAX_BYTES = 256 * 1024 * 1024;

export async function recordingProxy() {
  const records = [];
  const lines = new Set();
  let bytes = 0;
  let target;
  let isDown = false;

  const keep = (record, chunk) => {
    bytes += chunk.length;
    if (bytes > MAX_BYTES) throw new Error("more traffic than a test should make");
    record.push(chunk);
  };
  const server = createServer((down) => {
    if (isDown || !target) return down.destroy();
    const up = connect(Number(target.port), target.hostname);
    const record = { sent: [], received: [] };
    records.push(record);
    const line = [down, up];
    lines.add(line);
    const end = () => {
      line.forEach((socket) => socket.destroy());
      lines.delete(line);
    };
    down.on("data", (chunk) => keep(record.sent, chunk)).pipe(up);
    up.on("data", (chunk) => keep(record.received, chunk)).pipe(down);
    for (const socket of line) socket.on("error", end).on("close", end);
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const cut = () => {
    for (const line of lines) line.forEach((socket) => socket.destroy());
  };
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    /** Where the bytes go; known only once Sealcast listens. */
    to(url) {
      target = new URL(url);
    },
    cut,
    down() {
      isDown = true;
      cut();
    },
    up() {
      isDown = false;
    },
    sources: () => records.flatMap(({ sent, received }, i) => [
      { source: `line ${i} to Sealcast`, bytes: withoutMasks(Buffer.concat(sent)) },
      { source: `line ${i} from Sealcast`, bytes: Buffer.concat(received) },
    ]),
    close() {
      server.close();
      cut();
    },
  };
}

/** Browsers mask the frames they send, so that no text would be found in them: RFC 6455, 5.3. */
function withoutMasks(bytes) {
  const head = bytes.indexOf("\r\n\r\n");
  if (head < 0 || !/^upgrade: *websocket/im.test(bytes.subarray(0, head).toString("latin1"))) return bytes;
  const parts = [bytes.subarray(0, head + 4)];
  for (let at = head + 4; at + 2 <= bytes.length;) {
    const isMasked = (bytes[at + 1] & 0x80) !== 0;
    let length = bytes[at + 1] & 0x7f;
    let start = at + 2;
    if (length === 126) {
      if (start + 2 > bytes.length) break;
      length = bytes.readUInt16BE(start);
      start += 2;
    } else if (length === 127) {
      if (start + 8 > bytes.length) break;
      length = Number(bytes.readBigUInt64BE(start));
      start += 8;
    }
    const mask = isMasked ? bytes.subarray(start, (start += 4)) : undefined;
    const payload = Buffer.from(bytes.subarray(start, start + length));
    if (mask) for (let i = 0; i < payload.length; i++) payload[i] ^= mask[i % 4];
    parts.push(payload);
    at = start + length;
  }
  return Buffer.concat(parts);
}
