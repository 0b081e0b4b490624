// New rooms, this person's devices, receipts and notifications, logging out.

import { button, chip, dialog, el, field, notice, toast, toggle } from "../../../lib/ui.js";
import { deviceWords, wordList } from "./pending.js";
import { attempt } from "./members.js";

export function newRoomDialog(model, open) {
  const users = field("User names", { autocapitalize: "none", spellcheck: "false", maxlength: 300, hint: "One for a conversation of two; several, with commas, for a room" });
  const title = field("Name of the room", { maxlength: 80, hint: "Sealed like a message. Leave it empty for a conversation of two" });
  const answer = el("div", { "aria-live": "polite" });
  const form = el("form", { class: "stack", on: { submit: (event) => {
    event.preventDefault();
    make();
  } } }, users, title, answer, el("div", { class: "foot" }, button("Make it", { kind: "primary", type: "submit" })));
  const { close } = dialog({ title: "New room", lead: "Everybody’s devices get the key of the room. The server gets none.", body: form });

  async function make() {
    const names = users.input.value.toLowerCase().split(/[\s,]+/).filter(Boolean).filter((name) => name !== model.user);
    const name = title.input.value.trim();
    if (names.length === 0 && !name) return answer.replaceChildren(notice("warn", { title: "Name somebody, or give the room a name." }));
    try {
      const isPair = names.length === 1 && !name;
      const room = await model.rooms.create(isPair ? "dm" : "room", [...new Set(names)], isPair ? "" : name || names.join(", "));
      close();
      open(room.id);
    } catch (error) {
      answer.replaceChildren(notice("bad", { title: error.message }));
    }
  }
}

/** Asked on an older device: nothing is opened for the new one before this press. */
export async function approveDialog(model, device) {
  dialog({
    title: `Let “${device.name}” read?`,
    lead: "Look at the other device. Let it in only if it shows these words, in this order.",
    body: wordList(await deviceWords(device), "Words of the new device"),
    actions: [
      { text: "They match, let it in", kind: "primary", press: () => attempt(() => model.approve(device), "It reads from now on") },
      { text: "That is not me", kind: "bad", press: () => attempt(() => model.refuse(device.id), "It stays out. Change your password.") },
    ],
  });
}

export function accountDialog(model) {
  const own = model.people.get(model.user);
  const devices = el("ul", { class: "members" }, [...own.chain.devices.values()].filter(({ isActive }) => isActive).map(deviceRow));
  const { preferences } = model;
  const row = (text, hint, control) => el("div", { class: "setting" }, el("span", { class: "grow" }, el("b", { text }), hint && el("small", { text: hint })), control);
  const text = toggle("Show the text in notifications", preferences.notifyText, (isOn) => model.prefer({ notifyText: isOn }));
  const { close } = dialog({
    title: model.people.nameOf(model.user),
    lead: `You are logged in as ${model.user}.`,
    body: el("div", { class: "stack" },
      el("h3", { text: "Devices that can read" }), devices,
      el("h3", { text: "Settings" }),
      row("Receipts", "Others see how far you have read, and you see them. Off: neither.", toggle("Receipts", preferences.receipts, (isOn) => model.prefer({ receipts: isOn }))),
      row("Notifications", "“New message”, while this tab is hidden.", notifyButton()),
      row("Text in notifications", "Others may see your screen.", text)),
    actions: [
      { text: "Log out", kind: "primary", press: () => askToLeave() },
      { text: "Close", kind: "quiet" },
    ],
  });

  function deviceRow(device) {
    const isThis = device.id === model.me.id;
    return el("li", {}, el("span", { class: "grow" }, el("b", { text: device.name }), el("small", { text: device.id.split(".")[1] })),
      isThis ? chip("this one", "open") : button("Remove", { low: true, kind: "bad", label: `Remove ${device.name}`, press: async () => {
        if (await attempt(() => model.removeDevice(device.id), "It opens nothing that is written from now on")) close();
      } }));
  }

  function notifyButton() {
    if (!globalThis.Notification) return chip("not in this browser");
    const node = button("", { low: true, press: change });
    const show = () => {
      node.textContent = preferences.notify && Notification.permission === "granted" ? "Turn off" : "Turn on";
    };
    async function change() {
      if (preferences.notify && Notification.permission === "granted") await model.prefer({ notify: false });
      else if ((await Notification.requestPermission()) === "granted") await model.prefer({ notify: true });
      else toast("This browser does not allow it. Its settings for this page do.", { icon: "warn" });
      show();
    }
    show();
    return node;
  }

  function askToLeave() {
    let isEverywhere = false;
    const waiting = model.outbox.items.length;
    dialog({
      title: "Keep the keys in this browser?",
      lead: "With them, you read on after the next login. Forget them on a computer that is not yours.",
      body: el("div", { class: "stack" },
        waiting > 0 && notice("warn", { title: `${waiting} message${waiting === 1 ? " has" : "s have"} not been sent`, text: "Forgetting erases them." }),
        row("On all devices", "Ends every login of yours.", toggle("Log out on all devices", false, (isOn) => {
          isEverywhere = isOn;
        }))),
      actions: [
        { text: "Keep them", kind: "primary", press: () => attempt(() => model.logOut({ isForgetting: false, isEverywhere })) },
        { text: "Forget everything", kind: "bad", press: () => attempt(() => model.logOut({ isForgetting: true, isEverywhere })) },
        { text: "Stay", kind: "quiet" },
      ],
    });
  }
}
