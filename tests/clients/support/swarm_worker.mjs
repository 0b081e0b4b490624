// A process of its own for a part of a swarm: pusher-js decrypts on one thread. Told what to do by rotation.full.mjs.

import { channelKey } from './app.mjs';
import { Swarm } from './swarm.mjs';

let swarm;

const orders = {
  async join({ from, count, options }) {
    swarm = new Swarm(from, count, { ...options, url: new URL(options.url) });
    await swarm.join();
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
