// The surface: what fills the screen.

import { play } from "./sound.js";

const element = (id) => document.getElementById(id);
const surface = element("surface");

let holdTime = 5000; // the state tells the configured one
let hold = 0;
let calm = null; // the state shown without a verdict; null: the daemon is lost
let shown = null; // the verdict shown
let waiting = null; // a conflict, until the verdict shown is over
const listeners = [];

// onChange calls when another thing is shown, with the verdict or null.
export function onChange(listener) {
  listeners.push(listener);
}

// holding is how long a name may stay, in ms.
export function holding() {
  return holdTime;
}

// verdict shows a verdict, with its sound, until hold is over. Without the daemon it
// shows none: the answer to a typed code may outlive the connection.
export function verdict(view) {
  if (!calm) return;
  if (view.kind === "conflict" && shown && shown.kind !== "conflict") {
    // It is about somebody who went in long ago, not about who stands here now.
    waiting = view;
    return;
  }
  clearTimeout(hold);
  shown = view;
  draw(view);
  say(view);
  play(view.kind);
  hold = setTimeout(rest, holdTime);
  tell();
}

// state is what to show without a verdict, from now on.
export function state(next) {
  const before = calm;
  calm = next;
  holdTime = next.hold_ms > 0 ? next.hold_ms : 5000;
  bar(next.bar);
  labels(element("counts"), next.counts);
  if (shown) return;
  if (!before) element("say").replaceChildren(); // the daemon is there again
  draw(next);
  if (next.word && (!before || before.word !== next.word || before.why !== next.why)) say(next);
}

// lost says that the daemon is not seen; a verdict shown before is gone at once.
export function lost() {
  clearTimeout(hold);
  const before = shown || calm;
  shown = null;
  waiting = null;
  calm = null;
  const view = { kind: "lost", shape: "gap", word: surface.dataset.lostWord, why: surface.dataset.lostWhy, do: surface.dataset.lostDo };
  draw(view);
  bar([]);
  labels(element("counts"), []);
  if (before) {
    say(view);
    play("lost");
  }
  tell();
}

// rest ends a verdict.
function rest() {
  shown = null;
  element("say").replaceChildren(); // nobody must read an old verdict there
  if (calm) draw(calm);
  tell();
  const next = waiting;
  waiting = null;
  if (next) verdict(next);
}

function tell() {
  for (const listener of listeners) listener(shown);
}

// draw puts a view or a state on the surface. All of it is text, wherever it came
// from.
function draw(view) {
  surface.dataset.kind = view.kind;
  if (view.seq) surface.dataset.seq = view.seq;
  else delete surface.dataset.seq;
  const shape = element("shape");
  shape.dataset.shape = view.shape;
  shape.firstElementChild.setAttribute("href", "#shape-" + (view.shape || "none"));
  const word = element("word");
  word.textContent = view.word;
  // The longest part must fit in a line.
  const longest = Math.max(4, ...view.word.split(/[\s-]+/).map((part) => [...part].length));
  word.style.setProperty("--letters", longest);
  word.style.setProperty("--lines", view.word.trim().split(/\s+/).length);
  word.style.setProperty("--all", Math.max(4, [...view.word].length));
  element("lane").textContent = lane(view);
  element("why").textContent = view.why;
  element("do").textContent = view.do;
  labels(element("ticket"), view.ticket || []);
  element("event").textContent = view.event || "";
  // A conflict is told long after its scan: which one, nobody could say without.
  const marks = [...(view.marks || []), ...(view.kind === "conflict" ? [view.code] : [])];
  element("marks").replaceChildren(...marks.map((mark) => item("li", mark)));
}

// lane says whose verdict it is, where it could be another one's: nobody must take the
// next lane's green for their own.
function lane(view) {
  return view.seq && calm.scanners?.length > 1 && view.scanner !== calm.scanner ? view.scanner : "";
}

// bar shows what must always be seen; without a daemon nothing is known.
function bar(parts) {
  element("bar").replaceChildren(
    ...parts.map((part) => {
      const li = item("li", part.text);
      li.dataset.grade = part.grade;
      return li;
    }),
  );
}

function labels(list, values) {
  list.replaceChildren(
    ...values.map(({ label, value }) => {
      const group = document.createElement("div");
      group.append(item("dt", label), item("dd", value));
      return group;
    }),
  );
}

// say is one announcement, also when it is the same as the one before.
function say(view) {
  const text = [view.word, lane(view), view.why, view.do].filter(Boolean).join(" · ");
  element("say").replaceChildren(item("p", text));
}

// item is an element with text in it, never markup.
export function item(name, text) {
  const e = document.createElement(name);
  e.textContent = text;
  return e;
}
