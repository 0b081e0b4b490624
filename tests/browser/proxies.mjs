// nginx and Caddy in front of a server, on Unix sockets: over plain HTTP/1.1, and over TLS with HTTP/2.

import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { start } from "./support.mjs";

const nginx = (folder, { cert, key }, upstream, buffering) => `
daemon off;
worker_processes 1;
pid ${folder}/nginx.pid;
error_log stderr notice;
events { worker_connections 1024; }
http {
  access_log off;
  client_body_temp_path ${folder}/body;
  proxy_temp_path ${folder}/proxy;
  fastcgi_temp_path ${folder}/fastcgi;
  uwsgi_temp_path ${folder}/uwsgi;
  scgi_temp_path ${folder}/scgi;
  gzip on;
  server {
    listen unix:${folder}/plain.sock;
    listen unix:${folder}/tls.sock ssl http2;
    ssl_certificate ${cert};
    ssl_certificate_key ${key};
    location / {
      proxy_pass http://127.0.0.1:${upstream};
      proxy_http_version 1.1;
      proxy_set_header Host $http_host;
      proxy_set_header Connection "";
      proxy_read_timeout 60s;
      proxy_max_temp_file_size 0;
      ${buffering}
    }
  }
}
`;

const caddy = (folder, { cert, key }, upstream, buffering) => `
{
	admin off
	auto_https off
	servers {
		protocols h1 h2
	}
}
(proxy) {
	encode gzip
	reverse_proxy 127.0.0.1:${upstream} {
		${buffering}
	}
}
http:// {
	bind unix/${folder}/plain.sock
	import proxy
}
https:// {
	bind unix/${folder}/tls.sock
	tls ${cert} ${key}
	import proxy
}
`;

// With the names of the settings. Where a proxy buffers against the server's wish, events come late.
export const PROXIES = {
  "nginx, proxy_buffering off": { kind: "nginx", buffering: "proxy_buffering off;" },
  "nginx, proxy_buffering on": { kind: "nginx", buffering: "proxy_buffering on;" },
  "nginx that ignores X-Accel-Buffering": {
    kind: "nginx",
    buffering: "proxy_buffering on; proxy_ignore_headers X-Accel-Buffering;",
    isLate: true,
  },
  Caddy: { kind: "caddy", buffering: "" },
  "Caddy, flush_interval -1": { kind: "caddy", buffering: "flush_interval -1" },
  "Caddy, buffer_responses": { kind: "caddy", buffering: "buffer_responses\n\t\tmax_buffer_size 4096", isLate: true },
};

const COMMANDS = {
  nginx: { text: nginx, args: (file, folder) => ["-c", file, "-p", folder, "-e", "stderr"], ready: /start worker process / },
  caddy: { text: caddy, args: (file) => ["run", "--config", file, "--adapter", "caddyfile"], ready: /serving initial configuration/ },
};

/** Starts a proxy of `PROXIES` in front of the port `upstream`; returns its sockets, and `stop`. */
export async function startProxy(folder, pair, { kind, buffering }, upstream) {
  mkdirSync(folder);
  const { text, args, ready } = COMMANDS[kind];
  const file = join(folder, kind);
  writeFileSync(file, text(folder, pair, upstream, buffering));
  // Debian has nginx where only root looks for programs.
  const PATH = `${process.env.PATH}:/usr/sbin`;
  const env = { ...process.env, PATH, XDG_DATA_HOME: folder, XDG_CONFIG_HOME: folder, HOME: folder };
  const { stop } = await start(kind, args(file, folder), { env }, ready);
  return { http: join(folder, "plain.sock"), https: join(folder, "tls.sock"), stop };
}
