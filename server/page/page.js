// SPDX-License-Identifier: Apache-2.0
//
// page: what a browser sees of the ledger: slots, totals and their course, the latest entries. Reads
// only. Live through LedgerService.Watch in the Connect protocol; where that is not served (the
// public listener), it asks again every few seconds.
"use strict";

const SERVICE = "/pledged.v1.LedgerService/";
const LATEST = 20;
const POLL_MS = 5000;
const ASK_MS = 10000;
const RETRY_MOST_MS = 15000;
const SILENCE_MS = 40000; // more than two heartbeats
const FRAME_MOST = 16 * 1024 * 1024;

// --- words ---

const WORDS = {
  en: {
    skip: "To the slots", availability: "Partnership slots", tiers: "Slots",
    totals: "The fund", latest: "Latest entries", currency: "Currency", pledged: "Pledged",
    committed: "Committed", received: "Received", outstanding: "Outstanding", refunded: "Refunded",
    left: "left", leftOne: "left", soldOut: "sold out", unlimited: "no limit", held: "held", waiting: "waiting",
    of: "of", taken: "taken", capacity: "capacity", onRequest: "amount on request",
    live: "live", poll: "asked every 5 seconds", wait: "connecting", off: "not reachable, trying again",
    asOf: "As of entry {seq}, {time}.", you: "You are {person}, {role}.", nobody: "No certificate: availability only.",
    course: "Course of the fund in {currency}, by month", free: "Free contributions",
    denied: "Your certificate is not on the list of persons who may read here.",
    noCatalogue: "No offers have been published yet.", empty: "Nothing yet.", refusedWhy: "refused",
    language: "Language", by: "by", now: "{tier}: {left}",
  },
  fr: {
    skip: "Aller aux places", availability: "Places de partenariat", tiers: "Places",
    totals: "Le fonds", latest: "Dernières écritures", currency: "Monnaie", pledged: "Promis",
    committed: "Engagé", received: "Reçu", outstanding: "À recevoir", refunded: "Remboursé",
    left: "libres", leftOne: "libre", soldOut: "complet", unlimited: "sans limite", held: "retenues", waiting: "en attente",
    of: "sur", taken: "prises", capacity: "nombre de places", onRequest: "montant sur demande",
    live: "en direct", poll: "demandé toutes les 5 secondes", wait: "connexion", off: "injoignable, nouvel essai",
    asOf: "État à l'écriture {seq}, {time}.", you: "Vous êtes {person}, {role}.", nobody: "Sans certificat : places seulement.",
    course: "Évolution du fonds en {currency}, par mois", free: "Contributions libres",
    denied: "Votre certificat ne figure pas sur la liste des personnes autorisées à lire ici.",
    noCatalogue: "Aucune offre n'est encore publiée.", empty: "Rien pour l'instant.", refusedWhy: "refusé",
    language: "Langue", by: "par", now: "{tier} : {left}",
  },
};

const ROLES = {
  en: { ROLE_PUBLIC: "public", ROLE_READER: "reader", ROLE_CLERK: "clerk", ROLE_APPROVER: "approver", ROLE_AUDITOR: "auditor", ROLE_ADMIN: "administrator" },
  fr: { ROLE_PUBLIC: "public", ROLE_READER: "lecture", ROLE_CLERK: "gestion", ROLE_APPROVER: "approbation", ROLE_AUDITOR: "audit", ROLE_ADMIN: "administration" },
};

