"use strict";
// What moves: people from state to state around an event, and from where they live to their care.
OC.flows = (() => {
  const { h, s } = OC, D = OC.draw;
  const site = () => OC.get("site", "site");
  const MASKED = "masqué", HIDDEN = "De 0 à 10 personnes, ou retiré pour que d’autres ne se déduisent pas. Ce n’est pas zéro.";
  const percent = (part, whole) => OC.exact.format(Math.round(1000 * part / whole) / 10) + "\u202f%";

  function downloads(lines, name, drawing, title, said) {
    const source = `Open Chronic, publication ${site().version}` + (site().report.purpose === "demonstration" ? ", personnes inventées" : "");
    const alone = () => OC.files.alone(drawing, title, source, [["#ffffff", "hachuré : masqué"]]);
    const button = (id, words, act) => h("button", { type: "button", id, onclick: act }, words);
    return h("div", { class: "downloads no-print row" }, h("span", { class: "label" }, "Télécharger"),
      button("csv", "CSV", () => OC.files.csvOf(lines(), name)), button("xlsx", "XLSX", () => OC.files.xlsxOf(lines(), [...said, ["Publication", site().version], ["Cellules masquées", HIDDEN]], name)),
      button("svg", "SVG", () => OC.files.svg(alone(), name)), button("png", "PNG", () => OC.files.png(alone(), name)));
  }

  // ---- pathways
  // What each state is, in the order in which they are drawn, and its colour.
  const STATES = {
    MCO: ["Hôpital, court séjour", "#8c2d5a"], PSY: ["Psychiatrie", "#b0568a"], SSR: ["Soins de suite", "#d08fb5"], HAD: ["Hospitalisation à domicile", "#e6bcd3"],
    HOSPITAL: ["Hôpital", "#8c2d5a"], HOSPITAL_ED: ["Hôpital ou urgences", "#8c2d5a"], ED: ["Urgences", "#d9691e"], SPE: ["Médecin spécialiste", "#143a70"], DOCTOR: ["Médecin", "#143a70"],
    GP: ["Médecin généraliste", "#386eb0"], CITY: ["Soins de ville", "#386eb0"], HOME: ["Sans hôpital", "#6f9bd1"], NURSE: ["Infirmier", "#2f7f73"], PHARM: ["Pharmacie", "#63a99f"], NONE: ["Aucun soin", "#9aa7b3"],
    OTHER: ["Autres états", "#c9b458"], DEAD: ["Décédés", "#2b2b2b"],
  };
  const RANK = Object.keys(STATES);
  const name = (state) => (STATES[state] || [state])[0], tint = (state) => (STATES[state] || ["", D.MUTED])[1];
  const MEANS = { OTHER: "Autres états : ceux de trop peu de personnes ce mois-là, avec un plus grand s’il le faut pour les couvrir.", HOSPITAL: "Hôpital : court séjour, psychiatrie, soins de suite, hospitalisation à domicile.", HOSPITAL_ED: "Hôpital ou urgences : toute hospitalisation, passage aux urgences.", DOCTOR: "Médecin : spécialiste ou généraliste.", CITY: "Soins de ville : médecin, infirmier ou pharmacie.", HOME: "Sans hôpital : soins de ville, ou aucun soin." };
  const month = (n) => `${Math.abs(n)} mois ${n < 0 ? "avant" : "après"}`;

  function sankey({ one, width, said }) {
    const months = [...new Set(one.states.map(([m]) => m))].sort((a, b) => a - b);
    const nodes = new Map(one.states.map(([m, state, people]) => [m + state, { m, state, people, out: 0, in: 0 }]));
    const top = 42, gap = 15, height = 470, step = (width - 205) / Math.max(1, months.length - 1);
    const column = (m) => [...nodes.values()].filter((node) => node.m === m).sort((a, b) => RANK.indexOf(a.state) - RANK.indexOf(b.state));
    const most = d3.max(months, (m) => column(m).length), whole = d3.max(months, (m) => d3.sum(column(m), (node) => node.people));
    const scale = (height - top - gap * (most - 1) - 8) / (whole || 1);
    months.forEach((m, n) => { let y = top; for (const node of column(m)) { Object.assign(node, { x: n * step + 4, y, tall: Math.max(1.5, node.people * scale) }); y += node.tall + gap; } });
    const root = s("svg", { viewBox: `0 0 ${width} ${height}`, class: "sankey", role: "img", "aria-label": said, "font-family": D.FONT, "font-size": 12.5, xmlns: "http://www.w3.org/2000/svg" });
    root.append(s("defs", {}, D.hatch("masques", "#8a96a3", 45)));
    const before = months.filter((m) => m < 0).length;
    if (before && before < months.length) {
      const x = (before - 0.5) * step + 4;
      root.append(s("line", { x1: x, x2: x, y1: 22, y2: height, stroke: D.CHOSEN, "stroke-width": 1.6, "stroke-dasharray": "5,4" }), s("text", { x, y: 14, "text-anchor": "middle", fill: D.CHOSEN, "font-weight": 600 }, "Événement"));
    }
    const links = one.flows.filter((flow) => flow[4] !== null).map(([m, a, t, b, people]) => ({ a: nodes.get(m + a), b: nodes.get(t + b), people }))
      .sort((p, q) => p.a.y - q.a.y || p.b.y - q.b.y);
    for (const link of links) { link.w = link.people * scale; link.y1 = link.a.y + link.a.out + link.w / 2; link.a.out += link.w; }
    for (const link of [...links].sort((p, q) => p.b.y - q.b.y || p.a.y - q.a.y)) { link.y2 = link.b.y + link.b.in + link.w / 2; link.b.in += link.w; }
    for (const { a, b, people, w, y1, y2 } of links) {
      const x1 = a.x + 12, x2 = b.x, m = (x1 + x2) / 2, words = [`${name(a.state)} → ${name(b.state)}`, `${OC.count(people)} personnes`, `${percent(people, a.people)} de l’état de départ`];
      const path = s("path", { d: `M${x1},${y1.toFixed(1)}C${m},${y1.toFixed(1)} ${m},${y2.toFixed(1)} ${x2},${y2.toFixed(1)}`, fill: "none", stroke: tint(a.state), "stroke-opacity": 0.38, "stroke-width": Math.max(0.8, w).toFixed(1), class: "flow" });
      path.addEventListener("pointermove", (event) => OC.tip(event, words));
      path.addEventListener("pointerleave", (event) => OC.tip(event, null));
      root.append(path);
    }
    for (const node of nodes.values()) {
      const rest = (from) => Math.max(0, node.tall - from), last = node.m === months.at(-1), first = node.m === months[0];
      // What no shown flow tells of a state: hatched, on the side that it leaves by or comes from.
      if (!last && rest(node.out) > 0.8) root.append(s("rect", { x: node.x + 12, y: node.y + node.out, width: 9, height: rest(node.out), fill: "url(#masques)", class: "masked-flow" }));
      if (!first && rest(node.in) > 0.8) root.append(s("rect", { x: node.x - 9, y: node.y + node.in, width: 9, height: rest(node.in), fill: "url(#masques)", class: "masked-flow" }));
      const words = [name(node.state), `${month(node.m)} : ${OC.count(node.people)} personnes`, MEANS[node.state]];
      const bar = s("rect", { x: node.x, y: node.y, width: 12, height: node.tall, fill: tint(node.state) });
      bar.addEventListener("pointermove", (event) => OC.tip(event, words));
      bar.addEventListener("pointerleave", (event) => OC.tip(event, null));
      root.append(bar, s("text", { x: node.x + 24, y: node.y + Math.min(node.tall / 2 + 4, 15), fill: D.LINE, stroke: "#ffffff", "stroke-width": 3, "paint-order": "stroke", "stroke-linejoin": "round" }, `${name(node.state)} ${OC.count(node.people)}`));
    }
    months.forEach((m, n) => root.append(s("text", { x: n * step + 4, y: 32, fill: D.MUTED, "font-weight": 600 }, month(m))));
    return root;
  }

  async function pathways(state) {
    const every = site().pathways, named = (each) => each.label || each.id;
    if (!every.length) return OC.parts.absent("Parcours", "pathways.csv", "de parcours");
    const ids = [...new Map(every.map((each) => [each.id, each]))].map(([id, each]) => [id, named(each)]).sort((a, b) => a[1].localeCompare(b[1], "fr", { numeric: true }));
    const id = state.i || ids[0][0];
    if (!ids.some(([each]) => each === id)) return OC.app.explain("Ce parcours n’est pas dans cette publication", [`Le lien demande « ${id} ».`], ids.map(([i, words]) => [words, { page: "parcours", i }]));
    const years = every.filter((each) => each.id === id).map((each) => each.year).sort(), year = Number(state.y || years.at(-1));
    if (!years.includes(year)) return OC.app.explain("Cette année n’est pas dans cette publication", ["Années présentes :"], years.map((y) => [String(y), { page: "parcours", i: id, y: String(y) }]));
    const one = await OC.load("pathway", `pathway/${id}.${year}`, `${id}.${year}`), go = (change) => OC.app.go({ page: "parcours", i: id, y: String(year), ...change });
    if (!one) return OC.parts.absent("Parcours", "pathways.csv", "ce parcours");
    const months = [...new Set(one.states.map(([m]) => m))].sort((a, b) => a - b), people = d3.sum(one.states.filter(([m]) => m === months[0]), (row) => row[2]);
    const of = new Map(one.states.map(([m, each, n]) => [m + each, n])), shown = one.flows.filter((flow) => flow[4] !== null), masked = one.flows.length - shown.length;
    const told = d3.sum(shown, (flow) => flow[4]) / (people * (months.length - 1)), kinds = RANK.filter((each) => one.states.some(([, x]) => x === each)), title = `${named(one)}, ${year}`;
    const drawing = sankey({ one, width: 1060, said: "Parcours : les mêmes chiffres sont dans les tableaux dessous" });
    document.title = `${named(one)} – Atlas des maladies chroniques`;
    const lines = () => [["parcours", "libelle", "annee", "mois", "etat", "vers_mois", "vers_etat", "personnes", "statut", "version"],
      ...one.states.map(([m, a, n]) => [one.id, named(one), year, m, name(a), "", "", n, "publié", site().version]),
      ...one.flows.map(([m, a, t, b, n]) => [one.id, named(one), year, m, name(a), t, name(b), n, n === null ? MASKED : "publié", site().version])];
    return h("div", { class: "wide" }, h("div", { class: "head" }, h("h1", {}, named(one)), h("p", { class: "sub" }, `Cas incidents de ${year} : ${OC.count(people)} personnes · France`), h("p", { class: "state" }, OC.views.stateOf(year))),
      h("div", { class: "bar no-print" }, h("div", { class: "field" }, h("label", { for: "parcours" }, "Parcours"), OC.parts.select("parcours", id, ids, (i) => go({ i, y: undefined }))), h("div", { class: "field" }, h("span", { class: "label" }, "Année"), OC.parts.yearButtons(years, year, (y) => go({ y })))),
      h("p", { class: "lead" }, "Dans quel état étaient ces personnes avant et après l’événement, un mois donné : le plus lourd des soins reçus ce mois-là. La largeur d’un trait est le nombre de personnes qui passent d’un état à l’autre."),
      h("div", { class: "scroll-x", tabindex: "0", role: "region", "aria-label": "Diagramme des passages" }, drawing),
      masked ? h("p", { class: "masked" }, `${OC.count(masked)} passages sur ${OC.count(one.flows.length)} sont masqués (hachurés) : de 0 à 10 personnes, ou retirés pour que d’autres ne se déduisent pas. Ce n’est pas zéro. Les traits montrés disent ${percent(told, 1)} des passages.`) : null,
      kinds.filter((each) => MEANS[each]).length ? h("ul", { class: "soft" }, kinds.filter((each) => MEANS[each]).map((each) => h("li", {}, MEANS[each]))) : null,
      downloads(lines, `parcours-${id}-${year}`, drawing, title, [["Parcours", named(one)], ["Année de l’événement", year], ["Mois", "comptés de l’événement ; l’état est le plus lourd des soins du mois"]]),
      h("h2", {}, "États, mois par mois"), h("div", { class: "scroll-x", tabindex: "0", role: "region", "aria-label": "États" }, h("table", { id: "etats" }, h("caption", {}, "Personnes dans chaque état ; une case vide est un état compté avec d’autres, ou où il n’y a personne"), h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "État"), months.map((m) => h("th", { scope: "col", class: "n" }, month(m))))),
        h("tbody", {}, kinds.map((each) => h("tr", {}, h("th", { scope: "row" }, name(each)), months.map((m) => h("td", { class: "n" }, of.has(m + each) ? OC.count(of.get(m + each)) : ""))))))),
      h("h2", {}, "Passages"), months.slice(0, -1).map((m, n) => h("details", { open: n === 1 }, h("summary", {}, `De ${month(m)} à ${month(months[n + 1])}`), h("div", { class: "scroll-x", tabindex: "0", role: "region", "aria-label": `Passages de ${month(m)} à ${month(months[n + 1])}` }, h("table", { class: "passages", "data-month": String(m) }, h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "De"), h("th", { scope: "col" }, "Vers"), h("th", { scope: "col", class: "n" }, "Personnes"), h("th", { scope: "col", class: "n" }, "Part du départ"))),
        h("tbody", {}, one.flows.filter((flow) => flow[0] === m).map(([, a, , b, n_]) => h("tr", {}, h("td", {}, name(a)), h("td", {}, name(b)), n_ === null ? h("td", { class: "n masked", colspan: "2" }, MASKED) : [h("td", { class: "n" }, OC.count(n_)), h("td", { class: "n" }, percent(n_, of.get(m + a)))]))))))));
  }

  // ---- where people are cared for
  const AREA = ["#88ccee", "#cc6677", "#ddcc77", "#44aa99", "#aa4499", "#999933", "#6699cc", "#ee8866", "#77aadd", "#bbcc33", "#ffaabb", "#aaaa00"], ALONE = "#dfe5ea";
  function centre(key) {
    const points = OC.get("outlines", "outlines").panels.filter((panel) => panel.id !== "paris").flatMap((panel) => Object.entries(panel.boxes || {}))
      .filter(([code]) => "d" + code === key || OC.regionOf("d" + code) === key).map(([, [x0, y0, x1, y1]]) => [(x0 + x1) / 2, (y0 + y1) / 2]);
    return points.length ? [d3.mean(points, (p) => p[0]), d3.mean(points, (p) => p[1])] : null;
  }
  async function network(state) {
    const years = site().network_years;
    if (!years.length) return OC.parts.absent("Réseau de soins", "flows.csv", "de zones de recrutement");
    const year = Number(state.y || years.at(-1));
    if (!years.includes(year)) return OC.app.explain("Cette année n’est pas dans cette publication", ["Années présentes :"], years.map((y) => [String(y), { page: "reseau", y: String(y) }]));
    const { level, rows, areas } = await OC.load("network", `network/${year}`, String(year)) || { level: "department", rows: {}, areas: {} };
    const short = level === "region" ? "r" : "d", codes = Object.keys(rows).sort((a, b) => OC.named(short + a).localeCompare(OC.named(short + b), "fr")), t = state.t || "", chosen = t.slice(1);
    if (t && !(t[0] === short && rows[chosen])) return OC.app.explain("Ce territoire n’est pas dans cette vue", [`Le lien demande « ${t} » ; cette publication dit les hospitalisations par ${level === "region" ? "région" : "département"}.`], [["Voir toute la France", { page: "reseau", y: String(year) }]]);
    const where = (code) => OC.named(short + code), go = (change) => OC.app.go({ page: "reseau", y: String(year), t, ...change });
    const members = new Map();
    for (const [code, area] of Object.entries(areas)) members.set(area, [...(members.get(area) || []), code]);
    const several = [...members].filter(([, of]) => of.length > 1).sort((a, b) => b[1].length - a[1].length || a[0].localeCompare(b[0])), colours = new Map(several.map(([area], n) => [area, AREA[n % AREA.length]]));
    const share = (code) => { const row = rows[code]; return row.all && row.to[code] !== undefined ? percent(row.to[code], row.all) : MASKED; };
    const lines = (key) => {
      const code = key.slice(1), row = rows[code];
      if (!row) return [OC.named(key), "Hors de cette publication."];
      if (row.all === null) return [OC.named(key), OC.HIDDEN];
      const away = Object.entries(row.to).filter(([to]) => to !== code).sort((a, b) => b[1] - a[1]).slice(0, 3);
      return [OC.named(key), `${OC.count(row.all)} habitants hospitalisés, sur place : ${share(code)}`, ...away.map(([to, n]) => `vers ${where(to)} : ${OC.count(n)}`), areas[code] && areas[code] !== code ? `Rattaché à ${where(areas[code])}` : null];
    };
    const map = D.map((key) => go({ t: key === t ? "" : key }));
    map.show({ level, colour: (key) => { const code = key.slice(1), row = rows[code]; return !row ? D.ABSENT : row.all === null || !areas[code] ? "url(#hachures)" : colours.get(areas[code]) || ALONE; }, lines, label: (key) => lines(key).filter(Boolean).join(", "), chosen: t, zoom: null, title: "Carte des zones d’attraction" });
    const from = t ? Object.entries(rows[chosen].to).filter(([to]) => to !== chosen) : [], into = t ? codes.filter((code) => code !== chosen && rows[code].to[chosen] !== undefined).map((code) => [code, rows[code].to[chosen]]) : [];
    const largest = d3.max([...from, ...into], ([, n]) => n);
    for (const [list, tint] of [[into, "#143a70"], [from, D.CHOSEN]]) for (const [code, n] of list) {
      const a = centre(t), b = centre(short + code);
      if (a && b) map.root.append(s("line", { x1: a[0], y1: a[1], x2: b[0], y2: b[1], stroke: tint, "stroke-width": (1 + 6 * n / largest).toFixed(1), "stroke-opacity": 0.75, "stroke-linecap": "round", "pointer-events": "none", class: "care-flow" }));
    }
    const table = (id, heads, list) => h("table", { id }, h("thead", {}, h("tr", {}, heads.map((words, n) => h("th", { scope: "col", class: n === heads.length - 1 ? "n" : null }, words)))), h("tbody", {}, list.map((row) => h("tr", {}, row.map((cell, n) => h("td", { class: n === row.length - 1 ? "n" : null }, cell))))));
    const count = (n) => n === null || n === undefined ? MASKED : OC.count(n), ranked = (list) => list.sort((a, b) => b[1] - a[1]).map(([code, n]) => [where(code), OC.count(n)]);
    const exchanges = codes.flatMap((code) => Object.entries(rows[code].to).filter(([to]) => to !== code).map(([to, n]) => [where(code), where(to), n])).sort((a, b) => b[2] - a[2]);
    const file = () => [["annee", "niveau", "code_residence", "residence", "code_soins", "soins", "personnes", "statut", "pole", "version"], ...codes.flatMap((code) => {
      const row = rows[code], line = (to, words, n) => [year, OC.LEVELS[level], code, where(code), to, words, n, n === null ? MASKED : "publié", areas[code] ? where(areas[code]) : "", site().version];
      return [line("", "Ensemble", row.all), ...Object.entries(row.to).map(([to, n]) => line(to, where(to), n)), ...(row.all === null ? [] : [line("", "Autres lieux", row.rest)])];
    })];
    const title = `Où l’on est hospitalisé, ${year}`;
    document.title = "Réseau de soins – Atlas des maladies chroniques";
    return h("div", { class: "wide" }, h("div", { class: "head" }, h("h1", {}, "Où l’on est hospitalisé"), h("p", { class: "sub" }, `Court séjour, ${year}, par ${level === "region" ? "région" : "département"} · chaque personne compte une fois, là où elle a eu le plus de séjours`), h("p", { class: "state" }, OC.views.stateOf(year))),
      h("div", { class: "bar no-print" }, h("div", { class: "field" }, h("span", { class: "label" }, "Année"), OC.parts.yearButtons(years, year, (y) => go({ y }))), h("div", { class: "field" }, h("label", { for: "lieu" }, "Territoire"), OC.parts.select("lieu", t, [["", "Toute la France"], ...codes.map((code) => [short + code, where(code)])], (v) => go({ t: v })))),
      h("p", { class: "lead" }, "Une zone d’attraction réunit les territoires dont les habitants soignés ailleurs le sont le plus souvent chez le même, plus grand (flux dominants, Nystuen et Dacey 1961 : de mémoire, à vérifier dans la source). La couleur ne dit que l’appartenance. Aucun hôpital n’est nommé : un lieu de soins n’est montré que s’il en compte au moins trois."),
      h("div", { class: "two" }, h("div", { class: "map-box" }, map.root, D.legend([...several.slice(0, 12).map(([area]) => [colours.get(area), `Pôle : ${where(area)}`]), [ALONE, "Pôle de lui seul"], ["url(#hachures)", "Masqué : trop peu de personnes"]]), t && (from.length || into.length) ? D.legend([[D.CHOSEN, `Habitants soignés ailleurs`], ["#143a70", "Venus s’y faire soigner"]]) : null, h("p", { class: "credit" }, map.credit)),
        h("div", { class: "reading" }, t ? [h("h2", {}, where(chosen)), rows[chosen].all === null ? h("p", { class: "masked" }, OC.HIDDEN) : [h("p", {}, h("strong", { class: "big" }, OC.count(rows[chosen].all)), " habitants hospitalisés, dont sur place : ", h("strong", {}, share(chosen))),
            table("vers", ["Soignés en", "Personnes"], [...ranked(Object.entries(rows[chosen].to)), ["Autres lieux, ensemble", count(rows[chosen].rest)]])],
            h("h2", {}, "Venus d’ailleurs"), into.length ? table("de", ["Résidents de", "Personnes"], ranked(into)) : h("p", { class: "soft" }, "Aucun flux publié vers ce territoire : trop peu de personnes, ou trop peu d’hôpitaux.")]
          : [h("h2", {}, "Principaux échanges"), exchanges.length ? table("echanges", ["Résidents de", "Soignés en", "Personnes"], exchanges.slice(0, 25).map(([a, b, n]) => [a, b, OC.count(n)])) : h("p", { class: "soft" }, "Aucun échange n’est publié : trop peu de personnes.")],
          h("h2", {}, "Zones d’attraction"), several.length ? h("ul", { id: "zones" }, several.map(([area, of]) => h("li", {}, h("strong", {}, where(area)), " : ", of.filter((code) => code !== area).map(where).sort((a, b) => a.localeCompare(b, "fr")).join(", ")))) : h("p", { class: "soft" }, "Chaque territoire soigne surtout les siens, d’après ce qui est publié."))),
      downloads(file, `hospitalisations-${year}`, map.root, title, [["Année", year], ["Comptés", "personnes hospitalisées en court séjour, une fois, là où elles ont eu le plus de séjours"]]));
  }

  Object.assign(OC.pages, { parcours: pathways, reseau: network });
  return { sankey };
})();
