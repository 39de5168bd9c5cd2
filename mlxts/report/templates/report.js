"use strict";
// Rows are sorted by a click on a heading (a second one turns the order around) or by what stands in
// small print, which the list in the caption names. Unknown values come last.
const SMALL = "small[data-key]";

function sort(table, keyOf, descending) {
  const value = (row) => {
    const text = keyOf(row);
    if (text === undefined || text === "") return undefined;
    return isNaN(text) ? text : Number(text);
  };
  const rows = [...table.tBodies[0].rows].sort((one, other) => {
    const [a, b] = [value(one), value(other)];
    if (a === undefined || b === undefined) return (a === undefined) - (b === undefined);
    const numbers = typeof a === "number" && typeof b === "number";
    const order = numbers ? a - b : String(a).localeCompare(String(b), "en", { numeric: true });
    return descending ? -order : order;
  });
  table.tBodies[0].append(...rows);
}

function offer(table, headings) {
  const keys = new Set([...table.querySelectorAll(SMALL)].map((small) => small.dataset.key));
  keys.delete("");
  if (keys.size === 0 || table.tBodies[0].rows.length < 2) return;
  const list = document.createElement("select");
  list.ariaLabel = "sort by";
  list.append(new Option("sort by …", ""), ...[...keys].map((key) => new Option(key)));
  list.addEventListener("change", () => {
    if (list.value === "") return;
    for (const heading of headings) heading.removeAttribute("aria-sort");
    const small = `small[data-key="${CSS.escape(list.value)}"]`;
    sort(table, (row) => row.querySelector(small)?.dataset.value, false);
  });
  table.caption.append(" ", list);
}

for (const table of document.querySelectorAll("table")) {
  const headings = [...table.tHead.rows[0].cells];
  headings.forEach((heading, column) => {
    heading.addEventListener("click", () => {
      const descending = heading.ariaSort === "ascending";
      const key = (cell) => cell.dataset.value ?? cell.firstChild?.textContent.trim();
      sort(table, (row) => key(row.cells[column]), descending);
      for (const other of headings) other.removeAttribute("aria-sort");
      heading.setAttribute("aria-sort", descending ? "descending" : "ascending");
    });
  });
  offer(table, headings);
}

// A table that does not fit says so, until its end is in sight.
for (const box of document.querySelectorAll(".table")) {
  const mark = () => {
    const right = box.scrollWidth - box.clientWidth - box.scrollLeft > 2;
    const below = box.scrollHeight - box.clientHeight - box.scrollTop > 2;
    const hints = [right && "more columns →", below && "more rows ↓"].filter(Boolean);
    box.dataset.hint = hints.join(", ");
  };
  box.addEventListener("scroll", mark, { passive: true });
  new ResizeObserver(mark).observe(box);
}

addEventListener("beforeprint", () => {
  for (const details of document.querySelectorAll("details")) details.open = true;
});
