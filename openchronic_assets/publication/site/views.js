"use strict";
// The page of the map: one indicator, all territories.
OC.views = (() => {
  const { h } = OC, D = OC.draw;
  let held = null; // the page's parts, kept while only the choice changes
  const TABS = [["rang", "Classement"], ["evolution", "Évolution"], ["entonnoir", "Entonnoir"], ["tableau", "Tableau"], ["definition", "Définition"]];

  // What the address leaves out is chosen for the reader; what it asks for is never replaced.
  function settle(state, card) {
    const slices = card.slices, pick = (wanted, options, first) => wanted ?? (first.find((each) => options.includes(each)) ?? options[0]);
    const conditions = [...new Set(slices.map((k) => k[0]))];
    const c = pick(state.c, conditions, ["all", "ald"]);
    const d = pick(state.d, [...new Set(slices.filter((k) => k[0] === c).map((k) => k[1]))], ["consumers", "eligible"]);
    const here = slices.filter((k) => k[0] === c && k[1] === d);
    const s = pick(state.s, [...new Set(here.map((k) => k[2]))], ["all"]);
    const a = pick(state.a, [...new Set(here.filter((k) => k[2] === s).map((k) => k[3]))], ["all"]);
    const y = state.y ?? String(card.years.at(-1));
    const l = state.l ?? (card.levels.includes("department") ? "department" : card.levels.at(-1));
    return { ...state, c, d, s, a, y, l, m: state.m ?? "none", o: state.o ?? "rang" };
  }

  async function open(state) {
    const site = OC.get("site", "site");
    if (!site.indicators.length) return OC.app.explain("Cette publication ne contient aucun indicateur", [
      "L’atlas a été construit sur une publication vide : il n’y a rien à montrer, et aucune valeur n’a été remplacée par zéro.", ...site.notes]);
    const first = site.indicators.find((each) => each.id === "ald_prevalence") || site.indicators[0];
    const id = state.i || first.id;
    const listed = site.indicators.find((each) => each.id === id);
    if (!listed) return OC.app.explain("Cet indicateur n’est pas dans cette publication", [
      `Le lien demande l’indicateur « ${id} ». La publication ${site.version} ne le contient pas : il a pu être renommé, retiré, ou ne pas avoir passé les contrôles de diffusion.`],
      [["Ouvrir l’atlas sur un indicateur présent", { page: "carte" }], ["Voir tous les indicateurs", { page: "indicateurs" }]]);
    const card = await OC.load("card", "card/" + id, id);
    if (!card) return OC.app.explain("La fiche de cet indicateur manque", [`Le fichier data/card/${id}.js n’a pas pu être lu. Reconstruisez l’atlas : openchronic atlas.`]);
    if (!card.slices.length) return OC.app.explain("Cet indicateur n’a aucune cellule dans cette publication", [`« ${OC.text(card.label)} » est annoncé, mais sans aucune valeur.`], [["Voir tous les indicateurs", { page: "indicateurs" }]]);
    const full = settle({ ...state, i: id }, card);
    const wrong = missing(full, card, state);
    if (wrong) return wrong;
    const key = [full.c, full.d, full.s, full.a], name = key.map(OC.slug).join(".");
    const slice = await OC.load("cells", `cell/${id}/${name}`, id + "/" + name);
    if (!slice) return OC.app.explain("Les cellules de ce choix manquent", [`Le fichier data/cell/${id}/${name}.js n’a pas pu être lu. Reconstruisez l’atlas : openchronic atlas.`]);
    if (!slice.std[full.m]) {
      if (state.m && state.m !== "none") return OC.app.explain("Cette méthode n’est pas publiée ici", [`${OC.STANDARDS[full.m] || full.m} : cet indicateur n’est pas publié ainsi pour ce choix.`], [["Voir le taux brut", { ...full, m: "none" }]]);
      full.m = Object.keys(slice.std)[0];
    }
    return page({ state: full, card, slice, key, std: full.m, year: Number(full.y), level: full.l });
  }

  function missing(full, card, asked) {
    const title = OC.text(card.label), links = (values, name, words) => values.map((v) => [words(v), { ...asked, [name]: v }]);
    if (!card.years.includes(Number(full.y))) return OC.app.explain("Cette année n’est pas dans cette publication", [
      `« ${title} » n’est pas publié pour ${full.y}. Années présentes :`], links(card.years.map(String), "y", (v) => v));
    if (!card.levels.includes(full.l) || full.l === "country") return OC.app.explain("Ce découpage n’est pas publié", [
      `« ${title} » n’est pas publié par « ${OC.LEVELS[full.l] || full.l} ».`], links(card.levels.filter((l) => l !== "country"), "l", (v) => OC.LEVELS[v]));
    if (!card.slices.some((k) => k[0] === full.c)) return OC.app.explain("Cette maladie n’est pas publiée pour cet indicateur", [
      `« ${title} » n’est pas publié pour « ${full.c} ».`], links([...new Set(card.slices.map((k) => k[0]))].slice(0, 60), "c", OC.app.condition));
    if (!card.slices.some((k) => k[0] === full.c && k[1] === full.d && k[2] === full.s && k[3] === full.a)) return OC.app.explain("Ce choix n’est pas publié", [
      `« ${title} » n’est pas publié pour ce sexe, cet âge ou ce dénominateur. Ce n’est pas zéro : la publication n’a pas ces cellules.`],
      [["Revenir à l’ensemble de la population", { page: "carte", i: card.id, c: full.c, y: full.y, l: full.l }]]);
    for (const name of ["t", "u", "z"]) if (full[name] && !OC.place(full[name])) return OC.app.explain("Ce territoire n’est pas dans cette publication", [
      `Le lien demande le territoire « ${full[name]} ». La publication ne le connaît pas : les codes sont ceux des départements (d29) et des régions (r53).`],
      [["Ouvrir sans ce territoire", { ...asked, [name]: undefined }]]);
    return null;
  }

  function rowsOf(view, level, region) {
    return OC.allPlaces(level).filter((p) => view.slice.places.includes(p.key) && (!region || OC.regionOf(p.key) === region))
      .map((p) => ({ key: p.key, label: p.label, ...OC.cell(view.slice, view.std, p.key, view.year) }));
  }

  function page(view) {
    const { state, card, slice, std, year, level } = view;
    if (!held) held = build();
    // In the page before it is measured: charts take the width that there is.
    if (!held.root.isConnected) document.getElementById("contenu").replaceChildren(held.root);
    const nationKey = (OC.country() || {}).key, nationCell = nationKey ? OC.cell(slice, std, nationKey, year) : { status: "-" };
    const reference = std === "indirect" ? 1 : nationCell.status === "." ? nationCell.value : null;
    const zoom = level === "department" && state.z ? state.z : null;
    const every = rowsOf(view, level), rows = zoom ? rowsOf(view, level, zoom) : every;
    const shown = rows.filter((row) => row.status === ".");
    // Classes fixed over the years: the same colour, the same value.
    const over = every.flatMap((row) => slice.years.map((y) => OC.cell(slice, std, row.key, y))).filter((c) => c.status === ".").map((c) => c.value);
    const classes = D.classes(over), byGap = state.e === "ecart";
    const side = (cell) => (OC.against(cell, reference) || { side: 0 }).side;
    const colour = (row) => row.key === state.t ? D.CHOSEN : byGap ? D.SIDE[side(row)] : D.CLASSES[classes.of(row.value)];
    const fillOf = (key) => {
      const cell = OC.cell(slice, std, key, year);
      if (cell.status === "s") return "url(#hachures)";
      if (cell.status !== ".") return D.ABSENT;
      return byGap ? D.SIDE[side(cell)] : D.CLASSES[classes.of(cell.value)];
    };
    const title = titleOf(view), subtitle = subtitleOf(view);
    const lines = (key) => linesOf(view, key, reference);
    const label = (key) => lines(key).join(", ");
    const choose = (key) => {
      const place = OC.place(key);
      if (!place) return;
      OC.app.go({ ...state, t: state.t === key ? undefined : key });
    };
    held.choose = choose;
    held.title.textContent = title;
    held.subtitle.textContent = subtitle;
    document.title = `${title} – Atlas des maladies chroniques`;
    held.controls.update(view);
    held.state.replaceChildren(...stateOf(year));
    held.map.show({ level, colour: fillOf, lines, label, chosen: state.t, zoom, title: `Carte : ${title}, ${subtitle}. Les mêmes chiffres sont dans l’onglet Tableau.` });
    const items = legendOf(classes, byGap, view, rows);
    held.legend.replaceChildren(D.legend(items));
    held.national.replaceChildren(...nationalOf(view, nationCell, rows));
    held.chosen.replaceChildren(...chosenOf(view, reference, nationCell));
    for (const button of held.tabs.children) {
      const on = button.dataset.tab === state.o;
      button.setAttribute("aria-selected", on);
      button.setAttribute("tabindex", on ? "0" : "-1");
    }
    held.panel.setAttribute("aria-labelledby", "onglet-" + state.o);
    const before = held.panel.querySelector(".scroll"), down = before ? before.scrollTop : 0;
    held.panel.replaceChildren(tab({ view, rows, shown, reference, colour, lines, choose, title, subtitle, nationKey }));
    // The list stays where it was read; the chosen territory is brought into view.
    const list = held.panel.querySelector(".scroll");
    if (list) {
      list.scrollTop = down;
      const ranked = list.querySelector("[data-chosen]");
      if (ranked && ranked.dataset.chosen) {
        const y = Number(ranked.dataset.chosen) * ranked.getBoundingClientRect().height;
        if (y < list.scrollTop || y > list.scrollTop + list.clientHeight - 24) list.scrollTop = y - list.clientHeight / 2;
      }
    }
    held.now = { view, title, subtitle, items, name: [card.id, ...view.key.map(OC.slug), year, std].join("-") };
    return held.root;
  }

  const titleOf = ({ card, key }) => OC.text(card.label) + (key[0] === "all" ? "" : " : " + OC.app.condition(key[0]));
  const subtitleOf = ({ key, year, std, level }) => [OC.LEVELS[level], String(year), OC.SEXES[key[2]] || key[2], OC.ages(key[3]), std === "none" ? null : OC.STANDARDS[std]].filter(Boolean).join(" · ");
  function stateOf(year) {
    const site = OC.get("site", "site"), said = OC.state(year), until = OC.until(year);
    return [h("span", { class: "badge " + (site.states[year] === "final" ? "sure" : "early") }, said ? "Données " + said : "État des données non précisé"),
      until ? h("span", { class: "soft" }, " " + until) : null].filter(Boolean);
  }
  function linesOf({ card, slice, std, year }, key, reference) {
    const cell = OC.cell(slice, std, key, year), name = OC.named(key);
    if (cell.status !== ".") return [name, OC.stated(cell)];
    const stands = OC.against(cell, reference);
    return [name, OC.value(card, cell.value, std) + " " + OC.between(card, cell.low, cell.high, std),
      cell.num !== null && cell.num !== undefined ? `${OC.count(cell.num)} sur ${OC.count(cell.den)}` : null,
      stands ? OC.SIDES[stands.side] : null].filter(Boolean);
  }
  function legendOf(classes, byGap, { card, std, slice, level, state }, rows) {
    const value = (x) => OC.value(card, x, std, true);
    const items = byGap
      ? [[D.SIDE[1], "au-dessus de la France (intervalle à 95 %)"], [D.SIDE[0], "pas distinguable de la France"], [D.SIDE["-1"], "au-dessous de la France (intervalle à 95 %)"]]
      : classes.limits.length ? D.CLASSES.map((colour, n) => [colour, `de ${value(n ? classes.limits[n - 1] : classes.low)} à ${value(n < 4 ? classes.limits[n] : classes.high)}${OC.value(card, 0, std).replace(/^0/, "")}`]) : [];
    const hidden = rows.filter((row) => row.status === "s").length, absent = rows.filter((row) => row.status !== "." && row.status !== "s").length;
    if (hidden) items.push(["url(#hachures)", `masqué : trop peu de personnes (${OC.count(hidden)} territoire${hidden > 1 ? "s" : ""}) ; ce n’est pas zéro`]);
    if (absent) items.push([D.ABSENT, `sans valeur (${OC.count(absent)})`]);
    const outside = level === "department" ? 101 - OC.allPlaces("department").filter((p) => slice.places.includes(p.key)).length : 0;
    if (outside > 0 && !state.z) items.push([D.ABSENT, `pas dans cette publication (${OC.count(outside)} départements)`]);
    return items;
  }
  function nationalOf({ card, std }, cell, rows) {
    if (std === "indirect") return [h("span", {}, "France : 1 par construction")];
    const hidden = rows.filter((row) => row.status === "s").length;
    return [h("span", { class: "nation-key", "aria-hidden": "true" }), h("span", {}, "France : "),
      h("strong", {}, cell.status === "." ? OC.value(card, cell.value, std) : cell.status === "s" ? "masqué" : "non publié"),
      cell.status === "." ? h("span", { class: "soft" }, " " + OC.between(card, cell.low, cell.high, std)) : null,
      hidden ? h("span", { class: "soft" }, ` · ${OC.count(rows.length - hidden)} territoires sur ${OC.count(rows.length)} montrés`) : null].filter(Boolean);
  }
  function chosenOf(view, reference) {
    const { state, slice, std, year, card } = view;
    if (!state.t) return [h("p", { class: "soft" }, "Choisissez un territoire sur la carte ou dans le classement : son chiffre, son évolution et sa fiche s’ouvrent ici.")];
    const cell = OC.cell(slice, std, state.t, year), place = OC.place(state.t);
    const buttons = [h("a", { class: "button", href: OC.address({ page: "territoire", t: state.t, y: state.y }) }, "Fiche du territoire"),
      h("a", { class: "button", href: OC.address({ ...state, page: "comparer", u: OC.regionOf(state.t) || undefined }) }, "Comparer"),
      place.level === "region" && card.levels.includes("department") ? h("a", { class: "button", href: OC.address({ ...state, l: "department", z: state.t, t: undefined }) }, "Voir ses départements") : null,
      h("a", { class: "button quiet", href: OC.address({ ...state, t: undefined }) }, "Effacer")];
    return [h("h3", {}, place.label), cell.status === "."
      ? h("p", {}, h("strong", { class: "big" }, OC.value(card, cell.value, std)), " ", h("span", { class: "soft" }, "intervalle à 95 % " + OC.between(card, cell.low, cell.high, std)),
        h("br"), linesOf(view, state.t, reference).slice(2).join(" ; "))
      : h("p", { class: "masked" }, OC.stated(cell)), h("p", { class: "row" }, buttons)];
  }

  function tab(context) {
    const { view, rows, shown, reference, colour, lines, choose, title, subtitle, nationKey } = context, { card, std, state, slice, key } = view;
    const width = Math.max(290, Math.min(640, held.panel.clientWidth - 10));
    const said = `${title}, ${subtitle}. Les mêmes chiffres sont dans l’onglet Tableau.`;
    if (state.o === "rang") {
      const without = rows.filter((row) => row.status !== ".");
      return h("div", {},
        shown.length ? h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Classement des territoires" },
          D.bars({ rows: shown, indicator: card, std, nation: reference, colour, chosen: state.t, onChoose: choose, said: "Classement : " + said, width, lines }))
          : h("p", { class: "masked" }, "Aucun territoire n’a de valeur publiée pour ce choix."),
        h("p", { class: "soft" }, "Trait fin : intervalle à 95 %. Ligne rouge : France. Un rang n’est pas une qualité : des intervalles qui se recouvrent ne se classent pas."),
        without.length ? h("p", { class: "soft" }, `Sans barre : ${without.map((row) => row.label + (row.status === "s" ? " (masqué)" : "")).join(", ")}.`) : null);
    }
    if (state.o === "evolution") {
      const keys = [...new Set([nationKey, state.t && OC.regionOf(state.t), state.t].filter(Boolean))], tints = [D.NATION, D.CLASSES[3], D.CHOSEN];
      const series = keys.map((k, n) => ({ label: OC.named(k), tint: k === state.t ? D.CHOSEN : k === nationKey ? D.NATION : tints[n], points: points(slice, std, k) })).filter((line) => line.points.length);
      const drawn = series.length ? D.trend({ series, indicator: card, std, said: "Évolution : " + said, width }) : null;
      return h("div", {}, drawn || h("p", { class: "masked" }, "Aucune année n’a de valeur publiée pour ce choix."),
        h("p", { class: "soft" }, state.t ? "Bande : intervalle à 95 %. Une année masquée ou absente coupe la courbe." : "Choisissez un territoire pour lire son évolution à côté de celle de la France."),
        ...slice.years.filter((y) => OC.get("site", "site").states[y] && OC.get("site", "site").states[y] !== "final").map((y) => h("p", { class: "soft" }, `${y} : données ${OC.state(y)}, encore appelées à changer.`)));
    }
    if (state.o === "entonnoir") {
      const law = card.kind === "proportion" ? "binomial" : card.kind === "rate" ? "poisson" : null;
      if (std !== "none" || !law) return h("p", { class: "masked" }, std !== "none"
        ? "L’entonnoir compare des taux bruts à leur dénominateur : choisissez « Taux brut »."
        : "L’entonnoir n’existe que pour une proportion ou un taux : la dispersion d’une moyenne ou d’un rapport n’est pas publiée.");
      const made = reference === null ? null : D.funnel({ rows: shown, indicator: card, target: reference, law, colour, chosen: state.t, onChoose: choose, lines, said: "Entonnoir : " + said, width });
      if (!made) return h("p", { class: "masked" }, "Trop peu de territoires publiés, ou pas de valeur nationale : l’entonnoir ne peut pas être tracé.");
      return h("div", {}, made.drawn, h("p", { class: "soft" },
        `Tirets : limites à 95 % ; points : à 99,8 %, loi ${law === "binomial" ? "binomiale" : "de Poisson"} exacte autour de la valeur nationale. `
        + (made.spread ? `Les territoires s’écartent plus que le hasard ne le veut (φ = ${OC.exact.format(Math.round(made.phi * 10) / 10)}) : la bande bleue ajoute cette dispersion (99,8 %). Un point hors de la bande mérite une question.` : "La dispersion n’excède pas celle du hasard.")
        + " Un territoire masqué n’y a pas de point."));
    }
    if (state.o === "tableau") return table(view, rows, reference);
    return definition(card, view);
  }
  const points = (slice, std, key) => {
    const found = slice.years.map((y) => ({ year: y, ...OC.cell(slice, std, key, y) }));
    return found.some((p) => p.status === ".") ? found : [];
  };

  let order = { by: 1, down: true };
  function table(view, rows, reference) {
    const { card, std } = view;
    const columns = [["Territoire", (r) => r.label], ["Valeur", (r) => r.status === "." ? r.value : null], ["Intervalle à 95 %", (r) => r.low ?? null],
      ["Numérateur", (r) => r.num ?? null], ["Dénominateur", (r) => r.den ?? null], ["Par rapport à la France", (r) => { const g = OC.against(r, reference); return g ? g.z : null; }]];
    const of = columns[order.by][1], compare = (a, b) => {
      const x = of(a), y = of(b);
      if (x === null || y === null) return (x === null) - (y === null);
      return (typeof x === "string" ? x.localeCompare(y, "fr") : x - y) * (order.down ? -1 : 1);
    };
    const body = [...rows].sort(compare).map((r) => {
      const g = OC.against(r, reference);
      return h("tr", {}, h("th", { scope: "row" }, h("a", { href: OC.address({ page: "territoire", t: r.key, y: String(view.year) }) }, r.label)),
        r.status === "." ? [h("td", { class: "n" }, OC.value(card, r.value, std, OC.long(card))), h("td", { class: "n" }, OC.between(card, r.low, r.high, std)), h("td", { class: "n" }, OC.count(r.num)), h("td", { class: "n" }, OC.count(r.den)),
          h("td", {}, g ? OC.SIDES[g.side] : "")]
          : h("td", { colspan: 5, class: "masked" }, r.status === "s" ? "masqué : trop peu de personnes" : OC.stated(r)));
    });
    return h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Tableau des valeurs" }, h("table", {},
      h("caption", {}, [titleOf(view), subtitleOf(view), OC.long(card) && std !== "indirect" ? card.unit : null].filter(Boolean).join(", ")),
      h("thead", {}, h("tr", {}, columns.map(([name], n) => h("th", { scope: "col", "aria-sort": order.by === n ? (order.down ? "descending" : "ascending") : "none" },
        h("button", { class: "sort", type: "button", onclick: () => { order = { by: n, down: order.by === n ? !order.down : n > 0 }; OC.app.again(); } }, name))))),
      h("tbody", {}, body)));
  }

  function definition(card, view) {
    const t = OC.text, line = (name, said) => said && said.length !== 0 ? [h("dt", {}, name), h("dd", {}, said)] : [];
    const list = (items, words) => items && items.length ? h("ul", {}, items.map((each) => h("li", {}, words(each)))) : null;
    const flagged = (each) => typeof each === "string" ? each : t(each.text || each) + (each.flag ? ` (${OC.FLAGS[each.flag] || each.flag})` : "");
    const methods = card.methods || {};
    return h("div", { class: "card" }, h("p", { class: "lead" }, t(card.says)), h("dl", {},
      line("Numérateur", t(card.numerator)), line("Dénominateur", t(card.denominator)),
      line("Exclusions", list(card.exclusions, (e) => typeof e === "string" ? e : t(e.text || e) || e.code)),
      line("Méthode", [methods.interval, methods.standardisation].flat().filter(Boolean).map((each) => OC.method(t(each))).filter(Boolean).join(" ; ")),
      line("Limites", t(card.limits)), line("Sources", list(card.sources, flagged)),
      line("Chiffres publiés ailleurs", list(card.benchmarks, (b) => typeof b === "string" ? b : [b.year, typeof b.value === "number" ? OC.value(card, b.value, "none") : b.value, t(b.perimeter), t(b.source)].filter(Boolean).join(", ") + (b.flag ? ` (${OC.FLAGS[b.flag] || b.flag})` : ""))),
      line("Unité affichée", (card.unit || "") + (card.scale && card.scale !== 1 ? ` (valeur publiée × ${OC.exact.format(card.scale)})` : "")),
      line("Identifiant", `${card.id}, version ${card.version || "1"}`),
      line("Cellules", card.cells ? `${OC.count(card.cells.total)} au total, ${OC.count(card.cells.shown)} montrées, ${OC.count(card.cells.hidden)} masquées` : null),
      line("Retenus", list(card.omitted, (o) => `${OC.app.condition(o.condition)}, ${o.year} : ${OC.reason(o.reason)}`)),
      line("Années", card.years.map((y) => `${y} (${OC.state(y) || "état non précisé"})`).join(", "))));
  }

  // ---- the parts of the page, made once
  function build() {
    const root = h("div", { class: "wide atlas" });
    const map = D.map((key) => held.choose(key));
    const title = h("h1", {}), subtitle = h("p", { class: "sub" }), state = h("p", { class: "state" });
    const legendBox = h("div", { class: "legend-box" }), national = h("p", { class: "national" }), chosen = h("section", { class: "chosen", "aria-label": "Territoire choisi", "aria-live": "polite" });
    const tabs = h("div", { class: "tabs", role: "tablist", "aria-label": "Lectures" }, TABS.map(([name, words]) => h("button", {
      type: "button", role: "tab", id: "onglet-" + name, "data-tab": name, "aria-controls": "lecture", onclick: () => OC.app.go({ ...held.now.view.state, o: name }) }, words)));
    tabs.addEventListener("keydown", (event) => {
      const move = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (!move) return;
      const at = [...tabs.children].indexOf(document.activeElement), next = tabs.children[(at + move + TABS.length) % TABS.length];
      next.focus(); next.click();
    });
    const panel = h("div", { role: "tabpanel", id: "lecture", class: "panel" });
    const controls = OC.controls.build();
    const drawing = () => held.now.view.state.o === "rang" || held.now.view.state.o === "tableau" || held.now.view.state.o === "definition" ? map.root : panel.querySelector("svg.plot") || map.root;
    const source = () => `Open Chronic, publication ${OC.get("site", "site").version}. ${held.now.subtitle}. ${map.credit}`;
    const exported = () => { const d = drawing(); return OC.files.alone(d, held.now.title, source(), d === map.root ? held.now.items : []); };
    const download = h("div", { class: "row downloads", role: "group", "aria-label": "Télécharger" }, h("span", { class: "soft" }, "Télécharger : "),
      h("button", { type: "button", id: "csv", onclick: () => OC.files.csv(held.now.view, held.now.name) }, "CSV"),
      h("button", { type: "button", id: "xlsx", onclick: () => OC.files.xlsx(held.now.view, held.now.name) }, "XLSX"),
      h("button", { type: "button", id: "svg", onclick: () => OC.files.svg(exported(), held.now.name) }, "SVG"),
      h("button", { type: "button", id: "png", onclick: () => OC.files.png(exported(), held.now.name) }, "PNG"),
      h("button", { type: "button", id: "lien", onclick: async () => {
        try { await navigator.clipboard.writeText(location.href); OC.say("Lien copié"); document.getElementById("lien").textContent = "Lien copié"; }
        catch { prompt("Adresse de cette vue", location.href); }
      } }, "Copier le lien"));
    root.append(h("div", { class: "head" }, title, subtitle, state), controls.root,
      h("section", { class: "map-box", "aria-label": "Carte" }, map.root, national, legendBox, h("p", { class: "credit" }, map.credit), chosen),
      h("section", { class: "reading", "aria-label": "Lectures" }, tabs, panel, download));
    return { root, map, title, subtitle, state, legend: legendBox, national, chosen, tabs, panel, controls };
  }

  return { open, settle, titleOf, subtitleOf, stateOf, points };
})();

