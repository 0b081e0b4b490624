// This device waits until an older one of the same person lets it in.

import { button, dialog, el, notice } from "../../../lib/ui.js";
import { fingerprint } from "../../../lib/words.js";
import { deviceKeyBytes, publicPart } from "../devices.js";
import { utf8 } from "../../../lib/crypto.js";
import { centred } from "./enter.js";

/** The words of one device, as both of its owner's devices show them. */
export const deviceWords = (device) => fingerprint(device.id, utf8(deviceKeyBytes(device)));

export const wordList = (words, label) =>
  el("ol", { class: "eight", "aria-label": label }, words.map((word) => el("li", { text: word })));

export function pendingView({ model, bar }) {
  const words = el("div", { class: "words-place" });
  publicPart(model.me).then(deviceWords).then((list) => words.replaceChildren(wordList(list, "Words of this device")));
  const isBegunAnew = Boolean(model.people.get(model.user)?.alert);
  const anew = isBegunAnew && notice("warn", { title: "Your list of devices was begun anew", text: "If you did this on another device, and it has let this one in, go on. If not, somebody has your password.",
    action: { text: "I did this", press: () => model.acceptOwn() } });
  const node = centred("This device cannot read yet", anew,
    el("p", { class: "dim", text: "Open the messenger on a device that can. It asks whether this one may read, and shows eight words. Let it in only if they are these:" }),
    words,
    el("p", { class: "dim small", text: "What was written before stays sealed to your older devices." }),
    el("div", { class: "foot" },
      button("I have no other device", { press: askToStartOver }),
      button("Log out", { kind: "quiet", press: () => model.logOut({ isForgetting: true }) })));

  function askToStartOver() {
    dialog({
      title: "Begin with new keys?",
      lead: "Everybody you write with is warned that your keys changed, and has to accept them. What was written before stays closed to you.",
      actions: [{ text: "Begin with new keys", kind: "bad", press: () => model.startOver() }, { text: "Not now", kind: "quiet" }],
    });
  }

  return {
    node, phase: "pending",
    update() {
      bar.set(model.line.name === "live" ? "live" : model.line.name, { retryAt: model.line.retryAt, retry: () => model.live.tryNow() });
    },
  };
}
