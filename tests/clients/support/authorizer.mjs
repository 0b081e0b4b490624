import { once } from 'node:events';
import { Agent, request } from 'node:http';

const kept = new Agent({ keepAlive: true });

/** The request of pusher-js to an authorization endpoint. */
async function post(endpoint, fields, more, agent) {
  const headers = { 'content-type': 'application/x-www-form-urlencoded', ...more };
  const asked = request(endpoint, { method: 'POST', agent, headers });
  asked.end(new URLSearchParams(fields).toString());
  const [response] = await once(asked, 'response');
  let text = '';
  for await (const chunk of response) text += chunk;
  const { statusCode: status } = response;
  if (!text) throw new Error(`${status} without a body`);
  return { status, body: JSON.parse(text) };
}

/** The server's own endpoint for channels of the app. */
export const endpointOf = (url, app) => new URL(`/apps/${app.id}/auth/channel`, url).href;

/**
 * A handler for pusher-js that asks the endpoint as pusher-js itself does. `before(channel)` is called first: what it returns is
 * awaited, and an error that it throws is the answer. `after(channel, answer)` is called with what was granted. `fields` are sent, too; without
 * an `agent` no line is kept, which would be a server's that is gone.
 */
export function authorizer(endpoint, { before = () => {}, after = () => {}, headers = {}, fields = {}, agent = kept } = {}) {
  const ask = async ({ socketId, channelName }) => {
    await before(channelName);
    const { status, body } = await post(endpoint, { ...fields, socket_id: socketId, channel_name: channelName }, headers, agent);
    if (status !== 200) throw Object.assign(new Error(`${status} ${body.code}: ${body.error}`), { status });
    await after(channelName, body);
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
