// The pages work without this file. With it, lists follow their filters at once, and what is shown follows
// what arrives, without touching what somebody is typing.
"use strict";
(() => {
  // A form that somebody has begun to fill in is never replaced.
  document.addEventListener("input", (event) => {
    const form = event.target.closest("form");
    if (form && !form.hasAttribute("hx-get")) form.setAttribute("data-dirty", "");
  });
  document.addEventListener("reset", (event) => event.target.removeAttribute("data-dirty"));

  // Filters that were left empty stay out of the address.
  document.addEventListener("htmx:config:request", (event) => {
    const body = event.detail?.ctx?.request?.body;
    if (body instanceof FormData) for (const [name, value] of [...body]) if (value === "") body.delete(name);
  });

  // A second press of the same button changes nothing.
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (form.method !== "post") return;
    if (form.hasAttribute("data-sent")) return event.preventDefault();
    const question = form.getAttribute("data-confirm");
    if (question && !window.confirm(question)) return event.preventDefault();
    form.setAttribute("data-sent", "");
  });
  window.addEventListener("pageshow", () => {
    for (const form of document.querySelectorAll("form[data-sent]")) form.removeAttribute("data-sent");
  });
  document.addEventListener("click", (event) => {
    if (event.target.closest("[data-print]")) window.print();
  });

  // Rows that came or changed with what arrived are shown for a moment.
  const before = new Map();
  const rows = () => document.querySelectorAll("#list tbody tr[id], #list .board-card[id]");
  const note = () => {
    before.clear();
    for (const row of rows()) before.set(row.id, row.textContent);
  };
  const show = () => {
    for (const row of rows()) {
      if (before.get(row.id) === row.textContent) continue;
      row.classList.add("fresh");
      setTimeout(() => row.classList.remove("fresh"), 2400);
    }
  };

  // Hints that something arrived: what stands on the page reads itself again, at most every second, and not
  // while nobody looks.
  const address = document.body.dataset.live;
  if (!address) return;
  let waiting = false;
  let timer = 0;
  let last = 0;
  const move = () => {
    if (document.hidden) return void (waiting = true);
    waiting = false;
    clearTimeout(timer);
    timer = setTimeout(() => {
      last = Date.now();
      note();
      document.addEventListener("htmx:after:swap", show, { once: true });
      document.body.dispatchEvent(new Event("moved"));
    }, Math.max(0, 1000 - (Date.now() - last)));
  };
  const source = new EventSource(address);
  source.addEventListener("moved", move);
  source.addEventListener("open", () => document.body.setAttribute("data-listening", ""));
  source.addEventListener("error", () => document.body.removeAttribute("data-listening"));
  document.addEventListener("visibilitychange", () => { if (!document.hidden && waiting) move(); });
  window.addEventListener("pagehide", () => source.close());
})();
