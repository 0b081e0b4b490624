// The page of the quickstart. It uses unmodified pusher-js; the only thing around it is a tap on
// the browser's WebSocket, so that the page can show frames exactly as they arrive.

const FEED_LENGTH = 50;
const LOG_LENGTH = 5;
const TRAFFIC_LENGTH = 60;

const element = (id) => document.getElementById(id);
const me = newIdentity();
const issues = new Map(); // kind of trouble -> its sentence on the page
const leaving = new Map(); // user id -> name and timer: a change of name is a leave and a join
const unopened = new Set(); // frames of the encrypted channel that have not led to an event yet
let arriving = null; // the frame whose listeners are running right now
let frames = 0;
let config, presence, unreachable;

/* ---- the tap ------------------------------------------------------------------------------ */

window.WebSocket = class extends WebSocket {
  constructor(...args) {
    super(...args);
    this.addEventListener("message", ({ data }) => {
      showTraffic("in", data);
      const frame = sealedFrame(data);
      if (frame) expectToOpen(frame);
      // pusher-js opens a frame and emits its event in this same turn.
      arriving = frame;
      setTimeout(() => {
        if (arriving === frame) arriving = null;
      });
    });
  }

  send(data) {
    showTraffic("out", data);
    super.send(data);
  }
};

function sealedFrame(text) {
  try {
    const { event, channel } = JSON.parse(text);
    if (channel === config.sealedChannel && !/^pusher(_internal)?:/.test(event)) return { text };
  } catch {
    // Not JSON; pusher-js reports that itself.
  }
  return null;
}

/** pusher-js drops unreadable events with a note on the console only; here the page shows a sentence. */
function expectToOpen(frame) {
  unopened.add(frame);
  setTimeout(() => {
    if (!unopened.delete(frame)) return;
    report("open", "A message arrived that this tab could not open. Reload the page to get the current key.");
  }, 5000);
}

/* ---- connection --------------------------------------------------------------------------- */

try {
  config = await (await fetch("/config.json")).json();
} catch (error) {
  report("backend", "The quickstart’s backend does not answer. Start it with: npm start");
  showState("unavailable");
  throw error;
}
element("sealed-name").textContent = config.sealedChannel;
element("presence-name").textContent = config.presenceChannel;

const server = new URL(config.url);
const secure = server.protocol === "https:";
const pusher = new Pusher(config.key, {
  cluster: "", // pusher-js wants the option; wsHost is what counts
  wsHost: server.hostname,
  wsPort: Number(server.port) || 80,
  wssPort: Number(server.port) || 443,
  forceTLS: secure,
  enabledTransports: ["ws", "wss"],
  unavailableTimeout: 3000,
  channelAuthorization: {
    transport: "ajax",
    endpoint: new URL("/pusher/auth", server).href,
    paramsProvider: () => ({
      app_key: config.key,
      user_id: me.id,
      user_info: JSON.stringify({ name: me.name }),
    }),
  },
});

pusher.connection.bind("state_change", ({ current }) => showState(current));
pusher.connection.bind("connected", () => settle("connection"));
pusher.connection.bind("error", ({ error, data = error?.data }) => {
  if (data?.message) report("connection", `The server says: ${data.message}`);
});
showState(pusher.connection.state);

function showState(state) {
  element("state").dataset.state = state;
  element("state-text").textContent = { unavailable: "not reachable" }[state] ?? state;
  element("send").disabled = state !== "connected";
  element("rename").disabled = state !== "connected";
  if (state !== "connected") showPeople(null);

  clearTimeout(unreachable);
  if (state === "connecting") unreachable = setTimeout(reportUnreachable, 2000);
  if (state === "unavailable") reportUnreachable();
  if (state === "failed") report("connection", "This browser’s WebSockets were given up on. Reload the page.");
}

function reportUnreachable() {
  report("connection", `Sealcast is not reachable at ${config.url}. Start it with: sealcast serve --dev`);
}

