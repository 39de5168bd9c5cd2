"use strict";
// A click on a heading sorts its table by that column; a second click turns the order around.
for (const table of document.querySelectorAll("table")) {
  const headings = [...table.tHead.rows[0].cells];
  headings.forEach((heading, column) => {
    heading.addEventListener("click", () => {
      const falling = heading.ariaSort === "ascending";
      const numeric = heading.classList.contains("number");
      const key = (row) => {
        const cell = row.cells[column];
        if (!numeric) return cell.textContent.trim();
        return cell.dataset.value === "" ? NaN : Number(cell.dataset.value);
      };
      const rows = [...table.tBodies[0].rows].sort((one, other) => {
        const [a, b] = [key(one), key(other)];
        if (numeric && (isNaN(a) || isNaN(b))) return isNaN(a) - isNaN(b); // unknown ones last
        const order = numeric ? a - b : a.localeCompare(b, "en", { numeric: true });
        return falling ? -order : order;
      });
      table.tBodies[0].append(...rows);
      for (const other of headings) other.removeAttribute("aria-sort");
      heading.setAttribute("aria-sort", falling ? "descending" : "ascending");
    });
  });
}
