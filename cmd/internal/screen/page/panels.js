// The panels: a typed code, the last scans, the search, and who lets in or takes
// back. A panel never hides a verdict: the surface stays above it.

import { failed, get, of, post } from "./daemon.js";
import { old } from "./feed.js";
import * as search from "./search.js";
import { item, onChange, verdict } from "./surface.js";

const element = (id) => document.getElementById(id);
const settle = 400; // ms: a touch that was meant for the verdict before

let open = null; // the panel that is open
let opener = null; // where the focus goes back to
let shown = null; // the verdict on the surface
let since = 0;
let about = null; // what the person decides: {seq, code, what}
let lastName = ""; // offered again; it leaves with the page

export function begin(scanner) {
  of(scanner);
  for (const name of ["code", "scans", "search", "problems"]) {
    element("open-" + name).addEventListener("click", () => toggle(name));
  }
  for (const button of document.querySelectorAll(".panel .close")) button.addEventListener("click", close);
  addEventListener("keydown", key);
  submits("code-form", code);
  submits("search-form", () => search.find(element("search").value));
  submits("person-form", decide);
  search.begin(async (handle) => {
    await checked(post("/scan", { handle }));
    closeOwn("search-panel");
  });
  element("let-in").addEventListener("click", () => fromSurface("let-in"));
  element("take-back").addEventListener("click", () => fromSurface("take-back"));
  onChange((view) => {
    shown = view;
    since = performance.now();
    element("let-in").hidden = !view?.may_admit;
    if (view) element("let-in").textContent = element("let-in").dataset[pass(view)];
    element("take-back").hidden = !view?.may_undo;
  });
}

// lost empties what the daemon told.
export function lost() {
  search.clear();
  element("scans").replaceChildren();
  problems([]);
}

// problems lists the daemon's own sentences.
export function problems(texts) {
  element("problems").replaceChildren(...texts.map((text) => item("li", text)));
  element("open-problems").hidden = texts.length === 0;
  if (texts.length === 0 && open === element("problems-panel")) close();
}

function key(event) {
  const writing = event.target instanceof HTMLInputElement;
  if (event.key === "Escape" && open) {
    event.preventDefault();
    close();
  } else if (event.key === "/" && !writing && !event.ctrlKey && !event.altKey && !event.metaKey) {
    event.preventDefault();
    if (open !== element("search-panel")) toggle("search");
  }
}

function toggle(name) {
  const panel = element(name + "-panel");
  if (open === panel) {
    close();
    return;
  }
  show(panel, element("open-" + name));
  if (name === "scans") list();
}

function show(panel, from) {
  if (open) hide();
  open = panel;
  opener = from;
  if (panel instanceof HTMLDialogElement) panel.show();
  else panel.hidden = false;
  if (from.getAttribute("aria-controls") === panel.id) from.setAttribute("aria-expanded", "true");
  complain(panel, "");
  const first = panel.querySelector("input, h2");
  first.focus();
  first.select?.();
}

function hide() {
  if (open instanceof HTMLDialogElement) open.close();
  else open.hidden = true;
  if (opener.hasAttribute("aria-expanded")) opener.setAttribute("aria-expanded", "false");
  if (open === element("search-panel")) search.clear();
  if (open === element("scans-panel")) element("scans").replaceChildren();
  open = null;
}

function close() {
  if (!open) return;
  hide();
  if (opener.isConnected && !opener.hidden) opener.focus();
  else document.activeElement?.blur();
}

// closeOwn closes the panel that an answer belongs to. Another one may be open by now.
function closeOwn(id) {
  if (open === element(id)) close();
}

function complain(panel, text) {
  const place = panel.querySelector(".failed");
  if (place) place.textContent = text;
}

// submits runs act when the form is sent, once at a time, and says what failed.
function submits(id, act) {
  const panel = element(id).closest(".panel");
  const form = element(id);
  let busy = false;
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (busy) return;
    busy = true;
    complain(panel, "");
    try {
      await act();
    } catch (error) {
      complain(panel, failed(error));
    } finally {
      busy = false;
    }
  });
}

// checked shows what was answered, where the events do not bring it.
async function checked(answer) {
  const view = await answer;
  if (!view.streamed && !old(view.sent)) verdict(view);
}

async function code() {
  const field = element("code");
  const typed = field.value;
  await checked(post("/scan", { code: typed }));
  if (field.value !== typed) return; // the next one already
  field.value = "";
  closeOwn("code-panel");
}

// fromSurface asks about the verdict that is shown.
function fromSurface(what) {
  if (!shown || performance.now() - since < settle) return;
  ask(shown, what, element(what));
}

function ask(view, what, from) {
  const person = element("person");
  about = { seq: view.seq, what };
  show(person, from);
  const words = what === "let-in" ? pass(view) : "takeBack";
  element("person-ask").textContent = person.dataset[words + "Ask"].replace("{code}", () => view.code);
  element("person-do").textContent = person.dataset[words];
  const by = element("by");
  by.value = lastName;
  by.select();
}

// pass names the words for letting somebody pass: out, where they were leaving.
function pass(view) {
  return view.direction === "exit" ? "letOut" : "letIn";
}

async function decide() {
  const by = element("by").value.trim();
  if (!by) {
    complain(element("person"), element("person").dataset.needed);
    element("by").focus();
    return;
  }
  const asked = about;
  await checked(post(`/scans/${asked.seq}/${asked.what === "let-in" ? "admit" : "undo"}`, { by }));
  lastName = by;
  if (about === asked) closeOwn("person");
}

// list shows the last scans as they are now. It does not move while it is open: a
// touch must not meet another row than the one that was seen.
async function list() {
  const panel = element("scans-panel");
  element("scans-note").textContent = "";
  try {
    const views = await get("/scans");
    if (open !== panel) return;
    element("scans").replaceChildren(...views.map((view) => row(view, panel)));
    if (views.length === 0) element("scans-note").textContent = panel.dataset.none;
  } catch (error) {
    complain(panel, failed(error));
  }
}

function row(view, panel) {
  const li = document.createElement("li");
  li.dataset.seq = view.seq;
  li.dataset.kind = view.kind;
  const word = item("strong", view.word);
  const text = [view.at, view.code, view.scanner].filter(Boolean).join(" · ");
  const more = [view.why, ...view.marks].filter(Boolean).join(" · ");
  li.append(word, item("span", text), item("span", more));
  if (view.may_admit) li.append(button("let-in", panel.dataset[pass(view)], view));
  if (view.may_undo) li.append(button("take-back", panel.dataset.takeBack, view));
  return li;
}

function button(what, text, view) {
  const b = item("button", text);
  b.type = "button";
  b.className = what;
  b.addEventListener("click", () => ask(view, what, element("open-scans")));
  return b;
}
