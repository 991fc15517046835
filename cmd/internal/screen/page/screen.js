// The gate screen: wires the daemon's events to the surface, the sounds and the
// panels.

import { follow } from "./feed.js";
import { lanes } from "./lanes.js";
import * as panels from "./panels.js";
import * as sound from "./sound.js";
import * as surface from "./surface.js";

const scanner = new URLSearchParams(location.search).get("scanner") || "";
const events = "/events" + (scanner ? "?scanner=" + encodeURIComponent(scanner) : "");
const loaded = document.querySelector("meta[name=page]").content;

document.documentElement.dataset.running = "yes";

let drawn = ""; // the state as it came; most are the same as the one before

sound.begin();
panels.begin(scanner);
follow(events, {
  page(print) {
    // The daemon is newer than this page, or speaks another language.
    if (print !== loaded && sessionStorage.getItem("page") !== print) {
      sessionStorage.setItem("page", print);
      location.reload();
    }
  },
  state(text) {
    if (text === drawn) return;
    drawn = text;
    const state = JSON.parse(text);
    document.title = [state.title, state.scanner].filter(Boolean).join(" · ") || document.title;
    surface.state(state);
    panels.problems(state.problems);
    lanes(state.scanners || [], scanner);
  },
  verdict: surface.verdict,
  lost() {
    drawn = "";
    surface.lost();
    panels.lost();
  },
});
