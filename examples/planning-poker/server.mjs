// The backend of planning poker: serves the page, and gives tokens for a room to anybody with its id.
// The id comes from the room's key, so only people with the link know it. No database, no key here.

import { Refusal, startExample } from "../lib/server.mjs";

const ID = /^[0-9a-f]{32}$/;
const TOKEN_SECONDS = 3600;

const env = process.env;
const idle = env.ROOM_IDLE ?? "1h";
const vacant = env.ROOM_VACANT ?? "5m";

await startExample({
  name: "planning-poker",
  folder: new URL(".", import.meta.url),
  // An office shares one address.
  perMinute: Number(env.TOKENS_PER_MINUTE ?? 120),
  sealcast: {
    app: {
      mode: "blind",
      // A table of 24 players and 40 stories in the longest script, padded and sealed.
      limits: { client_event_bytes: 65_536 },
      channels: [
        {
          pattern: "private-cache-pp-*", payload: "ciphertext", cache_ttl: "1h",
          history: { events: 100, ttl: "1h", idle, vacant, client_events: true },
        },
        { pattern: "presence-pp-*", payload: "ciphertext" },
      ],
    },
  },
  config: {
    renewMs: Number(env.ROOM_RENEW_MS ?? 20 * 60_000),
    // As `vacant`: a closed table is there for at least this time.
    awayMs: Number(env.ROOM_AWAY_MS ?? 5 * 60_000),
  },
  routes: {
    "POST /rooms/:room/token": ({ api, params: { room }, body }) => {
      if (!ID.test(room) || !ID.test(body?.player)) throw new Refusal(400, "This is no room. Open the link again.");
      return api.accessToken({
        user: body.player, ttl: TOKEN_SECONDS, allow: ["subscribe", "trigger"],
        channels: [`private-cache-pp-${room}`, `presence-pp-${room}`],
      });
    },
  },
});
