// Measures how soon the list of nodes appears, how much is transferred, and how long the page is busy after a filter.
//
// tests/browser/measure calls it: node measure.mjs URL…, each the list of a running hub. Prints figures without limits.
import { DESKTOP, launch } from "./chromium.mjs";

const RUNS = 7;

const median = (figures) => figures.toSorted((a, b) => a - b)[Math.floor(figures.length / 2)];
const summary = (figures) => `${median(figures).toFixed(0)} ms (${Math.min(...figures).toFixed(0)} to ${Math.max(...figures).toFixed(0)})`;

// Collects long tasks: browsers report those of more than 50 ms.
const watchTasks = () => {
  window.longTasks = [];
  new PerformanceObserver((list) => {
    window.longTasks.push(...list.getEntries().map(({ duration }) => duration));
  }).observe({ type: "longtask", buffered: true });
};
const longest = (page) => page.evaluate(() => Math.max(0, ...window.longTasks.splice(0)));

// The first visit, with an empty cache.
async function visit(browser, url) {
  const context = await browser.newContext({ viewport: DESKTOP, locale: "en-US" });
  const page = await context.newPage();
  await page.addInitScript(watchTasks);
  const wire = await context.newCDPSession(page);
  await wire.send("Network.enable");
  let bytes = 0;
  wire.on("Network.loadingFinished", ({ encodedDataLength }) => { bytes += encodedDataLength; });
  await page.goto(url, { waitUntil: "load" });
  const paint = await page.evaluate(() => new Promise((resolve) => {
    new PerformanceObserver((list) => {
      const [first] = list.getEntriesByName("first-contentful-paint");
      if (first) resolve(first.startTime);
    }).observe({ type: "paint", buffered: true });
  }));
  const answered = await page.evaluate(() => performance.getEntriesByType("navigation")[0].responseStart);
  return { context, page, paint, answered, bytes };
}

// Milliseconds from the choice of a filter to the next frame after the list has changed.
const filterBy = (page, name, value) => page.evaluate(([name, value]) => new Promise((resolve) => {
  const field = document.getElementById("filters").elements[name];
  const start = performance.now();
  const watch = new MutationObserver(() => {
    watch.disconnect();
    requestAnimationFrame(() => setTimeout(() => resolve(performance.now() - start)));
  });
  watch.observe(document.getElementById("content"), { childList: true, subtree: true, characterData: true, attributes: true });
  field.value = value;
  field.dispatchEvent(new Event("change", { bubbles: true }));
}), [name, value]);

const browser = await launch();
try {
  for (const url of process.argv.slice(2)) {
    const paints = [], answers = [], weights = [], loads = [], filters = [], tasks = [];
    for (let run = 0; run < RUNS; run += 1) {
      const { context, page, paint, answered, bytes } = await visit(browser, url);
      paints.push(paint);
      answers.push(answered);
      weights.push(bytes);
      loads.push(await longest(page));
      const tags = await page.locator("#filters select[name=tags] option").evaluateAll((options) => options.map(({ value }) => value));
      for (const tag of [tags[1], tags[2], ""]) filters.push(await filterBy(page, "tags", tag));
      tasks.push(await longest(page));
      await context.close();
    }
    console.log(`${url}`);
    console.log(`  first contentful paint    ${summary(paints)}`);
    console.log(`  the hub answers after     ${summary(answers)}`);
    console.log(`  transferred               ${(median(weights) / 1000).toFixed(1)} KB`);
    console.log(`  longest task, loading     ${summary(loads)}; 0 for none above 50 ms`);
    console.log(`  until a filter shows      ${summary(filters)}`);
    console.log(`  longest task, filtering   ${summary(tasks)}`);
  }
} finally {
  await browser.close();
}