/* ---- the encrypted channel ---------------------------------------------------------------- */

const sealed = pusher.subscribe(config.sealedChannel);
sealed.bind_global((event, data) => {
  if (event.startsWith("pusher:")) return;
  // Without a frame in this turn, pusher-js had to ask for a new key first: then it is the oldest.
  const [oldest] = unopened;
  const frame = arriving ?? oldest;
  unopened.delete(frame);
  settle("open");
  showMessage(event, data, frame?.text ?? "");
});
watchSubscription(sealed, "sealed");

function watchSubscription(channel, issue) {
  channel.bind("pusher:subscription_succeeded", () => settle(issue));
  channel.bind("pusher:subscription_error", ({ status, error }) => {
    const reason = {
      0: `no answer from ${config.url}/pusher/auth, or this page’s address is not allowed to ask there`,
      401: "it does not know this visitor (401)",
      403: "this visitor may not (403)",
    }[status];
    report(issue, `The server did not let this tab into ${channel.name}: ${reason ?? error ?? status}.`);
  });
}

function showMessage(event, data, frame) {
  const own = data?.id === me.id;
  const name = typeof data?.name === "string" ? data.name : "someone";
  const text = typeof data?.text === "string" ? data.text : JSON.stringify(data);

  const item = fromTemplate("message-template");
  fillPerson(item, { id: data?.id, name, own });
  item.querySelector(".event-name").textContent = event;
  const sent = new Date(data?.sent ?? Date.now());
  const time = item.querySelector("time");
  if (!Number.isNaN(sent.valueOf())) {
    time.dateTime = sent.toISOString();
    time.textContent = sent.toLocaleTimeString([], { timeStyle: "medium" });
  }
  item.querySelector(".text").textContent = text;
  item.querySelector(".size").textContent = `${new Blob([frame]).size} bytes`;
  showFrame(item.querySelector(".frame"), frame);

  prepend(element("feed"), item, FEED_LENGTH);
  element("empty").hidden = true;
  announce(`${own ? "You" : name}: ${text}`);
}

/** Adds colour only: the text stays unchanged, character for character. */
function showFrame(target, text) {
  let end = 0;
  for (const match of text.matchAll(/(\\"(nonce|ciphertext)\\":\\")([^"\\]*)/g)) {
    const [, before, field, value] = match;
    const mark = document.createElement("span");
    mark.className = `value-${field}`;
    mark.textContent = value;
    target.append(text.slice(end, match.index) + before, mark);
    end = match.index + match[0].length;
  }
  target.append(text.slice(end));
}

/* ---- the presence channel ----------------------------------------------------------------- */

function joinPresence() {
  presence = pusher.subscribe(config.presenceChannel);
  watchSubscription(presence, "presence");
  presence.bind("pusher:subscription_succeeded", (members) => showPeople(members));
  presence.bind("pusher:member_added", ({ id, info }) => {
    showPeople(presence.members);
    const before = leaving.get(id);
    clearTimeout(before?.timer);
    leaving.delete(id);
    log(before ? `${before.name} is now ${nameOf(info)}` : `${nameOf(info)} joined`);
  });
  presence.bind("pusher:member_removed", ({ id, info }) => {
    showPeople(presence.members);
    const name = nameOf(info);
    const timer = setTimeout(() => {
      leaving.delete(id);
      log(`${name} left`);
    }, 400);
    leaving.set(id, { name, timer });
  });
}
joinPresence();

function showPeople(members) {
  const people = [];
  members?.each(({ id, info }) => people.push({ id, name: nameOf(info), own: id === me.id }));
  people.sort((a, b) => b.own - a.own || a.name.localeCompare(b.name));
  element("count").textContent = people.length;
  element("people").replaceChildren(
    ...people.map((person) => {
      const item = fromTemplate("person-template");
      fillPerson(item, person);
      return item;
    }),
  );
}

