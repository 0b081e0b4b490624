// Under --tls the pages reach Sealcast through the server's own port: browsers keep an exception for
// a self-signed certificate by port, and offer none for a WebSocket.

import { request as ask } from "node:http";
import { connect } from "node:net";

const PATHS = /^\/(?:app\/|apps\/[^/]+\/auth\/|pusher\/|jetsocket\/)/;

export const isForSealcast = (path) => PATHS.test(path);

export function passRequest(sealcastUrl, request, response) {
  const { hostname, port } = new URL(sealcastUrl);
  const options = { hostname, port, method: request.method, path: request.url, headers: forwarded(request) };
  const up = ask(options, (answer) => {
    response.writeHead(answer.statusCode, answer.headers);
    answer.pipe(response);
    // A stream that Sealcast broke off ends here, too: an EventSource would wait for ever.
    answer.on("close", () => answer.complete || response.destroy());
  });
  up.on("error", () => {
    if (response.headersSent) response.destroy();
    else response.writeHead(502).end();
  });
  response.on("close", () => up.destroy());
  request.pipe(up);
}

export function passUpgrade(sealcastUrl, request, socket, head) {
  const { hostname, port } = new URL(sealcastUrl);
  const up = connect(Number(port), hostname, () => {
    const headers = Object.entries(forwarded(request)).map(([name, value]) => `${name}: ${value}\r\n`);
    up.write(`${request.method} ${request.url} HTTP/1.1\r\n${headers.join("")}\r\n`);
    up.write(head);
    up.pipe(socket).pipe(up);
  });
  const end = () => [up, socket].forEach((side) => side.destroy());
  for (const side of [up, socket]) side.on("error", end).on("close", end);
}

function forwarded({ headers, socket }) {
  // Browsers leave out the origin where it is the page's own. Sealcast sees no TLS here, and would
  // take the page for one of http.
  const isOwn = headers.origin === undefined && headers["sec-fetch-site"] === "same-origin";
  const origin = isOwn ? { origin: `https://${headers.host}` } : {};
  // Whatever the client wrote as its address is replaced.
  return { ...headers, ...origin, "x-forwarded-for": socket.remoteAddress };
}
