// Tells the page around this frame whether the session in this browser is still the one that its session_state was made for
// (OpenID Connect Session Management 1.0 §3.2). Nothing but "unchanged", "changed" or "error" leaves it.
"use strict";

(() => {
  const cookie = document.currentScript.dataset.cookie;

  const browserState = () => {
    const pairs = document.cookie.split("; ");
    const found = pairs.find((pair) => pair.startsWith(cookie + "="));
    return found === undefined ? "" : found.slice(cookie.length + 1);
  };

  const status = async (message, origin) => {
    const space = typeof message === "string" ? message.lastIndexOf(" ") : -1;
    const dot = space < 0 ? -1 : message.lastIndexOf(".");
    if (space < 1 || dot < space || origin === "null") {
      return "error";
    }
    const client = message.slice(0, space);
    const text = [client, origin, browserState(), message.slice(dot + 1)].join(" ");
    const hash = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
    const hex = Array.from(new Uint8Array(hash), (byte) => byte.toString(16).padStart(2, "0")).join("");
    return hex === message.slice(space + 1, dot) ? "unchanged" : "changed";
  };

  window.addEventListener("message", (event) => {
    if (event.source === null || event.source === window || event.origin === "null") {
      return;
    }
    status(event.data, event.origin).catch(() => "error").then((answer) => event.source.postMessage(answer, event.origin));
  });
})();
