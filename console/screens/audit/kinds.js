// Kinds of facts, for the filter.

export const KINDS = [["all", "All"], ["access", "Access"], ["keys", "Keys"], ["operators", "Operators"], ["server", "Server"], ["faults", "Faults"]];

const KIND_OF = {
  auth_granted: "access", auth_denied: "access", auth_refused_socket: "access", token_made: "access", tokens_revoked: "access", channel_revoked: "access", plaintext_refused: "access",
  admin_action: "operators", watch_begun: "operators", watch_ended: "operators", reveal_begun: "operators", reveal_ended: "operators", console_signed_in: "operators", console_signed_out: "operators",
  tripwire: "faults", facts_lost: "faults", line_torn: "faults", revocation_not_written: "faults", config_refused: "faults",
};

export const kindOfFact = ({ event }) => KIND_OF[event] ?? (/^(key|rotation)_/.test(event) ? "keys" : /^console_/.test(event) ? "operators" : "server");

export function toneOfFact(fact) {
  if (kindOfFact(fact) === "faults") return "bad";
  return /denied|refused/.test(fact.event) ? "warn" : "";
}

/** JSON in which characters that hide or reorder others are escaped. */
export const escaped = (json) => json.replace(/[\p{Cf}\p{Zl}\p{Zp}]/gu, (text) => [...Array(text.length).keys()].map((at) => `\\u${text.charCodeAt(at).toString(16).padStart(4, "0")}`).join(""));
