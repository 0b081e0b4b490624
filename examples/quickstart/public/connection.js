// Both clients, and what their connection says. pusher-js is used as published.

import { explainFailure } from "./access.js";
import { Jetsocket } from "./jetsocket.js";
import { dialectOf } from "./traffic.js";
import { tapSockets } from "/lib/ui.js";

/** A rotation may hold an event back for some seconds; after this, a frame counts as one that does not open. */
const OPEN_MS = 20_000;

const PUSHER_WORDS = { connecting: "Connecting", unavailable: "Connecting", initialized: "Connecting", failed: "Given up", disconnected: "Given up" };

/** `handlers`: event name to `(data, frame)`; `panel` shows the client's state. */
export function pusherClient({ config, me, access, panel, handlers, onFrame }) {
  const frames = framesToOpen(config.sealedChannel, Object.keys(handlers), panel.showUnopened);
  tapSockets(({ direction, text, url }) => {
    onFrame(dialectOf(url), direction, text);
    if (direction === "in" && dialectOf(url) === "pusher") frames.arrived(text);
  });
  const failed = (failure) => panel.explain(explainFailure(failure, config.hasRoles && me.role));
  const pusher = new Pusher(config.key, {
    ...config.pusher,
    unavailableTimeout: 3000,
    channelAuthorization: {
      // customHandler, and not an endpoint, because pusher-js keeps the body of a refusal to itself.
      async customHandler({ socketId, channelName }, callback) {
        const { role } = me;
        try {
          callback(null, await access.authorize("pusher", socketId, channelName));
        } catch (error) {
          // The answer to a role that was left meanwhile says nothing.
          if (channelName === config.sealedChannel && role === me.role) failed(error);
          callback(error, null);
        }
      },
    },
  });
  pusher.connection.bind("state_change", ({ current }) => {
    if (PUSHER_WORDS[current]) panel.setState(PUSHER_WORDS[current]);
  });

  function join() {
    const channel = pusher.subscribe(config.sealedChannel);
    for (const [event, handle] of Object.entries(handlers)) {
      channel.bind(event, (data) => handle(data, frames.opened(event)));
    }
    channel.bind("pusher:subscription_succeeded", panel.settle);
    // Of the auth endpoint's answers `failed` knew more. This is the server's own word on the socket.
    channel.bind("pusher:subscription_error", (error) => {
      if (error.type === "AuthExpired") rejoin();
      else if (error.type !== "AuthError") failed(error);
    });
  }

  function rejoin() {
    pusher.unsubscribe(config.sealedChannel);
    frames.forget();
    join();
  }

  join();
  return { pusher, rejoin };
}

/** pusher-js drops the frame of an event and what does not open; the page shows both. */
function framesToOpen(sealedChannel, events, onUnopened) {
  const waiting = new Map(); // frame -> timer
  let arriving = null;
  return {
    arrived(text) {
      const { event, channel } = JSON.parse(text);
      if (channel !== sealedChannel || !events.includes(event)) return;
      const frame = { event, text };
      waiting.set(frame, setTimeout(() => {
        waiting.delete(frame);
        if (event === "message") onUnopened(text);
      }, OPEN_MS));
      // pusher-js opens a frame and emits its event in the same turn,
      arriving = frame;
      setTimeout(() => {
        if (arriving === frame) arriving = null;
      });
    },
    /** or, if it had to ask for a new key, later: then it is the oldest one. */
    opened(event) {
      const oldest = [...waiting.keys()].find((frame) => frame.event === event);
      const frame = arriving?.event === event ? arriving : oldest;
      clearTimeout(waiting.get(frame));
      waiting.delete(frame);
      return frame?.text ?? "";
    },
    /** Of a channel that was left, nothing opens any more. */
    forget() {
      for (const timer of waiting.values()) clearTimeout(timer);
      waiting.clear();
    },
  };
}

export function jetsocketClient({ config, me, access, panel, handlers }) {
  const failed = (failure) => panel.explain(explainFailure(failure, config.hasRoles && me.role));
  const jetsocket = new Jetsocket(config.url, config.key, {
    authorize: (socketId, channel) => access.authorize("jetsocket", socketId, channel),
    on: {
      state(name) {
        if (name === "connecting") panel.setState("Connecting");
        else if (name === "subscribed") panel.settle();
        else if (name === "given up") panel.setState("Given up");
      },
      refused(error) {
        if (error.type === "AuthExpired") rejoin();
        else failed(error);
      },
      error: () => {},
      unopened: (event, frame) => event === "message" && panel.showUnopened(frame),
    },
  });
  const join = () => jetsocket.subscribe(config.sealedChannel, handlers);
  function rejoin() {
    jetsocket.unsubscribe(config.sealedChannel);
    join();
  }
  join();
  return { jetsocket, rejoin };
}
