// The work in words: as a command, as Python, as a recipe.

import { copy, dialog, h, say, sentence } from "./dom.js";
import { api } from "./net.js";
import { wish } from "./store.js";

export async function showWords() {
  const asked = wish();
  if (!asked) {
    say("Open a scan first.", "bad");
    return;
  }
  try {
    const found = await api("words", asked);
    const part = (/** @type {string} */ title, /** @type {string} */ text) => h("section", {}, h("header", {}, h("h3", { text: title }), h("button", { onclick: () => copy(text), "aria-label": `Copy: ${title}` }, "Copy")), h("pre", { tabindex: "0", text }));
    dialog("The same in words", [part("As a command", found.command), part("As Python", found.python), part("As a recipe", found.yaml)], { wide: true });
  } catch (error) {
    say(sentence(/** @type {any} */ (error).error), "bad");
  }
}
