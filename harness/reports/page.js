/* SPDX-License-Identifier: GPL-2.0-or-later */
"use strict";
(() => {
  const all = [...document.querySelectorAll(".case")];
  const search = document.querySelector("input[type=search]");
  const said = document.querySelector(".tools output");
  document.documentElement.classList.add("scripts");

  const filter = () => {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const each of all) {
      const text = words.length ? each.textContent.toLowerCase() : "";
      each.hidden = !words.every((word) => text.includes(word));
      shown += !each.hidden;
    }
    said.textContent = words.length ? `${shown} of ${all.length}` : "";
  };
  search.addEventListener("input", filter);

  const fold = (open) => () => {
    for (const each of all) if (!each.hidden && each.tagName === "DETAILS") each.open = open;
  };
  document.getElementById("open").addEventListener("click", fold(true));
  document.getElementById("close").addEventListener("click", fold(false));

  const visit = () => {
    const target = document.getElementById(location.hash.slice(1));
    if (!target) return;
    for (let each = target; each; each = each.parentElement.closest("details")) each.open = true;
    if (!target.getClientRects().length) {
      document.getElementById("show-all").checked = true;
      search.value = "";
      filter();
    }
    target.scrollIntoView();
  };
  addEventListener("hashchange", visit);
  visit();

  for (const code of document.querySelectorAll(".foot code")) {
    if (!navigator.clipboard) break;
    const button = document.createElement("button");
    button.textContent = "copy";
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(code.textContent);
      button.textContent = "copied";
    });
    code.after(" ", button);
  }
})();
