"use strict";
// The router: the address says what is shown, and nothing else does.
OC.app = (() => {
  const { h } = OC;
  const PAGES = [["carte", "Carte"], ["territoire", "Territoire"], ["comparer", "Comparer"], ["maladie", "Maladies"], ["variations", "Variations"], ["parcours", "Parcours"], ["reseau", "Réseau"], ["indicateurs", "Indicateurs"], ["a-propos", "À propos"]];
  let state = null, turn = 0, lastPage = null;

  const condition = (code) => code === "all" ? "Toutes" : OC.get("site", "site").conditions[code] || code;
  function explain(title, sentences, links = []) {
    document.title = `${title} – Atlas des maladies chroniques`;
    return h("div", { class: "wide prose explain", role: "alert" }, h("h1", {}, title), sentences.map((each) => h("p", {}, each)),
      links.length ? h("ul", {}, links.map(([words, target]) => h("li", {}, h("a", { href: OC.address(target) }, words)))) : null,
      h("p", {}, h("a", { class: "button", href: "#/indicateurs" }, "Ce que contient cette publication")));
  }
  function go(next) {
    const address = OC.address(next);
    if (address === location.hash) return;
    // Choices on a page take the place of each other; Back leads to the page before.
    if (next.page === (state || {}).page && next.page === "carte") history.replaceState(null, "", address);
    else history.pushState(null, "", address);
    show();
  }
  async function show() {
    const mine = turn += 1;
    state = OC.parse(location.hash);
    OC.tip(null, null);
    const main = document.getElementById("contenu");
    let made;
    try {
      made = state.page === "carte" ? await OC.views.open(state)
        : OC.pages[state.page] ? await OC.pages[state.page](state)
        : explain("Cette page n’existe pas", [`L’adresse demande « ${state.page} ».`], [["Ouvrir la carte", { page: "carte" }]]);
    } catch (error) {
      console.error(error);
      made = explain("Cette vue n’a pas pu être dessinée", ["La publication contient quelque chose que l’atlas n’attendait pas. Signalez-le avec l’adresse de cette page."], [["Ouvrir la carte", { page: "carte" }]]);
    }
    if (mine !== turn) return;
    if (main.firstChild !== made) main.replaceChildren(made);
    for (const link of document.querySelectorAll("#pages a")) {
      if (link.dataset.page === state.page) link.setAttribute("aria-current", "page"); else link.removeAttribute("aria-current");
    }
    if (lastPage !== null && lastPage !== state.page) { scrollTo(0, 0); main.focus({ preventScroll: true }); }
    lastPage = state.page;
    main.dataset.shown = String(Number(main.dataset.shown || 0) + 1);
    document.documentElement.dataset.ready = "yes";
  }
  // Only while its address is open: a link to the same place is no change of page.
  addEventListener("hashchange", () => { if (OC.address(OC.parse(location.hash)) !== OC.address(state || { page: "" })) show(); });
  addEventListener("popstate", () => show());
  OC.ready.then(() => {
    const site = OC.get("site", "site");
    document.getElementById("pages").append(h("ul", {}, PAGES.map(([page, words]) => h("li", {}, h("a", { href: "#/" + page, "data-page": page }, words)))));
    const years = Object.keys(site.states);
    document.getElementById("pied").append(h("p", {}, site.report.purpose === "demonstration" ? h("strong", {}, "Démonstration : ces personnes sont inventées. ") : null, `Open Chronic, publication ${site.version}. `, years.length ? `Données : ${years.map((y) => `${y} ${OC.state(y)}`).join(", ")}. ` : "", h("a", { href: "#/a-propos" }, "Méthode, sources et licences")));
    document.getElementById("aller").addEventListener("click", (event) => { event.preventDefault(); document.getElementById("contenu").focus(); });
    show();
  });
  let sized = null;
  addEventListener("resize", () => { clearTimeout(sized); sized = setTimeout(show, 150); });
  return { go, again: show, explain, condition };
})();
