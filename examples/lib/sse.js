// Parses `text/event-stream`: chunks in, messages out. Message types are not used by Sealcast.

const MAX_LETTERS = 4 * 1024 * 1024;

export function eventParser({ onMessage, onRetry = () => {} }) {
  let rest = "";
  let data = [];
  let id = "";

  function take(line) {
    if (line === "") {
      if (data.length > 0) onMessage(data.join("\n"), id);
      data = [];
      id = "";
      return;
    }
    const [, name, value] = /^([^:]*)(?::\x20?(.*))?$/s.exec(line);
    if (name === "data") data.push(value ?? "");
    else if (name === "id") id = value ?? "";
    else if (name === "retry" && /^\d+$/.test(value ?? "")) onRetry(Number(value));
  }

  return (chunk) => {
    rest += chunk;
    if (rest.length > MAX_LETTERS) throw new RangeError("a message of the stream is too large");
    // The second letter of CRLF may come with the next chunk.
    const lines = rest.split(/\r\n|\n|\r(?!$)/);
    rest = lines.pop();
    lines.forEach(take);
  };
}
