"use strict";
// The other pages: a territory and its sheet, two territories, a condition, what else a release has.
OC.pages = (() => {
  const { h } = OC, D = OC.draw;
  const ROW = ["i", "c", "d", "std", "status", "num", "den", "value", "low", "high"];
  const site = () => OC.get("site", "site");
  const listed = (id) => site().indicators.find((each) => each.id === id);
  const cut = (text) => text.length > 64 ? text.slice(0, 63).replace(/[\s,]+$/, "") + "…" : text;
  const named = (row) => { const one = listed(row.i); return (one ? one.label : row.i) + (row.c === "all" ? "" : " : " + cut(OC.app.condition(row.c))); };

  async function overview(key, year) {
    const rows = await OC.load("place", `place/${key}.${year}`, `${key}.${year}`);
    if (!rows) return new Map();
    const found = new Map();
    for (const each of rows) {
      const row = Object.fromEntries(ROW.map((name, n) => [name, each[n]])), id = [row.i, row.c, row.d].join("|");
      // A standardised rate compares better: it takes the place of the crude one where there is one.
      const before = found.get(id);
      if (!before) found.set(id, { crude: row, best: row });
      if (row.std === "none") found.set(id, { ...(before || {}), crude: row, best: before && before.best.std === "direct" ? before.best : row });
      else if (row.std === "direct" && row.status === ".") found.set(id, { crude: before ? before.crude : row, best: row });
    }
    return found;
  }
  const yearsOf = (key) => site().place_years.filter((each) => each.startsWith(key + ".")).map((each) => Number(each.slice(key.length + 1))).sort();
  const select = (id, value, options, change) => { const made = h("select", { id, onchange: () => change(made.value) }, options.map(([v, words]) => h("option", { value: v, selected: v === value }, words))); return made; };
  let options = null; // made once: a copy costs less than a hundred elements
  const placeOptions = () => { options ??= ["region", "department"].map((level) => h("optgroup", { label: OC.LEVELS[level] }, OC.allPlaces(level).map((p) => h("option", { value: p.key }, p.level === "department" ? `${p.label} (${p.code})` : p.label)))); return options.map((each) => each.cloneNode(true)); };
  function placeSelect(id, value, change, words) {
    const made = h("select", { id, onchange: () => change(made.value) }, words ? h("option", { value: "" }, words) : null, placeOptions());
    made.value = value || "";
    return made;
  }
  const yearButtons = (years, year, change) => h("div", { class: "years", role: "group", "aria-label": "Année" }, years.map((y) => h("button", { type: "button", "aria-pressed": String(y === year), onclick: () => change(String(y)) }, String(y))));
  const noPlaces = () => OC.app.explain("Cette publication ne contient aucun territoire", ["Il n’y a ni région ni département à montrer.", ...site().notes]);

  // ---- a territory
  async function territory(state) {
    const first = OC.allPlaces("department")[0] || OC.allPlaces("region")[0];
    if (!first) return noPlaces();
    const key = state.t || first.key, place = OC.place(key);
    if (!place) return OC.app.explain("Ce territoire n’est pas dans cette publication", [`Le lien demande « ${key} ». Les codes sont ceux des départements (d29) et des régions (r53).`], [["Choisir un territoire", { page: "territoire" }]]);
    const years = yearsOf(key);
    if (!years.length) return OC.app.explain(`${place.label} n’a aucune cellule dans cette publication`, ["Le territoire est connu, mais aucun indicateur n’y est publié."], [["Choisir un autre territoire", { page: "territoire" }]]);
    const year = Number(state.y || years.at(-1));
    if (!years.includes(year)) return OC.app.explain("Cette année n’est pas dans cette publication", [`${place.label} n’a pas de chiffres pour ${state.y}. Années présentes :`], years.map((y) => [String(y), { page: "territoire", t: key, y: String(y) }]));
    const nationKey = (OC.country() || {}).key, regionKey = OC.regionOf(key);
    const [mine, region, nation] = await Promise.all([overview(key, year), regionKey ? overview(regionKey, year) : new Map(), nationKey ? overview(nationKey, year) : new Map()]);
    const rows = [...mine].map(([id, { best }]) => {
      const of = (map) => { const found = map.get(id); if (!found) return null; return best.std === found.best.std ? found.best : found.crude; };
      const fr = of(nation), reference = fr && fr.status === "." ? fr.value : null;
      const rg = of(region);
      return { id, row: best, indicator: listed(best.i), fr: fr || { status: "-" }, region: rg || { status: "-" }, stands: OC.against(best, reference) };
    }).filter((each) => each.indicator);
    const strong = rows.filter((each) => each.stands && each.stands.sure).sort((a, b) => Math.abs(b.stands.z) - Math.abs(a.stands.z));
    const hidden = rows.filter((each) => each.row.status === "s").length, compared = rows.filter((each) => each.stands).length;
    const go = (change) => OC.app.go({ page: "territoire", t: key, y: String(year), ...change });
    const sheetRows = sheet(rows, strong);
    document.title = `${place.label} ${year} – Atlas des maladies chroniques`;
    // Made when it is opened: hundreds of rows that few ask for.
    const all = h("details", { class: "no-print", ontoggle: () => { if (all.open && all.children.length === 1) all.append(figures(rows, place, regionKey, year, key)); } }, h("summary", {}, `Tous les chiffres (${OC.count(rows.length)})`));
    return h("div", { class: "wide territory" },
      h("div", { class: "head" }, h("h1", {}, place.label), h("p", { class: "sub" }, [place.level === "region" ? "Région" : `Département ${place.code}`, regionKey ? OC.named(regionKey) : null, String(year)].filter(Boolean).join(" · ")), h("p", { class: "state" }, OC.views.stateOf(year))),
      h("div", { class: "bar no-print" }, h("div", { class: "field" }, h("label", { for: "lieu" }, "Territoire"), placeSelect("lieu", key, (t) => go({ t }))), h("div", { class: "field" }, h("span", { class: "label" }, "Année"), yearButtons(years, year, (y) => go({ y }))),
        h("div", { class: "row" }, h("button", { type: "button", id: "imprimer", onclick: () => print() }, "Imprimer la fiche"), h("a", { class: "button", href: OC.address({ page: "comparer", t: key, u: regionKey || undefined, y: String(year) }) }, "Comparer"))),
      h("div", { class: "no-print" }, h("h2", {}, "Ce qui se distingue de la France"),
      h("p", {}, strong.length ? `${OC.count(strong.length)} chiffres sur ${OC.count(compared)} comparés s’écartent de la France au-delà de l’intervalle à 95 %${compared >= 20 ? ` ; le hasard seul en écarterait environ ${OC.count(Math.round(compared * 0.05))}` : ""}.` : `Aucun des ${OC.count(compared)} chiffres comparés ne s’écarte de la France au-delà de l’intervalle à 95 %.`,
        hidden ? ` ${OC.count(hidden)} chiffres sont masqués : trop peu de personnes, ce n’est pas zéro.` : ""),
      strong.length ? gaps(strong.slice(0, 12), year, key) : null),
      h("section", { class: "sheet", "aria-label": "Fiche" }, h("h2", {}, "Chiffres principaux"), figures(sheetRows, place, regionKey, year, key),
        h("p", { class: "soft print-foot" }, `Atlas des maladies chroniques, Open Chronic, publication ${site().version}. Données ${OC.state(year) || "d’état non précisé"}${OC.until(year) ? ", " + OC.until(year) : ""}. Les taux standardisés le sont sur l’âge et le sexe. « masqué » : trop peu de personnes, ce n’est pas zéro.`)),
      all);
  }
  // One page: what differs most, then the first figure of each family.
  function sheet(rows, strong) {
    const chosen = new Set(strong.slice(0, 8).map((each) => each.id));
    for (const family of new Set(rows.map((each) => each.indicator.family))) {
      const main = rows.filter((each) => each.indicator.family === family && each.row.status === ".")
        .find((each) => each.row.c === "all" || each.row.c === "ald") || rows.find((each) => each.indicator.family === family && each.row.status === ".");
      if (main && chosen.size < 18) chosen.add(main.id);
    }
    // Then what can be compared, then what is shown at all.
    for (const each of rows) if (chosen.size < 18 && each.stands) chosen.add(each.id);
    for (const each of rows) if (chosen.size < 12 && each.row.status === ".") chosen.add(each.id);
    for (const each of rows) if (chosen.size < 8) chosen.add(each.id);
    return rows.filter((each) => chosen.has(each.id));
  }
  function measure(indicator, std) {
    const said = [OC.long(indicator) ? indicator.unit : null, std === "direct" ? "standardisé" : null].filter(Boolean).join(", ");
    return said ? h("span", { class: "soft" }, ` (${said})`) : null;
  }
  const link = (each, key, year) => OC.address({ page: "carte", i: each.row.i, c: each.row.c, d: each.row.d, y: String(year), m: each.row.std === "none" ? undefined : each.row.std, t: key, l: key.startsWith("r") ? "region" : "department" });
  function figures(rows, place, regionKey, year, key) {
    if (!rows.length) return h("p", { class: "masked" }, "Aucun chiffre n’est publié pour ce territoire et cette année.");
    const families = [...new Set(rows.map((each) => each.indicator.family_label))];
    const cells = (each) => {
      const say = (cell) => cell.status === "." ? OC.value(each.indicator, cell.value, cell.std, OC.long(each.indicator)) : cell.status === "s" ? "masqué" : "–";
      return [h("td", { class: "n" + (each.row.status === "s" ? " masked" : "") }, h("strong", {}, say(each.row))), h("td", { class: "n soft" }, each.row.status === "." ? OC.between(each.indicator, each.row.low, each.row.high, each.row.std) : ""),
        regionKey ? h("td", { class: "n" }, say(each.region)) : null, h("td", { class: "n" }, say(each.fr)), h("td", {}, each.stands ? sign(each.stands) : "")];
    };
    return h("div", { class: "scroll-x", tabindex: "0", role: "region", "aria-label": `Chiffres : ${place.label}` }, h("table", { class: "figures" }, h("thead", {}, h("tr", {}, ["Indicateur", place.label, "Intervalle à 95 %", regionKey ? OC.named(regionKey) : null, "France", "Écart à la France"].filter(Boolean).map((name) => h("th", { scope: "col" }, name)))),
      families.map((family) => h("tbody", {}, h("tr", { class: "family" }, h("th", { scope: "rowgroup", colspan: regionKey ? 6 : 5 }, family || "Autres")),
        rows.filter((each) => each.indicator.family_label === family).map((each) => h("tr", {}, h("th", { scope: "row" }, h("a", { href: link(each, key, year) }, named(each.row)), measure(each.indicator, each.row.std)), cells(each)))))));
  }
  function sign(stands) {
    if (!stands.sure) return h("span", { class: "soft" }, "pas distinguable");
    const percent = stands.ratio === null ? "" : ` (${stands.gap > 0 ? "+" : "−"}${OC.exact.format(Math.round(Math.abs(stands.ratio - 1) * 1000) / 10)}\u202f%)`;
    return h("span", { class: stands.gap > 0 ? "over" : "under" }, (stands.gap > 0 ? "▲ au-dessus" : "▼ au-dessous") + percent + (stands.sure === 2 ? ", très sûr" : ", probable"));
  }
  function gaps(strong, year, key) {
    const data = strong.map((each) => ({ name: named(each.row), r: (each.stands.ratio - 1) * 100, lo: each.fr.value ? (each.row.low / each.fr.value - 1) * 100 : null, hi: each.fr.value ? (each.row.high / each.fr.value - 1) * 100 : null, side: each.stands.side, id: each.id })).filter((each) => each.lo !== null && Number.isFinite(each.r));
    if (!data.length) return null;
    const wide = Math.max(320, Math.min(980, innerWidth - 48)), narrow = wide < 600, names = new Map(data.map((each) => [each.id, each.name])), most = narrow ? 24 : 52;
    const drawn = D.plot({ said: "Écarts à la France, en pour cent ; les mêmes chiffres sont dans le tableau dessous", width: wide, height: 60 + 24 * data.length, marginLeft: narrow ? 160 : 330, marginRight: 64, marginTop: 46,
      x: { axis: "top", labelOffset: 42, label: "écart à la France, %", grid: true, tickFormat: D.tick, ticks: narrow ? 3 : 7 }, y: { domain: data.map((each) => each.id), label: null, tickSize: 0, tickFormat: (id) => { const n = names.get(id); return n.length > most ? n.slice(0, most - 1) + "…" : n; } },
      marks: [Plot.barX(data, { x: "r", y: "id", fill: (each) => D.SIDE[each.side], insetTop: 4, insetBottom: 4 }), Plot.ruleY(data, { x1: "lo", x2: "hi", y: "id", stroke: D.LINE }), Plot.ruleX([0], { stroke: D.NATION, strokeWidth: 1.6 })] });
    return h("figure", {}, drawn, h("figcaption", { class: "soft" }, `Trait fin : intervalle à 95 %. Violet : au-dessus de la France ; orange : au-dessous. Ni bien ni mal : la définition de chaque indicateur le dit.`));
  }

  // ---- two territories
  async function compare(state) {
    const first = OC.allPlaces("department")[0] || OC.allPlaces("region")[0];
    if (!first) return noPlaces();
    for (const name of ["t", "u"]) if (state[name] && !OC.place(state[name])) return OC.app.explain("Ce territoire n’est pas dans cette publication", [`Le lien demande « ${state[name]} ».`], [["Choisir deux territoires", { page: "comparer" }]]);
    const t = state.t || first.key, u = state.u || OC.regionOf(t) || (OC.allPlaces(OC.place(t).level).find((p) => p.key !== t) || first).key;
    const years = yearsOf(t).filter((y) => yearsOf(u).includes(y));
    if (!years.length) return OC.app.explain("Ces deux territoires n’ont aucune année commune", [], [["Choisir deux territoires", { page: "comparer" }]]);
    const year = Number(state.y || years.at(-1));
    if (!years.includes(year)) return OC.app.explain("Cette année n’est pas dans cette publication", ["Années présentes :"], years.map((y) => [String(y), { ...state, y: String(y) }]));
    const [a, b] = await Promise.all([overview(t, year), overview(u, year)]);
    const go = (change) => OC.app.go({ ...state, page: "comparer", t, u, y: String(year), ...change });
    const rows = [...a.keys()].filter((id) => b.has(id) && listed(a.get(id).crude.i)).map((id) => {
      const std = a.get(id).best.std === b.get(id).best.std, x = std ? a.get(id).best : a.get(id).crude, y = std ? b.get(id).best : b.get(id).crude;
      const apart = x.status === "." && y.status === "." && x.low !== null && y.low !== null ? (x.low > y.high ? 1 : x.high < y.low ? -1 : 0) : null;
      return { id, x, y, apart, indicator: listed(x.i), ratio: x.status === "." && y.status === "." && y.value ? x.value / y.value : null };
    });
    const say = (each, cell) => cell.status === "." ? OC.value(each.indicator, cell.value, cell.std, OC.long(each.indicator)) : cell.status === "s" ? "masqué" : "–";
    let trend = null;
    if (state.i && listed(state.i)) trend = await both(state, t, u);
    document.title = `${OC.named(t)} et ${OC.named(u)} – Atlas des maladies chroniques`;
    return h("div", { class: "wide" }, h("div", { class: "head" }, h("h1", {}, `${OC.named(t)} et ${OC.named(u)}`), h("p", { class: "sub" }, String(year)), h("p", { class: "state" }, OC.views.stateOf(year))),
      h("div", { class: "bar no-print" }, h("div", { class: "field" }, h("label", { for: "premier" }, "Premier territoire"), placeSelect("premier", t, (v) => go({ t: v }))), h("div", { class: "field" }, h("label", { for: "second" }, "Second territoire"), placeSelect("second", u, (v) => go({ u: v }))),
        h("div", { class: "field" }, h("span", { class: "label" }, "Année"), yearButtons(years, year, (y) => go({ y }))), h("button", { type: "button", onclick: () => go({ t: u, u: t }) }, "Échanger")),
      trend, h("p", { class: "soft" }, "« Séparés » : les deux intervalles à 95 % ne se recouvrent pas. Des intervalles qui se recouvrent peuvent encore cacher une différence : le test est prudent."),
      h("div", { class: "scroll-x", tabindex: "0", role: "region", "aria-label": "Comparaison" }, h("table", { id: "comparaison", class: "figures" }, h("thead", {}, h("tr", {}, ["Indicateur", OC.named(t), "Intervalle à 95 %", OC.named(u), "Intervalle à 95 %", "Lecture"].map((name) => h("th", { scope: "col" }, name)))),
        [...new Set(rows.map((each) => each.indicator.family_label))].map((family) => h("tbody", {}, h("tr", { class: "family" }, h("th", { scope: "rowgroup", colspan: 6 }, family || "Autres")),
          rows.filter((each) => each.indicator.family_label === family).map((each) => h("tr", {}, h("th", { scope: "row" }, h("a", { href: OC.address({ ...state, page: "comparer", t, u, y: String(year), i: each.x.i, c: each.x.c, d: each.x.d, m: each.x.std }) }, named(each.x)), measure(each.indicator, each.x.std)),
            h("td", { class: "n" }, h("strong", {}, say(each, each.x))), h("td", { class: "n soft" }, each.x.status === "." ? OC.between(each.indicator, each.x.low, each.x.high, each.x.std) : ""), h("td", { class: "n" }, h("strong", {}, say(each, each.y))), h("td", { class: "n soft" }, each.y.status === "." ? OC.between(each.indicator, each.y.low, each.y.high, each.y.std) : ""),
            h("td", {}, each.apart === null ? "" : each.apart === 0 ? h("span", { class: "soft" }, "intervalles qui se recouvrent") : h("span", { class: each.apart > 0 ? "over" : "under" }, `séparés : ${each.apart > 0 ? "▲" : "▼"} ${OC.named(t)}${each.ratio ? ` (× ${OC.exact.format(Math.round(each.ratio * 100) / 100)})` : ""}`)))))))));
  }
  async function both(state, t, u) {
    const card = await OC.load("card", "card/" + state.i, state.i);
    if (!card || !card.slices.length) return null;
    const full = OC.views.settle({ ...state, y: undefined }, card), name = [full.c, full.d, full.s, full.a].map(OC.slug).join(".");
    const slice = await OC.load("cells", `cell/${state.i}/${name}`, state.i + "/" + name);
    if (!slice) return null;
    const std = slice.std[full.m] ? full.m : Object.keys(slice.std)[0], nation = (OC.country() || {}).key;
    const series = [[t, D.CHOSEN], [u, D.CLASSES[4]], [nation, D.NATION]].filter(([k], n, all) => k && all.findIndex(([o]) => o === k) === n).map(([k, tint]) => ({ label: OC.named(k), tint, points: OC.views.points(slice, std, k) })).filter((line) => line.points.length);
    const title = OC.views.titleOf({ card, key: [full.c] });
    return h("figure", {}, h("figcaption", {}, h("strong", {}, title), " ", h("span", { class: "soft" }, OC.STANDARDS[std])), series.length ? D.trend({ series, indicator: card, std, said: "Évolution : " + title, width: Math.max(320, Math.min(900, innerWidth - 48)) }) : h("p", { class: "masked" }, "Aucune valeur publiée."));
  }

  // ---- a condition
  async function condition(state) {
    const all = [...new Set(site().indicators.flatMap((each) => each.conditions))].filter((c) => c !== "all").sort((a, b) => OC.app.condition(a).localeCompare(OC.app.condition(b), "fr", { numeric: true }));
    if (!all.length) return OC.app.explain("Cette publication ne distingue aucune maladie", ["Ses indicateurs portent sur toute la population examinée."], [["Ouvrir la carte", { page: "carte" }]]);
    const c = state.c || all[0];
    if (!all.includes(c)) return OC.app.explain("Cette maladie n’est pas dans cette publication", [`Le lien demande « ${c} ».`], all.slice(0, 80).map((each) => [OC.app.condition(each), { page: "maladie", c: each }]));
    const start = OC.slug(c) + ".", years = site().condition_years.filter((each) => each.startsWith(start)).map((each) => Number(each.slice(start.length))).filter((y) => y).sort();
    const go = (change) => OC.app.go({ page: "maladie", c, ...change });
    const chooser = h("div", { class: "field" }, h("label", { for: "quelle" }, "Maladie"), select("quelle", c, all.map((each) => [each, OC.app.condition(each)]), (v) => go({ c: v })));
    document.title = `${OC.app.condition(c)} – Atlas des maladies chroniques`;
    if (!years.length) return h("div", { class: "wide" }, h("h1", {}, OC.app.condition(c)), h("div", { class: "bar" }, chooser), h("p", { class: "masked" }, "Aucun chiffre tous âges et tous sexes n’est publié pour cette maladie."));
    const year = Number(state.y || years.at(-1));
    if (!years.includes(year)) return OC.app.explain("Cette année n’est pas dans cette publication", ["Années présentes :"], years.map((y) => [String(y), { page: "maladie", c, y: String(y) }]));
    const rows = await OC.load("condition", `condition/${OC.slug(c)}.${year}`, OC.slug(c) + "." + year) || [];
    const nation = (OC.country() || {}).key, groups = new Map();
    for (const [i, d, std, key, status, value, low, high] of rows) {
      const id = i + "|" + d;
      if (!groups.has(id)) groups.set(id, { i, d, std, cells: [] });
      groups.get(id).cells.push({ key, status, value, low, high, std });
    }
    const cards = [...groups.values()].filter((g) => listed(g.i)).map((g) => {
      const one = listed(g.i), fr = g.cells.find((cell) => cell.key === nation), level = g.cells.some((cell) => cell.key.startsWith("d")) ? "d" : "r";
      const shown = g.cells.filter((cell) => cell.key.startsWith(level) && cell.status === ".").sort((a, b) => a.value - b.value), hidden = g.cells.filter((cell) => cell.key.startsWith(level) && cell.status === "s").length;
      const std = (fr || shown[0] || {}).std || "none", ends = shown.length ? [shown[0], shown.at(-1)] : [];
      return h("article", { class: "tile" }, h("h3", {}, h("a", { href: OC.address({ page: "carte", i: g.i, c, d: g.d, y: String(year), m: std === "none" ? undefined : std }) }, one.label)),
        h("p", {}, h("strong", { class: "big" }, fr && fr.status === "." ? OC.value(one, fr.value, std) : "–"), " ", h("span", { class: "soft" }, fr && fr.status === "." ? "France " + OC.between(one, fr.low, fr.high, std) : fr && fr.status === "s" ? "France : masqué" : "France : non publié"), std === "direct" ? h("span", { class: "soft" }, ", standardisé") : null),
        shown.length ? strip(shown, one, std, fr) : h("p", { class: "masked" }, hidden ? OC.HIDDEN : "Aucun territoire publié."),
        ends.length ? h("p", { class: "soft" }, `De ${OC.value(one, ends[0].value, std)} (${OC.named(ends[0].key)}) à ${OC.value(one, ends[1].value, std)} (${OC.named(ends[1].key)})${hidden ? ` ; ${OC.count(hidden)} masqués` : ""}`) : null,
        h("p", { class: "soft" }, OC.DENOMINATORS[g.d] || g.d));
    });
    return h("div", { class: "wide" }, h("div", { class: "head" }, h("h1", {}, OC.app.condition(c)), h("p", { class: "sub" }, `${OC.count(cards.length)} indicateur${cards.length > 1 ? "s" : ""} · ${year}`), h("p", { class: "state" }, OC.views.stateOf(year))), h("div", { class: "bar no-print" }, chooser, h("div", { class: "field" }, h("span", { class: "label" }, "Année"), yearButtons(years, year, (y) => go({ y })))), h("div", { class: "tiles" }, cards));
  }
  function strip(shown, one, std, fr) {
    const low = shown[0].value, high = shown.at(-1).value, x = (v) => 6 + 288 * (v - low) / ((high - low) || 1), { s } = OC;
    return s("svg", { viewBox: "0 0 300 26", class: "strip", role: "img", "aria-label": `Répartition des territoires, de ${OC.value(one, low, std)} à ${OC.value(one, high, std)}` },
      s("line", { x1: 6, x2: 294, y1: 13, y2: 13, stroke: "#cbd5de" }), shown.map((cell) => s("circle", { cx: x(cell.value).toFixed(1), cy: 13, r: 4, fill: D.CLASSES[3], "fill-opacity": 0.45 })),
      fr && fr.status === "." ? s("line", { x1: x(Math.min(Math.max(fr.value, low), high)), x2: x(Math.min(Math.max(fr.value, low), high)), y1: 2, y2: 24, stroke: D.NATION, "stroke-width": 2 }) : null);
  }

  // ---- variation: where the release has it
  const absent = (title, file, what) => OC.app.explain(title, [`Cette publication ne contient pas ${what} (fichier ${file}).`, "L’atlas ne montre que ce qui a passé les contrôles de diffusion ; cette vue s’ouvrira dès qu’une publication le contiendra."], [["Ouvrir la carte", { page: "carte" }]]);
  const STATISTICS = { units: "Territoires montrés", scv: "Composante systématique (SCV × 100)", eq: "Quotient extrême", eq_5_95: "Quotient 95ᵉ / 5ᵉ centile", eq5_95: "Quotient 95ᵉ / 5ᵉ centile", cv: "Coefficient de variation", cvw: "Coefficient de variation pondéré", eb: "Variance bayésienne empirique", moran: "Indice de Moran", icc: "Corrélation intra-groupe", mor: "Rapport de cotes médian", chi2: "χ² d’hétérogénéité" };
  async function variation(state) {
    const rows = site().extras.includes("variation") ? await OC.load("variation", "variation", "variation") : null;
    if (!rows) return absent("Variations de pratiques", "variation.csv", "de mesures de variation entre territoires");
    const indicators = [...new Set(rows.map((row) => row.indicator))], years = [...new Set(rows.map((row) => row.year))].sort(), year = state.y || years.at(-1);
    if (!years.includes(year)) return OC.app.explain("Cette année n’est pas dans cette publication", ["Années présentes :"], years.map((y) => [y, { page: "variations", y }]));
    const statistics = [...new Set(rows.map((row) => row.statistic))], levels = [...new Set(rows.map((row) => row.level))], l = state.l && levels.includes(state.l) ? state.l : levels.includes("department") ? "department" : levels[0];
    const number = (text) => text === "" || text === undefined || text === null ? null : Number(text), format = (x) => x === null ? "–" : OC.exact.format(Number(x.toPrecision(3)));
    const here = rows.filter((row) => row.year === year && row.level === l), lines = [...new Set(here.map((row) => row.indicator + "|" + (row.condition || "all")))];
    document.title = "Variations de pratiques – Atlas des maladies chroniques";
    return h("div", { class: "wide" }, h("div", { class: "head" }, h("h1", {}, "Variations de pratiques"), h("p", { class: "sub" }, `${OC.LEVELS[l] || l} · ${year} · ${OC.count(indicators.length)} indicateurs`), h("p", { class: "state" }, OC.views.stateOf(Number(year)))),
      h("div", { class: "bar no-print" }, h("div", { class: "field" }, h("span", { class: "label" }, "Année"), yearButtons(years.map(Number), Number(year), (y) => OC.app.go({ ...state, y }))), h("div", { class: "field" }, h("label", { for: "decoupage" }, "Découpage"), select("decoupage", l, levels.map((v) => [v, OC.LEVELS[v] || v]), (v) => OC.app.go({ ...state, l: v })))),
      h("p", { class: "lead" }, "De combien un soin varie d’un territoire à l’autre, au-delà du hasard. Repères usuels de la composante systématique × 100 : moins de 3 faible, 3 à 5 modérée, 5 à 10 forte, plus de 10 très forte (de mémoire, à vérifier dans la source)."),
      h("div", { class: "scroll-x", tabindex: "0", role: "region", "aria-label": "Variations" }, h("table", { class: "named" }, h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "Indicateur"), statistics.map((each) => h("th", { scope: "col" }, STATISTICS[each.toLowerCase()] || each)))),
        h("tbody", {}, lines.map((id) => { const [i, c] = id.split("|"); return h("tr", {}, h("th", { scope: "row" }, h("a", { href: OC.address({ page: "carte", i, c, y: year, l }) }, named({ i, c }))),
          statistics.map((each) => { const row = here.find((r) => r.indicator === i && (r.condition || "all") === c && r.statistic === each), v = row ? number(row.value) : null, low = row ? number(row.low) : null, high = row ? number(row.high) : null;
            return h("td", { class: "n" }, format(v), low !== null && high !== null ? h("span", { class: "soft" }, ` [${format(low)} ; ${format(high)}]`) : null); })); })))));
  }
  // ---- what there is
  function indicators() {
    const families = [...new Set(site().indicators.map((each) => each.family_label))];
    document.title = "Indicateurs – Atlas des maladies chroniques";
    return h("div", { class: "wide" }, h("h1", {}, "Indicateurs"), h("p", { class: "lead" }, `${OC.count(site().indicators.length)} indicateurs, publication ${site().version}. Chaque indicateur a sa fiche : onglet Définition.`),
      families.map((family) => h("section", {}, h("h2", {}, family || "Autres"), h("ul", {}, site().indicators.filter((each) => each.family_label === family).map((each) => h("li", {}, h("a", { href: OC.address({ page: "carte", i: each.id, o: "definition" }) }, each.label), h("span", { class: "soft" }, ` ${each.unit || ""} · ${each.years[0] ?? ""}${each.years.length > 1 ? " à " + each.years.at(-1) : ""}`)))))));
  }
  function about() {
    const { report, cells, notes } = site(), frame = OC.get("outlines", "outlines");
    document.title = "À propos – Atlas des maladies chroniques";
    return h("div", { class: "wide prose" }, h("h1", {}, "À propos"),
      h("p", { class: "lead" }, "L’atlas montre des indicateurs de maladies chroniques par département et région, calculés par Open Chronic sur le SNDS et publiés après contrôle du risque de réidentification."),
      h("h2", {}, "Ce que dit une case hachurée"), h("p", {}, "Trop peu de personnes : la valeur, l’intervalle, le numérateur et le dénominateur sont retirés ensemble, car chacun permettrait de retrouver les autres. Une case masquée n’est pas un zéro et n’entre dans aucun calcul de la page."),
      h("p", {}, `Cette publication compte ${OC.count(cells.total)} cellules, dont ${OC.count(cells.suppressed)} masquées (${cells.total ? OC.exact.format(Math.round(cells.suppressed / cells.total * 1000) / 10) : 0}\u202f%).`),
      h("h2", {}, "Comment lire un écart"), h("p", {}, "Un territoire est dit au-dessus ou au-dessous de la France quand son intervalle à 95 % ne contient pas la valeur nationale ; « très sûr » quand il en irait de même à 99,8 %. L’incertitude de la valeur nationale, petite, n’est pas comptée. Sur cent chiffres comparés, cinq environ s’écarteraient par le seul hasard."),
      h("h2", {}, "Couleurs"), h("p", {}, "Cinq classes d’effectifs égaux, les mêmes pour toutes les années d’un indicateur, d’une maladie, d’un sexe et d’un âge."),
      h("h2", {}, "La publication"), h("dl", {}, [["Version", site().version], ["Construction des données", report.build_id], ["Publiée le", OC.day(report.published_at)], ["Objet", report.purpose === "demonstration" ? "démonstration, sur des personnes inventées" : report.purpose], ["Plus petite cellule montrée", report.rules && report.rules.threshold], ["Atlas", "Open Chronic " + site().product]].filter(([, v]) => v).map(([k, v]) => [h("dt", {}, k), h("dd", {}, String(v))]),
        Object.entries(site().states).map(([y, s]) => [h("dt", {}, "Année " + y), h("dd", {}, (OC.STATES[s] || s) + (OC.until(y) ? ", " + OC.until(y) : ""))])),
      (report.limits || []).length ? [h("h2", {}, "Limites de la publication"), h("ul", {}, report.limits.map((each) => h("li", {}, OC.text(each))))] : null,
      notes.length ? [h("h2", {}, "Ce qui manque"), h("ul", { id: "manques" }, notes.map((each) => h("li", {}, each)))] : null,
      h("h2", {}, "Respect de la vie privée du lecteur"), h("p", {}, "L’atlas ne demande rien au réseau, ne dépose aucun témoin et ne mesure aucune audience. Les choix sont dans l’adresse de la page, et nulle part ailleurs."),
      h("h2", {}, "Licences"), h("p", {}, frame.credit + "."), h("p", {}, "Graphiques : Observable Plot et D3 (ISC) ; tableur : fflate (MIT). Les textes des licences sont dans le dossier vendor/."));
  }

  OC.parts = { select, yearButtons, absent };
  return { territoire: territory, comparer: compare, maladie: condition, variations: variation, indicateurs: indicators, "a-propos": about };
})();
