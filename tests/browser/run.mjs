// What a person does with the pages, in a real browser, against a hub and nodes that are real too.
//
// tests/browser/run calls it: node run.mjs PROGRAM OUTPUT, with PROGRAM easytier-uptime, and OUTPUT the folder for screenshots
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";

import { DESKTOP, PHONE, launch, require } from "./chromium.mjs";

const [program, output] = process.argv.slice(2);
const axe = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");

const PASSWORD = "the password of the browser's test";
const PATIENCE = 60_000;

const folder = mkdtempSync(join(tmpdir(), "easytier-uptime-browser-"));
mkdirSync(output, { recursive: true });
const children = new Set();

// A process of the program, and the first line that it prints.
async function start(args, environment = {}) {
  const child = spawn(program, args, {
    cwd: folder,
    env: { PATH: process.env.PATH, RUST_LOG: "warn", ...environment },
    stdio: ["pipe", "pipe", "inherit"],
  });
  children.add(child);
  child.once("exit", () => children.delete(child));
  const [line] = await Promise.race([
    once(createInterface(child.stdout), "line"),
    once(child, "exit").then(([code]) => { throw new Error(`${args.join(" ")} ended with ${code}`); }),
  ]);
  const address = /^listening on (\S+)/.exec(line)?.[1];
  assert.ok(address, `unexpected first line: ${line}`);
  return { child, address };
}

async function stop({ child }, signal = "SIGTERM") {
  const ended = once(child, "exit");
  child.kill(signal);
  await ended;
}

const node = () => start(["node", "--listen", `tcp://${process.env.PUBLIC}:0`, "--network-name", "shared", "--network-secret", "s", "--exit-with-stdin"]);

// What a browser says that should not be: errors of scripts, requests that fail, answers that refuse.
class Watch {
  problems = [];
  // Answers that a test asks for.
  expected = new Set();

  page(page) {
    page.on("console", (message) => {
      if (message.type() !== "error" && message.type() !== "warning") return;
      if (![...this.expected].some((path) => message.location().url.includes(path))) this.problems.push(`console: ${message.text()}`);
    });
    page.on("pageerror", (error) => this.problems.push(`script: ${error.message}`));
    page.on("requestfailed", (request) => {
      // A page that is left takes its open connection with it.
      const left = request.failure()?.errorText === "net::ERR_ABORTED";
      if (!left) this.problems.push(`request: ${request.url()} ${request.failure()?.errorText}`);
    });
    page.on("response", (response) => {
      const isExpected = [...this.expected].some((path) => response.url().includes(path));
      if (response.status() >= 400 && !isExpected) this.problems.push(`answer: ${response.url()} ${response.status()}`);
    });
    page.on("request", (request) => {
      if (!request.url().startsWith(this.base) && !request.url().startsWith("data:")) this.problems.push(`foreign: ${request.url()}`);
    });
  }
}

