// Pictures of a page at every size and theme, and what axe-core says about it.

import { mkdir, mkdtemp } from "node:fs/promises";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";

export const SIZES = [[1280, 800], [820, 1180], [390, 844]];
export const THEMES = ["light", "dark"];

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
let folder;

/** `PICTURES`, or a new folder in the system's temporary one. */
export async function pictureFolder() {
  folder ??= process.env.PICTURES ?? (await mkdtemp(join(tmpdir(), "sealcast-pictures-")));
  await mkdir(folder, { recursive: true });
  return folder;
}

/** Leaves size and theme as they were. Resolves with the findings of axe-core, as sentences. */
export async function pictures(page, name, { sizes = SIZES, themes = THEMES, fullPage = false, check = true } = {}) {
  const before = page.viewportSize();
  const place = await pictureFolder();
  const findings = [];
  for (const [width, height] of sizes) {
    await page.setViewportSize({ width, height });
    for (const theme of themes) {
      await page.emulateMedia({ colorScheme: theme, reducedMotion: "reduce" });
      await page.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve))));
      await page.screenshot({ path: join(place, `${name}-${width}-${theme}.png`), fullPage, animations: "disabled" });
      if (check) findings.push(...(await axeFindings(page)).map((finding) => `${name} at ${width}, ${theme}: ${finding}`));
      const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      if (wide > 0) findings.push(`${name} at ${width}, ${theme}: the page is ${wide} px too wide`);
    }
  }
  await page.emulateMedia({ colorScheme: "light", reducedMotion: null });
  if (before) await page.setViewportSize(before);
  return findings;
}

/** Through the debugger, because the pages' policy allows no foreign script. */
export async function axeFindings(page) {
  const session = await page.context().newCDPSession(page);
  try {
    const run = async (expression) => {
      const { result, exceptionDetails } = await session.send("Runtime.evaluate", { expression, awaitPromise: true, returnByValue: true });
      if (exceptionDetails) throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text);
      return result.value;
    };
    await run(`typeof axe === "undefined" && (() => { ${axe} })()`);
    const violations = await run(`axe.run(document, { resultTypes: ["violations"] }).then(({ violations }) =>
      violations.map(({ id, help, nodes }) => ({ id, help, nodes: nodes.map(({ target, failureSummary }) => target.join(" ") + ": " + failureSummary) })))`);
    return violations.map(({ id, help, nodes }) => `${id} (${help}): ${nodes.slice(0, 3).join(" | ")}`);
  } finally {
    await session.detach();
  }
}
