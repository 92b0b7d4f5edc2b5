// Figures for people: as many digits as can be read at a glance, units in the heads of the columns.

const GROUPED = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });

/** Three digits or so: 0.42, 8.1, 12.1, 340, 12,300. */
export function figure(value) {
  if (value === null || value === undefined || !Number.isFinite(value)) return "–";
  const size = Math.abs(value);
  if (size === 0) return "0";
  if (size < 0.01) return "<0.01";
  return size < 1 ? value.toFixed(2) : size < 100 ? value.toFixed(1) : GROUPED.format(value);
}

/** A count. */
export function count(value) {
  return Number.isFinite(value) ? GROUPED.format(value) : "–";
}

/** A share of one, in per cent, without the sign. */
export function percent(share) {
  if (share === null || share === undefined || !Number.isFinite(share)) return "–";
  return share > 0 && share < 0.005 ? "<1" : String(Math.round(share * 100));
}

/** Milliseconds with the unit that keeps the digits few. */
export function duration(ms) {
  if (ms === null || ms === undefined || !Number.isFinite(ms)) return "–";
  return ms < 1000 ? `${figure(ms)} ms` : `${figure(ms / 1000)} s`;
}

/** Bytes as MB (10^6), as `turnout demo` counts them. */
export function megabytes(bytes) {
  return Number.isFinite(bytes) ? GROUPED.format(bytes / 1e6) : "–";
}

/** A Unix time as the clock on the wall. */
export function clock(seconds) {
  return new Date(seconds * 1000).toLocaleTimeString("en-GB");
}

/** How long ago something began: 12 s, 4 min, 3 h, 2 days. */
export function age(seconds) {
  const [size, unit] = [[86400, "days"], [3600, "h"], [60, "min"]].find(([size]) => seconds >= 2 * size) ?? [1, "s"];
  return `${Math.max(0, Math.floor(seconds / size))} ${unit}`;
}

/** A Unix time as day and clock: "24 Nov, 13:05". */
export function moment(seconds) {
  return new Date(seconds * 1000).toLocaleString("en-GB", { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" });
}
