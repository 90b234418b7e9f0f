"use strict";
// What makes the report handier. Everything is there without it.

// Tables are sorted by a click on a heading: numbers by size, words by the alphabet, and what is no number last.
for (const table of document.querySelectorAll("table.sortable")) {
  const body = table.tBodies[0];
  const written = [...body.rows];
  const headings = [...table.tHead.rows[0].cells];
  const value = (row, column) => {
    const cell = row.cells[column];
    return cell.dataset.value ?? cell.textContent.trim();
  };
  const sort = (column, direction) => {
    headings.forEach((heading, at) => heading.setAttribute("aria-sort", at === column ? direction : "none"));
    const sign = direction === "descending" ? -1 : 1;
    const number = (text) => Number(text.replaceAll(",", "").replace("%", "").replace("\u2212", "-"));
    const rows = written.map((row) => {
      const text = value(row, column);
      return { row, text, number: text === "" ? NaN : number(text) };
    });
    const numeric = rows.some(({ number }) => !Number.isNaN(number));
    rows.sort((a, b) => {
      if (!numeric) return sign * a.text.localeCompare(b.text);
      if (Number.isNaN(a.number) || Number.isNaN(b.number)) return Number.isNaN(a.number) - Number.isNaN(b.number);
      return sign * (a.number - b.number);
    });
    body.append(...rows.map(({ row }) => row));
  };
  headings.forEach((heading, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...heading.childNodes);
    heading.append(button);
    heading.setAttribute("aria-sort", "none");
    button.addEventListener("click", () => {
      // Figures are looked at from the worst on, names from the first on.
      sort(column, heading.getAttribute("aria-sort") === "ascending" ? "descending" : "ascending");
    });
  });
  if (written.length > 12) {
    const label = document.createElement("label");
    label.className = "filter";
    const input = document.createElement("input");
    input.type = "search";
    label.append("Show only ", input);
    input.addEventListener("input", () => {
      const wanted = input.value.toLowerCase();
      for (const row of written) row.hidden = !row.textContent.toLowerCase().includes(wanted);
    });
    table.closest(".scroll").before(label);
  }
}

// What can be pasted into a shell has a button that copies it.
for (const code of document.querySelectorAll("code.copied")) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "copy";
  button.textContent = "Copy";
  button.addEventListener("click", async () => {
    let done = true;
    try {
      await navigator.clipboard.writeText(code.textContent);
    } catch {
      getSelection().selectAllChildren(code);
      done = document.execCommand("copy");
    }
    button.textContent = done ? "Copied" : "Press Ctrl+C";
    setTimeout(() => (button.textContent = "Copy"), 2000);
  });
  code.after(" ", button);
}

// A link to something inside of closed details opens them.
const reveal = () => {
  const target = location.hash.length > 1 && document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (!target) return;
  let closed = false;
  for (let at = target.closest("details"); at; at = at.parentElement.closest("details")) {
    closed ||= !at.open;
    at.open = true;
  }
  if (closed) target.scrollIntoView();
};
addEventListener("hashchange", reveal);
reveal();

// A chart's values at the place that is pointed at stand beside the pointer.
for (const svg of document.querySelectorAll("svg[data-plot]")) {
  const numbers = document.getElementById(svg.dataset.numbers);
  if (!numbers) continue;
  const [left, right, top, bottom] = svg.dataset.plot.split(" ").map(Number);
  const [first, last] = svg.dataset.x.split(" ").map(Number);
  const headings = [...numbers.tHead.rows[0].cells].map((cell) => cell.textContent.trim());
  const shown = [0, ...svg.dataset.columns.split(" ").map(Number)];
  const rows = [...numbers.tBodies[0].rows].map((row) => ({
    x: Number(row.cells[0].dataset.value ?? row.cells[0].textContent),
    cells: [...row.cells].map((cell) => cell.textContent.trim()),
  }));
  const line = document.createElementNS(svg.namespaceURI, "line");
  line.setAttribute("class", "pointed");
  line.setAttribute("y1", top);
  line.setAttribute("y2", bottom);
  const note = document.createElement("div");
  note.className = "pointed";
  note.hidden = true;
  svg.parentElement.append(note);
  const leave = () => {
    line.remove();
    note.hidden = true;
  };
  svg.addEventListener("pointerleave", leave);
  svg.addEventListener("pointermove", (event) => {
    const box = svg.getBoundingClientRect();
    const across = (event.clientX - box.left) * (svg.viewBox.baseVal.width / box.width);
    if (across < left || across > right || rows.length === 0) return leave();
    const x = first + ((across - left) / (right - left)) * (last - first);
    const near = rows.reduce((a, b) => (Math.abs(b.x - x) < Math.abs(a.x - x) ? b : a));
    const place = left + ((near.x - first) / (last - first)) * (right - left);
    line.setAttribute("x1", place);
    line.setAttribute("x2", place);
    svg.append(line);
    note.replaceChildren(...shown.map((at) => {
      const row = document.createElement("div");
      row.textContent = `${headings[at]}: ${near.cells[at]}`;
      return row;
    }));
    note.hidden = false;
    const around = svg.parentElement.getBoundingClientRect();
    const beside = place * (box.width / svg.viewBox.baseVal.width) + box.left - around.left;
    note.style.left = `${beside > around.width / 2 ? beside - note.offsetWidth - 8 : beside + 8}px`;
  });
}
