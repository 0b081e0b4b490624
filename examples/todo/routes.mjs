// What the page asks its backend for: users, lists, passes, and the switching of layers.

import { Refusal, requireOrigin } from "../lib/server.mjs";
import { appFor, endPasses, makePass, namesOf } from "./passes.mjs";
import { LAYERS } from "./store.mjs";

const SESSION = "todo_session";
const MONTH = 30 * 86_400;

/** The user of a request, and the list if one is named; refuses everybody else. */
export function memberOf({ store }, context) {
  requireOrigin(context);
  const user = store.userOf(context.cookies[SESSION]);
  if (!user) throw new Refusal(401, "This browser is not signed in. Give a name, or open the invitation again.", { code: "signed_out" });
  if (context.params.list === undefined) return { user };
  const list = /^\d{1,12}$/.test(context.params.list) ? store.list(Number(context.params.list)) : undefined;
  // The same answer for a list that is not there.
  if (!list || !store.isMember(list.id, user.id)) {
    throw new Refusal(403, "You are not a member of this list. Ask its owner for an invitation.", { code: "not_a_member" });
  }
  return { user, list };
}

export function listRoutes(backend) {
  const { store, secrets, passSeconds } = backend;
  const appOf = (context, layers) => appFor(context, secrets, layers);

  async function pass(context, { user, list }, layers) {
    const subject = store.subjectOf(list.id, user.id, text(context.body?.device, /^[\w-]{4,24}$/, "a device"));
    if (!subject) throw new Refusal(403, "You have used this list on 50 browsers. Open it in one of them.");
    const info = { name: user.name, user: user.id, device: text(context.body?.label, /^[\p{L} ]{1,24}$/u, "a label") };
    const made = await makePass(appOf(context, layers), list.id, layers, { subject, info, seconds: passSeconds });
    // Removed while Sealcast made it: this pass was not there to be ended.
    memberOf(backend, context);
    return { ...made, layers, revision: list.revision, now: Date.now() };
  }

  const placeOf = (context, list, layers) => {
    const app = appOf(context, layers);
    return { app, ...namesOf(app, list.id, layers) };
  };

  /** Whoever could not be shut out stays a member, so that the owner sees whom to remove again. */
  async function removeFrom(app, list, user) {
    const wasMember = store.isMember(list.id, user);
    store.removeMember(list.id, user);
    store.renewInvite(list.id);
    try {
      await endAll(app, list, store.subjectsOf(list.id, user));
    } catch (error) {
      if (wasMember) store.addMember(list.id, user);
      throw error;
    }
    store.endTurns(list.id, user);
  }

  const endAll = (app, list, subjects) => Promise.all(subjects.map((subject) => endPasses(app, list.id, list.layers, subject)));

  async function tellMembers(app, list, layers, news) {
    await app.api.trigger(namesOf(app, list.id, layers).presence, "moved", news);
  }

  return {
    "GET /me": (context) => {
      requireOrigin(context);
      const user = store.userOf(context.cookies[SESSION]);
      return { user: user ?? null, lists: user ? store.listsOf(user.id) : [] };
    },
    "POST /users": ({ body, setCookie }) => {
      const name = text(body?.name?.trim?.(), /^[^\p{C}]{1,30}$/u, "a name of at most 30 letters");
      const { user, session } = store.addUser(name);
      setCookie(SESSION, session, { maxAge: MONTH });
      return { user };
    },
    "POST /lists": (context) => ({ id: store.addList(memberOf(backend, context).user.id) }),
    "GET /lists/:list": (context) => {
      const { user, list } = memberOf(backend, context);
      const { id, owner, invite, layers, revision } = list;
      return { id, owner, layers, revision, members: store.membersOf(id), ...(owner === user.id && { invite }) };
    },
    "POST /lists/:number/join": (context) => {
      const { user } = memberOf(backend, context);
      const list = store.list(Number(context.params.number));
      if (!list || list.invite !== context.body?.invite) throw new Refusal(403, "This invitation is not good. Ask for the whole link again.");
      store.addMember(list.id, user.id);
      return { id: list.id };
    },
    "DELETE /lists/:list/members/:user": async (context) => {
      const { user, list } = memberOf(backend, context);
      if (list.owner !== user.id || context.params.user === user.id) throw new Refusal(403, "Only the owner removes others.");
      const app = appOf(context, list.layers);
      await removeFrom(app, list, context.params.user);
      await tellMembers(app, list, list.layers, { revision: list.revision });
    },
    "POST /lists/:list/pass": async (context) => {
      const member = memberOf(backend, context);
      return pass(context, member, member.list.layers);
    },
    // The page writes the list into its new place, and then asks for the switch itself.
    "POST /lists/:list/switch": async (context) => {
      const member = memberOf(backend, context);
      const layers = readLayers(context.body?.layers);
      const made = await pass(context, member, layers);
      const isSame = isSamePlace(placeOf(context, member.list, member.list.layers), placeOf(context, member.list, layers));
      // What an interrupted switch may have left there.
      if (!isSame) await appOf(context, layers).api.clear(made.channel);
      return { ...made, isSame };
    },
    "POST /lists/:list/switch/commit": async (context) => {
      const { list } = memberOf(backend, context);
      const layers = readLayers(context.body?.layers);
      if (!Number.isSafeInteger(context.body?.revision)) throw new Refusal(400, "This needs a revision.");
      if (!store.setLayers(list.id, layers, context.body.revision)) {
        throw new Refusal(409, "Another device switched a layer first. Look at the layers, and try again.");
      }
      // A pass ends with the place that it opens, as another switch may bring the place back for a
      // removed member. A pass of a day ends with the layer that makes passes short, too.
      const arePassesKept = isSamePlace(placeOf(context, list, list.layers), placeOf(context, list, layers)) && (list.layers.passes || !layers.passes);
      const subjects = arePassesKept ? [] : store.subjectsOf(list.id);
      if (!arePassesKept) store.endTurns(list.id);
      const before = placeOf(context, list, list.layers);
      await tellMembers(before.app, list, list.layers, { revision: list.revision + 1 });
      await before.app.api.clear(before.channel);
      await endAll(before.app, list, subjects);
      return { revision: list.revision + 1 };
    },
    // Without the layer on disk, the backend keeps its own copy, as most do.
    "PUT /lists/:list/copy": (context) => {
      const { list } = memberOf(backend, context);
      if (list.layers.disk) throw new Refusal(409, "This list is sealed: the backend keeps no copy.");
      store.setCopy(list.id, text(context.body?.text, /^[^]{1,200000}$/, "a text"));
    },
  };
}

const isSamePlace = (a, b) => a.app.id === b.app.id && a.channel === b.channel;

function text(value, pattern, what) {
  if (typeof value !== "string" || !pattern.test(value)) throw new Refusal(400, `This needs ${what}.`);
  return value;
}

function readLayers(value) {
  if (typeof value !== "object" || value === null) throw new Refusal(400, "This needs layers.");
  return Object.fromEntries(LAYERS.map((layer) => [layer, value[layer] === true]));
}
