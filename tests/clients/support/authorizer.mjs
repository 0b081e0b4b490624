import { Agent, request } from 'node:http';

const agent = new Agent({ keepAlive: true });

/** What a pusher-js sends to an authorization endpoint, on a line that is kept. */
function post(endpoint, fields) {
  return new Promise((resolve, reject) => {
    const headers = { 'content-type': 'application/x-www-form-urlencoded' };
    const asked = request(endpoint, { method: 'POST', agent, headers }, async (response) => {
      let text = '';
      for await (const chunk of response) text += chunk;
      resolve({ status: response.statusCode, body: JSON.parse(text) });
    });
    asked.on('error', reject);
    asked.end(new URLSearchParams(fields).toString());
  });
}

/**
 * A handler for pusher-js that asks the server's own endpoint. `before(channel)` is called first; what it returns is
 * awaited, and an error that it throws is the answer. `params` go with every request.
 */
export function authorizer(url, app, { before = () => {}, params = {} } = {}) {
  const endpoint = new URL(`/apps/${app.id}/auth/channel`, url);
  const ask = async ({ socketId, channelName }) => {
    await before(channelName);
    const { status, body } = await post(endpoint, { socket_id: socketId, channel_name: channelName, ...params });
    if (status !== 200) throw new Error(`${status} ${body.code}: ${body.error}`);
    return body;
  };
  return (asked, callback) => {
    // The callback stands outside of the promise: what an application throws in it must not look like a refusal.
    ask(asked).then(
      (answer) => process.nextTick(callback, null, answer),
      (error) => process.nextTick(callback, error, null),
    );
  };
}
