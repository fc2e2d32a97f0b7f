"use strict";
document.getElementById("entree").addEventListener("submit", (event) => {
  event.preventDefault();
  location.href = "dictionary.html#q=" + encodeURIComponent(document.getElementById("mot").value);
});
