// A self-signed certificate for `--tls`, so that a phone in the same network can open an example.

import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { isIP } from "node:net";
import { hostname, networkInterfaces } from "node:os";
import { join } from "node:path";

const DAYS = 30;
const OPENSSL_MS = 20_000;

/** The names under which other machines find this one. */
export function networkNames() {
  const addresses = Object.values(networkInterfaces()).flat()
    .filter(({ family, internal }) => family === "IPv4" && !internal).map(({ address }) => address);
  const name = hostname().toLowerCase();
  return [...new Set([...addresses, name, ...(name.includes(".") ? [] : [`${name}.local`])])];
}

/** Made again when the names change, and each 30 days. */
export function certificate(stateDir, names) {
  const folder = join(stateDir, "tls");
  const [key, cert, list] = ["key.pem", "cert.pem", "names"].map((name) => join(folder, name));
  const wanted = names.join(" ");
  const isKept = [key, cert, list].every(existsSync) && readFileSync(list, "utf8") === wanted && stillValid(cert);
  if (!isKept) {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    const alternatives = names.map((name) => `${isIP(name) ? "IP" : "DNS"}:${name}`).join(",");
    openssl(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", `${DAYS}`,
      "-keyout", key, "-out", cert, "-subj", "/CN=Sealcast example", "-addext", `subjectAltName=${alternatives}`]);
    writeFileSync(list, wanted);
  }
  return { key: readFileSync(key), cert: readFileSync(cert) };
}

function stillValid(cert) {
  try {
    openssl(["x509", "-checkend", "86400", "-noout", "-in", cert]);
    return true;
  } catch {
    return false;
  }
}

function openssl(args) {
  try {
    execFileSync("openssl", args, { stdio: ["ignore", "ignore", "pipe"], timeout: OPENSSL_MS });
  } catch (error) {
    throw new Error(`--tls needs the program openssl for a certificate: ${error.message.split("\n")[0]}`);
  }
}
