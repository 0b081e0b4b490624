// Patterns as the server's: literal text in which `*` stands for any run of characters.

/** Greedy, back to the last star only: at most pattern length times text length steps. */
function isMatch(pattern, text) {
  let [p, at, star, from] = [0, 0, -1, 0];
  while (at < text.length) {
    if (pattern[p] === "*") {
      [star, from] = [p, at];
      p += 1;
    } else if (pattern[p] === text[at]) {
      p += 1;
      at += 1;
    } else if (star >= 0) {
      from += 1;
      [p, at] = [star + 1, from];
    } else {
      return false;
    }
  }
  while (pattern[p] === "*") p += 1;
  return p === pattern.length;
}

/** A test for texts. `list`: patterns, separated by commas; one of them must match. */
export function pattern(list) {
  const patterns = list.split(",");
  return (text) => patterns.some((it) => isMatch(it, String(text)));
}
