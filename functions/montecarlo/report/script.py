"""What the page can do where scripts run: sort and filter its tables, and save its charts. It is complete without."""

# The page is well-formed XML, too: so there is no "less than" and no ampersand in it.
SCRIPT = """
"use strict";
(() => {
  const make = (name, text, properties) =>
    Object.assign(document.createElement(name), { textContent: text }, properties);
  const tables = [...document.querySelectorAll(".appendix table")];

  // A column's head sorts its table: numbers by value, then texts; the total stays at the foot.
  const value = (row, column) => {
    const cell = row.cells[column], text = (cell.firstChild?.textContent ?? "").trim();
    const number = parseFloat(text.replace(/,/g, "").replace("\\u2212", "-").replace(/^[^\\d-]+/, ""));
    return Number.isNaN(number) || column === 0 ? text.toLowerCase() : number;
  };
  const compare = (a, b) =>
    typeof a === typeof b ? (a > b) - (b > a) : typeof a === "number" ? -1 : 1;
  for (const table of tables) {
    const body = table.tBodies[0];
    if (!body || 3 > body.rows.length) continue;
    for (const head of table.tHead.rows[0].cells) {
      const button = make("button", head.textContent, { type: "button" });
      head.replaceChildren(button);
      button.addEventListener("click", () => {
        const up = head.getAttribute("aria-sort") !== "ascending", column = head.cellIndex;
        for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
        head.setAttribute("aria-sort", up ? "ascending" : "descending");
        const sorted = [...body.rows].map((row) => [value(row, column), row]);
        sorted.sort(([a], [b]) => (up ? compare(a, b) : compare(b, a)));
        body.append(...sorted.map(([, row]) => row));
      });
    }
  }

  // The slice box shows the rows that begin with what is typed in it, or have it in their name.
  const box = document.querySelector(".slice"), field = make("input", "", { type: "search", id: "slice" });
  const told = make("output", "", {});
  told.setAttribute("for", "slice");
  box.append(make("label", "Rows that have", { htmlFor: "slice" }), field, told);
  box.hidden = false;
  field.addEventListener("input", () => {
    const wanted = field.value.trim().toLowerCase();
    let shown = 0, all = 0;
    for (const table of tables) {
      let here = 0;
      for (const row of table.tBodies[0].rows) {
        row.hidden = !row.cells[0].textContent.toLowerCase().includes(wanted);
        here += !row.hidden;
        all += 1;
      }
      if (table.tFoot) table.tFoot.hidden = wanted !== "";
      table.closest(".wide").hidden = here === 0;
      shown += here;
    }
    told.textContent = wanted ? `${shown} of ${all} rows of the appendix` : "";
  });

  // A chart is saved as it looks on light paper, each element with its own colours, so that any program draws it alike.
  const LOOK = ["fill", "fill-opacity", "stroke", "stroke-width", "stroke-dasharray", "stroke-linecap",
    "stroke-linejoin", "paint-order", "font-family", "font-size", "font-weight"];
  const drawing = (chart) => {
    const copy = chart.cloneNode(true), [, , width, height] = chart.getAttribute("viewBox").split(" ");
    document.documentElement.classList.add("light");
    const originals = chart.querySelectorAll("*"), copies = copy.querySelectorAll("*");
    originals.forEach((original, place) => {
      const look = getComputedStyle(original);
      for (const name of LOOK) copies[place].setAttribute(name, look.getPropertyValue(name));
      copies[place].removeAttribute("class");
    });
    document.documentElement.classList.remove("light");
    copy.setAttribute("width", width);
    copy.setAttribute("height", height);
    const paper = document.createElementNS(copy.namespaceURI, "rect");
    for (const [name, what] of Object.entries({ width, height, fill: "#ffffff" })) paper.setAttribute(name, what);
    copy.insertBefore(paper, copy.querySelector("desc").nextSibling);
    return new Blob([new XMLSerializer().serializeToString(copy)], { type: "image/svg+xml" });
  };
  const save = (blob, name) => {
    const address = URL.createObjectURL(blob);
    make("a", "", { href: address, download: name }).click();
    setTimeout(() => URL.revokeObjectURL(address), 60000);
  };
  const paint = (chart, name) => {
    const picture = new Image(), address = URL.createObjectURL(drawing(chart));
    picture.addEventListener("load", () => {
      const canvas = make("canvas", "", { width: 2 * picture.width, height: 2 * picture.height });
      canvas.getContext("2d").drawImage(picture, 0, 0, canvas.width, canvas.height);
      URL.revokeObjectURL(address);
      canvas.toBlob((blob) => save(blob, name), "image/png");
    });
    picture.src = address;
  };
  for (const chart of document.querySelectorAll("figure svg[role=img]")) {
    const name = chart.querySelector("title").id.replace("-title", "");
    const title = chart.querySelector("title").textContent;
    const ways = { SVG: () => save(drawing(chart), `${name}.svg`), PNG: () => paint(chart, `${name}.png`) };
    const bar = make("p", "Save as ", { className: "save" });
    for (const [kind, way] of Object.entries(ways)) {
      const button = make("button", kind, { type: "button" });
      button.setAttribute("aria-label", `Save as ${kind}: ${title}`);
      button.addEventListener("click", way);
      bar.append(button, " ");
    }
    chart.closest("figure").append(bar);
  }
})();
"""
