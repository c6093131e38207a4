// Adds what the page reads well without: a theme switch, read-outs on curves, and where one is in the contents.
"use strict";
(() => {
  const root = document.documentElement;
  const button = document.getElementById("theme");
  const darkNow = () => {
    const chosen = root.dataset.theme;
    return chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  };
  const remember = (value) => { try { localStorage.setItem("eyas-theme", value); } catch { /* a file may have no storage */ } };
  try {
    const kept = localStorage.getItem("eyas-theme");
    if (kept === "dark" || kept === "light") root.dataset.theme = kept;
  } catch { /* the system's choice holds */ }
  const name = () => { button.textContent = darkNow() ? "Light" : "Dark"; };
  button.hidden = false;
  button.addEventListener("click", () => {
    root.dataset.theme = darkNow() ? "light" : "dark";
    remember(root.dataset.theme);
    name();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", name);
  name();

  const shown = (value) => {
    const size = Math.abs(value);
    if (size >= 1e6) return (value / 1e6).toPrecision(3) + "M";
    if (size >= 1e4) return (value / 1e3).toPrecision(3) + "k";
    return size >= 100 ? value.toFixed(0) : String(Number(value.toPrecision(3)));
  };
  // The curves carry their points in thousandths of the drawing; the axes say what those mean.
  const readouts = (plot) => {
    const chart = plot.querySelector("svg.chart");
    const lines = chart ? [...chart.querySelectorAll("polyline")] : [];
    if (!lines.length) return;
    const [x0, x1, log] = chart.dataset.x.split(" ").map(Number);
    const [y0, y1] = chart.dataset.y.split(" ").map(Number);
    const across = (part) => log ? x0 * (x1 / x0) ** part : x0 + (x1 - x0) * part;
    const curves = lines.map((line) => ({
      name: line.dataset.name,
      points: line.getAttribute("points").split(" ").map((pair) => pair.split(",").map((n) => n / 1000)),
    }));
    const stops = [...new Set(curves.flatMap((curve) => curve.points.map((point) => point[0])))].sort((a, b) => a - b);
    const cursor = document.createElementNS("http://www.w3.org/2000/svg", "line");
    cursor.setAttribute("class", "cursor");
    cursor.setAttribute("y1", "0");
    cursor.setAttribute("y2", chart.getAttribute("height"));
    chart.append(cursor);
    const readout = document.createElement("div");
    readout.className = "readout";
    readout.setAttribute("aria-hidden", "true");
    const scrub = document.createElement("div");
    scrub.className = "scrub";
    scrub.tabIndex = 0;
    scrub.setAttribute("role", "slider");
    scrub.setAttribute("aria-label", "Read the curve: " + chart.dataset.yLabel + " over " + chart.dataset.xLabel);
    scrub.setAttribute("aria-valuemin", "0");
    scrub.setAttribute("aria-valuemax", String(stops.length - 1));
    plot.append(scrub, readout);
    const nearest = (points, at) =>
      points.reduce((best, point) => Math.abs(point[0] - at) < Math.abs(best[0] - at) ? point : best);
    let index = stops.length - 1;
    const say = () => {
      const at = stops[index];
      const parts = curves.filter((curve) => at >= curve.points[0][0] - 0.02).map((curve) => {
        const value = y0 + (y1 - y0) * (1 - nearest(curve.points, at)[1]);
        return (curves.length > 1 ? curve.name + " " : "") + shown(value);
      });
      return shown(across(at)) + " " + chart.dataset.xLabel + ": " + parts.join(", ");
    };
    const place = () => {
      const words = say();
      scrub.setAttribute("aria-valuenow", String(index));
      scrub.setAttribute("aria-valuetext", words);
      return words;
    };
    const show = () => {
      readout.textContent = place();
      const at = 100 * stops[index] + "%";
      cursor.setAttribute("x1", at);
      cursor.setAttribute("x2", at);
      cursor.style.visibility = "visible";
    };
    const hide = () => { readout.textContent = ""; cursor.style.visibility = "hidden"; };
    place();
    scrub.addEventListener("pointermove", (event) => {
      const box = chart.getBoundingClientRect();
      const at = (event.clientX - box.left) / box.width;
      index = stops.reduce((best, stop, i) => Math.abs(stop - at) < Math.abs(stops[best] - at) ? i : best, 0);
      show();
    });
    scrub.addEventListener("pointerleave", () => { if (document.activeElement !== scrub) hide(); });
    scrub.addEventListener("focus", () => { if (scrub.matches(":focus-visible")) show(); });
    scrub.addEventListener("blur", hide);
    scrub.addEventListener("keydown", (event) => {
      const page = Math.max(1, Math.round(stops.length / 10));
      const moves = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageDown: -page, PageUp: page };
      if (event.key === "Home") index = 0;
      else if (event.key === "End") index = stops.length - 1;
      else if (event.key in moves) index = Math.min(stops.length - 1, Math.max(0, index + moves[event.key]));
      else return;
      event.preventDefault();
      show();
    });
  };
  document.querySelectorAll(".plot").forEach(readouts);

  const links = new Map([...document.querySelectorAll(".toc a")].map((link) => [link.hash.slice(1), link]));
  const watcher = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      if (!entry.isIntersecting) continue;
      links.forEach((link) => link.removeAttribute("aria-current"));
      links.get(entry.target.id)?.setAttribute("aria-current", "true");
    }
  }, { rootMargin: "-20% 0px -70% 0px" });
  document.querySelectorAll("main section").forEach((section) => watcher.observe(section));
})();
