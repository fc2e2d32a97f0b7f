"use strict";
// Search in the dictionary: every word must be found, accents and capitals apart. The words are in
// the address, so that a search can be sent to somebody.
(() => {
  const MOST = 150;
  const { tables, columns, layers } = DICTIONARY;
  const fold = (text) => text.normalize("NFD").replace(/[\u0300-\u036f]/g, "").toLowerCase();
  // A name is found by its parts too: "care date" finds care_date.
  const texts = columns.map((c) => {
    const t = tables[c.t];
    return { name: fold(c.n), all: fold([c.n, c.n.replaceAll("_", " "), c.fr, c.en, (c.snds || []).join(" "), (c.via || []).join(" "), t.n, t.fr, t.en].join(" ")),
      own: fold([c.n, c.n.replaceAll("_", " "), c.fr, c.en, (c.snds || []).join(" ")].join(" ")) };
  });
  const input = document.getElementById("mot"), layer = document.getElementById("couche");
  const results = document.getElementById("resultats"), count = document.getElementById("compte");
  const h = (tag, text, name) => { const made = document.createElement(tag); if (text) made.textContent = text; if (name) made.className = name; return made; };
  const whole = new Intl.NumberFormat("fr-FR");
  function read() {
    const query = new URLSearchParams(location.hash.slice(1));
    return { q: query.get("q") || "", l: query.get("l") || "", t: query.get("t") || "" };
  }
  function search({ q, l, t }) {
    const words = fold(q).split(/\s+/).filter(Boolean), found = [];
    columns.forEach((c, n) => {
      const table = tables[c.t];
      if (t && table.n !== t) return;
      if (l && table.l !== l) return;
      const text = texts[n];
      if (!words.every((word) => text.all.includes(word))) return;
      // Nearer first: the name itself, then what is said of the column, then its table.
      const score = words.length && text.name === words.join("_") ? 0 : words.every((w) => text.name.includes(w)) ? 1
        : text.own.includes(words.join(" ")) ? 2 : words.every((w) => text.own.includes(w)) ? 3 : 4;
      found.push([score, layers.findIndex(([key]) => key === table.l), n]);
    });
    return found.sort((a, b) => a[0] - b[0] || a[1] - b[1] || a[2] - b[2]).map(([, , n]) => columns[n]);
  }
  function show() {
    const asked = read();
    if (document.activeElement !== input) input.value = asked.q;
    layer.value = asked.l;
    const found = asked.q || asked.l || asked.t ? search(asked) : [];
    results.replaceChildren();
    if (!asked.q && !asked.l && !asked.t) {
      count.textContent = "Écrivez un mot : « dépense », « end_date », « EXE_SOI_DTD »… ou choisissez une table.";
      for (const [key, words] of layers) {
        const list = h("p");
        for (const table of tables.filter((each) => each.l === key)) { const a = h("a", table.n); a.href = "#t=" + encodeURIComponent(table.n); list.append(a, " "); }
        results.append(h("h2", words), list);
      }
      return;
    }
    count.textContent = found.length ? `${whole.format(found.length)} colonne${found.length > 1 ? "s" : ""}${found.length > MOST ? `, les ${MOST} premières sont montrées : précisez` : ""}.`
      : "Rien ne correspond. Essayez un mot plus court, le nom anglais de la colonne, ou son nom SNDS.";
    if (asked.t && tables.some((each) => each.n === asked.t)) {
      const table = tables.find((each) => each.n === asked.t);
      results.append(h("h2", table.n), h("p", table.fr), h("p", table.en, "en"), h("p", [table.rule, table.rows === null || table.rows === undefined ? "" : `${whole.format(table.rows)} lignes dans la construction courante`, table.years ? "Années : " + table.years : ""].filter(Boolean).join(". ")));
    }
    if (!found.length) return;
    const made = h("table"), head = h("tr"), body = h("tbody"), top = h("thead");
    for (const words of ["Colonne", "Table", "Ce qu’elle dit", "Source SNDS", "Années", "Contrôles"]) { const th = h("th", words); th.scope = "col"; head.append(th); }
    top.append(head);
    for (const c of found.slice(0, MOST)) {
      const table = tables[c.t], row = h("tr"), name = h("td"), where = h("td"), says = h("td"), source = h("td"), checks = h("td");
      name.append(h("code", c.n), h("br"), h("span", c.y, "en"));
      const link = h("a", table.n); link.href = "#t=" + encodeURIComponent(table.n); where.append(link);
      says.append(h("div", c.fr || "–"), h("div", c.en, "en"));
      for (const each of c.snds || []) source.append(h("code", each), " ");
      if (!(c.snds || []).length && (c.via || []).length) { source.append(h("span", "d’après la colonne de même nom en amont : ", "en")); for (const each of c.via) source.append(h("code", each), " "); }
      for (const each of c.q || []) checks.append(h("span", each, "tag"));
      row.append(name, where, says, source, h("td", c.a || table.years || ""), checks);
      body.append(row);
    }
    made.append(top, body);
    results.append(made);
  }
  let typed = null;
  function write() {
    const query = new URLSearchParams();
    if (input.value) query.set("q", input.value);
    if (layer.value) query.set("l", layer.value);
    history.replaceState(null, "", "#" + query.toString());
    show();
  }
  input.addEventListener("input", () => { clearTimeout(typed); typed = setTimeout(write, 80); });
  layer.addEventListener("change", write);
  addEventListener("hashchange", show);
  show();
})();
