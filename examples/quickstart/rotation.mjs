// "Rotate now": changes the master key among 200 events, through the admin API of Sealcast.

import { randomUUID } from "node:crypto";
import { request } from "node:http";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { Refusal } from "../lib/server.mjs";

const EVENTS = 200;
/** The key changes behind this event. */
const ROTATE_AFTER = 50;
const PAUSE_MS = 10;
const TIMEOUT_MS = 5000;

export function rotator({ sealcast, publish }) {
  const keys = `/admin/apps/${sealcast.app.id}/keys`;
  const admin = (method, path) => askAdmin(join(sealcast.stateDir, "sealcast", "admin.sock"), method, path);
  let run = null;

  async function report() {
    const { keys: known, rotation } = await admin("GET", keys);
    const active = known.find(({ state }) => state === "active");
    return { key: { id: active.id, since: active.since }, rotation, run };
  }

  async function start() {
    if (run?.isRunning) throw new Refusal(409, "A rotation is under way. Wait until it ends.");
    run = { id: randomUUID(), of: EVENTS, sent: 0, isRunning: true, oldKey: null, newKey: null, asked: 0, closed: 0, error: null };
    let before;
    try {
      before = await report();
      if (before.rotation.in_progress) {
        throw new Refusal(409, `The last rotation still moves ${before.rotation.remaining} subscriptions. Try again in a moment.`);
      }
    } catch (error) {
      run = null;
      throw error;
    }
    run.oldKey = before.key.id;
    // Not awaited: the page asks for the report meanwhile.
    const current = run;
    sendAndRotate(current, before.rotation)
      .catch((error) => { current.error = error.message; })
      .finally(() => { current.isRunning = false; });
    return { id: run.id, of: EVENTS };
  }

  async function sendAndRotate(current, before) {
    for (let n = 1; n <= EVENTS; n++) {
      await publish.event("tick", { run: current.id, n, of: EVENTS });
      current.sent = n;
      if (n === ROTATE_AFTER) current.newKey = (await admin("POST", `${keys}/rotate`)).id;
      await pause(PAUSE_MS);
    }
    const deadline = AbortSignal.timeout(60_000);
    for (;;) {
      const { rotation } = await report();
      current.asked = rotation.reauthorized - before.reauthorized;
      current.closed = rotation.closed - before.closed;
      if (!rotation.in_progress) return;
      if (deadline.aborted) throw new Error(`${rotation.remaining} subscriptions have not moved yet.`);
      await pause(200);
    }
  }

  return { report, start };
}

/** Only the user that runs Sealcast can open this socket. */
function askAdmin(socketPath, method, path) {
  return new Promise((resolve, reject) => {
    // A connection of its own each time: a kept one is dead after a restart of Sealcast.
    const asked = request({
      socketPath, method, path, agent: false, timeout: TIMEOUT_MS, headers: { host: "localhost", "content-type": "application/json" },
    });
    const unreachable = () => reject(new Refusal(503, "The admin socket of Sealcast does not answer. Try again in a moment."));
    asked.once("error", unreachable).once("timeout", () => asked.destroy(new Error("timeout")));
    asked.once("response", (response) => {
      let text = "";
      response.setEncoding("utf8").on("data", (chunk) => (text += chunk)).once("error", unreachable);
      response.once("end", () => {
        const answer = parsed(text);
        if (response.statusCode < 300) resolve(answer);
        else reject(new Refusal(response.statusCode, answer.error ?? `The admin API answered ${response.statusCode}.`));
      });
    });
    asked.end(method === "POST" ? "{}" : undefined);
  });
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return {};
  }
}
