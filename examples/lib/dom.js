// Elements from texts. Nothing here takes markup.

const SVG = "http://www.w3.org/2000/svg";

export function el(tag, properties = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === null || value === false) continue;
    if (name === "class") node.className = value;
    else if (name === "text") node.textContent = value;
    else if (name === "data") Object.assign(node.dataset, value);
    else if (name === "on") for (const [event, listener] of Object.entries(value)) node.addEventListener(event, listener);
    else if (name === "aria") for (const [key, item] of Object.entries(value)) node.setAttribute(`aria-${key}`, item);
    else if (name === "value") node.value = value;
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

function svg(tag, attributes, ...children) {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

/** Paths on a grid of 16, drawn as lines. */
export const ICONS = {
  arrow: "M3 8h10M9 4l4 4-4 4",
  back: "M10 3 5 8l5 5",
  badge: "M2 3.500h12v9H2zM5.500 6a1.300 1.300 0 1 0 0 2.600 1.300 1.300 0 0 0 0-2.600M3.600 11c.3-1 1-1.400 1.900-1.400s1.600.4 1.900 1.400M9.500 6.500h2.700M9.500 9.300h2.700",
  bell: "M4 11V7a4 4 0 0 1 8 0v4l1.500 1.500h-11zM6.500 14h3",
  check: "m3.500 8.500 3 3 6-7",
  checks: "m1.500 8.500 3 3 6-7M7.500 11l.8.8 6-7",
  clock: "M8 2a6 6 0 1 0 0 12A6 6 0 0 0 8 2M8 4.500V8l2.300 1.500",
  close: "m4 4 8 8M12 4l-8 8",
  copy: "M6 6h7.500v7.500H6zM10 6V2.500H2.500V10H6",
  cup: "M3 5h8v5a3 3 0 0 1-3 3H6a3 3 0 0 1-3-3zM11 6.500h1a1.700 1.700 0 0 1 0 3.500h-1M5.500 1.500v1.500M8.500 1.500v1.500",
  disk: "M2.500 4c0-1.100 2.500-2 5.500-2s5.500.9 5.500 2-2.500 2-5.500 2-5.500-.9-5.500-2zM2.500 4v8c0 1.100 2.500 2 5.500 2s5.500-.9 5.500-2V4M2.500 8c0 1.100 2.500 2 5.500 2s5.500-.9 5.500-2",
  door: "M4 14V2.500h8V14M2 14h12M9.500 8h.01",
  down: "M8 3v10M4 9l4 4 4-4",
  eye: "M1.500 8S4 3.500 8 3.500 14.500 8 14.500 8 12 12.500 8 12.500 1.500 8 1.500 8zM8 6a2 2 0 1 0 0 4 2 2 0 0 0 0-4",
  globe: "M8 2a6 6 0 1 0 0 12A6 6 0 0 0 8 2M2 8h12M8 2c2 2 2.500 4 2.500 6S10 12 8 14c-2-2-2.500-4-2.500-6S6 4 8 2",
  hidden: "M2 2l12 12M6.600 3.700Q7.300 3.500 8 3.500c4 0 6.500 4.500 6.500 4.500s-.7 1.200-1.900 2.400M4 4.900C2.400 6.200 1.500 8 1.500 8S4 12.500 8 12.500q1.700 0 3.100-.8",
  heart: "M8 13.500S2 10 2 6a3 3 0 0 1 6-1 3 3 0 0 1 6 1c0 4-6 7.500-6 7.500z",
  key: "M5 8a3 3 0 1 0 0 6 3 3 0 0 0 0-6M7.200 8.800l6.300-6.300M10.800 5.200l2 2",
  link: "M7 9.500 9.500 7M6 6.500 4 8.500a2.500 2.500 0 0 0 3.500 3.500l2-2M10 9.500l2-2A2.500 2.500 0 0 0 8.500 4l-2 2",
  lock: "M4.600 7h6.800A1.600 1.600 0 0 1 13 8.600v3.800a1.600 1.600 0 0 1-1.600 1.600H4.600A1.600 1.600 0 0 1 3 12.400V8.600A1.600 1.600 0 0 1 4.600 7M5.200 7V5a2.800 2.800 0 0 1 5.600 0v2",
  moon: "M13 9.500A5.500 5.500 0 0 1 6.500 3a5.500 5.500 0 1 0 6.500 6.500z",
  more: "M3.500 8h.01M8 8h.01M12.500 8h.01",
  no: "M8 2a6 6 0 1 0 0 12A6 6 0 0 0 8 2M3.800 3.800l8.400 8.400",
  people: "M6 3a2.300 2.300 0 1 0 0 4.600A2.300 2.300 0 0 0 6 3M1.500 13a4.500 4.500 0 0 1 9 0M11 3.500a2 2 0 0 1 0 4M12 9.200a4.200 4.200 0 0 1 2.500 3.800",
  pen: "m3 13 .6-2.800L10.700 3a1.400 1.400 0 0 1 2 2l-7.100 7.200z",
  plus: "M8 3v10M3 8h10",
  qr: "M2.500 2.500h4v4h-4zM9.500 2.500h4v4h-4zM2.500 9.500h4v4h-4zM9.500 9.500h1.500v1.500M13.500 9.500v4h-4",
  reply: "M6.500 4 2.500 8l4 4M2.500 8H10a3.500 3.500 0 0 1 3.500 3.500V13",
  retry: "M13 8a5 5 0 1 1-1.500-3.500M13 2v3h-3",
  search: "M7 2.500a4.500 4.500 0 1 0 0 9 4.500 4.500 0 0 0 0-9M10.300 10.300l3.200 3.200",
  send: "M14 2 7 9M14 2 9.500 14 7 9 2 6.500z",
  shield: "M8 1.800 13 3.600v4c0 3.200-2.100 5.500-5 6.600-2.900-1.100-5-3.400-5-6.600v-4zM5.800 8l1.600 1.600 2.900-3",
  smile: "M8 2a6 6 0 1 0 0 12A6 6 0 0 0 8 2M5.500 9.500a3 3 0 0 0 5 0M6 6.200v.01M10 6.200v.01",
  sun: "M8 5a3 3 0 1 0 0 6 3 3 0 0 0 0-6M8 1.500v1M8 13.500v1M1.500 8h1M13.500 8h1M3.400 3.400l.7.7M11.900 11.900l.7.7M12.600 3.400l-.7.7M4.100 11.900l-.7.7",
  thumb: "M5 7v6.500H2.500V7zM5 7l2.500-5c1 0 1.500.6 1.500 1.500V6h3.500a1.200 1.200 0 0 1 1.200 1.400l-.9 5a1.300 1.300 0 0 1-1.300 1.100H5",
  trash: "M2.500 4.500h11M6.500 4.500v-2h3v2M4 4.500l.7 9h6.600l.7-9",
  user: "M8 2.500a2.700 2.700 0 1 0 0 5.400 2.700 2.700 0 0 0 0-5.400M3 13.500a5 5 0 0 1 10 0",
  warn: "M8 2 14.500 13.500h-13zM8 6.500v3M8 11.600h.01",
};

export function icon(name) {
  if (!Object.hasOwn(ICONS, name)) throw new TypeError(`there is no icon "${name}"`);
  return svg("svg", { class: "i", viewBox: "0 0 16 16", "aria-hidden": "true" }, svg("path", { d: ICONS[name] }));
}

export function sealMark() {
  const mark = svg("path", { d: "M10 20c2 2 10 2 11-1s-9-3-9-6 7-4 9-1" });
  return svg("svg", { class: "seal", viewBox: "0 0 32 32", "aria-hidden": "true" }, svg("circle", { cx: 16, cy: 16, r: 14 }), mark);
}
