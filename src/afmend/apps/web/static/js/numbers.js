// Numbers with units, as people write them.

const PREFIXES = [[1e9, "G"], [1e6, "M"], [1e3, "k"], [1, ""], [1e-3, "m"], [1e-6, "µ"], [1e-9, "n"], [1e-12, "p"], [1e-15, "f"]];

/** Factor and unit in which numbers up to `largest` read well; lengths come in nm. @param {number} largest @param {string} unit */
export function display(largest, unit) {
  const size = Math.abs(Number(largest.toPrecision(3)));
  if (unit === "nm") {
    if (size >= 1e6) return { factor: 1e-6, unit: "mm" };
    if (size >= 1e3) return { factor: 1e-3, unit: "µm" };
    if (size > 0 && size < 1e-4) return { factor: 1e6, unit: "fm" };
    if (size > 0 && size < 0.1) return { factor: 1e3, unit: "pm" };
    return { factor: 1, unit: "nm" };
  }
  if (!unit || ["deg", "%", "rad", "px", "LSB"].includes(unit) || size === 0) return { factor: 1, unit };
  for (const [scale, prefix] of PREFIXES) {
    if (size >= /** @type {number} */ (scale)) return { factor: 1 / /** @type {number} */ (scale), unit: `${prefix}${unit}` };
  }
  return { factor: 1, unit };
}

/** A number with three or so significant digits and no exponent where it can be helped. @param {number|null|undefined} value @param {number} [digits] */
export function plain(value, digits = 3) {
  if (value === null || value === undefined || !Number.isFinite(value)) return "–";
  if (Number.isInteger(value) && Math.abs(value) < 1e7) return String(value).replace("-", "−");
  const size = Math.abs(Number(value.toPrecision(digits)));
  if (size >= 1e6 || size < 1e-4) return value.toExponential(digits - 1);
  const places = Math.max(0, digits - 1 - Math.floor(Math.log10(size)));
  return value.toFixed(Math.min(places, 8)).replace("-", "−");
}

/** A round number as axes show it: no zeros at its end. @param {number} value */
export const round = (value) => (value === 0 ? "0" : Math.abs(value) >= 1e5 || Math.abs(value) < 1e-3 ? value.toExponential(1) : String(Number(value.toPrecision(4)))).replace("-", "−");

/** A value with its unit. @param {number} value @param {string} unit @param {number} [like] */
export function quantity(value, unit, like) {
  const shown = display(like ?? value, unit);
  return `${plain(value * shown.factor)}${shown.unit ? ` ${shown.unit}` : ""}`;
}

const MUCH = 5; // percent filled from which on a scan is not simply mended

/** What became of a scan, in percent of its pixels. A check mark says: all was measured, and next to nothing invented. @param {number} filled @param {number} open @param {number} never @returns {{kind: string, text: string}} */
export function standing(filled, open, never) {
  const good = open + never === 0 && filled <= MUCH;
  const share = (/** @type {number} */ part, /** @type {string} */ word) => (part ? `${plain(part, 2)} % ${word}` : "");
  const parts = [share(filled, "filled"), share(open, "open")].filter(Boolean).join(", ") || "nothing to fill";
  return { kind: good ? "good" : "odd", text: `${good ? "✓" : "◐"} ${parts}${never ? ` (${share(never, "never measured")})` : ""}` };
}

/** A round length of about a quarter of `width`, with its label. @param {number} width @param {boolean} calibrated */
export function scaleBar(width, calibrated) {
  const wanted = width / 4;
  const power = 10 ** Math.floor(Math.log10(wanted));
  const length = [5, 2, 1].map((n) => n * power).find((n) => n <= wanted) ?? power;
  return { length, label: calibrated ? rounded(length) : `${round(length)} px` };
}

/** @param {number} length */
function rounded(length) {
  const shown = display(length, "nm");
  return `${round(length * shown.factor)} ${shown.unit}`;
}

/** Round numbers between two ends. @param {number} low @param {number} high @param {number} count */
export function ticks(low, high, count) {
  const span = high - low;
  if (!(span > 0)) return [low];
  const raw = span / count;
  const power = 10 ** Math.floor(Math.log10(raw));
  const steps = [0.5, 1, 2, 5, 10].map((n) => n * power);
  const at = (/** @type {number} */ step) => {
    const found = [];
    for (let k = Math.ceil(low / step - 1e-9); k * step <= high + 1e-9 * span; k++) found.push(k * step);
    return found;
  };
  const i = Math.max(1, steps.findIndex((n) => n >= raw));
  const found = at(steps[i]);
  return found.length > 2 ? found : at(steps[i - 1]); // one or two ticks tell no scale
}

/** Seconds as people say them. @param {number} seconds */
export function duration(seconds) {
  if (seconds < 90) return `${Math.round(seconds)} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  return `${(seconds / 3600).toFixed(1)} h`;
}