async function accessible(page, what) {
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() => axe.run(document));
  const grave = violations.filter(({ impact }) => impact === "serious" || impact === "critical");
  const told = grave.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join("\n  ")}`);
  assert.deepEqual(told, [], `what ${what} keeps from some people`);
}

async function main() {
  const nodes = [await node(), await node()];
  const [first, second] = nodes;
  const hub = await start([], {
    SERVER_PORT: "0",
    ADMIN_PASSWORD: PASSWORD,
    STATUS_REPORT_INTERVAL: "2s",
  });
  const base = hub.address;
  const browser = await launch();
  const watch = Object.assign(new Watch(), { base });
  try {
    const context = await browser.newContext({ viewport: DESKTOP, locale: "en-US", reducedMotion: "reduce", permissions: ["clipboard-read", "clipboard-write"] });
    context.setDefaultTimeout(PATIENCE);
    const page = await context.newPage();
    watch.page(page);
    const row = (name) => page.locator("table.nodes tbody tr", { hasText: name });

    await step("an empty list loads", async () => {
      await page.goto(base);
      await page.getByText("No nodes yet").waitFor();
    });

    const submit = async (name, address, tag) => {
      await page.goto(`${base}/submit`);
      const { hostname, port } = new URL(address.replace("tcp:", "http:"));
      await page.getByLabel("Name *").fill(name);
      await page.getByLabel("Host *").fill(hostname);
      await page.getByLabel("Port").fill(port);
      await page.getByLabel("Tags").fill(tag);
      await page.getByLabel("Mail").fill("owner@example.net");
      await page.getByRole("button", { name: "Test the connection" }).click();
      await page.getByText("The node works").waitFor();
      await page.getByRole("button", { name: "Submit", exact: true }).click();
      await page.getByText("The node is listed once it is approved").waitFor();
    };
    await step("nodes are submitted, and tested before", async () => {
      await submit("Alpha <b>node</b>", first.address, "games");
      await submit("Beta", second.address, "home, games");
      await page.goto(base);
      await page.getByText("No nodes yet").waitFor();
    });

    await step("a wrong password is refused, the right one lets in", async () => {
      await page.goto(`${base}/admin`);
      await page.waitForURL("**/admin/login");
      watch.expected.add("/api/admin/login");
      await page.getByLabel("Password").fill("a wrong one");
      await page.getByRole("button", { name: "Log in" }).click();
      await page.getByText("the password is wrong").waitFor();
      watch.expected.clear();
      await page.getByLabel("Password").fill(PASSWORD);
      await page.getByRole("button", { name: "Log in" }).click();
      await page.waitForURL("**/admin");
    });

    await step("the queue is approved", async () => {
      await page.screenshot({ path: join(output, "admin-desktop.png"), fullPage: true });
      // From then on the address has a fragment.
      await page.getByRole("link", { name: "Skip to the content" }).press("Enter");
      await page.waitForURL("**/admin#content");
      for (const left of [1, 0]) {
        await page.getByRole("button", { name: "Approve" }).first().click();
        await page.getByText(`Waiting for approval (${left})`).waitFor();
      }
      await accessible(page, "/admin");
    });

    await step("a node is edited", async () => {
      await page.getByRole("link", { name: "Beta", exact: true }).click();
      await page.getByLabel("Description").fill("Second of two");
      await page.getByRole("button", { name: "Save" }).click();
      await page.waitForURL("**/admin");
      await page.getByText("Second of two").waitFor();
    });

    await step("a token is made, shown once, and revoked", async () => {
      await page.getByRole("link", { name: "Tokens and keys" }).click();
      await page.getByLabel("Name *").fill("probe in the east");
      await page.getByRole("button", { name: "Create" }).click();
      const token = await page.locator("#issued").textContent();
      assert.match(token, /^etn_[0-9a-f]{16}_/);
      await page.goto(`${base}/admin/keys`);
      assert.ok(!(await page.content()).includes(token), "it is shown once");
      const registry = { headers: { "x-node-token": token } };
      await context.request.post(`${base}/api/discovery/register`, { ...registry, data: { server_id: "pod 1" } });
      await context.request.delete(`${base}/api/discovery/unregister/pod%201`, registry);
      await page.getByRole("button", { name: "Revoke" }).first().click();
      await page.getByText("revoked").waitFor();
      await accessible(page, "/admin/keys");
    });

    await step("a probe that is gone is removed", async () => {
      await page.getByRole("navigation", { name: "Admin" }).getByRole("link", { name: "Probes" }).click();
      const gone = page.locator("section.panel", { hasText: "pod 1" });
      await gone.getByText("Offline", { exact: true }).waitFor();
      await page.screenshot({ path: join(output, "admin-probes-desktop.png"), fullPage: true });
      await accessible(page, "/admin/probes");
      page.once("dialog", (dialog) => dialog.accept());
      await gone.getByRole("button", { name: "Remove" }).click();
      await gone.waitFor({ state: "detached" });
    });

    await step("a setting is changed, and a wrong one told", async () => {
      await page.getByRole("link", { name: "Settings" }).click();
      await page.getByText("STATUS_REPORT_INTERVAL (environment)").waitFor();
      watch.expected.add("/admin/settings");
      await page.getByLabel("Each node is checked every").fill("often");
      await page.getByRole("button", { name: "Save" }).click();
      await page.getByText("Nothing was saved").waitFor();
      await accessible(page, "/admin/settings with a wrong value");
      watch.expected.clear();
      await page.getByLabel("Each node is checked every").fill("1s");
      await page.getByRole("button", { name: "Save" }).click();
      await page.getByText("Saved", { exact: true }).waitFor();
      assert.equal(await page.getByLabel("Each node is checked every").inputValue(), "1s");
      await page.screenshot({ path: join(output, "settings-desktop.png"), fullPage: true });
    });

    await step("the nodes turn online by themselves", async () => {
      await page.goto(base);
      await row("Alpha").getByText("Online", { exact: true }).waitFor();
      await row("Beta").getByText("Online", { exact: true }).waitFor();
      assert.equal(await page.locator("table.nodes b").count(), 0, "a name is text");
    });

    await step("every page can be used by everybody", async () => {
      for (const [path, name] of [["/", "nodes"], ["/nodes/1", "node"], ["/probes", "probes"], ["/submit", "submit"]]) {
        for (const [viewport, size] of [[DESKTOP, "desktop"], [PHONE, "phone"]]) {
          await page.setViewportSize(viewport);
          await page.goto(base + path);
          for (const colorScheme of ["dark", "light"]) {
            await page.emulateMedia({ colorScheme });
            await accessible(page, `${path} (${size}, ${colorScheme})`);
          }
          await page.emulateMedia({ colorScheme: "dark" });
          await page.screenshot({ path: join(output, `${name}-${size}-dark.png`), fullPage: true });
          await page.emulateMedia({ colorScheme: "light" });
          const excess = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
          assert.ok(excess <= 0, `${path} is ${excess} pixels too wide for a ${size}`);
          await page.screenshot({ path: join(output, `${name}-${size}.png`), fullPage: true });
        }
      }
      await page.setViewportSize(DESKTOP);
    });

    await step("filters go into the address, which can be shared", async () => {
      await page.goto(base);
      // A failure that passes leaves the page as it is.
      watch.expected.add("/?search=bet");
      const away = (url) => url.search === "?search=bet";
      await page.route(away, (route) => route.fulfill({ status: 503, contentType: "text/html", body: "<main id=content>" }));
      const refused = page.waitForResponse((response) => response.status() === 503);
      await page.getByLabel("Search").fill("bet");
      await (await refused).finished();
      await page.unroute(away);
      await page.getByLabel("Search").fill("beta");
      await row("Alpha").waitFor({ state: "detached" });
      await page.waitForURL("**/?search=beta");
      watch.expected.clear();
      await page.getByLabel("Search").fill("");
      await row("Alpha").waitFor();
      await page.getByLabel("Tag").selectOption("home");
      await page.waitForURL("**/?tags=home");
      await row("Alpha").waitFor({ state: "detached" });
      await page.reload();
      await row("Beta").waitFor();
      assert.equal(await row("Alpha").count(), 0);
      await page.getByRole("link", { name: "Clear all" }).click();
      await row("Alpha").waitFor();
    });

    await step("the language is switched, and stays", async () => {
      await page.getByRole("link", { name: "中文" }).click();
      await page.getByRole("heading", { name: "EasyTier 共享节点" }).waitFor();
      await page.goto(`${base}/probes`);
      await page.getByRole("heading", { name: "探针", exact: true, level: 1 }).waitFor();
      await page.goto(base);
      for (const [path, name] of [["/", "nodes"], ["/nodes/1", "node"], ["/probes", "probes"], ["/submit", "submit"]]) {
        await page.goto(base + path);
        await accessible(page, `${path} in Chinese`);
        await page.screenshot({ path: join(output, `${name}-chinese.png`), fullPage: true });
      }
      await page.goto(base);
      await page.getByRole("link", { name: "English" }).click();
      await page.getByRole("heading", { name: "Shared EasyTier nodes" }).waitFor();
    });

    await step("light and dark are switched, and stay", async () => {
      await page.getByRole("button", { name: "Light or dark" }).click();
      // A browser may keep a cookie a moment after a script has set it.
      await page.waitForFunction(() => document.cookie.includes("uptime_theme=dark"));
      await page.reload();
      assert.equal(await page.locator("html").getAttribute("data-theme"), "dark");
      await page.getByRole("button", { name: "Light or dark" }).click();
    });

    await step("the command is copied", async () => {
      await row("Beta").getByRole("button", { name: /Copy command/ }).click();
      await row("Beta").getByText("Copied").waitFor();
      assert.equal(await page.evaluate(() => navigator.clipboard.readText()), `easytier-core -p ${second.address}`);
    });

    await step("a bar tells its exact numbers to the keyboard", async () => {
      await row("Beta").locator(".bar").focus();
      await page.locator("#tip", { hasText: "checks" }).waitFor();
      const now = await page.locator("#tip").textContent();
      await page.keyboard.press("ArrowLeft");
      assert.notEqual(await page.locator("#tip").textContent(), now);
    });

    await step("a node turns offline when its process is stopped, with nothing else lost", async () => {
      await page.getByLabel("Search").fill("beta");
      await page.waitForURL("**/?search=beta");
      await row("Alpha").waitFor({ state: "detached" });
      await row("Beta").evaluate((element) => { element.seenBefore = true; });
      await stop(second, "SIGKILL");
      await row("Beta").getByText("Offline", { exact: true }).waitFor();
      assert.equal(await page.getByLabel("Search").inputValue(), "beta");
      assert.equal(await row("Beta").evaluate((element) => element.seenBefore), true, "the page was not loaded anew");
      await row("Beta").getByRole("link", { name: "Beta" }).click();
      await page.getByText("Nobody listens at the port").first().waitFor();
      await page.screenshot({ path: join(output, "node-offline-desktop.png"), fullPage: true });
    });

    await step("without scripts the pages can be read", async () => {
      const plain = await browser.newContext({ javaScriptEnabled: false, viewport: DESKTOP });
      const page = await plain.newPage();
      await page.goto(base);
      await page.getByText(first.address, { exact: true }).first().waitFor();
      assert.equal(await page.locator("button.copy:visible").count(), 0);
      await plain.close();
    });

    await step("without scripts a node is tested and submitted", async () => {
      const plain = await browser.newContext({ javaScriptEnabled: false, viewport: DESKTOP });
      plain.setDefaultTimeout(PATIENCE);
      const page = await plain.newPage();
      await page.goto(`${base}/submit`);
      const { hostname, port } = new URL(first.address.replace("tcp:", "http:"));
      await page.getByLabel("Protocol").selectOption("tcp");
      await page.getByLabel("Host *").fill(hostname);
      await page.getByLabel("Port").fill(port);
      await page.getByRole("button", { name: "Test the connection" }).click();
      await page.getByText("The node works").waitFor();
      await page.screenshot({ path: join(output, "submit-tested-desktop.png"), fullPage: true });
      assert.equal(await page.getByLabel("Host *").inputValue(), hostname);
      await page.getByLabel("Port").fill("1");
      await page.getByLabel("Name *").fill("Gamma");
      await page.getByLabel("Mail").fill("owner@example.net");
      await page.getByRole("button", { name: "Submit", exact: true }).click();
      await page.getByText("The node is listed once it is approved").waitFor();
      await plain.close();
    });

    assert.deepEqual(watch.problems, []);
  } finally {
    await browser.close();
  }
}

async function step(what, work) {
  const begun = Date.now();
  try {
    await work();
  } catch (error) {
    throw new Error(`${what}: ${error.stack}`);
  }
  console.log(`ok  ${what} (${Date.now() - begun} ms)`);
}

try {
  await main();
} finally {
  for (const child of children) child.kill("SIGKILL");
  rmSync(folder, { recursive: true, force: true });
}
