// Loaded before the page is drawn, so that a theme once chosen never flashes. A classic script for that reason.
"use strict";
(() => {
  const root = document.documentElement;
  const system = matchMedia("(prefers-color-scheme: dark)");
  const dark = () => root.dataset.theme ? root.dataset.theme === "dark" : system.matches;
  try {
    const kept = localStorage.getItem("eyas-theme");
    if (kept === "dark" || kept === "light") root.dataset.theme = kept;
  } catch { /* without storage the system's choice holds */ }
  document.addEventListener("DOMContentLoaded", () => {
    const button = document.getElementById("theme");
    const show = () => button.setAttribute("aria-pressed", String(dark()));
    button.addEventListener("click", () => {
      root.dataset.theme = dark() ? "light" : "dark";
      try { localStorage.setItem("eyas-theme", root.dataset.theme); } catch { /* not remembered then */ }
      show();
    });
    system.addEventListener("change", show);
    show();
  });
})();
