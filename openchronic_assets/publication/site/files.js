"use strict";
// Files to take away: CSV for a French spreadsheet, XLSX, SVG, PNG.
OC.files = (() => {
  const HEAD = ["indicateur", "libelle", "condition", "annee", "niveau", "code", "territoire", "sexe", "age",
    "denominateur_type", "standardisation", "numerateur", "denominateur", "valeur", "borne_basse", "borne_haute",
    "statut", "raison", "echelle", "unite_affichee", "etat_des_donnees", "version"];
  const BOOK = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";
  const STATUS = { ".": "publié", s: "masqué", a: "absent", "-": "non publié" };

  // All cells of the view's slice: each territory and year, by the chosen method.
  function rows(view) {
    const { card, slice, std, key } = view, site = OC.get("site", "site"), found = [];
    for (const place of slice.places) for (const year of slice.years) {
      const cell = OC.cell(slice, std, place, year), where = OC.place(place) || { level: "", code: place, label: place };
      if (cell.status === "-") continue;
      found.push([card.id, OC.text(card.label), key[0], year, where.level, where.code, where.label, key[2], key[3], key[1], std,
        cell.num ?? null, cell.den ?? null, cell.value ?? null, cell.low ?? null, cell.high ?? null,
        STATUS[cell.status], cell.status === "." ? "" : OC.reason(cell.reason || ""), card.scale ?? 1, card.unit || "", OC.state(year), site.version]);
    }
    return found;
  }
  const plain = (x) => String(x).replace(".", ",");
  function quoted(x) {
    if (x === null || x === undefined) return "";
    if (typeof x === "number") return plain(x);
    // A text that a spreadsheet would take for a formula is told as text.
    const text = /^[=+\-@\t\r]/.test(x) ? "'" + x : x;
    return /[;"\n\r]/.test(text) ? '"' + text.replaceAll('"', '""') + '"' : text;
  }
  const csv = (lines) => "\ufeff" + lines.map((row) => row.map(quoted).join(";")).join("\r\n") + "\r\n";

  const escaped = (text) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;")
    .replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f]/g, "");
  function sheet(lines) {
    const body = lines.map((row) => "<row>" + row.map((x) => x === null || x === undefined || x === "" ? "<c/>"
      : typeof x === "number" ? `<c><v>${x}</v></c>`
      : `<c t="inlineStr"><is><t xml:space="preserve">${escaped(String(x))}</t></is></c>`).join("") + "</row>").join("");
    return `<?xml version="1.0" encoding="UTF-8" standalone="yes"?><worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>${body}</sheetData></worksheet>`;
  }
  function about({ card }) {
    const site = OC.get("site", "site"), t = OC.text;
    return [["Indicateur", t(card.label)], ["Identifiant", card.id], ["Version de l’indicateur", String(card.version || "")],
      ["Numérateur", t(card.numerator)], ["Dénominateur", t(card.denominator)], ["Limites", t(card.limits)],
      ["Échelle", "valeur affichée = valeur × " + (card.scale ?? 1)], ["Cellules masquées", OC.HIDDEN], ["Publication", site.version],
      ...Object.entries(site.states).map(([year, s]) => ["Données " + year, (OC.STATES[s] || s) + (OC.until(year) ? ", " + OC.until(year) : "")])];
  }
  // A workbook of two sheets: the lines, and what is said of them.
  function xlsx(lines, said) {
    const R = "http://schemas.openxmlformats.org/officeDocument/2006/relationships", P = "http://schemas.openxmlformats.org/package/2006";
    const parts = {
      "[Content_Types].xml": `<?xml version="1.0" encoding="UTF-8"?><Types xmlns="${P}/content-types"><Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/><Default Extension="xml" ContentType="application/xml"/><Override PartName="/xl/workbook.xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"/><Override PartName="/xl/worksheets/sheet1.xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.worksheet+xml"/><Override PartName="/xl/worksheets/sheet2.xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.worksheet+xml"/></Types>`,
      "_rels/.rels": `<?xml version="1.0" encoding="UTF-8"?><Relationships xmlns="${P}/relationships"><Relationship Id="r1" Type="${R}/officeDocument" Target="xl/workbook.xml"/></Relationships>`,
      "xl/workbook.xml": `<?xml version="1.0" encoding="UTF-8"?><workbook xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main" xmlns:r="${R}"><sheets><sheet name="Données" sheetId="1" r:id="r1"/><sheet name="Définition" sheetId="2" r:id="r2"/></sheets></workbook>`,
      "xl/_rels/workbook.xml.rels": `<?xml version="1.0" encoding="UTF-8"?><Relationships xmlns="${P}/relationships"><Relationship Id="r1" Type="${R}/worksheet" Target="worksheets/sheet1.xml"/><Relationship Id="r2" Type="${R}/worksheet" Target="worksheets/sheet2.xml"/></Relationships>`,
      "xl/worksheets/sheet1.xml": sheet(lines),
      "xl/worksheets/sheet2.xml": sheet(said),
    };
    return fflate.zipSync(Object.fromEntries(Object.entries(parts).map(([name, text]) => [name, fflate.strToU8(text)])));
  }

  function save(name, content, type) {
    const link = document.createElement("a"), url = URL.createObjectURL(new Blob([content], { type }));
    link.href = url; link.download = name;
    document.body.append(link); link.click(); link.remove();
    setTimeout(() => URL.revokeObjectURL(url), 4000);
  }
  // A drawing alone: its title, its source and its legend come with it.
  function alone(svg, title, source, legend) {
    const box = svg.viewBox.baseVal && svg.viewBox.baseVal.width ? svg.viewBox.baseVal : { x: 0, y: 0, width: svg.clientWidth, height: svg.clientHeight };
    const copy = svg.cloneNode(true), { s } = OC, room = 46, row = 18;
    for (const each of copy.querySelectorAll("[tabindex],[role],[aria-label]")) for (const a of ["tabindex", "role", "aria-label"]) each.removeAttribute(a);
    const scale = box.width / Math.max(box.width, 1), under = 26 + row * legend.length;
    const around = s("svg", { xmlns: "http://www.w3.org/2000/svg", viewBox: `0 0 ${box.width} ${box.height + room + under}`,
      width: box.width * scale, height: (box.height + room + under) * scale, "font-family": "sans-serif" });
    copy.setAttribute("x", 0); copy.setAttribute("y", room); copy.setAttribute("width", box.width); copy.setAttribute("height", box.height);
    copy.setAttribute("viewBox", `${box.x} ${box.y} ${box.width} ${box.height}`);
    const size = Math.max(8, Math.min(16, box.width / (title.length * 0.52)));
    around.append(s("rect", { width: "100%", height: "100%", fill: "#ffffff" }), s("text", { x: 8, y: 24, "font-size": size, "font-weight": 700 }, title), copy);
    legend.forEach(([colour, words], n) => {
      const y = box.height + room + 6 + n * row;
      around.append(s("rect", { x: 8, y, width: 22, height: 12, fill: colour, stroke: "#8a96a3" }), s("text", { x: 38, y: y + 11, "font-size": 11 }, words));
    });
    around.append(s("text", { x: 8, y: box.height + room + under - 8, "font-size": Math.max(6, Math.min(9, box.width / (source.length * 0.5))), fill: "#5b6b7a" }, source));
    return around;
  }
  const text = (svg) => '<?xml version="1.0" encoding="UTF-8"?>\n' + new XMLSerializer().serializeToString(svg);
  function png(svg, name) {
    const picture = new Image(), w = svg.viewBox.baseVal.width, t = svg.viewBox.baseVal.height, k = Math.max(2, 1400 / w);
    const url = URL.createObjectURL(new Blob([text(svg)], { type: "image/svg+xml" }));
    picture.onload = () => {
      const canvas = document.createElement("canvas");
      canvas.width = Math.round(w * k); canvas.height = Math.round(t * k);
      canvas.getContext("2d").drawImage(picture, 0, 0, canvas.width, canvas.height);
      canvas.toBlob((blob) => { save(name, blob, "image/png"); URL.revokeObjectURL(url); });
    };
    picture.src = url;
  }
  return {
    csv: (view, name) => save(name + ".csv", csv([HEAD, ...rows(view)]), "text/csv;charset=utf-8"),
    xlsx: (view, name) => save(name + ".xlsx", xlsx([HEAD, ...rows(view)], about(view)), BOOK),
    csvOf: (lines, name) => save(name + ".csv", csv(lines), "text/csv;charset=utf-8"),
    xlsxOf: (lines, said, name) => save(name + ".xlsx", xlsx(lines, said), BOOK),
    svg: (drawing, name) => save(name + ".svg", text(drawing), "image/svg+xml"),
    png: (drawing, name) => png(drawing, name + ".png"),
    alone,
  };
})();
