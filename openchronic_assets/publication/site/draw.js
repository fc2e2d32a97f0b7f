"use strict";
// Drawings: the map, and the charts of Observable Plot. Colours are apart for all kinds of sight.
OC.draw = (() => {
  const { h, s } = OC;
  const CLASSES = ["#dce8f5", "#aac5e6", "#6f9bd1", "#386eb0", "#143a70"];
  const ABSENT = "#f4f6f7"; // not told at all: plain, with its outline
  const SIDE = { "-1": "#e08214", 0: "#d5d5da", 1: "#6a4fa3" };
  const LINE = "#1b2733", MUTED = "#5b6b7a", NATION = "#b3261e", CHOSEN = "#d9480f";
  const FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Liberation Sans', sans-serif";

  function hatch(id, colour, turned) {
    return s("pattern", { id, width: 6, height: 6, patternUnits: "userSpaceOnUse", patternTransform: `rotate(${turned})` },
      s("rect", { width: 6, height: 6, fill: "#ffffff" }),
      s("line", { x1: 0, y1: 0, x2: 0, y2: 6, stroke: colour, "stroke-width": 2.6 }));
  }

  // The map is made once; a change only colours it.
  function map(onChoose) {
    const frame = OC.get("outlines", "outlines");
    const root = s("svg", { class: "map", viewBox: `0 0 ${frame.width} ${frame.height}`, role: "group",
      "aria-label": "Carte", "font-family": FONT, xmlns: "http://www.w3.org/2000/svg" });
    root.append(s("defs", {}, hatch("hachures", "#8a96a3", 45)));
    const shapes = new Map(); // department → paths
    const labels = s("g", {}), borders = s("g", { fill: "none", stroke: LINE, "stroke-width": 0.9, "pointer-events": "none" });
    for (const panel of frame.panels) {
      const group = s("g", { "data-panel": panel.id });
      const [x, y, width, height] = panel.box;
      if (panel.id !== "main") {
        labels.append(s("text", { x: x + width / 2, y: y + height + 9, "font-size": 9, fill: MUTED, "text-anchor": "middle", "data-inset": "" }, panel.label));
      }
      for (const [code, d] of Object.entries(panel.shapes)) {
        const path = s("path", { d, "data-code": code, stroke: "#ffffff", "stroke-width": 0.6, "stroke-linejoin": "round", "vector-effect": "non-scaling-stroke", "data-again": panel.id === "paris" ? "" : null });
        if (!shapes.has(code)) shapes.set(code, []);
        shapes.get(code).push(path);
        group.append(path);
      }
      borders.append(s("path", { d: panel.borders, "vector-effect": "non-scaling-stroke" }));
      root.append(group);
    }
    const mark = s("g", { fill: "none", stroke: CHOSEN, "stroke-width": 2.2, "pointer-events": "none" });
    const inset = s("rect", { x: 0, y: 0, width: 0, height: 0 });
    root.append(borders, labels, mark, inset);

    let shown = null;
    const keyOf = (code) => shown && shown.level === "region" ? OC.regionOf("d" + code) || "d" + code : "d" + code;
    const from = (event) => event.target.closest && event.target.closest("path[data-code]");
    root.addEventListener("pointermove", (event) => {
      const path = from(event);
      if (path && shown) OC.tip(event, shown.lines(keyOf(path.dataset.code)));
      else OC.tip(event, null);
    });
    root.addEventListener("pointerleave", (event) => OC.tip(event, null));
    root.addEventListener("click", (event) => { const path = from(event); if (path) onChoose(keyOf(path.dataset.code)); });
    // One stop for the tab key; arrows go to the nearest place that way, Enter chooses.
    root.addEventListener("keydown", (event) => {
      const path = from(event);
      if (!path || !shown) return;
      if (event.key === "Enter" || event.key === " ") { event.preventDefault(); onChoose(keyOf(path.dataset.code)); return; }
      const way = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
      if (!way) return;
      event.preventDefault();
      const next = nearest(path, way);
      if (next) { stop(next); next.focus(); OC.say(next.getAttribute("aria-label")); }
    });
    root.addEventListener("focusin", (event) => { const p = from(event); if (p) p.setAttribute("stroke", LINE), p.setAttribute("stroke-width", 2); });
    root.addEventListener("focusout", (event) => { const p = from(event); if (p) edge(p); });
    function edge(path) { path.setAttribute("stroke", path.getAttribute("fill") === ABSENT ? "#c3ccd4" : shown && shown.level === "region" ? path.getAttribute("data-colour") : "#ffffff"); path.setAttribute("stroke-width", 0.6); }
    const middles = new Map();
    function middle(path) {
      if (!middles.has(path)) { const b = path.getBBox(); middles.set(path, [b.x + b.width / 2, b.y + b.height / 2]); }
      return middles.get(path);
    }
    function nearest(path, [dx, dy]) {
      const [x, y] = middle(path);
      let best = null, least = Infinity;
      for (const other of root.querySelectorAll("path[tabindex]")) {
        if (other === path) continue;
        const [a, b] = middle(other), along = (a - x) * dx + (b - y) * dy, across = Math.abs((a - x) * dy) + Math.abs((b - y) * dx);
        if (along > 2 && along + 2 * across < least) { least = along + 2 * across; best = other; }
      }
      return best;
    }
    function stop(path) {
      for (const each of root.querySelectorAll('path[tabindex="0"]')) each.setAttribute("tabindex", "-1");
      path.setAttribute("tabindex", "0");
    }

    // view: {level, colour(key), lines(key), label(key), chosen, zoom}
    function show(view) {
      shown = view;
      root.setAttribute("aria-label", view.title);
      const chosen = [], seen = new Set();
      let first = null;
      for (const [code, paths] of shapes) {
        const key = keyOf(code), colour = view.colour(key);
        const doubled = view.level === "region" && seen.has(key);
        seen.add(key);
        for (const path of paths) {
          path.setAttribute("fill", colour);
          path.setAttribute("data-colour", colour.startsWith("url") ? "#ffffff" : colour);
          edge(path);
          const outside = view.zoom && OC.regionOf("d" + code) !== view.zoom;
          path.setAttribute("opacity", outside ? 0.25 : 1);
          if (doubled || path.hasAttribute("data-again")) {
            path.removeAttribute("tabindex"); path.removeAttribute("role"); path.removeAttribute("aria-label"); path.setAttribute("aria-hidden", "true");
          } else {
            path.removeAttribute("aria-hidden");
            path.setAttribute("tabindex", "-1");
            path.setAttribute("role", "button");
            path.setAttribute("aria-label", view.label(key));
            if (!first || key === view.chosen) first = path;
          }
          if (key === view.chosen) chosen.push(path);
        }
      }
      if (first) first.setAttribute("tabindex", "0");
      borders.setAttribute("stroke", view.level === "region" ? "#ffffff" : LINE);
      borders.setAttribute("stroke-width", view.level === "region" ? 1.2 : 0.7);
      mark.replaceChildren(...(view.level === "region" ? [] : chosen.map((path) => s("path", { d: path.getAttribute("d"), "vector-effect": "non-scaling-stroke" }))));
      if (view.level === "region") for (const path of chosen) { path.setAttribute("stroke", CHOSEN); path.setAttribute("stroke-width", 1.6); }
      // Closer on a region.
      const box = view.zoom && zoomed(view.zoom);
      root.setAttribute("viewBox", box ? box.join(" ") : `0 0 ${frame.width} ${frame.height}`);
      root.classList.toggle("near", Boolean(box));
    }
    function zoomed(region) {
      const boxes = frame.panels.filter((p) => p.id !== "paris").flatMap((p) => Object.entries(p.boxes || {}))
        .filter(([code]) => OC.regionOf("d" + code) === region).map(([, box]) => box);
      if (!boxes.length) return null;
      const x = Math.min(...boxes.map((b) => b[0])), y = Math.min(...boxes.map((b) => b[1]));
      const w = Math.max(...boxes.map((b) => b[2])) - x, t = Math.max(...boxes.map((b) => b[3])) - y;
      const room = Math.max(w, t * frame.width / frame.height) * 0.12 + 4;
      return [x - room, y - room, w + 2 * room, t + 2 * room];
    }
    return { root, show, credit: frame.credit };
  }

  // Limits of five classes: the same over the years, so that a colour keeps its meaning.
  function classes(values) {
    const sorted = values.filter((v) => v !== null && v !== undefined).sort(d3.ascending);
    if (!sorted.length) return { limits: [], of: () => 0, low: null, high: null };
    const limits = [0.2, 0.4, 0.6, 0.8].map((q) => d3.quantileSorted(sorted, q));
    return { limits, of: (v) => d3.bisectRight(limits, v), low: sorted[0], high: sorted[sorted.length - 1] };
  }

  function legend(items) {
    return h("ul", { class: "legend" }, items.map(([colour, words]) => h("li", {}, swatch(colour), h("span", {}, words))));
  }
  function swatch(colour) {
    const box = s("svg", { width: 18, height: 12, "aria-hidden": "true" });
    const own = "motif" + Math.random().toString(36).slice(2, 8);
    if (colour.startsWith("url")) {
      box.append(s("defs", {}, hatch(own, "#8a96a3", 45)));
      colour = `url(#${own})`;
    }
    box.append(s("rect", { width: 18, height: 12, fill: colour, stroke: "#8a96a3", "stroke-width": 0.6 }));
    return box;
  }

  // Plot puts its rules of style into the drawing; the strict policy forbids that, atlas.css has them.
  function plot(options) {
    const drawn = Plot.plot({ className: "plot", style: { fontFamily: FONT, fontSize: "12px" }, ...options });
    for (const each of [drawn, ...drawn.querySelectorAll("*")]) if (each.tagName === "style") each.remove();
    drawn.setAttribute("role", "img");
    if (options.said) drawn.setAttribute("aria-label", options.said);
    for (const each of drawn.querySelectorAll("[aria-label],[aria-description]")) {
      // Inside one picture with its own words these would be read as loose names.
      each.removeAttribute("aria-label"); each.removeAttribute("aria-description");
    }
    return drawn;
  }

  const scaledRows = (rows, indicator, std) => rows.map((row) => ({
    ...row, v: OC.scaled(indicator, row.value, std), lo: row.low === null ? null : OC.scaled(indicator, row.low, std),
    hi: row.high === null ? null : OC.scaled(indicator, row.high, std),
  }));
  const tick = (v) => OC.exact.format(Math.round(v * 1e6) / 1e6).replace("-", "−");
  const axis = (indicator, std) => std === "indirect" ? "rapport à la France" : indicator.unit || "";

  function bars({ rows, indicator, std, nation, colour, chosen, onChoose, said, width, lines }) {
    const data = scaledRows(rows, indicator, std).sort((a, b) => d3.descending(a.v, b.v) || a.label.localeCompare(b.label, "fr"));
    const top = OC.scaled(indicator, nation, std);
    const names = new Map(data.map((row) => [row.key, row.label])), top_ = OC.long(indicator) || std === "indirect" ? 44 : 24;
    const marks = [
      Plot.barX(data, { x: "v", y: "key", fill: (row) => colour(row), insetTop: 1, insetBottom: 1 }),
      // On a light ground, so that it shows on a dark bar too.
      Plot.ruleY(data.filter((row) => row.lo !== null), { x1: "lo", x2: "hi", y: "key", stroke: "#ffffff", strokeWidth: 3 }),
      Plot.ruleY(data.filter((row) => row.lo !== null), { x1: "lo", x2: "hi", y: "key", stroke: LINE, strokeWidth: 1.2 }),
      Plot.text(data, { frameAnchor: "right", y: "key", text: (row) => OC.value(indicator, row.value, std, OC.long(indicator)), textAnchor: "end", dx: 56, fontSize: 11, fontWeight: (row) => row.key === chosen ? 700 : 400 }),
    ];
    if (nation !== null && nation !== undefined) marks.push(Plot.ruleX([top], { stroke: NATION, strokeWidth: 1.6, strokeDasharray: "4,3" }));
    const drawn = plot({
      said, width, height: top_ + 15 * data.length + 6, marginLeft: 158, marginRight: 62, marginTop: top_, marginBottom: 6,
      x: { axis: "top", ticks: 4, label: std === "indirect" || OC.long(indicator) ? axis(indicator, std) : null, labelOffset: 36, tickFormat: tick, zero: true, grid: true },
      y: { label: null, domain: data.map((row) => row.key), tickSize: 0, tickFormat: (key) => short(names.get(key)) },
      marks,
    });
    drawn.dataset.chosen = data.findIndex((row) => row.key === chosen) < 0 ? "" : String((top_ + 15 * data.findIndex((row) => row.key === chosen)) / (top_ + 15 * data.length + 6));
    drawn.addEventListener("pointermove", (event) => { const row = at(event); OC.tip(event, row && lines(row.key)); });
    drawn.addEventListener("pointerleave", (event) => OC.tip(event, null));
    drawn.addEventListener("click", (event) => { const row = at(event); if (row) onChoose(row.key); });
    function at(event) {
      const box = drawn.getBoundingClientRect(), tall = top_ + 15 * data.length + 6;
      return data[Math.floor(((event.clientY - box.top) * tall / box.height - top_) / 15)] || null;
    }
    return drawn;
  }
  const short = (text) => text && text.length > 23 ? text.slice(0, 22) + "…" : text || "";

  function trend({ series, indicator, std, said, width, height }) {
    // A year without a value cuts the line.
    const data = series.flatMap((line) => scaledRows(line.points.map((p) => p.status === "." ? p : { year: p.year, status: p.status, value: NaN, low: null, high: null }), indicator, std).map((p) => ({ ...p, name: line.label, tint: line.tint })));
    if (!data.length) return null;
    const years = [...new Set(data.map((p) => p.year))].sort();
    if (!data.some((p) => p.v === p.v)) return null;
    const low = d3.min(data, (p) => p.lo ?? p.v), high = d3.max(data, (p) => p.hi ?? p.v);
    const ends = series.map((line) => data.filter((p) => p.name === line.label && p.v === p.v).at(-1)).filter(Boolean);
    return plot({
      said, width, height: height || 300, marginRight: 150, marginLeft: 56, marginTop: 26,
      x: { domain: [years[0], years.at(-1) === years[0] ? years[0] + 1 : years.at(-1)], ticks: years, tickFormat: (y) => String(y), label: null },
      y: { domain: [Math.min(0, low) || (low > 0.6 * high ? low * 0.9 : 0), high * 1.05], label: axis(indicator, std), tickFormat: tick, grid: true, ticks: 5, nice: true },
      marks: [
        Plot.areaY(data.map((p) => ({ ...p, lo: p.lo ?? NaN, hi: p.hi ?? NaN })), { x: "year", y1: "lo", y2: "hi", z: "name", fill: "tint", fillOpacity: 0.14 }),
        Plot.lineY(data, { x: "year", y: "v", z: "name", stroke: "tint", strokeWidth: 2 }),
        Plot.dot(data, { x: "year", y: "v", fill: "tint", r: 3 }),
        Plot.text(apart(ends, high * 1.05, height || 300), { x: "year", y: "at", text: (p) => short(p.name), textAnchor: "start", dx: 8, fill: "tint", fontWeight: 600 }),
      ],
    });
  }

  // Names at the end of lines, pushed apart where they would lie on each other.
  function apart(ends, top, height) {
    const room = top * 17 / (height - 60), sorted = ends.map((p) => ({ ...p, at: p.v })).sort((a, b) => a.at - b.at);
    for (let n = 1; n < sorted.length; n += 1) sorted[n].at = Math.max(sorted[n].at, sorted[n - 1].at + room);
    const over = Math.max(0, sorted.length ? sorted.at(-1).at - top : 0);
    return sorted.map((p) => ({ ...p, at: p.at - over }));
  }

  // Quantiles of a binomial or Poisson law around the national value; the normal law where it is
  // as good (a variance above 2,000).
  function quantile(law, n, p, share) {
    const mean = n * p, variance = law === "binomial" ? n * p * (1 - p) : n * p;
    const z = { 0.001: -3.0902, 0.025: -1.96, 0.975: 1.96, 0.999: 3.0902 }[share];
    if (variance > 2000) return Math.max(0, mean + z * Math.sqrt(variance));
    let k = Math.max(0, Math.floor(mean - 12 * Math.sqrt(variance) - 12)), sum = 0;
    const top = law === "binomial" ? Math.floor(n) : Infinity;
    let term = Math.exp(law === "binomial"
      ? gamma(n + 1) - gamma(k + 1) - gamma(n - k + 1) + k * Math.log(p) + (n - k) * Math.log1p(-p)
      : k * Math.log(mean) - mean - gamma(k + 1));
    for (; k <= top; k += 1) {
      sum += term;
      if (sum >= share) return k;
      term *= law === "binomial" ? (n - k) / (k + 1) * p / (1 - p) : mean / (k + 1);
      if (term < 1e-300 && k > mean) return k;
    }
    return top;
  }
  function gamma(x) { // logarithm of the gamma function (Lanczos)
    const c = [676.5203681218851, -1259.1392167224028, 771.3234287776531, -176.6150291621406, 12.507343278686905, -0.13857109526572012, 9.984369578019572e-6, 1.5056327351493116e-7];
    let a = 0.9999999999998099;
    x -= 1;
    c.forEach((each, n) => { a += each / (x + n + 1); });
    const t = x + 7.5;
    return 0.9189385332046727 + (x + 0.5) * Math.log(t) - t + Math.log(a);
  }
  function funnelOf(rows, law, target) {
    const sizes = rows.map((row) => row.den).filter((n) => n > 0);
    if (sizes.length < 3 || !(target > 0) || (law === "binomial" && target >= 1)) return null;
    const low = Math.max(1, d3.min(sizes) * 0.8), high = d3.max(sizes) * 1.05;
    const grid = d3.range(48).map((n) => low * (high / low) ** (n / 47));
    const lines = grid.map((n) => {
      const whole = law === "binomial" ? Math.round(n) : n, at = (share) => quantile(law, whole, target, share) / whole;
      return { n: whole, a: at(0.001), b: at(0.025), c: at(0.975), d: at(0.999) };
    });
    // More spread than chance: the scores' mean square, tails cut at 10 %, as an added variance.
    const error = (n) => Math.sqrt((law === "binomial" ? target * (1 - target) : target) / n);
    const z = rows.filter((row) => row.den > 0).map((row) => (row.value - target) / error(row.den)).sort(d3.ascending);
    const cut = [d3.quantileSorted(z, 0.1), d3.quantileSorted(z, 0.9)];
    const k = z.length, phi = d3.mean(z, (each) => Math.min(Math.max(each, cut[0]), cut[1]) ** 2);
    const w = rows.filter((row) => row.den > 0).map((row) => 1 / error(row.den) ** 2);
    const spread = phi > 1 + 2 * Math.sqrt(2 / k)
      ? Math.max(0, (k * phi - (k - 1)) / (d3.sum(w) - d3.sum(w, (each) => each * each) / d3.sum(w))) : 0;
    return { lines, phi, spread, error };
  }
  function funnel({ rows, indicator, target, law, colour, chosen, onChoose, lines, said, width }) {
    const made = funnelOf(rows, law, target);
    if (!made) return null;
    const k = indicator.scale || 1;
    const curve = (name, dash) => Plot.line(made.lines, { x: "n", y: (p) => p[name] * k, stroke: MUTED, strokeDasharray: dash, curve: "linear" });
    const wide = made.spread ? made.lines.map((p) => { const e = Math.sqrt(made.error(p.n) ** 2 + made.spread); return { n: p.n, a: Math.max(0, target - 3.09 * e) * k, d: (target + 3.09 * e) * k }; }) : [];
    const data = rows.filter((row) => row.den > 0).map((row) => ({ ...row, v: row.value * k }));
    const drawn = plot({
      said, width, height: 380, marginLeft: 56, marginTop: 26, marginRight: 20, marginBottom: 42,
      x: { type: "log", label: "dénominateur (échelle logarithmique)", labelAnchor: "center", labelArrow: "none", tickFormat: (n) => OC.count(n), ticks: 5, grid: true },
      y: { label: axis(indicator, "none"), grid: true, tickFormat: tick },
      marks: [
        curve("a", "1,3"), curve("d", "1,3"), curve("b", "5,4"), curve("c", "5,4"),
        ...(wide.length ? [Plot.areaY(wide, { x: "n", y1: "a", y2: "d", fill: "#7fa6d6", fillOpacity: 0.13 })] : []),
        Plot.ruleY([target * k], { stroke: NATION, strokeDasharray: "4,3", strokeWidth: 1.5 }),
        Plot.dot(data, { x: "den", y: "v", r: (row) => row.key === chosen ? 7 : 4.2, fill: (row) => colour(row), stroke: LINE, strokeWidth: 0.7 }),
        Plot.text(data.filter((row) => row.key === chosen), { x: "den", y: "v", text: "label", dy: -13, fontWeight: 700 }),
      ],
    });
    const dots = [...drawn.querySelectorAll("circle")];
    // Plot draws the largest dots first: their data come with them.
    const of = (event) => { const n = dots.indexOf(event.target); return n < 0 ? null : data[event.target.__data__ ?? n]; };
    drawn.addEventListener("pointermove", (event) => { const row = of(event); OC.tip(event, row && lines(row.key)); });
    drawn.addEventListener("pointerleave", (event) => OC.tip(event, null));
    drawn.addEventListener("click", (event) => { const row = of(event); if (row) onChoose(row.key); });
    return { drawn, phi: made.phi, spread: made.spread };
  }

  return { map, classes, legend, bars, trend, funnel, plot, hatch, CLASSES, ABSENT, SIDE, NATION, CHOSEN, LINE, MUTED, FONT, tick };
})();
