// Somebody at the branch with a browser: what the console of the browser says is watched all the time.
import { join } from "node:path";

export const DESKTOP = { width: 1440, height: 900 };
export const TABLET = { width: 820, height: 1180 };

export class Desk {
  constructor(world, context, page) {
    this.world = world;
    this.context = context;
    this.page = page;
    this.troubles = [];
    // A status that a case asks for is no trouble.
    const asked = (text) => /status of (4\d\d)/.test(text);
    page.on("console", (message) => {
      if (["error", "warning"].includes(message.type()) && !asked(message.text())) this.troubles.push(message.text());
    });
    page.on("pageerror", (error) => this.troubles.push(String(error)));
  }

  static async open(world, viewport = DESKTOP) {
    const context = await world.browser.newContext({ viewport, locale: "zh-CN", timezoneId: "Asia/Shanghai" });
    return new Desk(world, context, await context.newPage());
  }

  /// A browser in which somebody of the demonstration is signed in.
  static async of(world, user, viewport) {
    const desk = await Desk.open(world, viewport);
    await desk.signIn(user, world.branch.password);
    await desk.page.waitForURL(`${world.branch.url}/`);
    return desk;
  }

  async signIn(user, password) {
    await this.go("/sign-in");
    await this.page.fill("#name", user);
    await this.page.fill("#password", password);
    await this.page.click("button.main");
  }

  async go(path) {
    return this.page.goto(this.world.branch.url + path, { waitUntil: "load" });
  }

  /// Waits until the page hears what arrives.
  async listening() {
    await this.page.waitForSelector("body[data-listening]", { timeout: 10_000 });
  }

  async shoot(name) {
    await this.page.screenshot({ path: join(this.world.shots, `${name}.png`), fullPage: true });
  }

  /// What axe finds that is serious or worse.
  async findings() {
    const axe = this.world.npm.resolve("axe-core/axe.min.js");
    const source = (await import("node:fs")).readFileSync(axe, "utf8");
    // Evaluated by the debugger's door: the page's own policy lets no script in.
    await this.page.evaluate(source);
    const result = await this.page.evaluate(() => globalThis.axe.run(document, { resultTypes: ["violations"] }));
    const grave = result.violations.filter((one) => ["serious", "critical"].includes(one.impact));
    return grave.map((one) => `${one.id}: ${one.help}\n  ${one.nodes.slice(0, 3).map((node) => node.html.slice(0, 200)).join("\n  ")}`);
  }

  /// Ends the browser; nothing must have gone wrong in it.
  async close() {
    await this.context.close();
    if (this.troubles.length) throw new Error(`the browser's console says:\n${this.troubles.join("\n")}`);
  }
}

export const check = (held, said) => {
  if (!held) throw new Error(said);
};

export const same = (found, wanted, about = "") => {
  const [one, other] = [JSON.stringify(found), JSON.stringify(wanted)];
  if (one !== other) throw new Error(`${about} is ${one}, not ${other}`);
};
