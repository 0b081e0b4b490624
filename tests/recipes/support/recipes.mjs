// The files of deploy/recipes, and how each proxy is started with one of them.

import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

const HERE = import.meta.dirname;
const RECIPES = resolve(HERE, '../../../deploy/recipes');
const VENV = resolve(HERE, '../.venv/bin');
const CERTIFICATES = process.env.RECIPES_CERTIFICATES;

export const PAIR = { cert: join(CERTIFICATES, 'fullchain.pem'), key: join(CERTIFICATES, 'key.pem') };

/** A recipe with other names, ports and paths; for one server, without the lines of the second. */
function textOf(file, { port, ports: [one, two], folder, dynamic }) {
  const text = readFileSync(join(RECIPES, file), 'utf8');
  const kept = two ? text : text.replace(/^.*:6011\b.*\n/gm, '');
  const changes = [
    [/127\.0\.0\.1:6001\b/g, `127.0.0.1:${one}`],
    [/127\.0\.0\.1:6011\b/g, `127.0.0.1:${two}`],
    [/\/etc\/haproxy\/rt\.example\.com\.pem/g, join(CERTIFICATES, 'both.pem')],
    [/\/etc\/sealcast\/fullchain\.pem/g, PAIR.cert],
    [/\/etc\/sealcast\/key\.pem/g, PAIR.key],
    [/\/etc\/traefik\/sealcast\.yml/g, dynamic ?? ''],
    [/rt\.example\.com \{/g, `https://localhost:${port} {\n\tbind 127.0.0.1\n\ttls ${PAIR.cert} ${PAIR.key}`],
    [/rt\.example\.com/g, 'localhost'],
    [/\*:443\b/g, `127.0.0.1:${port}`],
    [/(?<=bind |address: "):443\b/g, `127.0.0.1:${port}`],
    [/(?<=listen )443\b/g, `127.0.0.1:${port}`],
  ];
  return changes.reduce((result, [from, to]) => result.replace(from, () => to), kept);
}

const nginxMain = (folder, extra) => `daemon off;
worker_processes 1;
pid ${folder}/nginx.pid;
error_log stderr notice;
events { worker_connections 1024; }
${extra}`;

const httpContext = (folder) => {
  const paths = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];
  const temporary = paths.map((name) => `  ${name}_temp_path ${folder}/${name};`).join('\n');
  return `http {\n  access_log off;\n${temporary}\n  include ${folder}/recipe;\n}\n`;
};

const nginx = (main) => ({
  files: (recipe, at) => ({ recipe: textOf(recipe, at), main: nginxMain(at.folder, main(at.folder)) }),
  command: ({ folder }) => ['nginx', ['-c', join(folder, 'main'), '-p', folder, '-e', 'stderr']],
  async reload(process) {
    process.signal('SIGHUP');
    await process.says('gracefully shutting down');
  },
});

const haproxy = {
  files: (recipe, at) => ({ recipe: textOf(recipe, at) }),
  command: ({ folder }) => ['haproxy', ['-W', '-db', '-f', join(folder, 'recipe')]],
  async reload(process) {
    process.signal('SIGUSR2');
    await process.says('Loading success', 2);
  },
};

const APACHE_MODULES = ['mpm_event', 'authz_core', 'ssl', 'socache_shmcb', 'slotmem_shm', 'proxy', 'proxy_http',
  'proxy_wstunnel', 'proxy_balancer', 'proxy_hcheck', 'lbmethod_bybusyness'];

const apacheMain = ({ folder, port }) => `ServerRoot ${folder}
DefaultRuntimeDir ${folder}
PidFile ${folder}/pid
ErrorLog ${folder}/log
LogLevel notice
${APACHE_MODULES.map((name) => `LoadModule ${name}_module /usr/lib/apache2/modules/mod_${name}.so`).join('\n')}
User www-data
Group www-data
ServerName localhost
Listen 127.0.0.1:${port}
Include ${folder}/recipe
`;

const apache = {
  files: (recipe, at) => ({ recipe: textOf(recipe, at), main: apacheMain(at) }),
  command: ({ folder }) => ['apache2', ['-f', join(folder, 'main'), '-DFOREGROUND']],
  async reload(process, { folder }) {
    process.signal('SIGUSR1');
    const log = () => readFileSync(join(folder, 'log'), 'utf8');
    await process.until(() => log().split('resuming normal operations').length > 2, 'a graceful restart');
  },
};

const caddy = (program) => ({
  // Its admin API and its redirect would take ports of their own.
  files: (recipe, at) => ({
    recipe: `{\n\tadmin 127.0.0.1:${at.admin}\n\tauto_https disable_redirects\n}\n${textOf(recipe, at)}`,
  }),
  command: ({ folder }) => [program, ['run', '--config', join(folder, 'recipe'), '--adapter', 'caddyfile']],
  async reload(_, { folder, admin, run }) {
    const file = join(folder, 'recipe');
    await run(program, ['reload', '--force', '--config', file, '--adapter', 'caddyfile', '--address', `127.0.0.1:${admin}`]);
  },
});

const traefik = {
  files: (recipe, at) => {
    const paths = { ...at, dynamic: join(at.folder, 'recipe.yml') };
    return { 'main.yml': `${textOf('traefik/traefik.yml', paths)}log:\n  level: DEBUG\n`, 'recipe.yml': textOf(recipe, at) };
  },
  command: ({ folder }) => [join(VENV, 'traefik'), [`--configFile=${join(folder, 'main.yml')}`]],
  // The same content again would be no change.
  async reload(process, { rewrite }) {
    await rewrite('recipe.yml', (text) => text.replace(/^( +rule: (Host|HostSNI)\(.*\))$/m, '$1 || $2(`other.test`)'));
    await process.says('other\\.test');
  },
};

const debianCaddy = caddy('/usr/bin/caddy');
const currentCaddy = caddy(join(VENV, 'caddy'));

/** Proxies that end TLS and read HTTP. */
export const FORWARDED = {
  nginx: { recipe: 'nginx/sealcast.conf', ...nginx(httpContext) },
  'HAProxy in mode http': { recipe: 'haproxy-http/haproxy.cfg', ...haproxy },
  // It does not send the body of a POST a second time after a refused connection.
  'Caddy 2.6': { recipe: 'caddy/Caddyfile-2.6', ...debianCaddy, reloadCloses: true, noticesLate: true },
  Caddy: { recipe: 'caddy/Caddyfile', ...currentCaddy },
  Traefik: { recipe: 'traefik/ended.yml', ...traefik },
  Apache: { recipe: 'apache/sealcast.conf', ...apache },
};

const STREAM = '/usr/lib/nginx/modules/ngx_stream_module.so';
const nginxStream = nginx((folder) => `include ${folder}/recipe;\n`);
const stream = {
  ...nginxStream,
  files: (recipe, at) => {
    const { main, ...files } = nginxStream.files(recipe, at);
    return { ...files, main: `load_module ${STREAM};\n${main}` };
  },
};

/** Proxies that end TLS and pass bytes on behind the PROXY protocol. */
export const ENDED = {
  "nginx's stream module": { recipe: 'nginx-stream/ended.conf', ...stream },
  HAProxy: { recipe: 'haproxy/ended.cfg', ...haproxy },
};

/** Proxies that pass TLS on behind the PROXY protocol. */
export const PASSED = {
  "nginx's stream module": { recipe: 'nginx-stream/passed.conf', ...stream },
  HAProxy: { recipe: 'haproxy/passed.cfg', ...haproxy },
  Traefik: { recipe: 'traefik/passed.yml', ...traefik, noticesLate: true },
};