const FACTS = {
  en: {
    ledgerCreated: "Ledger created", rosterAdopted: "Roles adopted", policyAdopted: "Policy adopted",
    catalogueAdopted: "Offers adopted", commandRefused: "Refused", contributorAdded: "Contributor added",
    contributorAmended: "Contributor amended", holdPlaced: "Slot held", holdExtended: "Hold extended",
    holdExpired: "Hold expired", waitAdded: "Joined the queue", waitPromoted: "Next in the queue",
    pledgeMade: "Pledged", commitmentSigned: "Committed", commitmentAmended: "Commitment amended",
    tierChanged: "Moved to another tier", withdrawn: "Withdrawn", cancelled: "Cancelled",
    paymentRecorded: "Payment", allocated: "Allocated", reversed: "Reversed",
    receiptIssued: "Receipt", certificateIssued: "Certificate",
  },
  fr: {
    ledgerCreated: "Registre créé", rosterAdopted: "Rôles adoptés", policyAdopted: "Règles adoptées",
    catalogueAdopted: "Offres adoptées", commandRefused: "Refusé", contributorAdded: "Contributeur ajouté",
    contributorAmended: "Contributeur modifié", holdPlaced: "Place retenue", holdExtended: "Option prolongée",
    holdExpired: "Option échue", waitAdded: "Mise en attente", waitPromoted: "Premier de la file",
    pledgeMade: "Promesse", commitmentSigned: "Engagement", commitmentAmended: "Engagement modifié",
    tierChanged: "Changement d'offre", withdrawn: "Retrait", cancelled: "Annulation",
    paymentRecorded: "Paiement", allocated: "Affectation", reversed: "Contre-passation",
    receiptIssued: "Reçu", certificateIssued: "Certificat",
  },
};

// Decimals of the ISO 4217 currencies that do not have two.
const DECIMALS = {
  BIF: 0, CLP: 0, DJF: 0, GNF: 0, ISK: 0, JPY: 0, KMF: 0, KRW: 0, PYG: 0, RWF: 0, UGX: 0, UYI: 0,
  VND: 0, VUV: 0, XAF: 0, XOF: 0, XPF: 0,
  BHD: 3, IQD: 3, JOD: 3, KWD: 3, LYD: 3, OMR: 3, TND: 3, CLF: 4, UYW: 4,
};

// What this caller may ask for (may.js); if nobody says, everything is tried.
const may = globalThis.may ?? { status: true, stream: true };

let lang = "en";
const state = {
  status: null, catalogue: null, tiers: new Map(), totals: [], months: [], entries: [],
  seq: 0n, timeUs: 0n, link: "wait", refused: false, changed: new Set(),
};

const t = (key, values = {}) =>
  WORDS[lang][key].replace(/\{(\w+)\}/g, (all, name) => values[name] ?? all);
const locale = () => (lang === "fr" ? "fr-CH" : "en-GB");
const big = (value) => BigInt(value ?? "0");

function textOf(texts) {
  const list = texts ?? [];
  return (list.find((x) => x.lang === lang) ?? list[0])?.text ?? "";
}

// Minor units to text without ever passing through floating point.
function decimal(minor, currency) {
  const digits = DECIMALS[currency] ?? 2;
  const sign = minor < 0n ? "-" : "";
  const all = (minor < 0n ? -minor : minor).toString().padStart(digits + 1, "0");
  const whole = all.slice(0, all.length - digits);
  const group = lang === "fr" ? "\u202f" : "'";
  const grouped = whole.replace(/\B(?=(\d{3})+$)/g, group);
  return sign + grouped + (digits > 0 ? "." + all.slice(all.length - digits) : "");
}

const amount = (money) => `${money.currency}\u00a0${decimal(big(money.minor), money.currency)}`;

function moment(us) {
  const date = new Date(Number(us / 1000n));
  // Where the reader is, and saying so: visitors without a role are not told where the fund is.
  return new Intl.DateTimeFormat(locale(), { dateStyle: "short", timeStyle: "long" }).format(date);
}

// --- making elements; text is always text ---

