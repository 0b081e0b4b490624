// Opened by a phone's camera from the QR of another phone: compares, and sends nothing anywhere.

import { button, el, notice } from "../../../lib/ui.js";
import { matchesVerifyLink, readVerifyLink } from "../../../lib/words.js";
import { centred } from "./enter.js";

export function readFragment() {
  const fragment = location.hash;
  history.replaceState(null, "", location.pathname);
  return fragment;
}

export function verifyView({ model, bar, toVerify, home }) {
  const place = el("div", { "aria-live": "polite" });
  const foot = el("div", { class: "foot" }, button("To the rooms", { press: leave }));
  const node = centred("Compare keys", place, foot);

  function leave() {
    history.replaceState(null, "", "/");
    document.body.dataset.view = "list";
    home();
    model.changed();
  }

  async function compare() {
    const entries = readVerifyLink(toVerify);
    const other = entries?.find(({ id }) => id !== model.user)?.id;
    if (!other || entries.length !== 2 || !entries.some(({ id }) => id === model.user)) {
      return notice("bad", { title: "This link is not whole", text: "Scan the code again, from the other person’s screen. Nothing was changed." });
    }
    const person = await model.people.refresh(other);
    const own = model.people.get(model.user);
    if (!person?.chain || person.alert) return notice("bad", { title: `The keys of ${other} changed`, text: "Open the room. It shows what to do." });
    const isSame = await matchesVerifyLink(entries, [{ id: model.user, key: own.chain.root }, { id: other, key: person.chain.root }]);
    if (!isSame) {
      return notice("bad", { title: "These are other keys", text: `Somebody may stand between you and ${model.people.nameOf(other)}. Do not mark them as verified. Nothing was changed.` });
    }
    foot.prepend(button("Mark as verified", { kind: "primary", press: async () => {
      await model.people.verify(other, person.chain.root);
      leave();
    } }));
    return notice("info", { title: "The same keys on both sides", text: `${model.people.nameOf(other)} has the keys that this browser knows.`, icon: "check" });
  }

  document.body.dataset.view = "enter";
  compare().then((found) => place.replaceChildren(found), (error) => place.replaceChildren(notice("bad", { title: error.message })));
  return { node, phase: "ready", update: () => bar.set(model.line.name) };
}
