// Help: shortcuts, what the panels are, a tour.

import { byId, dialog, fill, h, say } from "./dom.js";
import { keysOf, rebind, settable, SHORTCUTS, shownKey } from "./keys.js";
import { sample } from "./files.js";
import { look, on, state } from "./store.js";

export function makeHelp() {
  byId("help").addEventListener("click", help);
  byId("tour").addEventListener("click", tour);
  on("help", help);
}

export function help() {
  const table = h("div", { class: "shortcuts" });
  const groups = [...new Set(SHORTCUTS.map((one) => one.group))];
  const enabled = h("input", { type: "checkbox", checked: state.view.shortcuts, onchange: () => look({ shortcuts: enabled.checked }) });
  const [about, mouse] = prose();
  dialog("Help", [
    about,
    h("p", {}, h("button", { onclick: tour }, "Tour in four steps"), " ", h("button", { onclick: () => sample() }, "Try a sample scan")),
    table,
    h("p", {}, h("label", {}, enabled, "Shortcuts of a single key are on"), h("button", { id: "usual-keys", onclick: () => { look({ keys: {} }); list(); } }, "The usual keys again")),
    h("p", { class: "dim", text: "Click a key to set another one." }),
  ], { wide: true });
  const list = () => fill(table, ...groups.map((group) => h("table", {}, h("caption", { text: group }), h("tbody", {}, ...SHORTCUTS.filter((one) => one.group === group).map((one) => row(one, list))))),
    mouse);
  list();
}

/** @param {import("./keys.js").Shortcut} one @param {() => void} list */
function row(one, list) {
  const keys = keysOf(one);
  const text = keys.map(shownKey);
  const shown = settable(one) ? [h("button", { class: "key", "aria-label": `${one.what}: ${text.join(" or ") || "no key"}. Press to set another key.`, onclick: (/** @type {any} */ event) => set(one, event.currentTarget, list) },
    ...(text.length ? text : ["none"]).flatMap((key, i) => [i ? " " : "", h("kbd", { text: key })]))]
    : text.flatMap((key, i) => [i ? " " : "", h("kbd", { text: key })]);
  return h("tr", { data: { what: one.what } }, h("th", { scope: "row" }, ...shown), h("td", { text: one.what }));
}

/** The next key is taken; Escape leaves all as it was, Backspace takes the key away. @param {import("./keys.js").Shortcut} one @param {HTMLElement} button @param {() => void} list */
function set(one, button, list) {
  fill(button, h("kbd", { text: "press a key …" }));
  const end = () => {
    button.removeEventListener("keydown", taken);
    list();
    /** @type {HTMLElement|null} */ (document.querySelector(`tr[data-what="${one.what}"] .key`))?.focus();
  };
  const taken = (/** @type {KeyboardEvent} */ event) => {
    if (["Shift", "Control", "Alt", "Meta", "Tab"].includes(event.key)) return;
    event.preventDefault();
    event.stopPropagation();
    const key = event.key.length === 1 && !event.ctrlKey && !event.metaKey && event.key !== " " ? event.key.toLowerCase() : "";
    if (key || event.key === "Backspace") {
      const loser = rebind(one, key);
      if (loser) say(`${shownKey(key)} was: ${loser.what}. That has no such key now.`);
    } else if (event.key !== "Escape") say("A key of a single sign, please; Backspace: no key; Esc: as it was.");
    end();
  };
  button.addEventListener("keydown", taken);
  button.addEventListener("blur", () => { if (button.isConnected) end(); }, { once: true });
}

/** What the page holds of help: about it, the mouse, and the steps of the tour. @returns {any[]} */
const prose = () => [...byId("prose").content.cloneNode(true).children];

export function tour(at = 0) {
  for (const box of document.querySelectorAll("dialog")) /** @type {HTMLDialogElement} */ (box).close();
  const index = typeof at === "number" ? at : 0;
  const steps = prose().slice(2);
  const { title, textContent: text, dataset: { place } } = steps[index];
  for (const el of document.querySelectorAll(".toured")) el.classList.remove("toured");
  byId(place).classList.add("toured");
  const last = index === steps.length - 1;
  let going = false;
  const next = h("button", { class: "main", onclick: () => { going = !last; box.close(); if (!last) tour(index + 1); } }, last ? "Begin" : "Next");
  const box = dialog(`${index + 1} of ${steps.length}: ${title}`, [h("p", { text }), next], { onclose: () => { if (!going) byId(place).classList.remove("toured"); } });
  box.classList.add("tour");
  next.focus();
}
