// The quickstart's backend: serves the page, publishes what people write as plain text, and knows roles.
// It holds no encryption key. Sealing is the server's work.
//
// Alone it starts a Sealcast of its own. With SEALCAST_URL it uses a running one, as `sealcast serve --dev`.

import { servePages, startExample } from "../lib/server.mjs";
import { publisher, readMessage } from "./messages.mjs";
import { roleToken } from "./roles.mjs";
import { rotator } from "./rotation.mjs";

const { env } = process;
const SEALED_CHANNEL = "private-encrypted-staff.quickstart";
const PRESENCE_CHANNEL = "presence-quickstart";

const channels = { sealedChannel: SEALED_CHANNEL, presenceChannel: PRESENCE_CHANNEL };
const common = { name: "quickstart", folder: new URL(".", import.meta.url) };

if (env.SEALCAST_URL === undefined) await startWithOwn();
else await startBeside(env.SEALCAST_URL);

/** All of it: roles come from tokens, and the key can be rotated. */
async function startWithOwn() {
  // Both need the running Sealcast; the first request comes later.
  let publish, rotation;
  const { sealcast } = await startExample({
    ...common,
    sealcast: {
      sealed: true,
      app: {
        // A key of your own: 32 characters, or 44 of base64. Without it, one is made and kept.
        ...(env.MASTER_KEY && { master_key: env.MASTER_KEY }),
        authorizer: "jwt",
        rules: [
          // Whoever has the role "staff" joins channels of staff. The dot is in no role.
          { channel: "private-encrypted-{claims.role}.*", allow: ["subscribe"] },
          { channel: PRESENCE_CHANNEL, allow: ["subscribe"] },
        ],
        // Refusals name the rule and the fix. Leave it off in production: strangers read it, too.
        explain: true,
      },
    },
    config: { ...channels, hasRoles: true, fix: "It starts again by itself." },
    routes: {
      "POST /messages": ({ body }) => publish.message(readMessage(body)),
      "POST /token": ({ body, sealcast }) => roleToken(sealcast.app.secret, body),
      "GET /rotation": () => rotation.report(),
      "POST /rotation": () => rotation.start(),
    },
  });
  publish = publisher({ ...sealcast, channel: SEALED_CHANNEL, fix: "It starts again by itself." });
  rotation = rotator({ sealcast, publish });
}

/** Without roles and keys: those belong to whoever runs that Sealcast. */
async function startBeside(text) {
  const { origin } = serverUrl(text);
  const app = {
    id: env.SEALCAST_APP_ID ?? "1001",
    key: env.SEALCAST_APP_KEY ?? "app-key",
    secret: env.SEALCAST_APP_SECRET ?? "app-secret",
  };
  const fix = "Start it with: sealcast serve --dev";
  const publish = publisher({ url: origin, app, channel: SEALED_CHANNEL, fix });
  try {
    const { origins, stop } = await servePages({
      ...common,
      port: env.PORT ?? 8080,
      sealcast: { url: origin, app },
      config: { ...channels, hasRoles: false, fix },
      routes: { "POST /messages": ({ body }) => publish.message(readMessage(body)) },
    });
    console.log(`quickstart on ${origins.find((page) => page.includes("127.0.0.1"))}`);
    console.log(`talking to Sealcast at ${origin}, app "${app.id}"`);
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.once(signal, stop);
  } catch (error) {
    console.error(error.message);
    process.exit(1);
  }
}

function serverUrl(text) {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url && /^https?:$/.test(url.protocol) && url.pathname === "/") return url;
  console.error(`SEALCAST_URL has to look like http://127.0.0.1:6001, not "${text}"`);
  process.exit(1);
}
