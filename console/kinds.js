// Channel kinds, by prefix.

/** encrypted, presence, private, user or public. */
export function kindOf(channel) {
  if (channel.startsWith("private-encrypted-") || channel.startsWith("private-sealed-")) return "encrypted";
  if (channel.startsWith("presence-")) return "presence";
  if (channel.startsWith("private-")) return "private";
  return channel.startsWith("#server-to-user-") ? "user" : "public";
}

const ICONS = { encrypted: "lock", presence: "users", private: "shield", user: "users", public: "globe" };

/** The name of the icon of a channel's kind. */
export const iconOf = (channel) => ICONS[kindOf(channel)];
