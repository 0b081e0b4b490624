// examples/lib in a browser: the server's rules, storage, snapshots of two people, parts and states.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { request } from "node:http";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { eventually, formsOf, launchBrowser, search, startApp } from "./apps.mjs";

const TEST = { timeout: 120_000 };
const FIXTURE = fileURLToPath(new URL("fixture/", import.meta.url));
const PLANTED = `the harbour gate “north”/"north" opens at ½ past four????`;

describe("library of the examples", () => {
  let browser;
  before(async () => {
    browser = await launchBrowser();
  }, TEST);
  after(() => browser?.close(), TEST);

  const startFixture = (t, options) => startApp(t, FIXTURE, { browser, ...options });
  const post = (app, path, body, headers = {}) =>
    fetch(app.url + path, { method: "POST", body, headers: { origin: app.url, "content-type": "application/json", ...headers } });

  test("serves listed files only, under a strict policy", TEST, async (t) => {
    const app = await startFixture(t);
    const home = await fetch(app.url);
    const policy = home.headers.get("content-security-policy");
    for (const part of ["default-src 'none'", "script-src 'self';", "style-src 'self';", "trusted-types 'none'", `connect-src 'self' ${app.line.url} `]) {
      assert.ok(policy.includes(part), `${part} in ${policy}`);
    }
    assert.doesNotMatch(policy, /unsafe|nonce|sha256|\*/);
    assert.equal(home.headers.get("referrer-policy"), "no-referrer");
    assert.equal(home.headers.get("x-content-type-options"), "nosniff");
    assert.equal((await fetch(`${app.url}/verify`)).status, 200);
    for (const path of ["/server.mjs", "/lib/server.mjs", "/lib/tokens.mjs", "/../server.mjs", "/%2e%2e/server.mjs", "/lib/%2e%2e/package.json",
      "/node_modules/pusher/package.json", "/state/app-secret", "/lib/README.md", "/nothing"]) {
      assert.equal((await fetch(app.url + path)).status, 404, path);
    }
  });

  test("refuses foreign hosts and origins, large and broken bodies", TEST, async (t) => {
    const app = await startFixture(t);
    const good = await post(app, "/echo/word", '{"a":1}');
    assert.deepEqual(await good.json(), { word: "word", body: { a: 1 } });
    assert.match(good.headers.get("set-cookie"), /^fixture_word=word; Path=\/echo; HttpOnly; SameSite=Strict; Max-Age=60$/);

    const host = await new Promise((resolve) => request(app.url, { headers: { host: "evil.example" } }, resolve).end());
    assert.equal(host.statusCode, 421);
    for (const origin of ["http://evil.example", "null", app.url.replace("http", "https"), app.url.replace(/\d+$/, "1")]) {
      assert.equal((await post(app, "/echo/word", "{}", { origin })).status, 403, origin);
    }
    const bare = await fetch(`${app.url}/echo/word`, { method: "POST", body: "{}", headers: { "content-type": "application/json" } });
    assert.equal(bare.status, 403);
    assert.equal((await post(app, "/echo/word", JSON.stringify("x".repeat(3000)))).status, 413);
    assert.equal((await post(app, "/echo/word", "{")).status, 400);
    assert.equal((await post(app, "/echo/word", "{}", { "content-type": "text/plain" })).status, 415);
    assert.equal((await post(app, "/echo/%E0%A4%A", "{}")).status, 400);
    assert.equal((await fetch(`${app.url}/echo/word`)).status, 405);
  });

  test("refusals have a sentence, faults tell nothing, rates have an end", TEST, async (t) => {
    const app = await startFixture(t);
    const refused = await fetch(`${app.url}/refuse`);
    assert.equal(refused.status, 409);
    assert.deepEqual(await refused.json(), { error: "Another one was faster.", winner: 7 });
    const failed = await fetch(`${app.url}/fail`);
    assert.equal(failed.status, 500);
    assert.doesNotMatch(await failed.text(), /secret/);
    const answers = await Promise.all(Array.from({ length: 70 }, () => fetch(`${app.url}/refuse`)));
    const limited = answers.filter(({ status }) => status === 429);
    assert.ok(limited.length >= 5, `${limited.length} of 70 were limited`);
    assert.match((await limited[0].json()).error, /^Too many requests\. Try again in \d+ s\.$/);
    assert.match(limited[0].headers.get("retry-after"), /^\d+$/);
  });

  test("Sealcast lists the page's origin, and not a second one that is a stranger", TEST, async (t) => {
    const app = await startFixture(t);
    const config = await readFile(`${app.stateDir}/sealcast.toml`, "utf8");
    const { port } = new URL(app.url);
    assert.ok(config.includes(`origins = ["http://localhost:${port}", "http://127.0.0.1:${port}"]`), config);
  });

  test("a killed Sealcast comes back on its port, and ends with the server", TEST, async (t) => {
    const app = await startFixture(t);
    await app.restartSealcast("SIGKILL");
    await eventually("an answer", () => fetch(`${app.sealcastUrl}/health`).then(({ ok }) => ok, () => false));
    await app.stop();
    await assert.rejects(fetch(`${app.sealcastUrl}/health`));
  });

  test("ends Sealcast on each signal and on a fault", TEST, async (t) => {
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) {
      const app = await startFixture(t);
      await app.kill(signal);
      await assert.rejects(fetch(`${app.sealcastUrl}/health`), signal);
    }
    const app = await startFixture(t);
    await fetch(`${app.url}/crash`);
    await eventually("the end of Sealcast", () => fetch(`${app.sealcastUrl}/health`).then(() => false, () => true));
    assert.match(app.output(), /a fault outside of any request/);
  });

  test("says what to do without a program", TEST, async (t) => {
    await assert.rejects(startFixture(t, { env: { SEALCAST_BIN: "/nowhere/sealcast" } }),
      /SEALCAST_BIN is \/nowhere\/sealcast, and there is no program\. Unset it, or name the built program\./);
  });

  test("under --tls the page reaches Sealcast through its own port", TEST, async (t) => {
    const app = await startFixture(t, { args: ["--tls"] });
    assert.match(app.url, /^https:/);
    await eventually("the sentence about the certificate", async () => /The certificate is self-signed/.test(app.output()));
    const { page } = await app.open();
    const seen = await page.evaluate(async () => {
      const { publish, stream } = window.lib;
      const headers = { "content-type": "application/json" };
      const config = await (await fetch("/config.json")).json();
      const { token } = await (await fetch("/token", { method: "POST", headers, body: '{"user":"u1"}' })).json();
      const client = publish.openClient({ url: config.client, token: async () => token });
      const events = [];
      const opened = openPusher(config, token);
      await opened.ready;
      const reading = await new Promise((resolve) => {
        const reading = stream.openStream({
          url: config.client, channels: ["private-room-1"], ticket: () => client.ticket(["private-room-1"]),
          onEvent: ({ event, data }) => events.push(`stream ${event} ${data}`), onState: (state) => state === "open" && resolve(reading),
        });
      });
      opened.channel.bind("client-note", (data) => events.push(`socket client-note ${data}`));
      await client.publish("private-room-1", "client-note", '"hello"');
      while (events.length < 2) await new Promise((resolve) => setTimeout(resolve, 20));
      reading.close();
      opened.pusher.disconnect();
      return { events: events.sort(), url: config.url, own: location.origin };

      function openPusher({ key, pusher: options }, token) {
        const pusher = new Pusher(key, {
          ...options,
          channelAuthorization: { endpoint: "/pusher/auth", transport: "ajax", headersProvider: () => ({ Authorization: `Bearer ${token}` }) },
        });
        const channel = pusher.subscribe("private-room-1");
        const ready = new Promise((resolve, reject) => {
          channel.bind("pusher:subscription_succeeded", resolve);
          channel.bind("pusher:subscription_error", ({ error, status }) => reject(new Error(`${status} ${error}`)));
        });
        return { pusher, channel, ready };
      }
    });
    assert.equal(seen.url, seen.own);
    assert.deepEqual(seen.events, ["socket client-note hello", 'stream client-note "hello"']);
    app.assertQuiet();
  });

  test("planted texts are found in every form", () => {
    const base64 = (before, form) => Buffer.from(`${"x".repeat(before)}${PLANTED}yy`).toString(form);
    const inJson = JSON.stringify({ text: PLANTED });
    const inAscii = inJson.replace(/[^\x00-\x7f]/g, (letter) => `\\u${letter.charCodeAt(0).toString(16).padStart(4, "0")}`);
    const planted = {
      raw: `before ${PLANTED} after`,
      hex: Buffer.from(`a${PLANTED}`).toString("hex"),
      "hex in capitals": Buffer.from(`a${PLANTED}`).toString("hex").toUpperCase(),
      JSON: inJson,
      "JSON in ASCII": inAscii,
      "JSON in JSON": JSON.stringify({ data: inJson }),
      "ASCII JSON in JSON": JSON.stringify({ data: inAscii }),
      "percent encoding": new URL(`http://x/?q=${encodeURIComponent(PLANTED)}`).href,
      "UTF-16": Buffer.from(PLANTED, "utf16le"),
      ...Object.fromEntries([0, 1, 2].flatMap((before) => ["base64", "base64url"].map((form) => [`${form}, ${before} bytes in`, base64(before, form)]))),
    };
    for (const [form, text] of Object.entries(planted)) {
      const hits = search([{ source: "here", bytes: Buffer.concat([Buffer.from([255, 0]), Buffer.from(text)]) }], [PLANTED]);
      assert.deepEqual(hits, [{ text: PLANTED, form, source: "here" }], form);
    }
    assert.deepEqual(formsOf(PLANTED).map(({ form }) => form).sort(), Object.keys(planted).sort());
    assert.throws(() => search([], ["short"]), /too short/);
  });

  test("planted texts are found wherever they travel or rest", TEST, async (t) => {
    const app = await startFixture(t);
    const { page } = await app.open();
    await page.evaluate(async (planted) => {
      const { publish } = window.lib;
      const headers = { "content-type": "application/json" };
      const config = await (await fetch("/config.json")).json();
      const { token } = await (await fetch("/token", { method: "POST", headers, body: '{"user":"u1"}' })).json();
      const client = publish.openClient({ url: config.client, token: async () => token });
      await client.publish("private-room-1", "client-note", planted);
      await client.history("private-room-1");
      const echo = await fetch("/echo/kept", { method: "POST", headers, body: JSON.stringify({ keep: planted }) });
      await echo.json();
    }, PLANTED);
    const places = (await app.searchFor([PLANTED])).map(({ source }) => source).join("\n");
    for (const place of [/^line \d+ to Sealcast$/m, /^line \d+ from Sealcast$/m, /^body to 127/m, /^answer of 127/m, /^body to localhost/m,
      /^answer of localhost/m, /^state: kept\.txt$/m, /^output of the backend$/m]) {
      assert.match(places, place);
    }
    assert.deepEqual(await app.searchFor([PLANTED], /^log|^state: sealcast/), [], "neither the log nor the sealed journal has it");
    assert.ok((await app.sources(/history\.db/)).length > 0, "the journal was searched");
    assert.deepEqual(await app.searchFor(["a text that nobody wrote anywhere"]), []);
    app.assertQuiet();
  });

  test("masked frames of a WebSocket are searched", TEST, async (t) => {
    const app = await startFixture(t);
    const { page } = await app.open();
    await page.evaluate(async (planted) => {
      const config = await (await fetch("/config.json")).json();
      const socket = new WebSocket(`${config.url.replace("http", "ws")}/app/${config.key}?protocol=7`);
      await new Promise((resolve) => (socket.onmessage = resolve));
      socket.send(JSON.stringify({ event: "client-note", channel: "private-room-1", data: planted }));
      await new Promise((resolve) => (socket.onmessage = resolve));
    }, PLANTED);
    const places = (await app.searchFor([PLANTED])).map(({ source }) => source);
    assert.ok(places.includes("frame sent"), places.join());
    assert.ok(places.some((place) => /^line \d+ to Sealcast$/.test(place)), places.join());
  });

  test("keys that no script can export outlive a reload", TEST, async (t) => {
    const app = await startFixture(t);
    const { page } = await app.open();
    await page.evaluate(async () => {
      const { crypto, keys } = window.lib;
      const store = await keys.openKeyStore("test");
      const secret = await crypto.importSecret(new Uint8Array(32).fill(7));
      const key = await crypto.sealingKey(secret, "test");
      await store.put("a/key", key);
      await store.put("a/text", await crypto.seal(key, "hello", ["a"]));
      await store.put("b", 1);
    });
    await page.reload();
    const seen = await page.evaluate(async () => {
      const { crypto, keys } = window.lib;
      const store = await keys.openKeyStore("test");
      const key = await store.get("a/key");
      const exported = await window.crypto.subtle.exportKey("raw", key).then(() => "exported", (error) => error.name);
      const ids = (await store.entries("a/")).map(([id]) => id);
      return { state: store.state, ids, exported, text: await crypto.open(key, await store.get("a/text"), ["a"]) };
    });
    assert.deepEqual(seen, { state: "kept", ids: ["a/key", "a/text"], exported: "InvalidAccessError", text: "hello" });
    app.assertQuiet();
  });

  test("a forbidden or full storage is a state, and values stay in the page", TEST, async (t) => {
    const app = await startFixture(t);
    const { page } = await app.open();
    const seen = await page.evaluate(async () => {
      const { openKeyStore } = window.lib.keys;
      const report = async (prepare) => {
        const states = [];
        const undo = prepare();
        const store = await openKeyStore(`s${Math.random()}`, { onState: (state) => states.push(state) });
        const isKept = await store.put("k", "v");
        const result = { states, state: store.state, isKept, value: await store.get("k"), entries: await store.entries() };
        undo();
        return result;
      };
      const forbidden = await report(() => {
        const { open } = IDBFactory.prototype;
        IDBFactory.prototype.open = () => { throw new DOMException("no", "SecurityError"); };
        return () => (IDBFactory.prototype.open = open);
      });
      const full = await report(() => {
        const { put } = IDBObjectStore.prototype;
        IDBObjectStore.prototype.put = () => { throw new DOMException("no", "QuotaExceededError"); };
        return () => (IDBObjectStore.prototype.put = put);
      });
      return { forbidden, full };
    });
    for (const state of ["forbidden", "full"]) {
      assert.deepEqual(seen[state], { states: [state], state, isKept: false, value: "v", entries: [["k", "v"]] });
    }
  });

  test("a storage that was full is kept again only with all values on disk", TEST, async (t) => {
    const app = await startFixture(t);
    const { page } = await app.open();
    const seen = await page.evaluate(async () => {
      const { openKeyStore } = window.lib.keys;
      const states = [];
      const store = await openKeyStore("full", { onState: (state) => states.push(state) });
      const { put } = IDBObjectStore.prototype;
      let room = 0;
      IDBObjectStore.prototype.put = function (value, id) {
        if (value.length > room) throw new DOMException("no", "QuotaExceededError");
        return put.call(this, value, id);
      };
      const steps = [];
      const step = async (work) => steps.push([await work, store.state]);
      await step(store.put("large", "xxxxx"));
      room = 3;
      await step(store.put("small", "x"));
      await step(store.delete("small"));
      await step(store.put("large", "yyyyy"));
      room = 9;
      await step(store.put("small", "x"));
      IDBObjectStore.prototype.put = put;
      store.close();
      return { steps, states, entries: await (await openKeyStore("full")).entries() };
    });
    assert.deepEqual(seen.steps, [[false, "full"], [true, "full"], [true, "full"], [false, "full"], [true, "kept"]]);
    assert.deepEqual(seen.states, ["full", "kept"]);
    assert.deepEqual(seen.entries, [["large", "yyyyy"], ["small", "x"]]);
    app.assertQuiet();
  });

  test("two people change one snapshot at once, and no change is lost", TEST, async (t) => {
    const app = await startFixture(t);
    const people = [await app.open(), await app.open()];
    const run = ({ page }, name) => page.evaluate(async (name) => {
      const { crypto, publish, snapshot } = window.lib;
      const config = await (await fetch("/config.json")).json();
      const { token } = await (await fetch("/token", {
        method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ user: name }),
      })).json();
      const client = publish.openClient({ url: config.client, token: async () => token });
      const key = await crypto.sealingKey(await crypto.importSecret(new Uint8Array(32).fill(9)), "board");
      const board = snapshot.openSnapshot({
        client, channel: "private-cache-board-1", name: "client-state", empty: () => ({ items: [] }),
        seal: (value) => crypto.sealJson(key, value, ["board"], { pad: "snapshot" }),
        open: (text) => crypto.openJson(key, text, ["board"]),
      });
      await board.load();
      await Promise.all(Array.from({ length: 10 }, (_, i) =>
        board.change(`${name} ${i}`, (state) => ({ items: [...state.items, `${name} ${i}`] }))));
      // The same change again, as after a lost answer.
      await board.change(`${name} 9`, (state) => ({ items: [...state.items, "twice"] }));
      await board.load();
      return board.state.items;
    }, name);
    await Promise.all([run(people[0], "ann"), run(people[1], "bob")]);
    const items = await run(people[0], "ann");
    const expected = ["ann", "bob"].flatMap((name) => Array.from({ length: 10 }, (_, i) => `${name} ${i}`));
    assert.deepEqual([...items].sort(), expected.sort());
    assert.deepEqual(items.filter((item) => item.startsWith("bob")), expected.filter((item) => item.startsWith("bob")));
    assert.deepEqual(await app.searchFor(["ann 0\",\"ann 1"]), [], "Sealcast saw ciphertext only");
    app.assertQuiet();
  });

  test("parts and states pass axe-core at every size and theme", { timeout: 240_000 }, async (t) => {
    const app = await startFixture(t);
    const { page } = await app.open();
    await page.evaluate(() => window.bar.set("live"));
    await app.pictures(page, "parts", { fullPage: true });
    const states = {
      reconnecting: { retryAt: Date.now() + 60_000, queued: 3 }, offline: { queued: 3 }, refused: { sentence: "The origin is not listed." },
    };
    for (const [state, details] of Object.entries(states)) {
      await page.evaluate(([name, value]) => window.bar.set(name, value), [state, details]);
      await app.pictures(page, `state-${state}`, { sizes: [[390, 844]] });
    }
    await page.evaluate(() => {
      window.wire.silence("Nothing since 14:33", "No frame has left this browser", ["oGZMuZHxCBw1v3Pp.9luaS13fdS1xzjZGUBiTtPRdgo49GRf"]);
      window.lib.ui.whileLoading(document.getElementById("place"), new Promise(() => {}));
      window.lib.ui.toast("Link copied");
    });
    await page.locator(".skel").first().waitFor();
    await app.pictures(page, "waiting", { sizes: [[820, 1180]], fullPage: true });
    await page.evaluate(() => window.lib.ui.dialog({
      title: "Do you see the same words?", lead: "Read them to each other.", actions: [{ text: "They match", kind: "primary" }, { text: "Not now", kind: "quiet" }],
    }));
    await app.pictures(page, "dialog");
    await page.keyboard.press("Escape");
    await page.locator("dialog").waitFor({ state: "detached" });
    app.assertQuiet();
  });

  test("a channel named by ids is no ciphertext in a frame", TEST, async (t) => {
    const app = await startFixture(t);
    const { page } = await app.open();
    const sealed = "oGZMuZHxCBw1v3Pp.9luaS13fdS1xzjZGUBiTtPRdgo49GRf";
    await page.evaluate((text) => window.wire.show(text), `private-dm-${"0a".repeat(16)}.${"0b".repeat(16)} "${sealed}"`);
    assert.deepEqual(await page.locator(".frame span").allTextContents(), sealed.split("."));
    app.assertQuiet();
  });

  test("markup in a text stays text", TEST, async (t) => {
    const app = await startFixture(t);
    const { page } = await app.open();
    await page.evaluate(() => {
      const { NOTICES, toast, card, avatar, chip } = window.lib.ui;
      const markup = "<img src=x onerror=alert(1)><b>bold</b>";
      document.getElementById("place").append(NOTICES.refused(markup, markup, markup), card(markup), avatar(markup, markup), chip(markup));
      toast(markup);
      window.wire.show(markup, { caption: markup });
    });
    assert.equal(await page.locator("img, main b:text-is('bold')").count(), 0);
    app.assertQuiet();
  });
});