function make(tag, fields = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(fields)) {
    if (name in element && name !== "dateTime") element[name] = value;
    else element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

function draw(tag, fields = {}, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(fields)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

const byId = (id) => document.getElementById(id);

// Elements are made anew only if what they show has changed: whoever selects or listens to one of
// them is not disturbed by the others.
const drawn = new Map();
function once(id, what, makeAll) {
  const key = lang + JSON.stringify(what);
  if (drawn.get(id) === key) return;
  drawn.set(id, key);
  byId(id).replaceChildren(...makeAll());
}

// --- what is shown ---

function showWords() {
  document.documentElement.lang = lang;
  for (const element of document.querySelectorAll("[data-t]")) element.textContent = t(element.dataset.t);
  for (const button of document.querySelectorAll("[data-lang]"))
    button.setAttribute("aria-pressed", String(button.dataset.lang === lang));
  byId("langs").setAttribute("aria-label", t("language"));
  const title = textOf(state.catalogue?.title);
  byId("title").textContent = title || t("availability");
  byId("fund").textContent = textOf(state.catalogue?.fund?.name);
  document.title = title || t("availability");
}

function showLink() {
  const link = byId("link");
  if (link.dataset.state === state.link && link.textContent === t(state.link)) return;
  link.dataset.state = state.link;
  link.textContent = t(state.link);
}

function slotsBar(tier) {
  const capacity = Number(tier.capacity.count ?? 0);
  const bar = draw("svg", { viewBox: "0 0 100 8", preserveAspectRatio: "none", "aria-hidden": "true" });
  const shares = [["committed", Number(tier.committed)], ["pledged", Number(tier.pledged)], ["held", Number(tier.held)]];
  const used = shares.reduce((sum, [, count]) => sum + count, 0);
  const whole = Math.max(capacity, used, 1);
  let x = 0;
  for (const [name, count] of [...shares, ["free", whole - used]]) {
    const width = (count * 100) / whole;
    if (width > 0) bar.append(draw("rect", { x, y: 0, width, height: 8, class: `slot-${name}` }));
    x += width;
  }
  return bar;
}

function leftOf(tier) {
  if (tier.remaining.unlimited === true) return { left: null, shown: t("unlimited"), words: "" };
  const left = big(tier.remaining.count);
  return { left, shown: left.toString(), words: left === 0n ? t("soldOut") : t(left === 1n ? "leftOne" : "left") };
}

function tierCard(tier) {
  const { left, shown, words } = leftOf(tier);
  const unlimited = left === null;
  const price = tier.amount ? amount(tier.amount) : t("onRequest");
  const facts = make("dl");
  const fact = (name, value, key) =>
    facts.append(make("div", {}, make("dt", { textContent: name }), make("dd", { textContent: value, "data-field": key })));
  if (!unlimited) fact(t("capacity"), big(tier.capacity.count).toString(), "capacity");
  fact(t("held"), big(tier.held).toString(), "held");
  fact(t("pledged").toLowerCase(), big(tier.pledged).toString(), "pledged");
  fact(t("committed").toLowerCase(), big(tier.committed).toString(), "committed");
  if (big(tier.waiting) > 0n) fact(t("waiting"), big(tier.waiting).toString(), "waiting");
  const leftLine = make("p", { className: unlimited ? "left open" : "left" }, make("b", { textContent: shown, "data-field": "remaining" }));
  if (!unlimited) leftLine.append(make("span", { textContent: words }));
  const card = make("article", { className: "tier", "data-tier": tier.code, "data-sold-out": String(left === 0n) },
    make("h3", { textContent: textOf(tier.label) || tier.code }),
    make("p", { className: "price", textContent: price, "data-field": "price" }), leftLine);
  if (!unlimited) card.append(slotsBar(tier));
  card.append(facts);
  if (state.changed.has(tier.code)) card.classList.add("changed");
  return card;
}

function showTiers() {
  const tiers = [...state.tiers.values()];
  once("tiers", [tiers, [...state.changed]], () =>
    (tiers.length > 0 ? tiers.map(tierCard) : [make("p", { textContent: t("noCatalogue") })]));
}

// For who listens instead of looking: the tiers that changed, in words.
function tellNews(tiers) {
  byId("news").textContent = tiers.map((tier) => {
    const { shown, words } = leftOf(tier);
    return t("now", { tier: textOf(tier.label) || tier.code, left: `${shown} ${words}`.trim() });
  }).join(". ");
}

const MONEY = ["pledged", "committed", "received", "outstanding", "refunded"];

function totalsRow(line) {
  const row = make("tr", { "data-currency": line.currency }, make("th", { scope: "row", textContent: line.currency }));
  for (const name of MONEY)
    row.append(make("td", { textContent: decimal(big(line[`${name}Minor`]), line.currency), "data-field": name, "data-label": t(name) }));
  return row;
}

function showTotals() {
  once("totals-rows", state.totals, () => (state.totals.length > 0 ? state.totals.map(totalsRow)
    : [make("tr", {}, make("td", { colSpan: 6, textContent: t("empty") }))]));
}

// Months from the first to the last with a fact, with nothing left out between them.
function monthsBetween(first, last) {
  const months = [];
  let [year, month] = first.split("-").map(Number);
  while (months.length < 240) {
    const name = `${String(year).padStart(4, "0")}-${String(month).padStart(2, "0")}`;
    months.push(name);
    if (name >= last) break;
    month = month === 12 ? 1 : month + 1;
    if (month === 1) year += 1;
  }
  return months;
}

// Round numbers from 0 to at least `most`, three or four of them.
function ticks(most) {
  const least = most / 3;
  const power = 10 ** Math.floor(Math.log10(least));
  const step = [1, 2, 5, 10].map((times) => times * power).find((size) => size >= least);
  const count = Math.ceil(most / step);
  return Array.from({ length: count + 1 }, (_, i) => i * step);
}

const monthName = (month) => new Intl.DateTimeFormat(locale(), { month: "short", year: "2-digit", timeZone: "UTC" })
  .format(new Date(`${month}-01T00:00:00Z`));

// Sums over the months, in units of the currency: for a drawing, floating point is exact enough.
function courseOf(currency) {
  const lines = state.months.filter((line) => line.currency === currency).sort((a, b) => (a.key < b.key ? -1 : 1));
  const months = monthsBetween(lines[0].key, lines.at(-1).key);
  const unit = 10 ** (DECIMALS[currency] ?? 2);
  const series = ["pledged", "committed", "received"].map((name) => {
    let sum = 0;
    return { name, points: months.map((month) => {
      sum += Number(lines.find((line) => line.key === month)?.[`${name}Minor`] ?? 0) / unit;
      return sum;
    }) };
  });
  return { months, series };
}

function chart(currency) {
  const { months, series } = courseOf(currency);
  const [width, height, left, right, top, bottom] = [480, 210, 64, 6, 12, 26];
  const marks = ticks(Math.max(1 / 10 ** (DECIMALS[currency] ?? 2), ...series.flatMap((one) => one.points)));
  const x = (i) => left + ((width - left - right) * i) / months.length;
  const y = (value) => top + (height - top - bottom) * (1 - Math.max(0, value) / marks.at(-1));
  const svg = draw("svg", { viewBox: `0 0 ${width} ${height}`, class: "chart", role: "img", "aria-label": t("course", { currency }) });
  const short = new Intl.NumberFormat(locale(), { notation: "compact", maximumSignificantDigits: 3 });
  for (const mark of marks) {
    svg.append(draw("line", { x1: left, x2: width - right, y1: y(mark), y2: y(mark), class: "grid" }));
    svg.append(draw("text", { x: left - 8, y: y(mark) + 4, "text-anchor": "end" }, short.format(mark)));
  }
  const every = Math.ceil(months.length / 5);
  months.forEach((month, i) => {
    if (i % every === 0) svg.append(draw("text", { x: x(i), y: height - 6 }, monthName(month)));
  });
  for (const { name, points } of series) {
    const steps = points.map((value, i) => `V${y(value)}H${x(i + 1)}`).join("");
    if (name === "pledged") svg.append(draw("path", { d: `M${x(0)} ${y(0)}${steps}V${y(0)}Z`, class: "course-ground" }));
    svg.append(draw("path", { d: `M${x(0)} ${y(0)}${steps}`, class: `course-${name}` }));
  }
  const key = series.map(({ name }) => make("span", { className: `key-${name}`, textContent: t(name) }));
  return make("figure", { "data-course": currency },
    make("figcaption", {}, make("strong", { textContent: t("course", { currency }) }), ...key), svg);
}

function showCourse() {
  once("course", state.months, () => [...new Set(state.months.map((line) => line.currency))].map(chart));
}

function entryLine(entry) {
  const kind = Object.keys(FACTS.en).find((name) => entry[name] !== undefined) ?? "";
  const fact = entry[kind] ?? {};
  const subject = [fact.pledge, fact.contributor, fact.name, fact.tier ?? fact.toTier, fact.code, fact.bankEntry]
    .filter((word) => typeof word === "string" && word !== "");
  if (fact.amount?.currency) subject.push(amount(fact.amount));
  if (fact.reason && kind === "commandRefused")
    subject.push(fact.reason.replace(/^REASON_/, "").toLowerCase().replaceAll("_", " "));
  const what = [FACTS[lang][kind] ?? kind, subject.join(" · ")].filter((word) => word !== "").join(" — ");
  const us = big(entry.timeUs);
  return make("li", { "data-seq": entry.seq },
    make("span", { className: "seq", textContent: `#${entry.seq}` }),
    make("time", { dateTime: new Date(Number(us / 1000n)).toISOString(), textContent: moment(us) }),
    make("span", { className: "what", textContent: what }),
    make("span", { className: "by", textContent: entry.actor?.person ?? "" }));
}

function showEntries() {
  once("entries", state.entries, () => (state.entries.length > 0 ? state.entries.map(entryLine)
    : [make("li", { className: "none", textContent: t("empty") })]));
}

function showFoot() {
  byId("asof").textContent = state.seq > 0n ? t("asOf", { seq: state.seq.toString(), time: moment(state.timeUs) }) : "";
  const status = state.status;
  byId("who").textContent = status
    ? t("you", { person: status.person, role: ROLES[lang][status.role] ?? status.role })
    : state.link === "wait" || state.refused ? "" : t("nobody");
  byId("trouble").hidden = !state.refused;
  byId("trouble").textContent = state.refused ? t("denied") : "";
}

function show() {
  showWords();
  showLink();
  showTiers();
  showTotals();
  showCourse();
  showEntries();
  showFoot();
}

let showing = false;
function showSoon() { // at most once a frame, however fast changes come
  if (showing) return;
  showing = true;
  requestAnimationFrame(() => {
    showing = false;
    show();
  });
}

// --- asking ---

class Refusal extends Error {
  constructor(code, message) {
    super(message);
    this.code = code;
  }
}

async function ask(method, message = {}) {
  const query = `?connect=v1&encoding=json&message=${encodeURIComponent(JSON.stringify(message))}`;
  const answer = await fetch(SERVICE + method + query, { signal: AbortSignal.timeout(ASK_MS) });
  const body = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Refusal(body.code ?? String(answer.status), body.message ?? "");
  return body;
}

const isRefused = (error) => error instanceof Refusal &&
  ["unauthenticated", "permission_denied", "unimplemented", "404", "405", "415"].includes(error.code);

async function askOrNull(method, message) {
  try {
    return await ask(method, message);
  } catch (error) {
    if (isRefused(error)) return null;
    throw error;
  }
}

let marking = null;
function takeTiers(tiers, all) {
  if (all) state.tiers = new Map();
  for (const tier of tiers) {
    if (!all) state.changed.add(tier.code);
    state.tiers.set(tier.code, tier);
  }
  if (!all) tellNews(tiers);
  if (state.changed.size > 0) {
    clearTimeout(marking);
    marking = setTimeout(() => {
      state.changed.clear();
      showSoon();
    }, 2500);
  }
}

function takeTotals(lines, all) {
  const changed = new Set(lines.map((line) => line.currency));
  const kept = all ? [] : state.totals.filter((line) => !changed.has(line.currency));
  state.totals = [...kept, ...lines].sort((a, b) => (a.currency < b.currency ? -1 : 1));
  askMonthsSoon();
}

let monthsDue = null;
function askMonthsSoon() { // the course changes with the totals, but need not be asked each time
  if (monthsDue !== null) return;
  monthsDue = setTimeout(async () => {
    monthsDue = null;
    try {
      state.months = (await askOrNull("GetTotals", { by: "TOTALS_BY_MONTH" }))?.line ?? [];
      showSoon();
    } catch { /* with the next change, or when the daemon is back */ }
  }, 300);
}

async function askOnce() {
  const tiers = await ask("ListTiers");
  takeTiers(tiers.tier ?? [], true);
  state.seq = big(tiers.asOfSeq);
  state.timeUs = big(tiers.asOfTimeUs);
}

// --- the stream: envelopes of one flag byte, four bytes of length, JSON ---

function envelope(message) {
  const json = new TextEncoder().encode(JSON.stringify(message));
  const framed = new Uint8Array(5 + json.length);
  new DataView(framed.buffer).setUint32(1, json.length);
  framed.set(json, 5);
  return framed;
}

async function* envelopes(reader, alive) {
  let held = new Uint8Array(0);
  for (;;) {
    while (held.length >= 5) {
      const length = new DataView(held.buffer, held.byteOffset).getUint32(1);
      if (length > FRAME_MOST) throw new Refusal("internal", "a message is too long");
      if (held.length < 5 + length) break;
      yield { flags: held[0], message: JSON.parse(new TextDecoder().decode(held.subarray(5, 5 + length))) };
      held = held.slice(5 + length);
    }
    const { done, value } = await reader.read();
    if (done) return;
    alive();
    const joined = new Uint8Array(held.length + value.length);
    joined.set(held);
    joined.set(value, held.length);
    held = joined;
  }
}

function takeChange(change) {
  if (!change.heartbeat) {
    if (change.tier?.length > 0) { // the first ones of a stream are all there are
      takeTiers(change.tier, state.freshTiers);
      state.freshTiers = false;
    }
    if (change.totals?.length > 0) {
      takeTotals(change.totals, state.freshTotals);
      state.freshTotals = false;
    }
    for (const entry of change.decoded ?? []) {
      if (entry.catalogueAdopted !== undefined) askCatalogue().catch(() => {});
      if (!state.entries.some((known) => known.seq === entry.seq)) state.entries.unshift(entry);
    }
    state.entries.length = Math.min(state.entries.length, LATEST);
    state.timeUs = big(change.timeUs);
  }
  if (big(change.seq) > state.seq) state.seq = big(change.seq);
}

async function watch() {
  const abort = new AbortController();
  let silence = setTimeout(() => abort.abort(), SILENCE_MS);
  const alive = () => {
    clearTimeout(silence);
    silence = setTimeout(() => abort.abort(), SILENCE_MS);
  };
  try {
    const seen = state.entries.length > 0 ? big(state.entries[0].seq) : state.seq > BigInt(LATEST) ? state.seq - BigInt(LATEST) : 0n;
    state.freshTiers = state.freshTotals = true;
    const answer = await fetch(SERVICE + "Watch", {
      method: "POST", headers: { "content-type": "application/connect+json", "connect-protocol-version": "1" },
      body: envelope({ fromSeq: (seen + 1n).toString(), decoded: true }), signal: abort.signal,
    });
    if (!answer.ok) throw new Refusal(String(answer.status), "");
    for await (const { flags, message } of envelopes(answer.body.getReader(), alive)) {
      if ((flags & 2) !== 0) throw new Refusal(message.error?.code ?? "unavailable", message.error?.message ?? "");
      takeChange(message);
      state.link = "live";
      showSoon();
    }
    throw new Refusal("unavailable", "the stream ended");
  } finally {
    clearTimeout(silence);
    abort.abort();
  }
}

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

async function askCatalogue() {
  if (!may.status) return;
  state.catalogue = (await askOrNull("GetCatalogue"))?.catalogue ?? null;
  showSoon();
}

async function begin() {
  state.status = may.status ? await askOrNull("GetStatus") : null;
  await askOnce();
  state.refused = false;
  await askCatalogue();
  const sees = state.status !== null;
  byId("fund-part").hidden = !sees;
  byId("entries-part").hidden = !sees || state.status.role === "ROLE_READER";
  if (sees) {
    state.totals = (await askOrNull("GetTotals"))?.line ?? [];
    askMonthsSoon();
  }
}

async function run() {
  let wait = 500, polling = !may.stream;
  for (;;) {
    try {
      await begin();
      showSoon();
      wait = 500;
      if (polling) {
        state.link = "poll";
        showSoon();
        await sleep(POLL_MS);
      } else {
        await watch();
      }
    } catch (error) {
      const refused = isRefused(error);
      if (refused && state.tiers.size > 0) {
        polling = true; // no stream here
        continue;
      }
      if (error instanceof Refusal && error.code === "invalid_argument")
        state.entries = []; // the ledger ends before what we have seen: it is another one
      state.refused = refused;
      state.link = "off";
      showSoon();
      await sleep(wait);
      wait = Math.min(wait * 2, RETRY_MOST_MS);
    }
  }
}

function choose(wanted) {
  lang = wanted;
  try {
    localStorage.setItem("lang", wanted);
  } catch { /* a browser that keeps nothing */ }
  show();
}

function firstLanguage() {
  try {
    const kept = localStorage.getItem("lang");
    if (kept in WORDS) return kept;
  } catch { /* a browser that keeps nothing */ }
  return navigator.languages.map((name) => name.slice(0, 2)).find((name) => name in WORDS) ?? "en";
}

lang = firstLanguage();
byId("langs").addEventListener("click", (event) => {
  const wanted = event.target.closest("[data-lang]")?.dataset.lang;
  if (wanted) choose(wanted);
});
show();
run();
