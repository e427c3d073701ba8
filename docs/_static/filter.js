// Puts a field above each table in a container "searchable": it hides the rows that do not have all of its words.
document.addEventListener("DOMContentLoaded", () => {
  for (const container of document.querySelectorAll(".searchable")) {
    const rows = [...container.querySelectorAll("tbody tr")];
    const field = document.createElement("input");
    const count = document.createElement("span");
    const show = () => {
      const words = field.value.toLowerCase().split(/\s+/);
      const found = rows.filter((row) => {
        const text = row.textContent.toLowerCase();
        row.hidden = !words.every((word) => text.includes(word));
        return !row.hidden;
      });
      count.textContent = ` ${found.length} of ${rows.length}`;
    };
    field.type = "search";
    field.placeholder = "Search this table";
    field.setAttribute("aria-label", field.placeholder);
    field.addEventListener("input", show);
    container.prepend(field, count);
    show();
  }
});
