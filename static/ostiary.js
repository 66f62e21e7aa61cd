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
