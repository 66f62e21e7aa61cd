// Small conveniences. Every page works without them.
"use strict";

// "Show" beside a password field. The field hides its text again when the form is sent, so that the browser
// doesn't keep the password among what it suggests for text fields.
for (const button of document.querySelectorAll("button[data-reveals]")) {
  const field = document.getElementById(button.dataset.reveals);
  const show = button.textContent;
  const reveal = (shown) => {
    field.type = shown ? "text" : "password";
    button.textContent = shown ? button.dataset.hide : show;
    button.setAttribute("aria-pressed", String(shown));
  };
  button.addEventListener("click", () => {
    reveal(field.type === "password");
    field.focus();
  });
  field.form.addEventListener("submit", () => reveal(false));
  button.hidden = false;
}

// A page that is worth keeping on paper.
for (const button of document.querySelectorAll("button[data-prints]")) {
  button.addEventListener("click", () => window.print());
  button.hidden = false;
}

// Times in the reader's own time zone, and in the manner of their region as far as the page's language goes.
const language = document.documentElement.lang;
const region = navigator.languages.find((tag) => tag.split("-")[0] === language.split("-")[0]) ?? language;
for (const time of document.querySelectorAll("time[datetime]")) {
  const moment = new Date(time.dateTime);
  if (!Number.isNaN(moment.valueOf())) {
    time.title = time.textContent;
    time.textContent = moment.toLocaleString(region, { dateStyle: "medium", timeStyle: "short" });
  }
}

// A proof of work that a form asks for. It is done while the form is filled in; one that is a minute old is done anew, for
// the server takes none that is older.
for (const field of document.querySelectorAll("input[name=solution][data-worker]")) {
  const form = field.form;
  const challenge = form.elements.namedItem("challenge");
  const status = form.querySelector("[data-working]");
  const policy = window.trustedTypes?.createPolicy("ostiary", { createScriptURL: (url) => url });
  const workerURL = policy ? policy.createScriptURL(field.dataset.worker) : field.dataset.worker;
  let begun = 0;
  const solve = () => {
    begun = performance.now();
    if (status) status.textContent = status.dataset.working;
    return new Promise((resolve, reject) => {
      const worker = new Worker(workerURL);
      worker.onmessage = (event) => {
        field.value = event.data;
        if (status) status.textContent = status.dataset.done;
        worker.terminate();
        resolve();
      };
      worker.onerror = reject;
      worker.postMessage(challenge.value);
    });
  };
  let solved = solve();
  form.addEventListener("submit", async (event) => {
    if (field.value !== "" && performance.now() - begun < 45_000) return;
    event.preventDefault();
    if (performance.now() - begun >= 45_000) {
      field.value = "";
      const answer = await fetch(field.dataset.renew, { cache: "no-store" });
      challenge.value = (await answer.json()).challenge;
      solved = solve();
    }
    await solved;
    form.submit();
  });
}
