// Lists that change often.

/** Nodes whose content is the same stay: no flicker, no lost focus, and only news are read out. */
export function keep(list, entries) {
  const known = new Map([...list.children].map((node) => [node.keyOfEntry, node]));
  const next = entries.map(({ key, stamp, make }) => {
    const node = known.get(key);
    if (node?.stampOfEntry === stamp) return node;
    const hadFocus = node?.contains(document.activeElement);
    const made = make();
    Object.assign(made, { keyOfEntry: key, stampOfEntry: stamp });
    if (!node && known.size > 0 && list.isConnected) made.classList.add("new");
    if (hadFocus) queueMicrotask(() => made.querySelector("a, button")?.focus());
    return made;
  });
  const wanted = new Set(next);
  for (const node of [...list.children]) if (!wanted.has(node)) node.remove();
  next.forEach((node, i) => {
    if (list.children[i] !== node) list.insertBefore(node, list.children[i] ?? null);
  });
}
