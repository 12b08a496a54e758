// The console as a person uses it: a headless Chromium before the real server with the demonstration's day,
// and a real phone (the terminal's `xunyuan`) that writes meanwhile.
//
// Settings: XUNYUAN_BINS (the built programs), XUNYUAN_NODE (where the npm packages lie), XUNYUAN_SHOTS (where
// pictures go), CHROMIUM. The last line counts as libtest's does.
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createRequire } from "node:module";
import { Branch, Phone } from "./branch.mjs";
import { Desk } from "./desk.mjs";
import { cases } from "./cases.mjs";

const need = (name) => {
  if (!process.env[name]) throw new Error(`${name} is not set`);
  return process.env[name];
};
const npm = createRequire(join(need("XUNYUAN_NODE"), "package.json"));
const shots = need("XUNYUAN_SHOTS");
rmSync(shots, { recursive: true, force: true });
mkdirSync(shots, { recursive: true });

const { chromium } = npm("playwright-core");
const branch = await Branch.open(need("XUNYUAN_BINS"));
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
  ],
});
const world = { branch, browser, npm, shots, Phone, Desk };
let passed = 0;
let failed = 0;
const only = process.argv[2];
for (const [name, run] of cases) {
  if (only && !name.includes(only)) continue;
  const began = Date.now();
  try {
    await run(world);
    passed += 1;
    console.log(`ok   ${name} (${Date.now() - began} ms)`);
  } catch (error) {
    failed += 1;
    console.log(`FAIL ${name}\n${error.stack ?? error}`);
  }
}
await browser.close();
await branch.close();
writeFileSync(join(shots, "done"), `${passed} ${failed}\n`);
console.log(`test result: ${failed ? "FAILED" : "ok"}. ${passed} passed; ${failed} failed;`);
process.exit(failed ? 1 : 0);
