// SPDX-License-Identifier: Apache-2.0
// page: see test_page.py. Every page of every test is watched for words on its console, errors of
// its script and breaches of its own content policy; one is a failure.
import { after, before, test } from "node:test";
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { chromium } from "playwright-core";

const facts = JSON.parse(process.env.PLEDGED_TEST);
const origin = `https://localhost:${facts.port}`;
const patience = (ms) => ms * facts.scale;
const CHROMIUM = "/usr/bin/chromium";
let browser;

before(async () => {
  browser = await chromium.launch({ executablePath: CHROMIUM, args: ["--no-sandbox"] });
});
after(() => browser?.close());

function pledge(who, ...args) {
  const words = [...facts.args[who], "--format", "json", ...args];
  return JSON.parse(execFileSync(facts.pledge, words, { encoding: "utf8", timeout: patience(30000) }));
}

/** Runs `body` with a page as somebody sees it; nothing may go wrong on it meanwhile. */
async function looking(who, { away = false, ...shape }, body) {
  const there = who === null ? `https://localhost:${facts.publicPort}` : origin;
  const certificate = { origin, certPath: join(facts.certs, `${who}.crt`), keyPath: join(facts.certs, `${who}.key`) };
  const context = await browser.newContext({
    ignoreHTTPSErrors: true, locale: "fr-CH", viewport: { width: 1200, height: 900 }, ...shape,
    clientCertificates: who === null ? [] : [certificate],
  });
  const wrong = [];
  try {
    await context.exposeFunction("tellBreach", (text) => wrong.push(`policy: ${text}`));
    await context.addInitScript(() => document.addEventListener("securitypolicyviolation",
      (event) => globalThis.tellBreach(`${event.violatedDirective} ${event.blockedURI}`)));
    const page = await context.newPage();
    page.setDefaultTimeout(patience(20000));
    page.on("console", (message) => {
      if (!away) wrong.push(`console: ${message.text()}`); // a browser tells of each try that failed
    });
    page.on("pageerror", (error) => wrong.push(`script: ${error.message}`));
    page.on("request", (request) => {
      if (!request.url().startsWith(there)) wrong.push(`elsewhere: ${request.url()}`);
    });
    await page.goto(`${there}/`);
    await page.waitForSelector("[data-tier]");
    await body(page);
  } finally {
    await context.close();
  }
  assert.deepEqual(wrong, []);
}

