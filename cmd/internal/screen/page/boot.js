// Comes before the rest: a page whose other files did not arrive, as when the daemon
// ends in between, must not stand there for ever.
setTimeout(() => {
  if (!document.documentElement.dataset.running) location.reload();
}, 5000);
