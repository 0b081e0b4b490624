// Reads the part of YAML that a plain compose file needs: maps, lists, quoted and bare scalars,
// lists in brackets. Everything else is an error, so that nothing is overlooked.

export function readYaml(text) {
  const lines = text.split("\n").map((line, i) => ({ line, number: i + 1 }))
    .filter(({ line }) => !/^\s*(?:#|$)/.test(line))
    .map(({ line, number }) => ({ number, indent: line.search(/\S/), text: line.trim() }));
  let at = 0;

  function block(indent) {
    return lines[at].text.startsWith("- ") ? list(indent) : map(indent);
  }

  function list(indent) {
    const items = [];
    while (at < lines.length && lines[at].indent === indent) {
      const { text: item, number } = lines[at++];
      if (!item.startsWith("- ")) throw new SyntaxError(`line ${number}: an item of a list begins with "- "`);
      items.push(scalar(item.slice(2), number));
    }
    return items;
  }

  function map(indent) {
    const object = {};
    while (at < lines.length && lines[at].indent === indent) {
      const { text: entry, number } = lines[at++];
      const [, key, value] = /^([\w-]+):(?: +(.+))?$/.exec(entry) ?? [];
      if (!key || Object.hasOwn(object, key)) throw new SyntaxError(`line ${number}: this is no new key`);
      const isDeeper = at < lines.length && lines[at].indent > indent;
      object[key] = value !== undefined ? scalar(value, number) : isDeeper ? block(lines[at].indent) : null;
    }
    return object;
  }

  const root = block(0);
  if (at < lines.length) throw new SyntaxError(`line ${lines[at].number}: this is indented too far`);
  return root;
}

function scalar(text, number) {
  if (/^(?:"[^"\\]*"|\[.*\])$/.test(text)) return JSON.parse(text);
  if (/^[\w./-][\w./:@-]*$/.test(text)) return text;
  throw new SyntaxError(`line ${number}: "${text}" is not understood here`);
}