function nameOf(info) {
  const name = typeof info?.name === "string" ? info.name.trim().slice(0, 40) : "";
  return name || "someone";
}

const nameForm = element("name-form");
nameForm.elements.name.value = me.name;
nameForm.addEventListener("submit", (event) => {
  event.preventDefault();
  const name = nameForm.elements.name.value.trim();
  if (!name || name === me.name || !presence.subscribed) return;
  me.name = name;
  // The name is sent when joining, so a new name means joining again.
  pusher.unsubscribe(config.presenceChannel);
  joinPresence();
  announce(`You are now ${name}`);
});

/* ---- writing ------------------------------------------------------------------------------ */

const form = element("message-form");
form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const field = form.elements.text;
  if (!field.value.trim() || form.ariaBusy === "true") return;
  form.ariaBusy = "true";
  try {
    const answer = await post("/messages", { id: me.id, name: me.name, text: field.value });
    settle("trigger");
    field.value = "";
    element("posted").hidden = false;
    element("posted-request").textContent = answer.request;
    element("posted-body").textContent = answer.body;
  } catch (error) {
    report("trigger", error.message);
  } finally {
    form.ariaBusy = "false";
    field.focus();
  }
});
form.elements.text.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  if (!element("send").disabled) form.requestSubmit();
});

async function post(path, value) {
  let response, answer;
  try {
    response = await fetch(path, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(value),
    });
    answer = await response.json();
  } catch {
    throw new Error("The quickstart’s backend does not answer. Start it with: npm start");
  }
  if (!response.ok) throw new Error(answer.error);
  return answer;
}

/* ---- small parts -------------------------------------------------------------------------- */

function newIdentity() {
  const bytes = crypto.getRandomValues(new Uint8Array(8));
  const id = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return { id, name: `guest ${id.slice(0, 4)}` };
}

function fillPerson(item, { id, name, own }) {
  const avatar = item.querySelector(".avatar");
  const initials = name.split(/\s+/).map((word) => [...word][0] ?? "");
  avatar.textContent = (initials[0] + (initials.length > 1 ? initials.at(-1) : "")).toUpperCase();
  avatar.dataset.hue = [...String(id)].reduce((sum, letter) => sum + letter.codePointAt(0), 0) % 6;
  item.querySelector(".who").textContent = name;
  item.querySelector(".tag").hidden = !own;
}

/** Shows one sentence per kind of trouble; commands in it are set as code. */
function report(kind, sentence) {
  if (issues.get(kind)?.dataset.sentence === sentence) return;
  settle(kind);
  const item = document.createElement("p");
  item.className = "issue";
  item.dataset.sentence = sentence;
  const [before, command] = sentence.split(/(?<=: )(?=sealcast serve --dev$|npm start$)/);
  item.append(before);
  if (command) {
    const code = document.createElement("code");
    code.textContent = command;
    item.append(code);
  }
  issues.set(kind, item);
  element("issues").append(item);
}

function settle(kind) {
  issues.get(kind)?.remove();
  issues.delete(kind);
}

function log(sentence) {
  const item = document.createElement("li");
  item.textContent = sentence;
  prepend(element("log"), item, LOG_LENGTH);
  element("log").hidden = false;
  announce(sentence);
}

function showTraffic(direction, data) {
  const item = document.createElement("li");
  item.className = direction;
  const label = document.createElement("span");
  label.textContent = direction === "in" ? "received" : "sent";
  const frame = document.createElement("code");
  showFrame(frame, String(data));
  item.append(label, frame);
  prepend(element("traffic"), item, TRAFFIC_LENGTH);
  element("traffic-count").textContent = ++frames;
}

function announce(sentence) {
  element("announcer").textContent = sentence;
}

function fromTemplate(id) {
  return element(id).content.firstElementChild.cloneNode(true);
}

function prepend(list, item, length) {
  list.prepend(item);
  while (list.children.length > length) list.lastElementChild.remove();
}
