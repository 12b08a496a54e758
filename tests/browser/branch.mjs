// The branch of the demonstration in a process of its own, and phones that are the terminal's program.
import { execFileSync, spawn, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/// When the demonstration's day is over: phones show a time near the server's.
const CLOCK = "2026-11-23T18:00:00+08:00";

export class Branch {
  constructor(process_, dir, bins, said) {
    this.process = process_;
    this.dir = dir;
    this.bins = bins;
    this.url = said.server;
    this.users = said.console.users;
    this.password = said.console.password;
  }

  /// Plays the day and waits until the server goes on serving.
  static async open(bins) {
    const dir = mkdtempSync(join(tmpdir(), "xunyuan-browser-"));
    const demo = spawn(join(bins, "xunyuan-server"), ["demo", "--json", "--dir", join(dir, "demo")], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    const said = await new Promise((resolve, reject) => {
      let text = "";
      demo.on("exit", (code) => reject(new Error(`the demonstration ended with ${code}`)));
      demo.stdout.on("data", (part) => {
        text += part;
        try {
          resolve(JSON.parse(text));
        } catch {
          // Not all of it has come yet.
        }
      });
    });
    if (!said.held) throw new Error("the demonstration's laws do not hold");
    demo.removeAllListeners("exit");
    return new Branch(demo, dir, bins, said);
  }

  async close() {
    const ended = new Promise((resolve) => this.process.on("exit", resolve));
    this.process.kill("SIGTERM");
    await ended;
    rmSync(this.dir, { recursive: true, force: true });
  }
}

/// One person's replica, moved by the terminal's program.
export class Phone {
  constructor(branch, name) {
    this.branch = branch;
    this.file = join(branch.dir, `${name}.xunyuan`);
  }

  run(...words) {
    const done = this.try(...words);
    if (done.status !== 0) throw new Error(`xunyuan ${words.join(" ")}: ${done.status}\n${done.stdout}${done.stderr}`);
    return done.stdout;
  }

  try(...words) {
    const given = ["--json", "--replica", this.file, ...words];
    return spawnSync(join(this.branch.bins, "xunyuan"), given, {
      encoding: "utf8",
      env: { ...process.env, XUNYUAN_CLOCK: CLOCK },
    });
  }

  json(...words) {
    return JSON.parse(this.run(...words));
  }
}

export const unzip = (npm, bytes) => {
  const { unzipSync, strFromU8 } = npm("fflate");
  return Object.fromEntries(Object.entries(unzipSync(bytes)).map(([name, part]) => [name, strFromU8(part)]));
};

export const programs = (bins) => execFileSync(join(bins, "xunyuan"), ["--version"], { encoding: "utf8" });
