// Making elements, without strings of HTML: what a file is called can never become markup.

/**
 * Make an element. Keys of `props`: class, text, on* (listeners), data (dataset), anything else an attribute.
 * @param {string} tag
 * @param {Record<string, any>} [props]
 * @param {...(Node|string|null|undefined|false)} kids
 * @returns {any}
 */
export function h(tag, props = {}, ...kids) {
  const el = /** @type {any} */ (document.createElement(tag));
  if (tag === "button") el.type = "button"; // no accidental submitting
  for (const [key, value] of Object.entries(props)) {
    if (value === undefined || value === null || value === false) continue;
    if (key === "class") el.className = value;
    else if (key === "text") el.textContent = value;
    else if (key === "data") Object.assign(el.dataset, value);
    else if (key.startsWith("on")) el.addEventListener(key.slice(2), value);
    else if (["value", "checked", "disabled", "selected", "indeterminate"].includes(key)) el[key] = value;
    else el.setAttribute(key, value === true ? "" : String(value));
  }
  for (const kid of kids) if (kid !== null && kid !== undefined && kid !== false) el.append(kid);
  return el;
}

/** @param {string} id @returns {any} */
export const byId = (id) => document.getElementById(id);

/** Small canvases are drawn by the processor: without a graphics card, that costs a tenth of what drawing through WebGL in software does. */
export const PLAIN = { willReadFrequently: true };

/** Set a text, if it is another one: the browser paints even what did not change. @param {Element|null|undefined} el @param {string} text */
export function write(el, text) {
  if (el && el.textContent !== text) el.textContent = text;
}

const CALM_MS = 200;

/** The same, once it has not been asked for again for a moment: what is written far from the pictures has all between them painted, too. @param {(...args: any[]) => void} act */
export function calmly(act) {
  let timer = 0;
  return (/** @type {any[]} */ ...args) => {
    clearTimeout(timer);
    timer = window.setTimeout(() => act(...args), CALM_MS);
  };
}

/** Replace all children. @param {Element} el @param {...any} kids */
export function fill(el, ...kids) {
  el.replaceChildren(...kids.filter((kid) => kid !== null && kid !== undefined && kid !== false));
}

/** Say something briefly; screen readers hear it. @param {string} text @param {"info"|"bad"} [kind] */
export function say(text, kind = "info") {
  const box = byId("toast");
  box.onclick = hush;
  box.textContent = text;
  box.className = `toast ${kind}`;
  clearTimeout(box.timer);
  box.timer = setTimeout(hush, kind === "bad" ? 9000 : 3500);
}

/** Take away what was said. */
export const hush = () => { byId("toast").className = "toast gone"; };

/** @param {string} text */
export const capital = (text) => text[0].toUpperCase() + text.slice(1);

/** An error of the server as one line. @param {any} error */
export function sentence(error) {
  if (!error) return "";
  const where = error.where ? `${error.where}: ` : "";
  return `${where}${error.what}. ${error.now || ""}`.trim();
}

/**
 * Open a modal dialog; resolves when it is closed.
 * @param {string} title @param {any[]} content @param {{wide?: boolean, onclose?: () => void}} [options]
 */
export function dialog(title, content, options = {}) {
  const close = h("button", { class: "quiet", "aria-label": "Close", text: "✕" });
  const box = h("dialog", { class: options.wide ? "wide" : "", "aria-label": title },
    h("header", {}, h("h2", { text: title }), close), h("div", { class: "content" }, ...content));
  close.addEventListener("click", () => box.close());
  box.addEventListener("close", () => { box.remove(); options.onclose?.(); });
  document.body.append(box);
  box.showModal();
  return box;
}

/** Save text as a file. @param {string} name @param {string} text @param {string} [type] */
export function download(name, text, type = "text/plain") {
  saveBlob(name, new Blob([text], { type }));
}

/** @param {string} name @param {Blob} blob */
export function saveBlob(name, blob) {
  const url = URL.createObjectURL(blob);
  const link = h("a", { href: url, download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 10000);
}

/** Copy text; falls back to selecting it. @param {string} text */
export async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    say("Copied.");
  } catch {
    say("The browser refused to copy: select the text and press Ctrl-C.", "bad");
  }
}
