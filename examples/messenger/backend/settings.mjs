/** What Sealcast has to know; sealcast.toml says the same for compose.yaml. */
export const SETTINGS = {
  app: {
    mode: "blind",
    client_events: true,
    limits: { client_events_per_second: 20 },
    channels: [
      { pattern: "private-room-*", payload: "ciphertext", history: { events: 500, bytes: "2MiB", ttl: "1h", store: "disk" } },
      { pattern: "presence-room-*", payload: "ciphertext" },
    ],
  },
};
