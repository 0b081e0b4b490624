// A request as a program. Tokens and secrets are placeholders.

import { contentOf, exampleOf } from "./document.js";
import { clientAddress, withNote } from "../send/address.js";
import { jsLiteral, phpLiteral, pythonLiteral, shellQuote } from "../send/literals.js";

export const LANGUAGES = [["curl", "curl"], ["node", "Node"], ["php", "PHP"], ["python", "Python"]];

/** "admin", "signed", "client" or "open": by the names of its security schemes, else by its path. */
function kindOf({ path, security }) {
  const names = security.flatMap((it) => Object.keys(it)).join(" ");
  if (/admin/i.test(names)) return "admin";
  if (/sign/i.test(names)) return "signed";
  if (names) return "client";
  return /^\/(admin|ops)\//.test(path) ? "admin" : "open";
}

const WORDS = {
  admin: "With the admin token, on ops_listen or admin.sock.",
  signed: "Signed with the app's secret: an SDK of Pusher does it.",
  client: "With a token of the user, where the app wants one.",
  open: "Without authorization.",
};

export const authOf = (operation) => WORDS[kindOf(operation)];

export function codeFor(language, operation, document, page) {
  const sample = operation.samples.find((it) => it.lang?.toLowerCase() === language || (language === "curl" && /^(shell|bash|sh)$/i.test(it.lang)) || (language === "node" && /^(js|javascript)$/i.test(it.lang)));
  if (sample) return sample.source;
  const kind = kindOf(operation);
  const clients = clientAddress(page.store.session.public_url);
  const body = operation.body && contentOf(operation.body);
  const request = {
    kind,
    method: operation.method,
    path: operation.path.replace(/\{(\w+)\}/g, (whole, name) => (/^app(_?id)?$/i.test(name) && page.app ? encodeURIComponent(page.app) : name.toUpperCase())),
    query: operation.parameters.filter((it) => it.in === "query" && it.required && !/^auth_|body_md5/.test(it.name)).map((it) => [it.name, String(it.example ?? exampleOf(document, it.schema))]),
    body: body ? (body[1].example ?? exampleOf(document, body[1].schema)) : undefined,
    origin: kind === "admin" ? location.origin : clients.origin,
  };
  const make = (kind === "signed" ? SIGNED : PLAIN)[language];
  return kind === "admin" ? make(request) : withNote(language, clients.note, make(request));
}

const address = ({ origin, path, query }) => `${origin}${path}${query.length ? `?${new URLSearchParams(query)}` : ""}`;
const bearer = { admin: "ADMIN_TOKEN", client: "USER_TOKEN" };
const pretty = (value) => JSON.stringify(value, null, 2);

const PLAIN = {
  curl: (it) => {
    return [`curl${it.method === "GET" ? "" : ` -X ${it.method}`} ${shellQuote(address(it))}`, bearer[it.kind] && `  -H "Authorization: Bearer $${bearer[it.kind]}"`, it.body !== undefined && `  -H "Content-Type: application/json"`, it.body !== undefined && `  --data ${shellQuote(JSON.stringify(it.body))}`].filter(Boolean).join(" \\\n");
  },
  node: (it) => `const response = await fetch(${jsLiteral(address(it))}, {
  method: "${it.method}",
${headersOf(it, (token) => `\`Bearer \${process.env.${token}}\``)}${it.body === undefined ? "" : `  body: JSON.stringify(${pretty(it.body).replaceAll("\n", "\n  ")}),\n`}});
console.log(response.status, await response.json());`,
  php: (it) => `<?php
$request = curl_init(${phpLiteral(address(it))});
curl_setopt_array($request, [
    CURLOPT_CUSTOMREQUEST => "${it.method}",
    CURLOPT_RETURNTRANSFER => true,
    CURLOPT_HTTPHEADER => [${[bearer[it.kind] && `"Authorization: Bearer " . getenv("${bearer[it.kind]}")`, it.body !== undefined && '"Content-Type: application/json"'].filter(Boolean).join(", ")}],
${it.body === undefined ? "" : `    CURLOPT_POSTFIELDS => json_encode(${phpLiteral(it.body)}),\n`}]);
echo curl_exec($request);`,
  python: (it) => `# pip install requests
