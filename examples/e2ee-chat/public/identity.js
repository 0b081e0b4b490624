// The key pair of this browser for an account. The private half cannot be exported, and stays here.

import { exportPublic, newAgreementPair } from "../../lib/crypto.js";
import { ask } from "./backend.js";

const place = (id) => `pair/${id}`;

/** `undefined` if this browser has no key for the account. */
export async function identityOf(store, account) {
  const pair = await store.get(place(account.id));
  if (!pair) return undefined;
  return { id: account.id, name: account.name, privateKey: pair.privateKey, publicText: await exportPublic(pair.publicKey) };
}

/** Makes a key (`isNew`) and tells the backend. `replaces` is the account's key so far. Of two tabs one makes it. */
export const makeIdentity = (store, account, replaces) => navigator.locks.request(`key:${account.id}`, async () =>
  (await identityOf(store, account)) ?? newIdentity(store, account, replaces));

async function newIdentity(store, account, replaces) {
  const pair = await newAgreementPair();
  const publicText = await exportPublic(pair.publicKey);
  // Kept first: a key that others know and nobody holds would be of no use.
  await store.put(place(account.id), pair);
  await ask("POST", "/key", { key: publicText, replaces });
  return { id: account.id, name: account.name, privateKey: pair.privateKey, publicText, isNew: true };
}

/** This browser's own key again, after another browser had replaced it. */
export const useAgain = (identity, replaces) => ask("POST", "/key", { key: identity.publicText, replaces });
