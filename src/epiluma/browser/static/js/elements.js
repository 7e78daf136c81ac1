// Elements in one line each.

const SVG = "http://www.w3.org/2000/svg";

/** @param {string} tag @param {Record<string, unknown>} attributes @param {(Node | string)[]} children */
export const html = (tag, attributes = {}, ...children) => filled(document.createElement(tag), attributes, children);
export const svg = (tag, attributes = {}, ...children) => filled(document.createElementNS(SVG, tag), attributes, children);

function filled(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children.filter((child) => child !== ""));
  return element;
}
