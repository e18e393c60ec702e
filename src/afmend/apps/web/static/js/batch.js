// Many files: start, watch, stop, review with the unusual ones first; and exports of the file in sight.

import { byId, dialog, fill, h, say, sentence, write } from "./dom.js";
import { chosen, files, nameOf, openFile, placeName } from "./files.js";
import { gateWords } from "./gate.js";
import { api } from "./net.js";
import { duration, quantity, standing } from "./numbers.js";
import { emit, state, strokesOf, wish, wishOf } from "./store.js";

const KINDS = { h5: "HDF5 (whole history)", gwy: "Gwyddion", png: "PNG picture", csv: "CSV statistics", tiff: "TIFF", gsf: "GSF", npz: "NumPy", txt: "text" };

/** @param {string[]} on_ */
function formats(on_) {
  return h("fieldset", { class: "formats" }, h("legend", { text: "Write" }), ...Object.entries(KINDS).filter(([ending]) => state.schema.writes.includes(ending))
    .map(([ending, name]) => h("label", {}, h("input", { type: "checkbox", name: "write", value: ending, checked: on_.includes(ending) }), name)));
}

/** @param {Element} box */
const ticked = (box) => [...box.querySelectorAll("input[name=write]:checked")].map((one) => /** @type {HTMLInputElement} */ (one).value);

/** Ask what to do with all files, or the chosen ones. */
export function askBatch() {
  const list = files().filter((one) => !chosen.size || chosen.has(one.ref));
  if (!list.length) {
    say("There are no files in the list.", "bad");
    return;
  }
  const form = byId("batch-words").content.firstElementChild.cloneNode(true);
  const box = dialog("Mend many files", [form]);
  const own = list.filter((one) => one.ref in state.work.own).length;
  const [about, problem] = form.querySelectorAll("p");
  const [folder, replace] = [byId("batch-folder"), byId("batch-replace")];
  const start = form.querySelector("button");
  let taken = "";
  about.textContent = `Recipe ${state.work.common.name}${own ? `; ${own} files have a recipe of their own` : ""}. Drawings stay with their files.`;
  about.after(formats(["h5", "gwy", "png"]));
  form.querySelector("#batch-place").textContent = placeName();
  byId("batch-regions").parentNode.hidden = !strokesOf().length;
  start.textContent = `Mend ${list.length} files`;
  form.addEventListener("submit", async (/** @type {Event} */ event) => {
    event.preventDefault();
    const is = (/** @type {string} */ name) => byId(`batch-${name}`).checked;
    const same = is("regions") ? strokesOf() : [];
    const wishes = list.map(({ ref }) => ({ ...wishOf(ref), ...(same.length && !strokesOf(ref).length ? { strokes: same.map(({ layer, polygons }) => ({ layer, polygons })) } : {}) }));
    const target = is("copies") ? "" : replace.checked ? taken : folder.value.trim();
    try {
      await startBatch({ wishes, write: ticked(form), place: state.place, folder: target, replace: replace.checked, report: true, resume: is("resume"), gate: is("gate") });
      box.close();
    } catch (error) {
      const found = /** @type {any} */ (error).error;
      problem.textContent = found ? sentence(found) : String(error);
      if (!found?.free) return;
      problem.textContent += " Press the button again to write there.";
      [taken, folder.value] = [target, found.free];
      replace.parentNode.hidden = false;
    }
  });
  start.focus();
}

/** @param {any} order */
export async function startBatch(order) {
  const job = await api("batch", order);
  watch(job.id);
  emit("batch");
}

/** Follow a batch, also after a reload, and while the server is lost. @param {string} id */
export async function watch(id) {
  state.batch = id;
  let known = false;
  for (let wait = 400; state.batch === id; await new Promise((good) => setTimeout(good, wait))) {
    try {
      const job = await api(`batch/${id}`);
      if (state.batch !== id) return;
      verdicts(job);
      progress(job);
      if (job.state !== "running") return;
      [known, wait] = [true, 400];
    } catch (error) {
      const gone = /** @type {any} */ (error).status === 404;
      if (known) fill(byId("batch-state"), h("p", { class: "bad", text: gone ? "The server was started anew, which ended the batch. Start it again: finished files are kept." : "The batch is out of sight: the server does not answer." }));
      if (gone) return;
      wait = 1000;
    }
  }
}

/** @param {any} job */
function verdicts(job) {
  for (const [ref, one] of Object.entries(job.files)) {
    const found = /** @type {any} */ (one);
    state.verdicts[ref] = became(found, ref);
    emit("verdict", ref);
  }
}

/** What became of a file. @param {any} one @param {string} ref */
function became(one, ref) {
  if (!one.good) return { kind: "error", text: `✗ ${reason(one, ref)}` };
  const found = standing(one.invented_percent ?? 0, one.open_percent ?? 0, one.missing_percent ?? 0);
  if (one.images > 1) found.text += `, worst of ${one.images} frames`;
  return one.odd ? { kind: "odd", text: `⚠ ${one.odd} unusual; ${found.text.slice(2)}` } : found;
}

/** Why a file failed; its name stands beside it. @param {any} one @param {string} ref */
const reason = (one, ref) => one.error.replace(/^\w+Error: /, "").replace(`${nameOf(ref)}: `, "");

