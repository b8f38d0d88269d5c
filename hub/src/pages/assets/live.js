// Listens for news of the hub, once for all open pages of a browser: a browser opens only six connections to a site without
// TLS, and each stream of events takes one. The pages that show updates say "listen", the others "leave".
"use strict";

const listening = new Set();
let source;

function tell(news) {
  for (const port of listening) port.postMessage(news);
}

function connect() {
  if (listening.size === 0) {
    source?.close();
    source = undefined;
    return;
  }
  if (source && source.readyState !== EventSource.CLOSED) return;
  source = new EventSource("/live");
  for (const name of ["change", "figures"]) {
    source.addEventListener(name, (event) => tell({ within: JSON.parse(event.data).within }));
  }
  source.addEventListener("error", ({ target }) => {
    if (target.readyState === EventSource.CLOSED) tell({ refused: true });
  });
}

addEventListener("connect", ({ ports: [port] }) => {
  port.addEventListener("message", ({ data }) => {
    if (data === "listen") listening.add(port);
    else listening.delete(port);
    connect();
  });
  port.start();
});
