// The address of clients, for programs. Without public_url and with `listen` a Unix socket there is
// none.

const UNKNOWN = "ADDRESS-OF-CLIENTS";
const UNKNOWN_ADDRESS = {
  isKnown: false,
  host: UNKNOWN,
  port: 443,
  isTls: true,
  origin: `https://${UNKNOWN}`,
  socket: `wss://${UNKNOWN}`,
  note: `${UNKNOWN}: put in the host that clients use. The server listens on a Unix socket.`,
};

/** `url`: public_url of the session. `note` says in words what has to be put in, if anything. */
export function clientAddress(url) {
  if (url.startsWith("unix:")) return UNKNOWN_ADDRESS;
  const { protocol, hostname, port, host, origin } = new URL(url);
  const isTls = protocol === "https:";
  // SDKs put the host in front of ":PORT": an IPv6 address keeps its brackets.
  return { isKnown: true, host: hostname, port: Number(port) || (isTls ? 443 : 80), isTls, origin, socket: `${isTls ? "wss" : "ws"}://${host}` };
}

const MARKS = { curl: "#", python: "#", node: "//", php: "//" };

/** The program with a note in its first line. */
export function withNote(language, note, program) {
  if (!note) return program;
  const line = `${MARKS[language]} ${note}\n`;
  return language === "php" ? program.replace(/^<\?php\s/, `<?php\n${line}`) : `${line}${program}`;
}
