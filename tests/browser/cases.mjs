// What a person does in a day at the console, one case after the other; later ones use what earlier ones made.
import { statSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { unzip } from "./branch.mjs";
import { check, same, TABLET } from "./desk.mjs";

const LEDGER = "/ledgers/led.front_desk";
const PAGES = [
  "/", "/charts", "/inspections", "/findings", "/ledgers", LEDGER, `${LEDGER}/new`, "/duties", "/duties/calendar",
  "/conflicts", "/refusals", "/devices", "/definitions", "/definitions/led.finding", "/reports", "/reports/rep.fd_daily",
  "/audit", "/organisation", "/organisation?tab=checkpoints", "/people/u.fd01", "/account",
  "/account/tokens", "/webhooks",
];

const named = (page) => page.replace(/[^a-z0-9]+/gi, "-").replace(/^-|-$/g, "") || "overview";

/// The address of the first record of a list.
const first = async (desk, list) => {
  await desk.go(list);
  return desk.page.getAttribute("#list a.row-link >> nth=0", "href");
};

/// A phone that is enrolled by an invitation from the console.
const enrolled = async (world, user) => {
  const desk = await world.Desk.of(world, world.branch.users[0]);
  await desk.go("/devices");
  await desk.page.click("details.fold summary");
  await desk.page.selectOption("#user", user);
  await desk.page.click("details.fold button.main");
  const link = (await desk.page.textContent("#link")).trim();
  check(await desk.page.isVisible("img.qr"), "the invitation has no QR code");
  await desk.close();
  const phone = new world.Phone(world.branch, user.replace(".", "-"));
  phone.run("enroll", link);
  phone.run("sync");
  return phone;
};

const record = (phone, content) =>
  phone.json(
    "entry", "new", "led.front_desk", "--project", "pj.lanyuan", "channel=phone", "category=fd.repair.leak",
    `content=${content}`, "first_contact=u.fd01", "urgency=normal", "owner_dept=dept.eng",
  );

export const cases = [
  ["a wrong password opens nothing, the right one does", async (world) => {
    const desk = await world.Desk.open(world);
    await desk.go(LEDGER);
    check(desk.page.url().includes("/sign-in?to="), "a stranger is sent to sign in");
    await desk.shoot("sign-in");
    same(await desk.findings(), [], "axe");
    await desk.page.fill("#name", world.branch.users[0]);
    await desk.page.fill("#password", "wrong");
    await desk.page.click("button.main");
    check((await desk.page.textContent("[role=alert]")).includes("用户名或口令不对"), "the page says so");
    same(await desk.page.inputValue("#name"), world.branch.users[0], "the name stays");
    await desk.page.fill("#password", world.branch.password);
    await desk.page.click("button.main");
    await desk.page.waitForURL(world.branch.url + LEDGER);
    await desk.close();
  }],

  ["every page in both languages, at desktop and tablet width, without a serious fault", async (world) => {
    const faults = [];
    for (const [size, viewport] of [["desktop", undefined], ["tablet", TABLET]]) {
      const desk = await world.Desk.of(world, world.branch.users[0], viewport);
      const entry = await first(desk, LEDGER);
      const sheet = await first(desk, "/inspections");
      for (const lang of ["zh", "en"]) {
        await desk.go(`/lang?to=${lang}&back=/`);
        same(await desk.page.getAttribute("html", "lang"), lang === "zh" ? "zh-CN" : "en");
        for (const page of [...PAGES, entry, sheet, `${entry}/proof`]) {
          const answer = await desk.go(page);
          same(answer.status(), 200, page);
          const name = page === entry ? "entry" : page === sheet ? "sheet" : page.endsWith("proof") ? "proof" : named(page);
          await desk.shoot(`${size}-${lang}-${name}`);
          const wide = await desk.page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
          if (wide > 0) faults.push(`${size} ${lang} ${page}: ${wide} px too wide`);
          if (size === "desktop" || lang === "zh") {
            for (const finding of await desk.findings()) faults.push(`${size} ${lang} ${page}: ${finding}`);
          }
        }
      }
      await desk.close();
    }
    same(faults, [], "the list of faults");
  }],

  ["a project sees the project", async (world) => {
    const desk = await world.Desk.of(world, world.branch.users[2]);
    await desk.go("/organisation?tab=people");
    const text = await desk.page.textContent("#list");
    check(text.includes("前台壬") && !text.includes("项目经理辰"), "colleagues of the project alone");
    same((await desk.go(`${LEDGER}?project=pj.xiyuan`)).status(), 400);
    await desk.close();
  }],

  ["what a phone syncs appears before one's eyes, and half-typed words stay", async (world) => {
    world.phone = await enrolled(world, "u.fd01");
    const list = await world.Desk.of(world, world.branch.users[0]);
    await list.go(LEDGER);
    await list.listening();
    await list.page.focus("#q");
    const content = `地库渗水 ${Date.now()}`;
    const made = record(world.phone, content);
    world.phone.run("sync");
    await list.page.waitForSelector(`#list >> text=${content}`, { timeout: 15_000 });
    same(await list.page.evaluate(() => document.activeElement.id), "q", "the focus");
    await list.shoot("live-list");
    await list.close();

    const desk = await world.Desk.of(world, world.branch.users[3]);
    await desk.go(`/records/${made.document}`);
    await desk.listening();
    const step = desk.page.locator(".steps details:has(textarea) >> nth=0");
    await step.locator("summary").click();
    await step.locator("textarea").fill("请尽快处理,业主在家");
    await step.locator("textarea").focus();
    await desk.page.evaluate(() => scrollTo(0, 120));
    const scrolled = await desk.page.evaluate(() => scrollY);
    world.phone.run("entry", "edit", made.document, "caller_name=王先生");
    world.phone.run("sync");
    await desk.page.waitForSelector("#record >> text=王先生", { timeout: 15_000 });
    same(await step.locator("textarea").inputValue(), "请尽快处理,业主在家", "what was typed");
    same(await desk.page.evaluate(() => document.activeElement.tagName), "TEXTAREA", "the focus");
    same(await desk.page.evaluate(() => scrollY), scrolled, "the scroll");
    await desk.shoot("live-record");
    await step.locator("button.main").click();
    await desk.page.waitForURL(/saved=1/);
    await desk.close();
    world.phone.run("sync");
    check(world.phone.run("show", made.document).includes("请尽快处理"), "the phone has what the console wrote");
  }],

  ["a clash is decided with a reason", async (world) => {
    const other = await enrolled(world, "u.fd02");
    const made = record(world.phone, "两人同时改派");
    world.phone.run("sync");
    other.run("sync");
    const id = made.document;
    world.phone.run("entry", "edit", id, "handler=u.eng01");
    other.run("entry", "edit", id, "handler=u.sec01");
    world.phone.run("sync");
    other.run("sync");
    const desk = await world.Desk.of(world, world.branch.users[3]);
    await desk.go("/conflicts");
    const card = desk.page.locator(`#c-${id}`);
    const text = await card.textContent();
    check(text.includes("工程主管寅") && text.includes("秩序主管卯"), "both values stand there");
    await desk.shoot("conflicts");
    await card.locator("input[type=radio] >> nth=1").check();
    await card.locator("input[name=reason]").fill("水电问题归工程");
    await card.locator("button.main").click();
    await desk.page.waitForURL(/conflicts\?done=1/);
    same(await desk.page.locator(`#c-${id}`).count(), 0, "the clash");
    await desk.go(`/records/${id}`);
    check((await desk.page.textContent(".timeline")).includes("水电问题归工程"), "the reason is in the history");
    await desk.close();
  }],

  ["an entry is recorded at the desk and reaches the phone", async (world) => {
    const desk = await world.Desk.of(world, world.branch.users[3]);
    await desk.go(`${LEDGER}/new`);
    await desk.page.click("button.main");
    check(desk.page.url().endsWith("/new"), "the browser asks for what must be there");
    await desk.page.selectOption("[name=channel]", "phone");
    await desk.page.selectOption("[name=category]", { index: 3 });
    await desk.page.fill("[name=content]", "控制台登记:门禁失灵");
    await desk.page.selectOption("[name=first_contact]", "u.fd01");
    await desk.page.selectOption("[name=urgency]", { index: 1 });
    await desk.page.selectOption("[name=owner_dept]", { index: 1 });
    await desk.page.click("form.form button.main");
    await desk.page.waitForURL(/records\/.*saved=1/);
    const number = (await desk.page.textContent("h1")).trim();
    check(/\d{4}/.test(number), `the official number stands there at once: ${number}`);
    await desk.close();
    world.phone.run("sync");
    check(world.phone.run("search", "门禁失灵").includes(number), "the phone finds it");
  }],

  ["a list and a report are taken home and printed", async (world) => {
    const desk = await world.Desk.of(world, world.branch.users[0]);
    await desk.go(LEDGER);
    const [download] = await Promise.all([desk.page.waitForEvent("download"), desk.page.click("text=Excel")]);
    const book = unzip(world.npm, readFileSync(await download.path()));
    const said = Object.entries(book).filter(([name]) => name.includes("sharedStrings") || name.includes("sheet1")).map(([, text]) => text).join("");
    check(said.includes("编号") && said.includes("门禁失灵"), "the workbook holds what is shown");
    await desk.page.fill("#q", "门禁失灵");
    await desk.page.waitForFunction(() => document.querySelectorAll("#list tbody tr").length === 1);
    check(desk.page.url().includes("q="), "the address follows the filter");
    check(!desk.page.url().includes("state="), "what is empty stays out of it");
    await desk.page.pdf({ path: join(world.shots, "list.pdf"), format: "A4" });
    check(statSync(join(world.shots, "list.pdf")).size > 5_000, "the list prints");
    await desk.go("/reports/rep.patrol");
    const [paper] = await Promise.all([desk.context.waitForEvent("page"), desk.page.click("text=打印表单")]);
    await paper.waitForLoadState();
    const background = await paper.evaluate(() => getComputedStyle(document.querySelector("th")).backgroundColor);
    same(background, "rgb(242, 242, 242)", "the style of the paper form");
    await paper.pdf({ path: join(world.shots, "report.pdf"), format: "A4" });
    check(statSync(join(world.shots, "report.pdf")).size > 5_000, "the report prints");
    await paper.close();
    await desk.close();
  }],

  ["the log is verified", async (world) => {
    const desk = await world.Desk.of(world, world.branch.users[0]);
    await desk.go("/audit");
    await desk.page.click("#verify button.main");
    await desk.page.waitForSelector("#verify .notice.good", { timeout: 60_000 });
    check((await desk.page.textContent("#verify")).includes("全部相符"), "all is well");
    await desk.close();
  }],

  ["a device is revoked and erases itself", async (world) => {
    const desk = await world.Desk.of(world, world.branch.users[0]);
    await desk.go("/devices?q=u.fd02");
    const rows = desk.page.locator("#list a.row-link");
    await rows.last().click();
    desk.page.on("dialog", (dialog) => dialog.accept());
    await desk.page.click("button.danger");
    await desk.page.waitForSelector("text=已停用");
    await desk.close();
    const phone = new world.Phone(world.branch, "u-fd02");
    same(phone.try("sync").status, 5, "the exit code of a revoked device");
  }],

  ["signing out ends the session in every tab", async (world) => {
    const desk = await world.Desk.of(world, world.branch.users[1]);
    const cookies = await desk.context.cookies();
    check(cookies.every((one) => one.name !== "xunyuan" || one.httpOnly), "no script reads the cookie");
    await desk.page.click("text=退出");
    await desk.page.waitForURL(/sign-in/);
    await desk.context.addCookies(cookies);
    await desk.go(LEDGER);
    check(desk.page.url().includes("/sign-in"), "the old cookie is worth nothing");
    await desk.close();
  }],
];
