// The page of the quickstart: one message, sealed by the server, in two clients side by side.

import { openAccess } from "./access.js";
import { askBackend, composer } from "./composer.js";
import { jetsocketClient, pusherClient } from "./connection.js";
import { messagePanel } from "./panel.js";
import { readersCard, steps, withoutOwn } from "./parts.js";
import { ROLES, rolesCard } from "./roles.js";
import { rotationCard } from "./rotation.js";
import { trafficList } from "./traffic.js";
import { visitorsCard } from "./visitors.js";
import { SeenIds } from "/lib/publish.js";
import { announce, el, notice, pageBar, whileLoading, wirePanel } from "/lib/ui.js";

const bar = pageBar({ app: "quickstart", title: "Quickstart" });
const issues = el("div", { id: "issues", class: "issues" });
const stage = el("main", { class: "stage page" });
document.body.prepend(bar.node, bar.line, stage);

const shown = new Map(); // kind of trouble -> its notice

function report(kind, sentence) {
  settle(kind);
  const [title, command] = sentence.split(/(?<=: )(?=(?:sealcast|node) )/);
  const node = notice("warn", { title, text: command && "", code: command });
  if (command) node.querySelector("b").after(el("code", { text: command }));
  shown.set(kind, node);
  issues.append(node);
}

function settle(kind) {
  shown.get(kind)?.remove();
  shown.delete(kind);
}

const me = newVisitor();
let config;
try {
  config = await whileLoading(stage, askBackend("GET", "/config.json"));
  start();
} catch (error) {
  stage.append(issues);
  report("backend", error.message);
  bar.set("offline");
}

function start() {
  const access = openAccess(config, me);
  const traffic = trafficList();
  const path = steps();
  const wire = wirePanel({
    knows: "Every word: it gets plain text, and seals it. So can whoever has its master key.",
  });
  const panels = {
    pusher: messagePanel({ id: "pusher", title: "Pusher", lead: "pusher-js, as published", onRetry: () => retry("pusher") }),
    jetsocket: messagePanel({ id: "jetsocket", title: "Jetsocket", lead: "a shim on this page", onRetry: () => retry("jetsocket") }),
  };
  const rotation = config.hasRoles ? rotationCard(access) : null;

  const handlersOf = (dialect) => {
    const seen = new SeenIds();
    return {
      message(data, frame) {
        const message = readMessage(data);
        // A frame that is played once more shows nothing twice.
        if (!seen.add(message.message)) return;
        panels[dialect].show(message, frame);
        if (dialect !== "pusher") return;
        path.pass();
        announce(`${message.isOwn ? "You" : message.name}: ${message.text}`);
        if (message.isOwn) return;
        delete wire.node.dataset.plain;
        wire.show(frame, { caption: "As it went out. It came in from another tab, as plain text." });
      },
      tick: (data) => rotation?.tick(dialect, data),
    };
  };
  const shared = { config, me, access, onFrame: traffic.add };
  const pusher = pusherClient({ ...shared, panel: panels.pusher, handlers: handlersOf("pusher") });
  const jetsocket = jetsocketClient({ ...shared, panel: panels.jetsocket, handlers: handlersOf("jetsocket") });
  const clients = { pusher, jetsocket };
  const retry = (dialect) => clients[dialect].rejoin();

  const write = composer({
    placeholder: config.hasRoles ? "For staff only" : "For this channel only",
    send: (text) => askBackend("POST", "/messages", { id: me.id, name: me.name, text }),
    onError: (sentence) => report("trigger", sentence),
    onSent({ request, body }) {
      settle("trigger");
      wire.node.dataset.plain = "";
      wire.show(body, { caption: `${request}, as it came in` });
      panels.pusher.node.scrollIntoView({ block: "nearest" });
    },
  });
  const visitors = visitorsCard({ pusher: pusher.pusher, channel: config.presenceChannel, me, onRename: access.forget });
  const roles = config.hasRoles ? rolesCard({ role: me.role, onChange: changeRole }) : null;

  function changeRole(role) {
    me.role = role;
    access.forget();
    history.replaceState(null, "", role === "staff" ? "/" : `/?role=${role}`);
    for (const panel of Object.values(panels)) panel.clear();
    for (const client of Object.values(clients)) client.rejoin();
    visitors.rejoin();
  }

  const about = [visitors.node, readersCard(config)];
  const [side, below] = config.hasRoles ? [[rotation.node, roles], about] : [[withoutOwn(), ...about], []];
  const lead = el("p", { class: "lead" }, "Write something here, and ", secondTab("/", "open a second tab"),
    config.hasRoles && [" or ", secondTab("/?role=guest", "one as a guest")], ".");
  stage.append(
    el("div", { class: "main" },
      el("div", { class: "intro" }, el("h1", {}, el("span", { text: "Goes in as plain text," }), " ", el("span", { text: "travels sealed." })), lead),
      path.node, issues, write.node,
      el("div", { class: "panels" }, panels.pusher.node, panels.jetsocket.node)),
    el("aside", { class: "side", aria: { label: "Server, key and roles" } }, wire.node, side),
    el("div", { class: "rest" }, el("div", { class: "below" }, below), traffic.node),
  );
  watchConnection(pusher.pusher, jetsocket.jetsocket, (isLive) => {
    write.enable(isLive);
    visitors.enable(isLive);
    if (isLive) rotation?.refresh();
  });
}

