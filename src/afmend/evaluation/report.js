"use strict";
(function () {
  window.addEventListener("beforeprint", function () {
    document.querySelectorAll("details").forEach(function (part) { part.open = true; });
  });
  function reveal() {
    var part = location.hash ? document.getElementById(location.hash.slice(1)) : null;
    if (!part) { return; }
    for (var box = part; box; box = box.parentElement) { if (box.tagName === "DETAILS") { box.open = true; } }
    part.scrollIntoView();
  }
  window.addEventListener("hashchange", reveal);
  reveal();
  var table = document.getElementById("summary");
  if (!table) { return; }
  var body = table.tBodies[0];
  var rows = Array.prototype.slice.call(body.rows);
  var heads = Array.prototype.slice.call(table.tHead.rows[0].cells);

  function key(row, column) {
    var number = row.cells[column].getAttribute("data-sort");
    if (number === null) { return row.cells[column].textContent.trim().toLowerCase(); }
    return number === "" ? NaN : parseFloat(number);
  }

  function order(a, b, up) {
    if (typeof a === "string") { return (up ? 1 : -1) * a.localeCompare(b, undefined, { numeric: true }); }
    if (isNaN(a) || isNaN(b)) { return isNaN(a) - isNaN(b); }
    return up ? a - b : b - a;
  }

  heads.forEach(function (head, column) {
    head.querySelector("button").addEventListener("click", function () {
      var up = head.getAttribute("aria-sort") !== "ascending";
      heads.forEach(function (other) { other.removeAttribute("aria-sort"); });
      head.setAttribute("aria-sort", up ? "ascending" : "descending");
      rows.sort(function (a, b) { return order(key(a, column), key(b, column), up); });
      rows.forEach(function (row) { body.appendChild(row); });
    });
  });

  var words = document.getElementById("words");
  var status = document.getElementById("status");
  var warned = document.getElementById("warned");
  var shown = document.getElementById("shown");

  function filter() {
    var wanted = words.value.trim().toLowerCase();
    var count = 0;
    rows.forEach(function (row) {
      var fits = (!wanted || row.textContent.toLowerCase().indexOf(wanted) >= 0)
        && (!status.value || row.getAttribute("data-status") === status.value)
        && (!warned.checked || row.getAttribute("data-warned") === "1");
      row.hidden = !fits;
      count += fits ? 1 : 0;
    });
    shown.textContent = count + " of " + rows.length;
  }

  words.addEventListener("input", filter);
  status.addEventListener("change", filter);
  warned.addEventListener("change", filter);
  filter();
})();
