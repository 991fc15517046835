// How the tests look at a page: as eyes, fingers and a loudspeaker would. Runs in
// every page before its own scripts.
"use strict";

window.look = {
  // What the page did so far: tones by their verdict, vibrations, breaches of the
  // content security policy, how often it lost the daemon, and when its surface
  // became what, in milliseconds since 1970.
  sounds: [],
  buzzes: [],
  breaches: [],
  changes: [],
  lost: 0,

  // shown tells whether eyes can see the element.
  shown(element) {
    const box = element.getBoundingClientRect();
    return element.checkVisibility({ opacityProperty: true, visibilityProperty: true, contentVisibilityAuto: true }) && box.width > 1 && box.height > 1;
  },

  // texts are the pieces of text that eyes can see, with the boxes of their lines.
  texts() {
    const found = [];
    const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    for (let node; (node = walk.nextNode());) {
      const parent = node.parentElement;
      if (!node.data.trim() || !look.shown(parent) || look.clippedAway(parent)) continue;
      const range = document.createRange();
      range.selectNodeContents(node);
      const boxes = [...range.getClientRects()].filter((box) => box.width > 0 && box.height > 0);
      if (boxes.length) found.push({ node, parent, boxes, text: node.data.trim().slice(0, 60) });
    }
    for (const field of document.querySelectorAll("input, textarea, select")) {
      if (look.shown(field)) found.push({ node: field, parent: field, boxes: [field.getBoundingClientRect()], text: field.value || field.placeholder || field.id });
    }
    return found;
  },

  // clippedAway tells of text for screen readers only.
  clippedAway(element) {
    for (let e = element; e; e = e.parentElement) {
      const box = e.getBoundingClientRect(), style = getComputedStyle(e);
      if (box.width <= 1 || box.height <= 1) return true;
      if (style.clip !== "auto" || style.clipPath === "inset(50%)" || style.clipPath === "inset(100%)") return true;
    }
    return false;
  },

  // colour reads what getComputedStyle says.
  colour(text) {
    const m = /^rgba?\(([^)]+)\)$/.exec(text);
    if (!m) throw new Error("no colour that a test can read: " + text);
    const [r, g, b, a = 1] = m[1].split(/[ ,/]+/).map(Number);
    return [r, g, b, a];
  },

  over([r, g, b, a], [R, G, B]) {
    return [r * a + R * (1 - a), g * a + G * (1 - a), b * a + B * (1 - a), 1];
  },

  // background is what stands behind the element's text.
  background(element) {
    if (!element) return [255, 255, 255, 1];
    const style = getComputedStyle(element);
    if (style.backgroundImage !== "none") throw new Error("text on a picture: " + element.outerHTML.slice(0, 80));
    const own = look.colour(style.backgroundColor);
    return own[3] === 1 ? own : look.over(own, look.background(element.parentElement));
  },

  luminance([r, g, b]) {
    const linear = (v) => ((v /= 255) <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
  },

  ratio(one, other) {
    const [dark, light] = [look.luminance(one), look.luminance(other)].sort((a, b) => a - b);
    return (light + 0.05) / (dark + 0.05);
  },

  // faint lists the texts whose contrast with what stands behind them, by WCAG, is
  // below the limit.
  faint(limit) {
    const faint = [];
    for (const { node, parent, text } of look.texts()) {
      let opacity = 1;
      for (let e = parent; e; e = e.parentElement) opacity *= Number(getComputedStyle(e).opacity);
      const behind = look.background(parent);
      const inks = [getComputedStyle(parent).color];
      if (node === parent && !parent.value && parent.placeholder) inks[0] = getComputedStyle(parent, "::placeholder").color;
      for (const ink of inks.map(look.colour)) {
        ink[3] *= opacity;
        const ratio = look.ratio(look.over(ink, behind), behind);
        if (ratio < limit) faint.push(ratio.toFixed(2) + ": " + text);
      }
    }
    return faint;
  },

  // small lists the texts below the size, in pixels.
  small(pixels) {
    return look.texts().filter(({ parent }) => parseFloat(getComputedStyle(parent).fontSize) < pixels)
      .map(({ parent, text }) => getComputedStyle(parent).fontSize + ": " + text);
  },

  // narrow lists what fingers must hit and is smaller than so many pixels.
  narrow(pixels) {
    return [...document.querySelectorAll("a[href], button, input, select, textarea, summary, [role=button], [tabindex='0']")].filter(look.shown).map((e) => [e, e.getBoundingClientRect()])
      .filter(([, box]) => box.width < pixels - 0.01 || box.height < pixels - 0.01)
      .map(([e, box]) => `${Math.round(box.width)}x${Math.round(box.height)}: ${e.outerHTML.slice(0, 80)}`);
  },

  // outside lists the texts that stick out of the window to the side, where nobody
  // can scroll to, and the whole page where it scrolls sideways.
  outside() {
    const page = document.scrollingElement, out = [];
    if (page.scrollWidth > page.clientWidth) out.push(`the page is ${page.scrollWidth} wide, the window ${page.clientWidth}`);
    for (const { parent, boxes, text } of look.texts()) {
      // What ends in an ellipsis is not there beyond it.
      if (getComputedStyle(parent).textOverflow === "ellipsis") boxes.splice(0, boxes.length, parent.getBoundingClientRect());
      for (const box of boxes) if (box.left < -0.5 || box.right > page.clientWidth + 0.5) out.push(`${Math.round(box.left)}..${Math.round(box.right)}: ${text}`);
    }
    return out;
  },

  // whole tells whether all of an element's text is inside the window and hidden by
  // nothing.
  whole(element) {
    if (!element || !look.shown(element)) return "not shown";
    const range = document.createRange();
    range.selectNodeContents(element);
    for (const box of range.getClientRects()) {
      if (!box.width || !box.height) continue;
      if (box.left < -0.5 || box.top < -0.5 || box.right > innerWidth + 0.5 || box.bottom > innerHeight + 0.5) {
        return `at ${Math.round(box.left)},${Math.round(box.top)} to ${Math.round(box.right)},${Math.round(box.bottom)} of ${innerWidth}x${innerHeight}`;
      }
      const hit = document.elementFromPoint((box.left + box.right) / 2, (box.top + box.bottom) / 2);
      if (hit && hit !== element && !element.contains(hit) && !hit.contains(element)) return "under " + hit.outerHTML.slice(0, 80);
    }
    return "";
  },

  // wrong lists whatever keeps people from reading or touching the page; what of the
  // named elements must be seen whole is, where they hold any text.
  wrong(...selectors) {
    const list = (what, found) => found.map((f) => what + ": " + f);
    return [
      ...list("contrast below 7", look.faint(7)),
      ...list("text below 16 px", look.small(16)),
      ...list("smaller than a finger", look.narrow(44)),
      ...list("outside of the window", look.outside()),
      ...selectors.map((s) => [s, document.querySelector(s)]).filter(([, e]) => !e || e.textContent)
        .map(([s, e]) => [s, look.whole(e)]).filter(([, why]) => why).map(([s, why]) => s + " is " + why),
    ];
  },

  // everything is all that a thief with a debugger reads from the document: texts,
  // attributes, the values of fields.
  everything() {
    const all = [document.title];
    for (const e of document.querySelectorAll("*")) {
      for (const a of e.attributes) all.push(a.value);
      if ("value" in e && typeof e.value === "string") all.push(e.value);
      if (e.shadowRoot) all.push(e.shadowRoot.textContent);
    }
    all.push(document.documentElement.textContent);
    return all.join("\n");
  },
};

document.addEventListener("DOMContentLoaded", () => {
  const surface = document.querySelector("#surface");
  if (!surface) return;
  const note = () => {
    const { kind, seq = "" } = surface.dataset;
    look.changes.push({ at: performance.timeOrigin + performance.now(), kind, seq });
    if (kind === "lost") look.lost++;
  };
  new MutationObserver(note).observe(surface, { attributes: true, attributeFilter: ["data-kind", "data-seq"] });
});

document.addEventListener("securitypolicyviolation", (e) => look.breaches.push(`${e.violatedDirective} ${e.blockedURI}`));

for (const kind of ["OscillatorNode", "AudioBufferSourceNode"]) {
  const start = window[kind].prototype.start;
  window[kind].prototype.start = function (...when) {
    look.sounds.push(document.querySelector("#surface").dataset.sound);
    return start.apply(this, when);
  };
}
navigator.vibrate = (pattern) => {
  look.buzzes.push([pattern].flat());
  return true;
};
