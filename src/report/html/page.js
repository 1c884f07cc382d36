"use strict";
(() => {
  const number = (text) => { const value = parseFloat(text.replace(/[^0-9.-]/g, "")); return Number.isNaN(value) ? -1 : value; };
  const sort = (table, column, header) => {
    const isUp = header.getAttribute("aria-sort") !== "ascending";
    const isNumber = header.classList.contains("num");
    const body = table.tBodies[0];
    const keys = Array.from(body.rows, (row) => {
      const text = row.cells[column].textContent;
      return [isNumber ? number(text) : text.toLowerCase(), row];
    });
    keys.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0) * (isUp ? 1 : -1));
    body.append(...keys.map(([, row]) => row));
    for (const other of header.parentNode.cells) other.removeAttribute("aria-sort");
    header.setAttribute("aria-sort", isUp ? "ascending" : "descending");
  };
  for (const table of document.querySelectorAll("table.sortable")) {
    Array.from(table.tHead.rows[0].cells).forEach((header, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = header.textContent;
      header.replaceChildren(button);
      button.addEventListener("click", () => sort(table, column, header));
    });
  }
  const controls = document.getElementById("controls");
  if (controls) {
    const rows = Array.from(document.getElementById("rows").tBodies[0].rows);
    const words = document.getElementById("words");
    const status = document.getElementById("status");
    const shown = document.getElementById("shown");
    const texts = new Map();
    const text = (row) => {
      if (!texts.has(row)) texts.set(row, row.textContent.toLowerCase());
      return texts.get(row);
    };
    const filter = () => {
      const wanted = words.value.toLowerCase().split(/\s+/).filter(Boolean);
      let count = 0;
      for (const row of rows) {
        const fits = (!status.value || row.dataset.status === status.value) && wanted.every((word) => text(row).includes(word));
        row.hidden = !fits;
        count += fits ? 1 : 0;
      }
      shown.textContent = count + " of " + rows.length + " rows shown";
    };
    let timer = 0;
    words.addEventListener("input", () => { clearTimeout(timer); timer = setTimeout(filter, 150); });
    status.addEventListener("change", filter);
    controls.hidden = false;
    filter();
  }
  addEventListener("beforeprint", () => {
    for (const part of document.querySelectorAll("details")) part.open = true;
  });
})();
