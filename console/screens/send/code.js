// The event as a program of a backend. Secrets are placeholders.

import { clientAddress, withNote } from "./address.js";
import { isEncrypted, settingOf, targetOf } from "./checks.js";
import { jsLiteral, phpLiteral, pythonLiteral, shellQuote } from "./literals.js";

export const LANGUAGES = [["curl", "curl"], ["node", "Node"], ["php", "PHP"], ["python", "Python"]];

const MAKERS = { curl, node, php, python };

/** `event`: app, channels, name, data (the check), body, page, lookup, settings. */
export function example(language, event) {
  const { host, port, isTls, note } = clientAddress(event.page.store.session.public_url);
  const program = MAKERS[language]({
    ...event,
    host,
    port,
    isTls,
    key: settingOf(event.settings, event.app, "key") ?? "YOUR_APP_KEY",
    names: event.channels.length ? event.channels.map((name) => published(name, event.lookup)) : ["my-channel"],
    title: event.name || "my-event",
    value: event.data.value === undefined ? event.body.data : event.data.value,
  });
  // curl uses the admin API, at the address of this page.
  return language === "curl" ? program : withNote(language, note, program);
}

const isBlind = (name, lookup) => lookup.of(name).data?.encryption?.mode === "blind";

/** SDKs refuse plaintext on encrypted channels; the alias is sealed by the server. */
function published(name, lookup) {
  return isEncrypted(name) && !isBlind(name, lookup) ? targetOf(name).replace("private-encrypted-", "private-sealed-") : name;
}

const notes = ({ channels, lookup }, mark) => {
  const lines = [];
  if (channels.some((name) => isEncrypted(name) && !isBlind(name, lookup))) lines.push("The server seals it, and delivers it on private-encrypted-...");
  if (channels.some((name) => isBlind(name, lookup))) lines.push("A blind channel: give the SDK the master key, it seals the data.");
  return lines.map((line) => `${mark} ${line}\n`).join("");
};

function curl({ app, body, names, title }) {
  const request = { ...body, name: title, channels: body.channels.length ? body.channels : names };
  return `# ADMIN_TOKEN is admin_token of the configuration.
curl -X POST ${shellQuote(`${location.origin}/admin/apps/${encodeURIComponent(app)}/events`)} \\
  -H "Authorization: Bearer $ADMIN_TOKEN" \\
  -H "Content-Type: application/json" \\
  --data ${shellQuote(jsLiteral(request))}
`;
}

function node(event) {
  const { app, key, host, port, isTls, names, title, value } = event;
  const one = jsLiteral(names.length === 1 ? names[0] : names);
  return `// npm install pusher
import Pusher from "pusher";

const pusher = new Pusher({
  appId: ${jsLiteral(app)}, key: ${jsLiteral(key)}, secret: process.env.SEALCAST_APP_SECRET,
  host: ${jsLiteral(host)}, port: "${port}", useTLS: ${isTls},
});
${notes(event, "//")}await pusher.trigger(${one}, ${jsLiteral(title)}, ${jsLiteral(value)});
`;
}

function php(event) {
  const { app, key, host, port, isTls, names, title, value } = event;
  const one = phpLiteral(names.length === 1 ? names[0] : names);
  const tail = typeof value === "string" ? ", [], true" : "";
  return `<?php // composer require pusher/pusher-php-server
require "vendor/autoload.php";

$pusher = new Pusher\\Pusher(${phpLiteral(key)}, getenv("SEALCAST_APP_SECRET"), ${phpLiteral(app)}, [
    "host" => ${phpLiteral(host)}, "port" => ${port}, "scheme" => "${isTls ? "https" : "http"}",
]);
${notes(event, "//")}$pusher->trigger(${one}, ${phpLiteral(title)}, ${phpLiteral(value)}${tail});
`;
}

function python(event) {
  const { app, key, host, port, isTls, names, title, value } = event;
  const one = pythonLiteral(names.length === 1 ? names[0] : names);
  const digits = /^\d+$/.test(app) ? "" : "# This SDK takes app ids of digits only.\n";
  return `# pip install pusher
import os, pusher

${digits}client = pusher.Pusher(
    app_id=${pythonLiteral(app)}, key=${pythonLiteral(key)}, secret=os.environ["SEALCAST_APP_SECRET"],
    host=${pythonLiteral(host)}, port=${port}, ssl=${isTls ? "True" : "False"},
)
${notes(event, "#")}client.trigger(${one}, ${pythonLiteral(title)}, ${pythonLiteral(value)})
`;
}
