// A page with examples/lib/stream.js, its backend, and a network between them that can be cut.

import http from "node:http";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { random } from "../clients/support/random.mjs";
import { APP, SEED, cuttingProxy, publisher, signedPost } from "./stream_support.mjs";
import { eventually } from "./support.mjs";

const LIBRARY = readFileSync(fileURLToPath(new URL("../../examples/lib/stream.js", import.meta.url)));
const NACL = fileURLToPath(new URL("node_modules/tweetnacl/nacl-fast.js", import.meta.url));

/** A server on `127.0.0.1` that serves the pages and what their backend has: `tokens`, by user. */
export async function startBackend(t) {
  const tokens = {};
  const backend = { tokens, asked: 0 };
  const server = http.createServer((request, answer) => {
    const { pathname, searchParams } = new URL(request.url, "http://x");
    if (pathname === "/token") {
      backend.asked++;
      return answer.end(tokens[searchParams.get("user")]);
    }
    answer.setHeader("content-type", pathname === "/" ? "text/html" : "text/javascript");
    answer.end(pathname === "/" ? "<title>streams</title>" : LIBRARY);
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => server.closeAllConnections() ?? server.close());
  return Object.assign(backend, { url: `http://127.0.0.1:${server.address().port}/` });
}

/** Requests to the signed API of `server`. */
export function signedApi(t, server) {
  const agent = new http.Agent({ keepAlive: true });
  t.after(() => agent.destroy());
  const post = (path, content) => signedPost(server.origin, agent, `/apps/${APP.id}${path}`, content);
  const token = async (user, channels) => (await post("/tokens", { user_id: user, channels, ttl: 3600 })).token;
  return { post, token, publish: publisher(server.origin, agent) };
}

/**
 * A page of this user with an open stream of these channels. `window.told` has its events and gaps by channel, `states`
 * what `onState` was called with, and `errors` what it was told of refusals. Secrets wait until `window.mayAsk` resolves.
 */
export async function openPage(t, browser, server, backend, user, channels, seed = SEED) {
  const proxy = await cuttingProxy({ host: server.hostname, port: server.port }, random(seed));
  t.after(() => proxy.close());
  const page = await (await browser.newContext()).newPage();
  t.after(() => page.context().close());
  await page.goto(backend.url);
  await page.addScriptTag({ path: NACL });
  await page.evaluate(openStreamInPage, {
    url: `http://127.0.0.1:${proxy.port}/app/${APP.key}`,
    auth: `${server.origin}/apps/${APP.id}/auth/channel`,
    user,
    channels,
  });
  await eventually("an open stream", () => page.evaluate(() => window.states.includes("open")));
  return { page, proxy, user, channels, told: () => page.evaluate(() => window.told) };
}

/** Runs in the page. */
async function openStreamInPage({ url, auth, user, channels }) {
  const { openStream } = await import("/stream.js");
  // As a page does: a token of its own backend, then the server itself.
  const post = async (path, type, body) => {
    const token = await fetch(`/token?user=${user}`).then((answer) => answer.text());
    const headers = { authorization: `Bearer ${token}`, "content-type": type };
    const answer = await fetch(path, { method: "POST", headers, body });
    const content = await answer.json();
    if (!answer.ok) throw new Error(`${answer.status} ${content.code}`);
    return content;
  };
  Object.assign(window, { told: {}, gaps: [], states: [], errors: [], mayAsk: Promise.resolve() });
  for (const channel of channels) window.told[channel] = [];
  window.stream = openStream({
    url,
    channels,
    nacl: window.nacl,
    ticket: async () => (await post(`${url}/tickets`, "application/json", JSON.stringify({ channels }))).ticket,
    secret: async (channel_name, socket_id) => {
      await window.mayAsk;
      const form = new URLSearchParams({ channel_name, socket_id });
      return (await post(auth, "application/x-www-form-urlencoded", form)).shared_secret;
    },
    onEvent: ({ channel, data }) => window.told[channel].push(data.split(":")[0]),
    onGap: (gap) => {
      window.gaps.push(gap);
      window.told[gap.channel].push(`gap ${gap.reason}`);
    },
    onState: (state, detail) => {
      window.states.push(state);
      if (detail instanceof Error) window.errors.push(detail.message);
    },
  });
}
