// The daemon's events, and the certainty that they still come.

const retryTime = 250; // between two connections
const silentTime = 800; // without a word: the daemon sends one every 300 ms
const connectTime = 2500; // for the first word of a connection
const tickTime = 100;
const gapTime = 1500; // between two ticks: this page was stopped meanwhile
const staleTime = 1500; // between sending and arrival: the same

// old tells of what was sent at that time, by the clock of this same device, that it
// is no news: it waited while this page was stopped.
export function old(sent) {
  return Math.abs(Date.now() - sent) > staleTime;
}

// follow calls on.page, on.state and on.verdict with what comes, and on.lost when
// what was shown before must not be believed any more.
export function follow(address, on) {
  let source = null;
  let heard = 0;
  let connected = false;
  let retry = 0;
  let ticked = Date.now();

  function open() {
    clearTimeout(retry);
    source?.close();
    heard = performance.now();
    const mine = new EventSource(address);
    source = mine;
    const take = (handle) => (event) => {
      if (mine !== source) return;
      // The id is the time of sending.
      if (old(Number(event.lastEventId))) {
        drop();
        return;
      }
      heard = performance.now();
      connected = true;
      handle(event.data);
    };
    mine.addEventListener("page", take((data) => on.page(data)));
    mine.addEventListener("state", take((data) => on.state(data)));
    mine.addEventListener("verdict", take((data) => on.verdict(JSON.parse(data))));
    mine.addEventListener("error", () => {
      if (mine === source) drop();
    });
  }

  // drop gives the connection up and begins another by itself: the browser's own
  // way waits for seconds.
  function drop() {
    source?.close();
    source = null;
    lose();
    clearTimeout(retry);
    retry = setTimeout(open, retryTime);
  }

  // lose tells it once.
  function lose() {
    if (connected) on.lost();
    connected = false;
  }

  setInterval(() => {
    const now = Date.now();
    const gap = Math.abs(now - ticked) > gapTime;
    ticked = now;
    const silence = performance.now() - heard;
    if (source && (gap || silence > (connected ? silentTime : connectTime))) drop();
  }, tickTime);

  document.addEventListener("visibilitychange", () => {
    // Whoever looks again must not see what was there before.
    if (document.visibilityState === "hidden" || performance.now() - heard > silentTime) drop();
  });
  addEventListener("pagehide", () => {
    source?.close();
    source = null;
    clearTimeout(retry);
    lose();
  });
  addEventListener("pageshow", () => {
    if (!source) drop();
  });
  open();
}
