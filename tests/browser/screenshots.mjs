// Makes pictures of the pages of a demo, for README and docs.
//
// tools/screenshots calls it: node screenshots.mjs PROGRAM OUTPUT, with PROGRAM the path of easytier-uptime and OUTPUT the folder
// for the pictures.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";

import { launch } from "./chromium.mjs";

const [program, output] = process.argv.slice(2);

const WIDTH = 1280;

// The name of a picture, its page, the height of its part of the page (0: all of it), and the languages in which it is made.
const PICTURES = [
  ["nodes", "/?sort=name", 0, ["en", "zh"]],
  ["node", "Shanghai", 1420, ["en"]],
  ["map", "/map", 900, ["en"]],
  ["incidents", "/incidents", 600, ["en"]],
];

// Starts a demo that stays, and returns its address once its real nodes are checked.
async function start() {
  const demo = spawn(program, ["demo", "--cycles", "3", "--interval", "1s", "--stay"], { stdio: ["ignore", "pipe", "inherit"] });
  let address;
  for await (const line of createInterface(demo.stdout)) {
    address ??= /^listening on (\S+)/.exec(line)?.[1];
    if (line.includes("until Ctrl-C")) return { demo, address };
  }
  throw new Error("the demo ended");
}

async function path(page, base, wanted) {
  if (wanted.startsWith("/")) return base + wanted;
  await page.goto(base);
  return page.locator("table.nodes a.name", { hasText: wanted }).evaluate(({ href }) => href);
}

const { demo, address } = await start();
const browser = await launch();
try {
  for (const [name, wanted, height, languages] of PICTURES) {
    for (const language of languages) {
      for (const colorScheme of ["light", "dark"]) {
        const locale = { en: "en-US", zh: "zh-CN" }[language];
        const context = await browser.newContext({ viewport: { width: WIDTH, height: height || 900 }, locale, colorScheme, reducedMotion: "reduce" });
        const page = await context.newPage();
        await page.goto(await path(page, address, wanted), { waitUntil: "load" });
        const file = `${language === "en" ? name : `${name}-${language}`}-${colorScheme}.png`;
        await page.screenshot({ path: join(output, file), fullPage: height === 0 });
        await context.close();
        console.log(file);
      }
    }
  }
} finally {
  await browser.close();
  const ended = once(demo, "exit");
  demo.kill("SIGINT");
  await ended;
}
