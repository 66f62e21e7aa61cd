// Goes on to the application when every frame has been loaded in which another one logs out, or after three seconds.
"use strict";

(() => {
  const next = document.getElementById("continue");
  const go = () => location.replace(next.href);
  window.addEventListener("load", go, { once: true });
  setTimeout(go, 3000);
})();
