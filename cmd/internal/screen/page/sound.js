// Sounds and vibration: each kind has its own rhythm, so that the pattern tells
// them apart for ears that hear no pitch, and for a hand.

const surface = document.getElementById("surface");
const hint = document.getElementById("sound");

// A pattern is tones: from Hz, to Hz, ms long, ms of silence after it.
const patterns = {
  admit: [[880, 880, 500, 0]],
  exit: [[880, 880, 300, 80], [440, 440, 80, 0]],
  refuse: [[300, 300, 110, 90], [300, 300, 110, 90], [300, 300, 110, 0]],
  review: [[560, 560, 250, 150], [560, 560, 250, 0]],
  conflict: [[560, 560, 250, 150], [300, 300, 110, 90], [300, 300, 110, 0]],
  repeat: [[1200, 1200, 35, 0]],
  undone: [[1200, 1200, 35, 100], [1200, 1200, 35, 0]],
  lost: [[200, 200, 900, 0]],
};

let context = null;
let sounding = null;

// play sounds what the kind sounds like; a newer one ends an older one.
export function play(kind) {
  const tones = patterns[kind];
  if (!tones) return;
  surface.dataset.sound = kind;
  surface.dataset.sounds = Number(surface.dataset.sounds || 0) + 1;
  // A browser complains where nobody has touched the page yet.
  if (navigator.userActivation?.hasBeenActive ?? true) {
    navigator.vibrate?.(tones.flatMap(([, , long, rest]) => (rest ? [long, rest] : [long])));
  }
  sounding?.disconnect();
  sounding = null;
  // What is not heard now must not be heard later.
  if (context?.state === "running") sounding = sound(tones);
}

function sound(tones) {
  const out = context.createGain();
  out.connect(context.destination);
  let at = context.currentTime;
  for (const [from, to, long, rest] of tones) {
    const end = at + long / 1000;
    const tone = context.createOscillator();
    tone.type = "square"; // it carries through noise and small speakers
    tone.frequency.setValueAtTime(from, at);
    tone.frequency.linearRampToValueAtTime(to, end);
    const level = context.createGain();
    level.gain.setValueAtTime(0, at);
    level.gain.linearRampToValueAtTime(0.6, at + 0.005);
    level.gain.setValueAtTime(0.6, Math.max(at + 0.005, end - 0.01));
    level.gain.linearRampToValueAtTime(0, end);
    tone.connect(level).connect(out);
    tone.start(at);
    tone.stop(end);
    at = end + rest / 1000;
  }
  return out;
}

// begin asks for sound; a kiosk gives it, another browser wants a touch first.
export function begin() {
  if (typeof AudioContext === "undefined") return;
  try {
    context = new AudioContext({ latencyHint: "interactive" });
  } catch {
    return; // a device without sound shows as much as any
  }
  const tell = () => {
    surface.dataset.audio = context.state;
    hint.hidden = context.state === "running";
  };
  context.addEventListener("statechange", tell);
  tell();
  const wake = () => {
    if (context.state !== "running") context.resume().then(tell, tell);
  };
  for (const touch of ["pointerdown", "keydown", "touchend"]) addEventListener(touch, wake, { capture: true, passive: true });
}
