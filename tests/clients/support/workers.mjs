import { fork } from 'node:child_process';
import { join } from 'node:path';

const PROGRAM = join(import.meta.dirname, 'swarm_worker.mjs');

class Worker {
  #waiting = new Map();
  #lastId = 0;

  constructor() {
    this.child = fork(PROGRAM);
    this.child.on('message', ({ id, answer, error }) => {
      const { resolve, reject } = this.#waiting.get(id);
      this.#waiting.delete(id);
      if (error) reject(new Error(error));
      else resolve(answer);
    });
    this.child.on('exit', (code) => this.#waiting.forEach(({ reject }) => reject(new Error(`a worker ended with ${code}`))));
  }

  ask(order, fields = {}) {
    this.#lastId += 1;
    const id = this.#lastId;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.child.send({ id, order, ...fields });
    });
  }
}

/** A swarm spread over processes. */
export class Workers {
  constructor(count) {
    this.workers = Array.from({ length: count }, () => new Worker());
  }

  async join(clients, options) {
    const each = Math.ceil(clients / this.workers.length);
    await Promise.all(this.workers.map((worker, i) => worker.ask('join', { from: i * each, count: Math.max(0, Math.min(each, clients - i * each)), options })));
  }

  /** The answers of all processes. */
  ask(order, fields) {
    return Promise.all(this.workers.map((worker) => worker.ask(order, fields)));
  }

  stop() {
    this.workers.forEach(({ child }) => child.disconnect());
  }
}