/** @param {any} job */
function progress(job) {
  const errors = Object.values(job.files).filter((/** @type {any} */ one) => !one.good).length;
  const words = { running: job.left_s === null ? "" : `about ${duration(job.left_s)} left`, done: "finished", stopped: "stopped", failed: job.error }[/** @type {string} */ (job.state)];
  const bar = h("progress", { max: job.total, value: job.done, data: { job: job.id }, "aria-label": "Progress of the batch" });
  const report = job.outputs.indexOf("report.html");
  const text = `${job.done} of ${job.total}, ${errors} failed, ${words}`;
  const seen = byId("batch-state").querySelector("progress");
  if (job.state === "running" && seen?.dataset.job === job.id) { // in place: the button keeps the focus
    write(seen.previousElementSibling, text);
    seen.value = job.done;
    return;
  }
  const parts = [h("p", { text }), bar];
  if (job.state === "running") parts.push(h("button", { onclick: () => api(`batch/${job.id}/stop`, {}) }, "Stop"));
  else {
    if (report >= 0) parts.push(h("a", { href: `./api/output/${job.id}/file/${report}?show=1`, target: "_blank", rel: "noopener" }, "Report"), " ");
    parts.push(h("a", { href: `./api/output/${job.id}/all.zip`, download: "afmend.zip" }, "Download all"), " ",
      h("button", { onclick: () => review(job) }, "Review"), h("p", { class: "dim", text: job.out }));
  }
  fill(byId("batch-state"), ...parts);
}

/** The files of a batch, failed and unusual ones first. @param {any} job */
function review(job) {
  const rank = (/** @type {string} */ ref) => ["✗", "⚠", "◐", "✓"].indexOf(became(job.files[ref], ref).text[0]);
  const refs = Object.keys(job.files).sort((a, b) => rank(a) - rank(b));
  const row = (/** @type {string} */ ref) => {
    const one = job.files[ref];
    return h("tr", {}, h("th", { scope: "row" }, h("button", { class: "quiet", onclick: () => { box.close(); openFile(ref, nameOf(ref)); } }, nameOf(ref))),
      h("td", { text: `${became(one, ref).text}${one.verdict ? `; ${gateWords(one)}` : ""}` }), h("td", { class: "number", text: Number.isFinite(one.Sq_mended) ? quantity(one.Sq_mended, one.unit) : "–" }),
      h("td", { text: one.artifacts }));
  };
  const box = dialog("What became of the files", [h("table", { class: "review" }, h("thead", {}, h("tr", {}, ...["file", "state", "Sq", "artifacts"].map((name) => h("th", { scope: "col", text: name })))), h("tbody", {}, ...refs.map(row)))], { wide: true });
}

// ------------------------------------------------------------------ exports

/** Ask what to write of the file in sight. */
export function askExport() {
  if (!state.doc) {
    say("Open a scan first.", "bad");
    return;
  }
  const many = state.info.count > 1;
  const go = h("button", { type: "submit", class: "main" }, "Export");
  const out = h("div", { class: "outputs", "aria-live": "polite" });
  const form = h("form", { onsubmit: async (/** @type {Event} */ event) => {
    event.preventDefault();
    go.disabled = true;
    fill(out, h("p", { text: "Working: exports are computed anew by the same code as `afmend repair` …" }));
    try {
      fill(out, ...links(await exportNow(ticked(form))));
    } catch (error) {
      fill(out, h("p", { class: "bad", text: sentence(/** @type {any} */ (error).error) || String(error) }));
    }
    go.disabled = false;
  } }, h("p", { text: `The same bytes as \`afmend repair\` writes with this recipe${many ? "; all frames of the movie" : ""}.` }), formats(["h5", "gwy", "png", "csv"]), go,
  h("button", { onclick: () => { box.close(); emit("figure"); } }, "Picture as seen"), out);
  const box = dialog("Export", [form]);
  go.focus();
}

/** Run the export and wait for it. @param {string[]} write */
export async function exportNow(write) {
  let job = await api("batch", { wishes: [{ ...wish(), frame: 0 }], write, folder: "", report: true });
  while (job.state === "running") {
    await new Promise((good) => setTimeout(good, 250));
    job = await api(`batch/${job.id}`);
  }
  const failed = Object.values(job.files).find((/** @type {any} */ one) => !one.good);
  if (job.state !== "done" || failed) throw new Error(failed ? /** @type {any} */ (failed).error : job.error || job.state);
  return job;
}

/** @param {any} job */
function links(job) {
  return [h("p", { text: "Done:" }), h("ul", {}, ...job.outputs.map((/** @type {string} */ name, /** @type {number} */ i) => h("li", {}, h("a", { href: `./api/output/${job.id}/file/${i}`, download: name.split("/").pop() }, name),
    /\.(png|html)$/.test(name) ? h("a", { class: "side", href: `./api/output/${job.id}/file/${i}?show=1`, target: "_blank", rel: "noopener" }, "open") : null))),
  h("a", { href: `./api/output/${job.id}/all.zip`, download: "afmend.zip" }, "Download all")];
}
