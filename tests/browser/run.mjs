// Drives the pages in a real browser, against a real hub and real nodes.
//
// tests/browser/run calls it: node run.mjs PROGRAM OUTPUT, with PROGRAM the path of easytier-uptime and OUTPUT the folder for
// screenshots.
import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";

import { DESKTOP, PHONE, launch, require } from "./chromium.mjs";

const [program, output] = process.argv.slice(2);
const axe = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");

const PASSWORD = "the password of the browser test";
const TIMEOUT_MS = 60_000;

const folder = mkdtempSync(join(tmpdir(), "easytier-uptime-browser-"));
mkdirSync(output, { recursive: true });
const children = new Set();

// Starts the program, and waits for the address in its first line.
async function start(args, environment = {}, cwd = folder) {
  const child = spawn(program, args, {
    cwd,
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

// Takes mails as an SMTP server does. Returns its port and the mails.
async function mailServer() {
  const mails = [];
  const server = createServer((socket) => {
    const say = (line) => socket.write(`${line}\r\n`);
    let [text, isMail] = ["", false];
    say("220 mail.example.net");
    socket.on("error", () => {});
    socket.on("data", (chunk) => {
      text += chunk;
      for (;;) {
        const end = isMail ? "\r\n.\r\n" : "\r\n";
        const at = text.indexOf(end);
        if (at < 0) return;
        const part = text.slice(0, at);
        text = text.slice(at + end.length);
        // Quoted-printable.
        if (isMail) mails.push(part.replaceAll("=\r\n", "").replaceAll("=3D", "="));
        isMail = !isMail && part === "DATA";
        say(isMail ? "354 go on" : part === "QUIT" ? "221 bye" : "250 OK");
      }
    });
  }).listen(0, "127.0.0.1");
  server.unref();
  await once(server, "listening");
  return { port: server.address().port, mails };
}

async function stop({ child }, signal = "SIGTERM") {
  const ended = once(child, "exit");
  child.kill(signal);
  await ended;
}

const node = () => start(["node", "--listen", `tcp://${process.env.PUBLIC}:0`, "--network-name", "shared", "--network-secret", "s", "--exit-with-stdin"]);

// Collects script errors, failed requests, and responses with an error status.
class Watch {
  problems = [];
  // Parts of URLs whose errors a step expects.
  expected = new Set();

  page(page) {
    page.on("console", (message) => {
      if (message.type() !== "error" && message.type() !== "warning") return;
      if (![...this.expected].some((path) => message.location().url.includes(path))) this.problems.push(`console: ${message.text()}`);
    });
    page.on("pageerror", (error) => this.problems.push(`script: ${error.message}`));
    page.on("requestfailed", (request) => {
      // Leaving a page aborts its open connection.
      const isLeft = request.failure()?.errorText === "net::ERR_ABORTED";
      if (!isLeft) this.problems.push(`request: ${request.url()} ${request.failure()?.errorText}`);
    });
    page.on("response", (response) => {
      const isExpected = [...this.expected].some((path) => response.url().includes(path));
      if (response.status() >= 400 && !isExpected) this.problems.push(`response: ${response.url()} ${response.status()}`);
    });
    page.on("request", (request) => {
      if (!request.url().startsWith(this.base) && !request.url().startsWith("data:")) this.problems.push(`foreign: ${request.url()}`);
    });
  }
}

// Fails if axe finds a serious violation of accessibility rules.
async function accessible(page, name) {
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() => axe.run(document));
  const serious = violations.filter(({ impact }) => impact === "serious" || impact === "critical");
  const messages = serious.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join("\n  ")}`);
  assert.deepEqual(messages, [], `accessibility of ${name}`);
}

// Every page of the hub while the operator is logged in, and the name of its screenshots.
const PAGES = [
  ["/", "nodes"], ["/nodes/1", "node"], ["/probes", "probes"], ["/map", "map"], ["/reports", "reports"], ["/incidents", "incidents"], ["/submit", "submit"], ["/admin/login", "login"],
  ["/admin", "admin"], ["/admin/nodes/1", "admin-node"], ["/admin/nodes/1/delete", "admin-delete"], ["/admin/keys", "admin-keys"],
  ["/admin/probes", "admin-probes"], ["/admin/events", "admin-events"], ["/admin/status-changes", "admin-status-changes"], ["/admin/instances", "admin-instances"], ["/admin/maintenance", "admin-maintenance"], ["/admin/maintenance/1", "admin-window"], ["/admin/maintenance/1/remove", "admin-window-remove"], ["/admin/channels", "admin-channels"], ["/admin/channels/1", "admin-channel"], ["/admin/channels/new?kind=mail", "admin-channel-new"], ["/admin/channels/1/rules", "admin-rule"], ["/admin/channels/1/remove", "admin-channel-remove"], ["/admin/alerts", "admin-alerts"], ["/admin/incidents", "admin-incidents"], ["/admin/import", "admin-import"], ["/admin/sources", "admin-sources"], ["/admin/probes/managed", "admin-managed"], ["/admin/settings", "admin-settings"],
];

// Submits the node at an address, after a test of the connection.
async function submit(page, base, name, address, tag, tested = "The node works") {
  await page.goto(`${base}/submit`);
  const { hostname, port } = new URL(address.replace("tcp:", "http:"));
  await page.getByLabel("Name *").fill(name);
  await page.getByLabel("Host *").fill(hostname);
  await page.getByLabel("Port").fill(port);
  await page.getByLabel("Tags").fill(tag);
  await page.getByLabel("Email").fill("owner@example.net");
  await page.getByRole("button", { name: "Test the connection" }).click();
  await page.getByText(tested).waitFor();
  await page.getByRole("button", { name: "Submit", exact: true }).click();
  await page.getByText("The node is listed once it is approved").waitFor();
}

// Starts an instance of a cluster, with a database of its own.
async function instance(name, environment) {
  const own = join(folder, name);
  mkdirSync(own);
  const cluster = { SYNC_SECRET: "a-secret-that-all-instances-of-the-cluster-know", HEARTBEAT_INTERVAL: "1s", SYNC_INTERVAL: "1s", FAILOVER_AFTER: "3s" };
  return start([], { SERVER_PORT: "0", ADMIN_PASSWORD: PASSWORD, INSTANCE_NAME: name, ...cluster, ...environment }, own);
}

async function logIn(page, base) {
  await page.goto(`${base}/admin/login`);
  await page.getByLabel("Password").fill(PASSWORD);
  await page.getByRole("button", { name: "Log in" }).click();
  await page.waitForURL("**/admin");
}

// Checks and shows a page on a desktop and on a phone.
async function both(page, name) {
  for (const [viewport, size] of [[DESKTOP, "desktop"], [PHONE, "phone"]]) {
    await page.setViewportSize(viewport);
    await accessible(page, `${name} (${size})`);
    const excess = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    assert.ok(excess <= 0, `${name} is ${excess} pixels too wide for a ${size}`);
    await page.screenshot({ path: join(output, `${name}-${size}.png`), fullPage: true });
  }
  await page.setViewportSize(DESKTOP);
}

// Loads a page again until it has something.
async function reloadUntil(page, wanted) {
  const end = Date.now() + TIMEOUT_MS;
  while (await wanted.count() === 0) {
    assert.ok(Date.now() < end, `${wanted} does not come`);
    await page.reload();
  }
}

async function main() {
  const nodes = [await node(), await node()];
  const [first, second] = nodes;
  // The test has a network namespace of its own, so the port is free.
  const hub = await start([], {
    SERVER_PORT: "8080",
    PUBLIC_URL: "http://127.0.0.1:8080",
    ADMIN_PASSWORD: PASSWORD,
    STATUS_REPORT_INTERVAL: "2s",
  });
  const base = hub.address;
  const browser = await launch();
  const watch = Object.assign(new Watch(), { base });
  try {
    const context = await browser.newContext({ viewport: DESKTOP, locale: "en-US", reducedMotion: "reduce", permissions: ["clipboard-read", "clipboard-write"] });
    context.setDefaultTimeout(TIMEOUT_MS);
    const page = await context.newPage();
    watch.page(page);
    const row = (name) => page.locator("table.nodes tbody tr", { hasText: name });

    await step("an empty list loads", async () => {
      await page.goto(base);
      await page.getByText("No nodes yet").waitFor();
    });

    await step("nodes are tested and submitted", async () => {
      await page.goto(`${base}/submit`);
      watch.expected.add("/submit");
      await page.getByLabel("Host *").fill("a/b");
      await page.getByLabel("Network secret").evaluate((field) => { field.value = "kept"; });
      await page.getByRole("button", { name: "Test the connection" }).click();
      await page.locator("#host-note.problem").waitFor();
      assert.equal(await page.getByLabel("Network secret").inputValue(), "kept");
      await accessible(page, "/submit with a wrong field");
      watch.expected.clear();
      await submit(page, base, "Alpha <b>node</b>", first.address, "games");
      await submit(page, base, "Beta", second.address, "home, games");
      await page.goto(base);
      await page.getByText("No nodes yet").waitFor();
    });

    await step("a wrong password is refused, the right one logs in", async () => {
      await page.goto(`${base}/admin`);
      await page.waitForURL("**/admin/login");
      watch.expected.add("/admin/login");
      await page.getByLabel("Password").fill("a wrong one");
      await page.getByRole("button", { name: "Log in" }).click();
      await page.getByText("The password is wrong").waitFor();
      await accessible(page, "/admin/login with a wrong password");
      watch.expected.clear();
      await page.getByLabel("Password").fill(PASSWORD);
      await page.getByRole("button", { name: "Log in" }).click();
      await page.waitForURL("**/admin");
    });

    await step("the queue is approved", async () => {
      await page.screenshot({ path: join(output, "admin-queue.png"), fullPage: true });
      for (const left of [1, 0]) {
        await page.getByRole("button", { name: "Approve", exact: true }).first().click();
        await page.getByText(`Waiting for approval (${left})`).waitFor();
      }
      await accessible(page, "/admin");
    });

    await step("a node that is listed already is thanked for, shown as such, and rejected", async () => {
      await submit(page, base, "Alpha again", first.address, "games");
      await submit(page, base, "Gamma", second.address.replace(/:\d+$/, ":1"), "games", "The node could not be used");
      await page.goto(`${base}/admin`);
      const again = page.locator("#queue tbody tr", { hasText: "Alpha again" });
      await again.getByText("This address and network belong to node").waitFor();
      assert.equal(await again.getByRole("button", { name: "Approve" }).count(), 0);
      for (const [viewport, size] of [[DESKTOP, "desktop"], [PHONE, "phone"]]) {
        await page.setViewportSize(viewport);
        await accessible(page, `/admin with a queue (${size})`);
        const excess = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
        assert.ok(excess <= 0, `/admin with a queue is ${excess} pixels too wide for a ${size}`);
        await page.screenshot({ path: join(output, `admin-duplicate-${size}.png`), fullPage: true });
      }
      await page.getByLabel("Select: Alpha again").check();
      await page.getByRole("button", { name: "Reject selected" }).click();
      await page.getByText("Reject these submissions? (1)").waitFor();
      await accessible(page, "/admin/queue");
      await page.getByRole("link", { name: "Cancel" }).click();
      await page.setViewportSize(DESKTOP);
      await page.locator("#queue").getByRole("link", { name: "Reject" }).first().click();
      await page.getByText("Reject this submission?").waitFor();
      await page.getByRole("button", { name: "Reject" }).click();
      await page.getByText("The submission is rejected").waitFor();
      await page.getByText("Waiting for approval (1)").waitFor();
      await submit(page, base, "Alpha once more", first.address, "games");
      await page.goto(`${base}/admin`);
      await page.getByLabel("All on this page").check();
      await page.getByRole("button", { name: "Reject selected" }).click();
      await page.getByText("Reject these submissions? (2)").waitFor();
      await page.getByRole("button", { name: "Reject" }).click();
      await page.getByText("Rejected: 2.").waitFor();
      await page.getByText("Waiting for approval (0)").waitFor();
    });

    await step("an import is shown before it is done", async () => {
      await page.goto(`${base}/admin/import`);
      await page.locator("textarea").fill(`tcp://new.example.net:11010\n${first.address}`);
      await page.getByRole("button", { name: "Preview" }).click();
      await page.getByText("To be added: 1. Already listed: 1.").waitFor();
      for (const [viewport, size] of [[DESKTOP, "desktop"], [PHONE, "phone"]]) {
        await page.setViewportSize(viewport);
        await accessible(page, `/admin/import with a preview (${size})`);
        const excess = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
        assert.ok(excess <= 0, `/admin/import with a preview is ${excess} pixels too wide for a ${size}`);
        await page.screenshot({ path: join(output, `admin-preview-${size}.png`), fullPage: true });
      }
      await page.setViewportSize(DESKTOP);
      assert.match(await page.locator("textarea").inputValue(), /new.example.net/);
      await page.goto(`${base}/admin`);
    });

    await step("a node is edited", async () => {
      await page.getByRole("link", { name: "Beta", exact: true }).click();
      await page.getByLabel("Description").fill("Second of two");
      await page.getByRole("button", { name: "Save" }).click();
      await page.waitForURL("**/admin?done=saved");
      await page.getByText("Second of two").waitFor();
    });

    await step("a token is created, shown once, and revoked", async () => {
      await page.getByRole("link", { name: "Tokens and keys" }).click();
      await page.getByLabel("Name *").fill("probe in the east");
      await page.getByRole("button", { name: "Create" }).click();
      const token = await page.locator("#issued").textContent();
      assert.match(token, /^etn_[0-9a-f]{16}_/);
      await page.goto(`${base}/admin/keys`);
      assert.ok(!(await page.content()).includes(token), "the token is shown once");
      const registry = { headers: { "x-node-token": token } };
      await context.request.post(`${base}/api/discovery/register`, { ...registry, data: { server_id: "pod 1" } });
      await context.request.delete(`${base}/api/discovery/unregister/pod%201`, registry);
      await page.getByRole("button", { name: "Revoke" }).first().click();
      await page.getByText(/^revoked /).waitFor();
      await accessible(page, "/admin/keys");
    });

    await step("an offline probe is removed", async () => {
      await page.getByRole("navigation", { name: "Admin" }).getByRole("link", { name: "Probes" }).click();
      const gone = page.locator("section.panel", { hasText: "pod 1" });
      await gone.getByText("Offline", { exact: true }).waitFor();
      await accessible(page, "/admin/probes");
      await gone.getByRole("link", { name: "Remove" }).click();
      await page.getByText("Remove this probe?").waitFor();
      await page.screenshot({ path: join(output, "admin-probe-removal.png"), fullPage: true });
      await page.getByRole("button", { name: "Remove" }).click();
      await page.getByText("The probe is removed").waitFor();
      assert.equal(await gone.count(), 0);
    });

    await step("maintenance is planned, and visitors see it", async () => {
      await page.getByRole("navigation", { name: "Admin" }).getByRole("link", { name: "Maintenance" }).click();
      watch.expected.add("/admin/maintenance");
      await page.getByLabel("Title *", { exact: true }).fill("New disks in Frankfurt");
      await page.getByLabel("All nodes").check();
      await page.getByLabel("Time zone *").fill("Mars/Olympus");
      await page.getByRole("button", { name: "Create" }).click();
      await page.locator("#time_zone-note.problem").waitFor();
      await both(page, "admin-maintenance-refused");
      watch.expected.clear();
      await page.getByLabel("Time zone *").fill("Europe/Berlin");
      await page.getByLabel("Repeat").selectOption("Every week");
      await page.getByRole("button", { name: "Create" }).click();
      await page.getByText("The window is made.").waitFor();
      await page.getByText("Now, until").waitFor();
      await both(page, "admin-maintenance-made");
      await page.goto(base);
      await reloadUntil(page, row("Beta").getByText("Maintenance until"));
      await both(page, "nodes-maintenance");
      await page.goto(`${base}/admin/maintenance`);
    });

    await step("a channel gets a rule, is tried and muted", async () => {
      await page.getByRole("navigation", { name: "Admin" }).getByRole("link", { name: "Channels" }).click();
      await page.getByLabel("Kind").selectOption("ntfy");
      await page.getByRole("button", { name: "Next" }).click();
      await page.getByLabel("Name *").fill("night watch");
      await page.getByLabel("The topic").fill("a-topic");
      watch.expected.add("/admin/channels/");
      await page.getByLabel("The server").fill("ftp://example.com");
      await page.getByRole("button", { name: "Create" }).click();
      await page.locator("small.problem").waitFor();
      await both(page, "admin-channel-refused");
      watch.expected.clear();
      // Nobody listens there.
      await page.getByLabel("The topic").fill("a-topic");
      await page.getByLabel("The server").fill("http://127.0.0.1:9");
      await page.getByRole("button", { name: "Create" }).click();
      await page.getByText("The channel is added.").waitFor();
      await page.getByRole("link", { name: "New rule" }).click();
      await page.getByLabel("A probe stops reporting").check();
      await page.getByLabel("From", { exact: true }).fill("22:00");
      await page.getByLabel("To", { exact: true }).fill("07:00");
      await page.getByRole("button", { name: "Preview" }).click();
      await page.getByText("What this rule would have sent").waitFor();
      await both(page, "admin-rule-preview");
      await page.getByRole("button", { name: "Create" }).click();
      await page.getByText("The rule is added.").waitFor();
      await page.getByText("Sends nothing from 22:00-07:00 (UTC)").waitFor();
      await page.getByRole("navigation", { name: "Admin" }).getByRole("link", { name: "Channels" }).click();
      await page.getByRole("button", { name: "Send a test" }).click();
      await page.getByText("The test message could not be sent now").waitFor();
      await both(page, "admin-channel-tried");
      await page.getByRole("navigation", { name: "Admin" }).getByRole("link", { name: "Alerts" }).click();
      await page.getByText("Mute something").click();
      await page.getByRole("button", { name: "Mute" }).click();
      await page.getByText("Muted.").waitFor();
    });

    await step("a list is followed, and the page says why it cannot be read", async () => {
      await page.getByRole("navigation", { name: "Admin" }).getByRole("link", { name: "Sources" }).click();
      await page.getByLabel("Address of the list *").fill("http://127.0.0.1:9/nodes.txt");
      await page.getByRole("button", { name: "Follow" }).click();
      await page.getByText("The source is added").waitFor();
      await page.goto(`${base}/admin/sources`);
      await reloadUntil(page, page.getByText("cannot be reached"));
    });

    await step("a visitor subscribes by mail, confirms and unsubscribes", async () => {
      const { port, mails } = await mailServer();
      const channel = ["--name", "post", "--server", `127.0.0.1:${port}`, "--security", "none", "--from", "uptime@example.net", "--to", "ops@example.net"];
      execFileSync(program, ["hub", "channel", "add", "mail", ...channel, "--subscriptions", "yes"], { cwd: folder, env: {}, stdio: "ignore" });
      await page.goto(`${base}/nodes/1`);
      await reloadUntil(page, page.getByText("Subscribe by mail"));
      await page.getByText("Subscribe by mail").click();
      await page.getByLabel("Mail address *").fill("reader@example.net");
      await both(page, "node-subscribe");
      await page.getByRole("button", { name: "Subscribe" }).click();
      await page.getByText("a mail with a link is on its way").waitFor();
      await both(page, "subscriptions-asked");
      for (const end = Date.now() + TIMEOUT_MS; mails.length === 0;) {
        assert.ok(Date.now() < end, "no mail comes");
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
      const [link] = /http:\S+\/subscriptions\?token=\S+/.exec(mails[0]);
      for (const language of ["zh", "en"]) {
        await page.goto(`${link}&lang=${language}`);
        await both(page, `subscriptions-waiting-${language}`);
      }
      await page.getByRole("button", { name: "Confirm all" }).click();
      await page.getByText("Confirmed: you get a mail when something changes.").waitFor();
      await both(page, "subscriptions-confirmed");
      await page.getByRole("button", { name: "Unsubscribe from all" }).click();
      await page.getByText("Unsubscribed: no more mails are sent about it.").waitFor();
      await page.getByText("Nothing is subscribed with this mailbox.").waitFor();
      await both(page, "subscriptions-ended");
      await page.goto(`${base}/admin`);
    });

    await step("a setting is changed, and a wrong one refused", async () => {
      await page.getByRole("link", { name: "Settings" }).click();
      await page.getByText("STATUS_REPORT_INTERVAL (environment)").waitFor();
      watch.expected.add("/admin/settings");
      await page.getByLabel("Check interval").fill("often");
      await page.getByRole("button", { name: "Save" }).click();
      await page.getByText("Nothing was saved").waitFor();
      await accessible(page, "/admin/settings with a wrong value");
      watch.expected.clear();
      await page.getByLabel("Check interval").fill("1s");
      await page.getByRole("button", { name: "Save" }).click();
      await page.getByText("Saved", { exact: true }).waitFor();
      assert.equal(await page.getByLabel("Check interval").inputValue(), "1s");
    });

    await step("the nodes turn online by themselves", async () => {
      await page.goto(base);
      await row("Alpha").getByText("Online", { exact: true }).waitFor();
      await row("Beta").getByText("Online", { exact: true }).waitFor();
      assert.equal(await page.locator("table.nodes b").count(), 0, "a name is text");
    });

    await step("every page is accessible, on a desktop and on a phone", async () => {
      for (const [path, name] of PAGES) {
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
      // A temporary failure leaves the page as it is.
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

    await step("the language is switched, and remembered", async () => {
      await page.getByRole("link", { name: "中文" }).click();
      await page.getByRole("heading", { name: "EasyTier 共享节点" }).waitFor();
      await page.goto(`${base}/probes`);
      await page.getByRole("heading", { name: "探针", exact: true, level: 1 }).waitFor();
      await page.goto(base);
      for (const [path, name] of PAGES) {
        await page.goto(base + path);
        await accessible(page, `${path} in Chinese`);
        await page.screenshot({ path: join(output, `${name}-chinese.png`), fullPage: true });
        await page.setViewportSize(PHONE);
        const excess = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
        assert.ok(excess <= 0, `${path} in Chinese is ${excess} pixels too wide for a phone`);
        await page.screenshot({ path: join(output, `${name}-chinese-phone.png`), fullPage: true });
        await page.setViewportSize(DESKTOP);
      }
      await page.goto(base);
      await page.getByRole("link", { name: "English" }).click();
      await page.getByRole("heading", { name: "Shared EasyTier nodes" }).waitFor();
    });

    await step("the theme is switched, and remembered", async () => {
      await page.getByRole("button", { name: "Light or dark" }).click();
      // A browser may store a cookie a moment after the script has set it.
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

    await step("the arrow keys show the exact numbers of a bar", async () => {
      await row("Beta").locator(".bar").focus();
      await page.locator("#tip", { hasText: "checks" }).waitFor();
      const now = await page.locator("#tip").textContent();
      await page.keyboard.press("ArrowLeft");
      assert.notEqual(await page.locator("#tip").textContent(), now);
    });

    // More than the connections that a browser opens to one site.
    const others = [];
    await step("seven pages are open side by side", async () => {
      while (others.length < 6) {
        const other = await context.newPage();
        watch.page(other);
        others.push(other);
        await other.goto(base);
        await other.locator("table.nodes tbody tr", { hasText: "Beta" }).getByText("Online", { exact: true }).waitFor();
        assert.equal(await other.evaluate(() => document.hidden), false);
      }
    });

    await step("a node turns offline when its process is killed, and the page keeps its filter", async () => {
      await page.getByLabel("Search").fill("beta");
      await page.waitForURL("**/?search=beta");
      await row("Alpha").waitFor({ state: "detached" });
      await row("Beta").evaluate((element) => { element.seenBefore = true; });
      await stop(second, "SIGKILL");
      await row("Beta").getByText("Offline", { exact: true }).waitFor();
      assert.equal(await page.getByLabel("Search").inputValue(), "beta");
      assert.equal(await row("Beta").evaluate((element) => element.seenBefore), true, "the page was not reloaded");
      for (const other of others) {
        await other.locator("table.nodes tbody tr", { hasText: "Beta" }).getByText("Offline", { exact: true }).waitFor();
        await other.close();
      }
      await row("Beta").getByRole("link", { name: "Beta" }).click();
      await page.getByText("Connection refused").first().waitFor();
      await page.screenshot({ path: join(output, "node-offline-desktop.png"), fullPage: true });
    });

    const plain = await browser.newContext({ javaScriptEnabled: false, viewport: DESKTOP, locale: "en-US" });
    plain.setDefaultTimeout(TIMEOUT_MS);
    const withoutScript = await plain.newPage();

    await step("without the script the pages can be read", async () => {
      const page = withoutScript;
      await page.goto(base);
      await page.getByText(first.address, { exact: true }).first().waitFor();
      assert.equal(await page.locator("button.copy:visible").count(), 0);
    });

    await step("without the script a node is tested and submitted", async () => {
      const page = withoutScript;
      await page.goto(`${base}/submit`);
      const { hostname, port } = new URL(first.address.replace("tcp:", "http:"));
      await page.getByLabel("Protocol").selectOption("tcp");
      await page.getByLabel("Host *").fill(hostname);
      await page.getByLabel("Port").fill(port);
      await page.getByRole("button", { name: "Test the connection" }).click();
      await page.getByText("The node works").waitFor();
      await page.screenshot({ path: join(output, "submit-tested.png"), fullPage: true });
      assert.equal(await page.getByLabel("Host *").inputValue(), hostname);
      await page.getByLabel("Port").fill("1");
      await page.getByLabel("Name *").fill("Gamma");
      await page.getByLabel("Email").fill("owner@example.net");
      await page.getByRole("button", { name: "Submit", exact: true }).click();
      await page.getByText("The node is listed once it is approved").waitFor();
    });

    await step("without the script the operator logs in, approves, edits and deletes a node, and logs out", async () => {
      const page = withoutScript;
      await page.goto(`${base}/admin`);
      await page.getByLabel("Password").fill("a wrong one");
      await page.getByRole("button", { name: "Log in" }).click();
      await page.getByText("The password is wrong").waitFor();
      await page.screenshot({ path: join(output, "login-refused.png"), fullPage: true });
      await page.getByLabel("Password").fill(PASSWORD);
      await page.getByRole("button", { name: "Log in" }).click();
      await page.getByText("Waiting for approval (1)").waitFor();
      await page.getByRole("button", { name: "Approve" }).click();
      await page.getByText("The node is listed.").waitFor();
      await page.getByText("Waiting for approval (0)").waitFor();

      await page.getByRole("link", { name: "Gamma", exact: true }).click();
      await page.getByLabel("Name *").fill("Delta");
      await page.getByLabel("Host *").fill("not a host");
      await page.getByRole("button", { name: "Save" }).click();
      await page.locator("#host-note.problem").waitFor();
      await page.screenshot({ path: join(output, "admin-node-refused.png"), fullPage: true });
      assert.equal(await page.getByLabel("Name *").inputValue(), "Delta");
      await page.getByLabel("Host *").fill("delta.example.net");
      await page.getByRole("button", { name: "Save" }).click();
      await page.getByText("tcp://delta.example.net:1").waitFor();

      const row = page.locator("tr", { hasText: "Delta" });
      await row.getByRole("button", { name: "Unlist" }).click();
      await page.getByText("The node is no longer listed.").waitFor();
      await row.getByRole("link", { name: "Delete" }).click();
      await page.getByText("Delete this node?").first().waitFor();
      await page.getByRole("button", { name: "Delete" }).click();
      await page.getByText("The node is deleted.").waitFor();
      assert.equal(await row.count(), 0);

      await page.getByRole("button", { name: "Log out" }).click();
      await page.waitForURL(`${base}/`);
      await page.goto(`${base}/admin`);
      await page.waitForURL("**/admin/login");
    });

    await step("a probe without a backend is managed, and a wrong token is told", async () => {
      const own = join(folder, "managed");
      mkdirSync(own);
      const probe = await start(["daemon"], { SERVER_PORT: "0", CONTROL_TOKEN: "the-control-token-of-the-managed-probe", SERVER_ID: "managed-1", REGION: "mars" }, own);
      await page.goto(`${base}/admin/probes`);
      await page.getByRole("link", { name: "Managed probes" }).click();
      const add = async token => {
        await page.getByLabel("Host").fill("127.0.0.1");
        await page.getByLabel("Port").fill(new URL(probe.address).port);
        await page.getByLabel("CONTROL_TOKEN").fill(token);
        await page.getByRole("button", { name: "Add", exact: true }).click();
      };
      watch.expected.add("/admin/probes/managed");
      await add("another-token-than-that-of-the-probe-0123");
      await page.getByText("does not accept the token").waitFor();
      watch.expected.delete("/admin/probes/managed");
      await add("the-control-token-of-the-managed-probe");
      await page.getByText("The probe is added.").waitFor();
      const row = page.locator("tr", { hasText: "managed-1" });
      await reloadUntil(page, row.getByText("direct"));
      await row.getByRole("button", { name: "Push now" }).click();
      await page.getByText("The configuration is being pushed.").waitFor();
      await both(page, "admin-managed-one");
      await row.getByRole("link", { name: "Stop managing" }).click();
      await page.getByRole("button", { name: "Stop managing" }).click();
      await page.getByText("The probe is not managed any more.").waitFor();
      await stop(probe);
    });

    await step("without the script an instance is promoted, and the former primary is a dependent", async () => {
      const one = await instance("one", { ENABLE_SYNC_API: "true", SYNC_API_PORT: "3002", FAILOVER_ORDER: "1" });
      const two = await instance("two", { PRIMARY_SYNC_URL: "http://127.0.0.1:3002", SYNC_API_PORT: "3003" });
      const page = withoutScript;
      await logIn(page, one.address);
      await page.goto(`${one.address}/admin/instances`);
      await reloadUntil(page, page.getByRole("link", { name: "Promote" }));
      await page.getByRole("button", { name: "Move two up" }).click();
      await page.getByText("The order is changed.").waitFor();
      await page.getByRole("link", { name: "Promote" }).click();
      await page.getByText("Make this instance the primary?").waitFor();
      await page.getByRole("button", { name: "Promote" }).click();
      await page.getByText("The hand-over has begun.").waitFor();
      await page.goto(`${one.address}/admin/instances`);
      await reloadUntil(page, page.getByText("This instance is a dependent of two."));
      await page.goto(`${one.address}/admin/settings`);
      assert.ok(await page.getByRole("button", { name: "Save" }).isDisabled());
      await stop(one);
      await stop(two);
    });
    await plain.close();

    await step("the pages of a cluster are accessible, and a dependent says that the primary is away", async () => {
      // They share the cookies of one host, so one page logs in to each in turn.
      const cluster = await browser.newContext({ viewport: DESKTOP, locale: "en-US", reducedMotion: "reduce" });
      cluster.setDefaultTimeout(TIMEOUT_MS);
      const page = await cluster.newPage();
      const three = await instance("three", { ENABLE_SYNC_API: "true", SYNC_API_PORT: "3004" });
      // It goes on alone: nobody reaches it, so it never takes the primary's place.
      const four = await instance("four", { PRIMARY_SYNC_URL: "http://127.0.0.1:3004", SYNC_API_PORT: "3005", PUBLIC_URL: "http://127.0.0.1:9" });
      await logIn(page, three.address);
      await page.goto(`${three.address}/admin/instances`);
      await reloadUntil(page, page.getByText("The primary does not reach it there"));
      await both(page, "instances-primary");
      await page.getByRole("link", { name: "Demote" }).click();
      await both(page, "instances-demote");
      await page.getByRole("button", { name: "Demote" }).click();
      await page.getByText("No dependent could take over").waitFor();
      await stop(three);
      await logIn(page, four.address);
      await page.goto(`${four.address}/admin/instances`);
      await reloadUntil(page, page.getByText("This instance goes on alone."));
      await both(page, "instances-away");
      await page.goto(four.address);
      await page.getByText("This instance goes on alone.").waitFor();
      await both(page, "nodes-away");
      await stop(four);
      await cluster.close();
    });

    assert.deepEqual(watch.problems, []);
  } finally {
    await browser.close();
  }
}

async function step(name, work) {
  const start = Date.now();
  try {
    await work();
  } catch (error) {
    throw new Error(`${name}: ${error.stack}`);
  }
  console.log(`ok  ${name} (${Date.now() - start} ms)`);
}

try {
  await main();
} finally {
  for (const child of children) child.kill("SIGKILL");
  rmSync(folder, { recursive: true, force: true });
}