// The controls of the map's page; each change is a change of the address.
OC.controls = (() => {
  const { h } = OC;
  function build() {
    let now = null;
    const go = (change) => OC.app.go({ ...now.state, ...change });
    const fold = (text) => text.normalize("NFD").replace(/[\u0300-\u036f]/g, "").toLowerCase();
    const search = h("input", { type: "search", id: "chercher", autocomplete: "off", placeholder: "diabète, réadmission…", "aria-describedby": "trouves" });
    const found = h("p", { id: "trouves", class: "soft", "aria-live": "polite" });
    const indicator = h("select", { id: "indicateur", onchange: () => OC.app.go({ page: "carte", i: indicator.value, l: now.state.l, t: now.state.t, z: now.state.z, o: now.state.o, e: now.state.e, y: keepYear(indicator.value) }) });
    const keepYear = (id) => OC.get("site", "site").indicators.find((each) => each.id === id).years.includes(now.year) ? now.state.y : undefined;
    let listed = null;
    function list(filter) {
      if (listed === filter) return;
      listed = filter;
      const words = fold(filter).split(/\s+/).filter(Boolean), groups = new Map(), site = OC.get("site", "site");
      let count = 0;
      for (const each of site.indicators) {
        const text = fold([each.label, each.family_label, each.id, ...each.conditions.map(OC.app.condition)].join(" "));
        if (!words.every((word) => text.includes(word)) && !(now && each.id === now.card.id)) continue;
        if (words.every((word) => text.includes(word))) count += 1;
        if (!groups.has(each.family_label)) groups.set(each.family_label, []);
        groups.get(each.family_label).push(h("option", { value: each.id }, each.label));
      }
      indicator.replaceChildren(...[...groups].map(([name, options]) => h("optgroup", { label: name || "Autres" }, options)));
      found.textContent = filter ? `${count} indicateur${count > 1 ? "s" : ""}` : "";
    }
    search.addEventListener("input", () => { list(search.value); indicator.value = now.card.id; });
    search.addEventListener("keydown", (event) => {
      if (event.key !== "Enter") return;
      const words = fold(search.value).split(/\s+/).filter(Boolean);
      const hit = [...indicator.options].find((o) => o.value !== now.card.id || words.every((w) => fold(o.textContent).includes(w)));
      if (hit) { indicator.value = hit.value; indicator.dispatchEvent(new Event("change")); }
    });
    const choice = (id, change) => h("select", { id, onchange: (event) => go(change(event.target.value)) });
    const condition = choice("maladie", (c) => ({ c })), sex = choice("sexe", (s) => ({ s })), age = choice("age", (a) => ({ a }));
    const denominator = choice("denominateur", (d) => ({ d })), method = choice("methode", (m) => ({ m })), zoom = choice("zoom", (z) => ({ z: z || undefined }));
    const years = h("div", { class: "years", role: "group", "aria-label": "Année" }), levels = h("div", { class: "switch", role: "group", "aria-label": "Découpage" });
    const colours = h("div", { class: "switch", role: "group", "aria-label": "Couleurs de la carte" });
    const field = (words, control, id) => h("div", { class: "field" }, h("label", { for: id || control.id }, words), control);
    const zoomField = field("Voir de près", zoom), denominatorField = field("Rapporté à", denominator), methodField = field("Méthode", method), conditionField = field("Maladie", condition);
    const root = h("form", { class: "controls", "aria-label": "Choix" },
      h("div", { class: "field" }, h("label", { for: "chercher" }, "Chercher un indicateur"), search, found), field("Indicateur", indicator),
      conditionField, h("div", { class: "pair" }, field("Sexe", sex), field("Âge", age)),
      h("div", { class: "field" }, h("span", { class: "label" }, "Année"), years), h("div", { class: "field" }, h("span", { class: "label" }, "Découpage"), levels), zoomField,
      methodField, denominatorField, h("div", { class: "field" }, h("span", { class: "label" }, "Couleurs"), colours));
    root.addEventListener("submit", (event) => event.preventDefault());
    const options = (select, values, words, value) => {
      const mark = values.join("|");
      if (select.dataset.values !== mark) { select.dataset.values = mark; select.replaceChildren(...values.map((v) => h("option", { value: v }, words(v)))); }
      select.value = value;
    };
    const buttons = (box, values, words, value, change) => {
      const mark = values.join("|");
      if (box.dataset.values !== mark) {
        box.dataset.values = mark;
        box.replaceChildren(...values.map((v) => h("button", { type: "button", "data-value": v, onclick: () => go(change(v)) }, words(v))));
      }
      for (const each of box.children) each.setAttribute("aria-pressed", each.dataset.value === value);
    };
    function update(view) {
      now = view;
      const { card, state, slice, key } = view, keys = card.slices, only = (at, ...fixed) => [...new Set(keys.filter((k) => fixed.every(([n, v]) => k[n] === v)).map((k) => k[at]))];
      list(search.value);
      indicator.value = card.id;
      const conditions = only(0);
      conditionField.hidden = conditions.length === 1 && conditions[0] === "all";
      options(condition, conditions, OC.app.condition, key[0]);
      const order = ["all"];
      options(sex, only(2, [0, key[0]], [1, key[1]]).sort((a, b) => order.indexOf(b) - order.indexOf(a) || (a < b ? -1 : 1)), (v) => OC.SEXES[v] || v, key[2]);
      options(age, only(3, [0, key[0]], [1, key[1]], [2, key[2]]).sort((a, b) => order.indexOf(b) - order.indexOf(a) || (a < b ? -1 : 1)), OC.ages, key[3]);
      const denominators = only(1, [0, key[0]]);
      denominatorField.hidden = denominators.length < 2;
      options(denominator, denominators, (v) => OC.DENOMINATORS[v] || v, key[1]);
      const methods = ["none", "direct", "indirect"].filter((m) => slice.std[m]);
      methodField.hidden = methods.length < 2;
      options(method, methods, (v) => OC.STANDARDS[v], view.std);
      buttons(years, card.years.map(String), (v) => v, state.y, (y) => ({ y }));
      buttons(levels, ["region", "department"].filter((l) => card.levels.includes(l)), (v) => OC.LEVELS[v], state.l, (l) => ({ l, z: undefined, t: undefined }));
      buttons(colours, ["valeur", "ecart"], (v) => v === "valeur" ? "Valeur" : "Écart à la France", state.e === "ecart" ? "ecart" : "valeur", (e) => ({ e: e === "ecart" ? e : undefined }));
      zoomField.hidden = state.l !== "department";
      options(zoom, ["", ...OC.allPlaces("region").map((p) => p.key)], (v) => v ? OC.named(v) : "France entière", state.z || "");
    }
    return { root, update };
  }
  return { build };
})();
