// A process for a swarm or a part of it, controlled by `workers.mjs`: pusher-js decrypts on one thread.

import { channelKey } from './app.mjs';
import { Swarm } from './swarm.mjs';

let swarm;
let busy = 0;

/** Reads all available bytes, then pauses, again and again. */
function beBusy() {
  if (busy === 0) return;
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, busy);
  setImmediate(beBusy);
}

const orders = {
  async join({ from, count, options }) {
    swarm = new Swarm(from, count, { ...options, url: new URL(options.url) });
    await swarm.join();
  },
  busy({ ms }) {
    busy = ms;
    beBusy();
  },
  lag: () => ({ lag: swarm.lag(), received: swarm.received }),
  drained: ({ sent, ms }) => swarm.drained(sent, ms),
  opening: ({ masterKey }) => swarm.opening((channel) => channelKey(masterKey, channel)),
  report: () => swarm.report(),
  leave: () => swarm.leave(),
};

process.on('message', async ({ id, order, ...fields }) => {
  try {
    process.send({ id, answer: await orders[order](fields) });
  } catch (error) {
    process.send({ id, error: error.stack });
  }
});

process.on('disconnect', () => process.exit());
