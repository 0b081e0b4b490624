// A command that sends an event of the feed again.

import { jsLiteral, shellQuote } from "../send/literals.js";

/** The feed has no payload, so the command has a place for it. */
export function curlOf(app, entry) {
  const body = jsLiteral({ name: entry.name, channels: [entry.channel], data: "{}" });
  return `# admin.sock is in state_dir of the server's configuration; .sealcast is its default.
curl --unix-socket .sealcast/admin.sock -H 'Content-Type: application/json' \\
  ${shellQuote(`http://localhost/admin/apps/${encodeURIComponent(app)}/events`)} \\
  -d ${shellQuote(body)}`;
}