import os, requests

response = requests.request(
    "${it.method}", ${pythonLiteral(address(it))},
${bearer[it.kind] ? `    headers={"Authorization": "Bearer " + os.environ["${bearer[it.kind]}"]},\n` : ""}${it.body === undefined ? "" : `    json=${pythonLiteral(it.body)},\n`})
print(response.status_code, response.json())`,
};

const headersOf = (it, token) => {
  const lines = [bearer[it.kind] && `authorization: ${token(bearer[it.kind])}`, it.body !== undefined && `"content-type": "application/json"`].filter(Boolean);
  return lines.length ? `  headers: { ${lines.join(", ")} },\n` : "";
};

/** SDKs put /apps/ID in front of the path themselves. */
const short = ({ path }) => path.replace(/^\/apps\/[^/]+/, "");
const params = ({ query }, literal) => (query.length ? literal(Object.fromEntries(query)) : undefined);

const SIGNED = {
  curl: (it) => `# APP_KEY and APP_SECRET are those of the app.
body=${it.body === undefined ? "''" : shellQuote(JSON.stringify(it.body))}
query="auth_key=$APP_KEY&auth_timestamp=$(date +%s)&auth_version=1.0"${it.body === undefined ? "" : `
query="$query&body_md5=$(printf %s "$body" | openssl md5 -r | cut -d' ' -f1)"`}${it.query.length ? `\nquery="$query"${shellQuote(`&${new URLSearchParams(it.query)}`)}` : ""}
signature=$(printf '${it.method}\\n%s\\n%s' ${shellQuote(it.path)} "$query" |
  openssl dgst -sha256 -hmac "$APP_SECRET" -r | cut -d' ' -f1)
curl${it.method === "GET" ? "" : ` -X ${it.method}`} ${shellQuote(`${it.origin}${it.path}`)}"?$query&auth_signature=$signature"${it.body === undefined ? "" : ` \\
  -H "Content-Type: application/json" --data "$body"`}`,
  node: (it) => `// pusher: as on the screen Send an event
const response = await pusher.${it.method === "GET" ? "get" : "post"}({
  path: ${jsLiteral(short(it))},${it.body === undefined ? "" : `\n  body: ${pretty(it.body).replaceAll("\n", "\n  ")},`}${it.query.length ? `\n  params: ${params(it, jsLiteral)},` : ""}
});
console.log(response.status, await response.json());`,
  php: (it) => `<?php // $pusher: as on the screen Send an event
${it.method === "GET" ? `$answer = $pusher->get(${phpLiteral(short(it))}${it.query.length ? `, ${params(it, phpLiteral)}` : ""});` : `$answer = $pusher->post(${phpLiteral(short(it))}, json_encode(${phpLiteral(it.body ?? {})}));`}
print_r($answer);`,
  python: (it) => `import hashlib, hmac, json, os, time, urllib.parse
import requests

body = ${it.body === undefined ? '""' : `json.dumps(${pythonLiteral(it.body)})`}
query = {"auth_key": os.environ["APP_KEY"], "auth_timestamp": int(time.time()), "auth_version": "1.0"${it.body === undefined ? "" : ',\n         "body_md5": hashlib.md5(body.encode()).hexdigest()'}${it.query.map(([name, value]) => `, ${pythonLiteral(name)}: ${pythonLiteral(value)}`).join("")}}
text = "&".join(f"{name}={value}" for name, value in sorted(query.items()))
signed = f"${it.method}\\n${it.path}\\n{text}".encode()
query["auth_signature"] = hmac.new(os.environ["APP_SECRET"].encode(), signed, hashlib.sha256).hexdigest()
response = requests.request("${it.method}", ${pythonLiteral(`${it.origin}${it.path}?`)} + urllib.parse.urlencode(query),
                            data=body, headers={"Content-Type": "application/json"})
print(response.status_code, response.text)`,
};
