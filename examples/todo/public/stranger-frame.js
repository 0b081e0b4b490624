// A page of the second port, in a frame that nobody sees. It runs one request from its own origin.

const WAIT_MS = 10_000;

export async function atStranger(origin, order) {
  const frame = document.createElement("iframe");
  frame.title = "The stranger’s page";
  frame.hidden = true;
  frame.referrerPolicy = "no-referrer";
  const id = crypto.randomUUID();
  const answer = new Promise((resolve, reject) => {
    const timer = setTimeout(() => done(reject, new Error("The stranger’s page does not open. Try again.")), WAIT_MS);
    const done = (settle, value) => {
      clearTimeout(timer);
      window.removeEventListener("message", listen);
      frame.remove();
      settle(value);
    };
    function listen({ source, origin: from, data }) {
      if (source !== frame.contentWindow || from !== origin) return;
      if (data.id === "ready") source.postMessage({ id, ...order }, origin);
      else if (data.id === id) done(resolve, data.failed === undefined ? data.answer : { failed: data.failed });
    }
    window.addEventListener("message", listen);
  });
  frame.src = `${origin}/stranger.html`;
  document.body.append(frame);
  return answer;
}
