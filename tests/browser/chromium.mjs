// Debian's Chromium, driven by Playwright.
import { createRequire } from "node:module";
import { join } from "node:path";

export const require = createRequire(join(process.env.BROWSER_PACKAGES, "package.json"));
const { chromium } = require("playwright-core");

export const DESKTOP = { width: 1280, height: 900 };
export const PHONE = { width: 390, height: 844 };

export const launch = () => chromium.launch({
  executablePath: process.env.CHROMIUM,
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
});
