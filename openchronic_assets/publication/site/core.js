"use strict";
// The heart of the atlas: data that arrive as scripts, the state in the address, words and numbers.
// Text is only ever set as text: nothing that a release says can become part of the page.
var OC = (() => {
  const kept = new Map(); // "kind/key" → document
  const waiting = new Map(); // "kind/key" → promise
  let siteReady;
  const ready = new Promise((done) => { siteReady = done; });

  function take(kind, key, document) {
    kept.set(kind + "/" + key, document);
    if (kind === "site") siteReady();
  }

  // Loads data/<path>.js once; null where the release has no such file.
  function load(kind, path, key) {
    const name = kind + "/" + key;
    if (kept.has(name)) return Promise.resolve(kept.get(name));
    if (!waiting.has(name)) {
      waiting.set(name, new Promise((done) => {
        const script = document.createElement("script");
        script.src = "data/" + path + ".js";
        const end = () => { script.remove(); waiting.delete(name); done(kept.get(name) || null); };
        script.onload = end;
        script.onerror = end;
        document.head.append(script);
      }));
    }
    return waiting.get(name);
  }

  const slug = (text) => text.replaceAll("+", "p").replace(/[^A-Za-z0-9_-]/g, "_");
  const get = (kind, key) => kept.get(kind + "/" + key);

  // ---- elements
  function h(tag, attributes, ...children) {
    const made = document.createElement(tag);
    return fill(made, attributes, children);
  }
  function s(tag, attributes, ...children) {
    return fill(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);
  }
  function fill(made, attributes, children) {
    for (const [name, value] of Object.entries(attributes || {})) {
      if (value === null || value === undefined || value === false) continue;
      if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
      else made.setAttribute(name, value === true ? "" : value);
    }
    for (const child of children.flat(3)) {
      if (child !== null && child !== undefined && child !== false) made.append(child);
    }
    return made;
  }

  // ---- the address
  const KEYS = ["i", "c", "d", "s", "a", "y", "l", "z", "m", "t", "u", "o", "e"];
  function parse(hash) {
    const [page, query] = hash.replace(/^#\/?/, "").split("?");
    const state = { page: page || "carte" };
    for (const [name, value] of new URLSearchParams(query || "")) {
      if (KEYS.includes(name)) state[name] = value;
    }
    return state;
  }
  function address(state) {
    const query = new URLSearchParams();
    for (const name of KEYS) if (state[name]) query.set(name, state[name]);
    const text = query.toString();
    return "#/" + state.page + (text ? "?" + text : "");
  }

  // ---- words
  const SEXES = { all: "Ensemble", 1: "Hommes", 2: "Femmes" };
  const LEVELS = { region: "Régions", department: "Départements", country: "France" };
  const STANDARDS = {
    none: "Taux brut",
    direct: "Standardisé sur l’âge et le sexe (direct)",
    indirect: "Rapport standardisé (indirect, France = 1)",
  };
  const DENOMINATORS = {
    eligible: "Unités examinées", consumers: "Consommants de l’année",
    consumer_years: "Années d’observation des consommants",
    resident_population: "Habitants", insured_population: "Assurés",
  };
  const STATES = { provisional: "provisoires", "semi-final": "semi-définitives", final: "définitives" };
  const FLAGS = { V: "lu dans la source nommée", K: "de mémoire, à vérifier dans la source", A: "choix d’Open Chronic" };
  const REASONS = {
    no_population: "pas de population fournie", no_follow_up: "suivi incomplet",
    no_ascertainment: "décès non recensés", not_defined: "non défini cette année",
    nothing_expected: "rien d’attendu aux taux du pays", too_few_events: "trop peu d’événements pour standardiser",
    sum_of_others: "se déduirait des autres maladies publiées", same_numerator: "même numérateur qu’une autre maladie publiée",
  };
  const METHODS = {
    wilson: "intervalle de Wilson à 95 %", byar: "intervalle de Byar à 95 %", normal: "intervalle de la loi normale à 95 %, à partir de 200 unités",
    linearised: "intervalle par variance linéarisée à 95 %", none: "", five_age_groups_esp2013: "standardisation directe et indirecte par sexe et cinq groupes d’âge, population européenne de 2013",
  };
  const HIDDEN = "Masqué : trop peu de personnes. Ce n’est pas zéro.";
  const ages = (code) => code === "all" ? "Tous âges"
    : /^\d+\+$/.test(code) ? code.slice(0, -1) + " ans et plus"
    : /^\d+-\d+$/.test(code) ? code.replace("-", " à ").replace(/^0+(\d)/, "$1") + " ans" : code;

  const whole = new Intl.NumberFormat("fr-FR", { maximumFractionDigits: 0 });
  const exact = new Intl.NumberFormat("fr-FR", { maximumFractionDigits: 20 });
  const byPlaces = [0, 1, 2, 3, 4, 5].map((n) =>
    new Intl.NumberFormat("fr-FR", { minimumFractionDigits: n, maximumFractionDigits: n }));
  function places(x) {
    const size = Math.abs(x);
    return size >= 100 || size === 0 ? 0 : size >= 10 ? 1 : size >= 1 ? 2 : size >= 0.1 ? 2 : size >= 0.01 ? 3 : 4;
  }
  const UNITS = { "%": "\u202f%", "€": "\u202f€", eur: "\u202f€", EUR: "\u202f€" };
  const long = (indicator) => (indicator.unit || "").length > 3;
  function unit(indicator, std) {
    if (std === "indirect") return "";
    const said = indicator.unit || "";
    return UNITS[said] || (said ? "\u00a0" + said : "");
  }
  const scaled = (indicator, value, std) => std === "indirect" ? value : value * (indicator.scale || 1);
  function value(indicator, x, std, bare) {
    if (x === null || x === undefined) return "";
    const shown = scaled(indicator, x, std);
    return byPlaces[places(shown)].format(shown) + (bare ? "" : unit(indicator, std));
  }
  function between(indicator, low, high, std) {
    if (low === null || low === undefined || high === null || high === undefined) return "";
    const n = places(Math.max(Math.abs(scaled(indicator, high, std)), 1e-9));
    const f = byPlaces[n];
    return "[" + f.format(scaled(indicator, low, std)) + " ; " + f.format(scaled(indicator, high, std)) + "]";
  }
  const count = (n) => n === null || n === undefined ? "" : Number.isInteger(n) ? whole.format(n) : byPlaces[1].format(n);
  const day = (text) => /^\d{4}-\d\d$/.test(text || "")
    ? new Intl.DateTimeFormat("fr-FR", { month: "long", year: "numeric", timeZone: "UTC" }).format(new Date(text + "-01T00:00:00Z"))
    : /^\d{4}-\d\d-\d\d/.test(text || "")
    ? new Intl.DateTimeFormat("fr-FR", { dateStyle: "long", timeZone: "UTC" }).format(new Date(text.slice(0, 10) + "T00:00:00Z"))
    : text || "";
  const state = (year) => {
    const site = get("site", "site");
    return STATES[site.states[year]] || site.states[year] || "";
  };
  const text = (said) => said && typeof said === "object" ? said.fr || "" : said || "";

  // ---- places: "FR", "r53", "d29"
  const index = {};
  function place(key) {
    if (!index.done) {
      for (const each of get("site", "site").territories) {
        const short = { country: "", region: "r", department: "d" }[each.level] + each.code;
        index[short] = { ...each, key: short };
      }
      index.done = true;
    }
    return index[key] || null;
  }
  const collator = new Intl.Collator("fr", { numeric: true }), sorted = {}; // sorted once: every change asks
  function allPlaces(level) {
    place("");
    return sorted[level] ??= Object.values(index).filter((each) => each && each.level === level)
      .sort((a, b) => collator.compare(a.label, b.label));
  }
  const country = () => allPlaces("country")[0] || null;
  const regionOf = (key) => {
    const mine = place(key);
    return mine && mine.level === "department" && mine.parent ? "r" + mine.parent : null;
  };
  const named = (key) => (place(key) || { label: key }).label;

  // ---- cells
  const NUMBERS = ["num", "den", "value", "low", "high"];
  const rowsOf = new WeakMap(); // slice → place → row
  function rowOf(slice, key) {
    if (!rowsOf.has(slice)) rowsOf.set(slice, new Map(slice.places.map((each, n) => [each, n])));
    return rowsOf.get(slice).get(key) ?? -1;
  }
  function cell(slice, std, key, year) {
    const method = slice && slice.std[std];
    const row = slice ? rowOf(slice, key) : -1, column = slice ? slice.years.indexOf(year) : -1;
    if (!method || row < 0 || column < 0) return { status: "-" };
    const at = row * slice.years.length + column;
    const found = { status: method.status[at], reason: method.reasons && method.reasons[at] };
    for (const name of NUMBERS) found[name] = method[name] ? method[name][at] : null;
    return found;
  }
  // How a cell stands to a reference value, and how surely: from the cell's own interval at 95 %.
  function against(found, reference) {
    if (!found || found.status !== "." || reference === null || reference === undefined) return null;
    if (found.low === null || found.high === null || found.low === undefined) return null;
    const gap = found.value - reference;
    const half = gap >= 0 ? found.value - found.low : found.high - found.value;
    const z = half > 0 ? gap / (half / 1.959964) : gap === 0 ? 0 : Math.sign(gap) * 9;
    const sure = Math.abs(z) >= 3.09 ? 2 : Math.abs(z) >= 1.96 ? 1 : 0;
    return { gap, z, sure, side: sure ? Math.sign(gap) : 0, ratio: reference ? found.value / reference : null };
  }
  const SIDES = { 1: "au-dessus de la France", 0: "pas distinguable de la France", "-1": "au-dessous de la France" };
  function stated(found) {
    if (found.status === "s") return HIDDEN;
    if (found.status === "a") return "Sans valeur : " + (REASONS[found.reason] || found.reason || "raison non donnée") + ".";
    return "Non publié pour ce choix.";
  }

  function say(message) { document.getElementById("annonce").textContent = message; }
  function tip(event, lines) {
    const box = document.getElementById("bulle");
    if (!lines) { box.hidden = true; return; }
    box.replaceChildren(...lines.filter(Boolean).map((line, n) => h(n ? "span" : "strong", {}, line)));
    box.hidden = false;
    const x = Math.min(event.clientX + 14, innerWidth - box.offsetWidth - 8);
    const y = Math.min(event.clientY + 14, innerHeight - box.offsetHeight - 8);
    box.style.left = Math.max(4, x) + "px";
    box.style.top = Math.max(4, y) + "px";
  }

  return {
    take, load, get, ready, slug, h, s, parse, address, SEXES, LEVELS, STANDARDS, DENOMINATORS, STATES, FLAGS, HIDDEN,
    SIDES, NUMBERS, ages, value, between, count, exact, day, state, text, unit, scaled, place, allPlaces, country, regionOf,
    named, cell, against, stated, say, tip, reason: (code) => REASONS[code] || code || "", method: (code) => METHODS[code] ?? code, long,
    until: (year) => { const text = get("site", "site").cutoffs[year]; return text ? "flux arrêtés " + (/^\d{4}-\d\d$/.test(text) ? "à fin " : "au ") + day(text) : ""; },
  };
})();