function watchConnection(pusher, jetsocket, enable) {
  let sentence;
  let wasLive = false;
  const { connection } = pusher;
  const unreachable = `Sealcast is not reachable at ${config.url}. ${config.fix}`;
  const again = () => {
    pusher.disconnect();
    pusher.connect();
    jetsocket.connect();
  };

  function show(state, details = {}) {
    enable(state === "connected");
    if (state === "connected") {
      wasLive = true;
      settle("connection");
      return bar.set("live");
    }
    if (["failed", "disconnected"].includes(state)) {
      return bar.set("refused", { sentence: sentence ?? "This browser’s WebSockets were given up on. Reload the page." });
    }
    if (!navigator.onLine) {
      settle("connection");
      return bar.set("offline");
    }
    if (state === "unavailable") report("connection", unreachable);
    bar.set(wasLive || state === "unavailable" ? "reconnecting" : "loading", { retry: again, ...details });
  }
  connection.bind("error", ({ error, data = error?.data }) => {
    if (data?.message) sentence = `The server says: ${data.message}`;
  });
  connection.bind("state_change", ({ current }) => show(current));
  connection.bind("connecting_in", (seconds) => show(connection.state, { retryAt: Date.now() + seconds * 1000 }));
  window.addEventListener("offline", () => show(connection.state));
  window.addEventListener("online", () => show(connection.state));
  show(connection.state);
}

/** Whatever a publisher sends: the page takes texts, and shows anything else as JSON. */
function readMessage(data) {
  const text = (value, other) => (typeof value === "string" ? value : other);
  return {
    message: text(data?.message, crypto.randomUUID()),
    id: text(data?.id, ""),
    name: text(data?.name, "someone").trim().slice(0, 40) || "someone",
    text: text(data?.text, JSON.stringify(data)),
    sent: data?.sent ?? Date.now(),
    isOwn: data?.id === me.id,
  };
}

function newVisitor() {
  const id = Array.from(crypto.getRandomValues(new Uint8Array(8)), (byte) => byte.toString(16).padStart(2, "0")).join("");
  const birds = ["Heron", "Robin", "Swift", "Wren", "Plover", "Crane", "Finch", "Egret"];
  const asked = new URLSearchParams(location.search).get("role");
  return { id, name: `${birds[parseInt(id[0], 16) % birds.length]} ${id.slice(1, 5)}`, role: Object.hasOwn(ROLES, asked) ? asked : "staff" };
}

function secondTab(href, text) {
  return el("a", { href, target: "_blank", rel: "noopener", text });
}