const live = (page) => page.waitForSelector('#link[data-state="live"]');
const shot = (page, name) => page.screenshot({ path: join(facts.screenshots, `${name}.png`), fullPage: true });
/** "150'000.00" or with narrow blanks, as the CLI's "150000.00" */
const plain = (text) => text.replace(/['\u202f\u00a0 ]/g, "");

async function shownTiers(page) {
  return page.$$eval("[data-tier]", (cards) => cards.map((card) => {
    const field = (name) => card.querySelector(`[data-field="${name}"]`)?.textContent ?? null;
    return { tier: card.dataset.tier, price: field("price"), remaining: field("remaining"),
      capacity: field("capacity"), held: field("held"), pledged: field("pledged"), committed: field("committed") };
  }));
}

function assertTiers(shown, told) {
  assert.deepEqual(shown.map((tier) => tier.tier), told.map((tier) => tier.tier));
  shown.forEach((tier, i) => {
    for (const name of ["held", "pledged", "committed"]) assert.equal(tier[name], String(told[i][name]), `${tier.tier} ${name}`);
    if (told[i].remaining === "unlimited") {
      assert.equal(tier.remaining, "sans limite");
      assert.equal(tier.capacity, null);
    } else {
      assert.equal(tier.remaining, String(told[i].remaining), tier.tier);
      assert.equal(tier.capacity, String(told[i].capacity), tier.tier);
    }
    const price = told[i].amount ? told[i].currency + told[i].amount : "montantsurdemande";
    assert.equal(plain(tier.price), price, tier.tier);
  });
}

/** The lines of the chart, read off its grid (0 to 600,000), are the sums of the months. */
async function assertCourse(page) {
  const drawn = await page.$eval('[data-course="CHF"] svg', (svg) => {
    const grid = [...svg.querySelectorAll(".grid")].map((line) => Number(line.getAttribute("y1")));
    const heights = (name) => [...svg.querySelector(`.course-${name}`).getAttribute("d").matchAll(/V([\d.]+)/g)]
      .map(([, y]) => (600000 * (grid[0] - y)) / (grid[0] - grid.at(-1)));
    return { pledged: heights("pledged"), committed: heights("committed"), received: heights("received") };
  });
  const told = pledge("clerk", "totals", "--by", "month").totals.filter((line) => line.currency === "CHF");
  assert.deepEqual(told.map((line) => line.key), ["2026-01", "2026-02", "2026-03", "2026-05"]);
  for (const name of ["pledged", "committed", "received"]) {
    let sum = 0;
    const sums = ["2026-01", "2026-02", "2026-03", "2026-04", "2026-05"].map((month) =>
      (sum += Number(told.find((line) => line.key === month)?.[name] ?? 0)));
    assert.equal(drawn[name].length, sums.length);
    sums.forEach((value, i) => assert.ok(Math.abs(value - drawn[name][i]) < 1, `${name} ${i}: ${value} ${drawn[name][i]}`));
  }
}

test("slots and totals are what the command line says", async () => {
  await looking("clerk", {}, async (page) => {
    await live(page);
    assertTiers(await shownTiers(page), pledge("clerk", "tiers").tiers);
    const told = pledge("clerk", "totals").totals;
    const shown = await page.$$eval("#totals tbody tr", (rows) => rows.map((row) => Object.fromEntries(
      [["currency", row.dataset.currency], ...[...row.querySelectorAll("[data-field]")].map((cell) => [cell.dataset.field, cell.textContent])])));
    assert.deepEqual(shown.map((line) => line.currency), ["CHF", "JPY", "KWD"]);
    assert.equal(told.length, shown.length);
    for (const line of shown) {
      const same = told.find((other) => other.currency === line.currency);
      for (const name of ["pledged", "committed", "received", "outstanding", "refunded"])
        assert.equal(plain(line[name]), same[name], `${line.currency} ${name}`);
    }
    await page.waitForSelector('[data-course="CHF"] .course-received');
    const courses = await page.$$eval("[data-course]", (figures) => figures.map((figure) => figure.dataset.course));
    assert.deepEqual(courses.sort(), ["CHF", "JPY", "KWD"]);
    await assertCourse(page);
    const last = await page.textContent("#entries li:first-child .seq");
    assert.equal(last, `#${pledge("clerk", "status").size}`);
    assert.match(await page.textContent("#who"), /clerk/);
    await shot(page, "clerk-light");
  });
});

test("a hold made elsewhere appears by itself, and so does its end", async () => {
  await looking("reader", {}, async (page) => {
    await live(page);
    const remaining = () => page.textContent('[data-tier="platine"] [data-field="remaining"]');
    assert.equal(await remaining(), "1");
    const began = performance.now();
    const held = pledge("clerk", "hold", "platine", "--contributor", facts.spare, "--for", "1h");
    await page.waitForFunction(() => document.querySelector('[data-tier="platine"]').dataset.soldOut === "true");
    console.log(`shown ${Math.round(performance.now() - began)} ms after the command was typed`);
    assert.equal(await remaining(), "0");
    assert.match(await page.textContent('[data-tier="platine"] .left'), /complet/);
    pledge("clerk", "withdraw", held.id, "--reason", "test");
    await page.waitForFunction(() => document.querySelector('[data-tier="platine"] [data-field="remaining"]').textContent === "1");
    assertTiers(await shownTiers(page), pledge("reader", "tiers").tiers);
  });
});

test("a payment made elsewhere changes the totals and the entries", async () => {
  await looking("clerk", {}, async (page) => {
    await live(page);
    const free = pledge("clerk", "submit", "--contributor", facts.spare, "--free", "--amount", "1000.00", "--currency", "CHF",
      "--reason", "letter of intent");
    await page.waitForSelector(`#entries li[data-seq="${free.seq}"]`);
    assert.match(await page.textContent(`#entries li[data-seq="${free.seq}"]`), new RegExp(free.id));
    const told = pledge("clerk", "totals").totals.find((line) => line.currency === "CHF").pledged;
    await page.waitForFunction((amount) => document.querySelector('[data-currency="CHF"] [data-field="pledged"]')
      .textContent.replace(/[\u202f']/g, "") === amount, told);
  });
});

test("a reader sees slots and totals, and no entry", async () => {
  await looking("reader", { colorScheme: "dark" }, async (page) => {
    await live(page);
    assert.equal(await page.isVisible("#totals"), true);
    assert.equal(await page.isVisible("#entries-part"), false);
    assert.equal(await page.locator("#entries li[data-seq]").count(), 0);
    await page.waitForSelector('[data-course="CHF"]');
    await shot(page, "reader-dark");
  });
});

test("without certificate there is availability, and nothing else", async () => {
  await looking(null, {}, async (page) => {
    await page.waitForSelector('#link[data-state="poll"]');
    assertTiers(await shownTiers(page), pledge("reader", "tiers").tiers);
    assert.equal(await page.isVisible("#fund-part"), false);
    assert.equal(await page.isVisible("#entries-part"), false);
    assert.match(await page.textContent("#who"), /Sans certificat/);
    const held = pledge("clerk", "hold", "platine", "--contributor", facts.spare, "--for", "1h");
    await page.waitForSelector('[data-tier="platine"][data-sold-out="true"]');
    pledge("clerk", "withdraw", held.id, "--reason", "test");
    await page.waitForSelector('[data-tier="platine"][data-sold-out="false"]');
    await shot(page, "public");
  });
});

test("the role public sees slots, live", async () => {
  await looking("public", {}, async (page) => {
    await live(page);
    assertTiers(await shownTiers(page), pledge("reader", "tiers").tiers);
    assert.equal(await page.isVisible("#fund-part"), false);
  });
});

test("what changes is drawn and told, and nothing else", async () => {
  await looking("clerk", { locale: "en-GB" }, async (page) => {
    await live(page);
    const cards = await page.$$("[data-tier]");
    pledge("clerk", "submit", "--contributor", facts.spare, "--free", "--amount", "7.00", "--currency", "CHF",
      "--reason", "letter of intent");
    const last = pledge("clerk", "status").size;
    await page.waitForSelector(`#entries li[data-seq="${last}"]`);
    for (const card of cards) assert.equal(await card.evaluate((element) => element.isConnected), true);
    assert.equal(await page.textContent("#news"), "");
    const held = pledge("clerk", "hold", "platine", "--contributor", facts.spare, "--for", "1h");
    await page.waitForFunction(() => document.getElementById("news").textContent === "Platinum: 0 sold out");
    pledge("clerk", "withdraw", held.id, "--reason", "test");
    await page.waitForFunction(() => document.getElementById("news").textContent === "Platinum: 1 left");
  });
});

test("when the daemon was away, the page comes back by itself and has missed nothing", async () => {
  await looking("clerk", { away: true }, async (page) => {
    await live(page);
    const before = pledge("clerk", "status").size;
    writeFileSync(facts.restart, "");
    await page.waitForSelector('#link[data-state="off"]');
    writeFileSync(facts.restart, "noticed");
    while (existsSync(facts.restart)) await page.waitForTimeout(50);
    pledge("clerk", "submit", "--contributor", facts.spare, "--free", "--amount", "8.00", "--currency", "CHF",
      "--reason", "letter of intent");
    await live(page);
    const last = pledge("clerk", "status").size;
    await page.waitForSelector(`#entries li[data-seq="${last}"]`);
    const seqs = await page.$$eval("#entries li", (lines) => lines.map((line) => Number(line.dataset.seq)));
    assert.equal(seqs[0], last);
    assert.ok(last > before);
    seqs.forEach((seq, i) => assert.equal(seq, last - i));
  });
});

test("French and English, by keyboard alone", async () => {
  await looking("reader", { locale: "de-CH" }, async (page) => {
    assert.equal(await page.getAttribute("html", "lang"), "en"); // a language that we lack
    await page.keyboard.press("Tab");
    assert.equal(await page.evaluate(() => document.activeElement.className), "skip");
    assert.equal(await page.locator(".skip").evaluate((link) => link.getBoundingClientRect().left >= 0), true);
    await page.keyboard.press("Tab");
    assert.equal(await page.evaluate(() => document.activeElement.dataset.lang), "fr");
    await page.keyboard.press("Enter");
    await page.waitForSelector('html[lang="fr"]');
    assert.equal(await page.textContent("#tiers-title"), "Places");
    assert.match(await page.textContent("h1"), /FORUM DE 2026/);
    assert.equal(await page.textContent('[data-tier="platine"] h3'), "PLATINE");
    await page.keyboard.press("Tab");
    await page.keyboard.press("Space");
    await page.waitForSelector('html[lang="en"]');
    assert.equal(await page.textContent('[data-tier="platine"] h3'), "Platinum");
    await page.keyboard.press("Shift+Tab");
    await page.keyboard.press("Enter");
    await page.reload();
    await page.waitForSelector("[data-tier]");
    assert.equal(await page.getAttribute("html", "lang"), "fr"); // remembered, against the browser's wish
  });
});

test("it fits a phone", async () => {
  for (const colorScheme of ["light", "dark"]) {
    await looking("clerk", { colorScheme, viewport: { width: 360, height: 740 }, hasTouch: true, isMobile: true }, async (page) => {
      await live(page);
      const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      assert.ok(wide <= 0, `${wide} pixels too wide`);
      const small = await page.$$eval("button", (buttons) => buttons.filter((button) => button.getBoundingClientRect().height < 36).length);
      assert.equal(small, 0, "a button is too small for a finger");
      await page.waitForSelector('[data-course="CHF"]');
      await shot(page, `phone-${colorScheme}`);
    });
  }
});

test("every word exists in both languages, and text can be read on its ground", async () => {
  await looking("clerk", {}, async (page) => {
    await live(page);
    for (const wanted of ["en", "fr"]) {
      await page.click(`[data-lang="${wanted}"]`);
      const empty = await page.$$eval("[data-t]", (all) => all.filter((element) => element.textContent === "").map((element) => element.dataset.t));
      assert.deepEqual(empty, []);
      assert.doesNotMatch(await page.textContent("body"), /undefined|NaN|\[object/);
    }
    // WCAG 2: contrast of at least 4.5 to 1 for small text
    const faint = await page.evaluate(() => {
      const channel = (value) => (value <= 0.03928 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4);
      const light = (color) => {
        const [r, g, b] = color.match(/[\d.]+/g).map((value) => channel(Number(value) / 255));
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
      };
      const ground = (element) => {
        for (let at = element; at; at = at.parentElement) {
          const color = getComputedStyle(at).backgroundColor;
          if (!color.endsWith(", 0)")) return color;
        }
        return "rgb(255, 255, 255)";
      };
      return [...document.querySelectorAll("p, dt, dd, th, td, time, .by, .seq, button, figcaption, figcaption span")].filter((element) => {
        const [a, b] = [light(getComputedStyle(element).color), light(ground(element))];
        return element.textContent.trim() !== "" && (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05) < 4.5;
      }).map((element) => `${element.tagName} ${element.textContent.slice(0, 20)}`);
    });
    assert.deepEqual(faint, []);
  });
});
