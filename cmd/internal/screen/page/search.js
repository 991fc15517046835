// The search for a ticket whose code cannot be read. What is found are names: they
// go when nobody has touched the panel for as long as a verdict stays.

import { failed, post } from "./daemon.js";
import { holding, item } from "./surface.js";

const element = (id) => document.getElementById(id);
const panel = element("search-panel");

let idle = 0;
let asked = 0;
let check = null;

// begin: check is called with the handle of the ticket chosen.
export function begin(chosen) {
  check = chosen;
  for (const touch of ["pointerdown", "keydown", "input", "scroll", "wheel", "touchmove"]) {
    panel.addEventListener(touch, wait, { capture: true, passive: true });
  }
}

export async function find(q) {
  const mine = ++asked;
  const answer = await post("/find", { q });
  // Another search, or the panel was closed meanwhile.
  if (mine !== asked) return;
  element("found").replaceChildren(...answer.found.map(row));
  element("found-note").textContent = answer.found.length === 0 ? panel.dataset.none : answer.more;
  // The name that was typed goes as those that were found.
  clearTimeout(idle);
  idle = setTimeout(clear, holding());
}

// clear forgets the names, the one that was typed included.
export function clear() {
  asked++;
  clearTimeout(idle);
  element("found").replaceChildren();
  element("found-note").textContent = "";
  element("search").value = "";
}

// wait begins the time anew after which the names go. Who is still typing one gets
// more.
function wait() {
  clearTimeout(idle);
  const names = element("found").childElementCount > 0;
  idle = setTimeout(clear, names ? holding() : Math.max(holding(), 30000));
}

function row(ticket) {
  const li = document.createElement("li");
  const place = [
    [panel.dataset.section, ticket.section],
    [panel.dataset.seat, ticket.seat],
    [panel.dataset.order, ticket.order],
  ].filter(([, value]) => value).map(([label, value]) => `${label} ${value}`);
  const button = item("button", panel.dataset.check);
  button.type = "button";
  button.className = "check";
  button.addEventListener("click", async () => {
    button.disabled = true;
    try {
      await check(ticket.handle);
    } catch (error) {
      panel.querySelector(".failed").textContent = failed(error);
      button.disabled = false;
    }
  });
  li.append(item("strong", ticket.name || panel.dataset.name + " –"), item("span", place.join(" · ")), item("span", ticket.status), button);
  return li;
}
