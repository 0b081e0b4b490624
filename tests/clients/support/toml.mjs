// Writes the part of TOML that a configuration file of the server needs.

const isTable = (value) => typeof value === 'object' && value !== null && !Array.isArray(value);

function inline(value) {
  if (Array.isArray(value)) return `[${value.map(inline).join(', ')}]`;
  if (isTable(value)) return `{ ${Object.entries(value).map(([key, v]) => `${key} = ${inline(v)}`).join(', ')} }`;
  return JSON.stringify(value);
}

/** Scalars and arrays first, then one `[section]` per nested object. */
export function toml(table, path = []) {
  const entries = Object.entries(table).filter(([, value]) => value !== undefined);
  const own = entries.filter(([, value]) => !isTable(value)).map(([key, value]) => `${key} = ${inline(value)}\n`);
  const sections = entries.filter(([, value]) => isTable(value)).map(([key, value]) => {
    const section = [...path, JSON.stringify(key)];
    return `\n[${section.join('.')}]\n${toml(value, section)}`;
  });
  return [...own, ...sections].join('');
}
