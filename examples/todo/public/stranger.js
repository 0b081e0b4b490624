// A page of another origin. It sends what it is told to, from where it is, and tells what came of it.

import { signedCall } from "./signed.js";

const report = (text) => window.parent.postMessage(text, "*");

async function send({ url, init }) {
  const answer = await fetch(url, init);
  return { status: answer.status, ...(await answer.json().catch(() => ({}))) };
}

window.addEventListener("message", async ({ data, source }) => {
  if (source !== window.parent || typeof data !== "object") return;
  try {
    report({ id: data.id, answer: data.door ? await signedCall(data.door, data.call) : await send(data) });
  } catch (error) {
    // A browser tells a page nothing more about a request that it may not see the answer of.
    report({ id: data.id, failed: error.message });
  }
});
report({ id: "ready" });
