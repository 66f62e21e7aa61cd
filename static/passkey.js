// Passkeys. Every page works without this file: where there is no JavaScript, there is no button for a passkey.
//
// A form with data-passkey="get" or "create" holds what the browser is asked (data-options, in the JSON of WebAuthn) and the
// sealed challenge; the answer goes back in the field "credential". A challenge is good for five minutes: data-renew is where
// another one is had.
"use strict";

const bytes = (text) => Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (char) => char.charCodeAt(0));
const text = (buffer) => btoa(String.fromCharCode(...new Uint8Array(buffer))).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
const optional = (buffer) => (buffer ? text(buffer) : undefined);
const described = (list) => (list ?? []).map((item) => ({ ...item, id: bytes(item.id) }));

// The methods parse…OptionsFromJSON() and toJSON() are younger than passkeys are.
const parsed = {
  get: (options) => ({ ...options, challenge: bytes(options.challenge), allowCredentials: described(options.allowCredentials) }),
  create: (options) => ({
    ...options,
    challenge: bytes(options.challenge),
    user: { ...options.user, id: bytes(options.user.id) },
    excludeCredentials: described(options.excludeCredentials),
  }),
};
const written = (credential) => {
  const { response } = credential;
  return JSON.stringify({
    id: credential.id,
    rawId: text(credential.rawId),
    type: credential.type,
    clientExtensionResults: {},
    response: {
      clientDataJSON: text(response.clientDataJSON),
      attestationObject: optional(response.attestationObject),
      authenticatorData: optional(response.authenticatorData),
      signature: optional(response.signature),
      userHandle: optional(response.userHandle),
      transports: response.attestationObject && response.getTransports ? response.getTransports() : undefined,
    },
  });
};

// As long as a question is used before it is asked anew.
const YOUNG = 4 * 60 * 1000;

const prepare = (form) => {
  const kind = form.dataset.passkey;
  const field = (name) => form.elements.namedItem(name);
  const button = form.querySelector("button");
  const problem = document.getElementById(form.dataset.problem);
  let question = { options: JSON.parse(form.dataset.options), challenge: field("passkey_challenge").value };
  let askedAt = performance.now();
  let waiting;

  // A page that comes out of the browser's memory has an answer behind it.
  window.addEventListener("pageshow", (event) => {
    if (event.persisted) askedAt = -Infinity;
  });

  const current = async () => {
    if (performance.now() - askedAt < YOUNG || !form.dataset.renew) return question;
    const answer = await fetch(form.dataset.renew, { headers: { accept: "application/json" } });
    if (!answer.ok) throw new Error(`${answer.status}`);
    const { publicKey, challenge } = await answer.json();
    question = { options: publicKey, challenge };
    askedAt = performance.now();
    return question;
  };

  const ask = async (more) => {
    waiting?.abort();
    const controller = new AbortController();
    waiting = controller;
    const { options, challenge } = await current();
    const publicKey = parsed[kind](options);
    const credential = await navigator.credentials[kind]({ publicKey, signal: controller.signal, ...more });
    field("passkey_challenge").value = challenge;
    field("credential").value = written(credential);
    // The box stands in the form for a password.
    if (document.getElementById("remember")?.checked) {
      form.append(Object.assign(document.createElement("input"), { type: "hidden", name: "remember", value: "1" }));
    }
    form.submit();
  };

  button.addEventListener("click", async (event) => {
    event.preventDefault();
    if (!form.reportValidity()) return;
    problem.hidden = true;
    try {
      await ask({});
    } catch (error) {
      if (error.name === "AbortError") return;
      const known = error.name === "InvalidStateError" && problem.dataset.known;
      problem.firstElementChild.textContent = known || problem.dataset.text;
      problem.hidden = false;
      offer();
    }
  });

  // Passkeys among the suggestions of the name field. They wait until somebody chooses one, so the question is renewed.
  const offer = async () => {
    if (!form.hasAttribute("data-suggest") || document.hidden) return;
    if (!(await PublicKeyCredential.isConditionalMediationAvailable?.())) return;
    try {
      await ask({ mediation: "conditional" });
    } catch {
      // Taken over by the button or by a renewal, or nobody chose.
    }
  };
  const renew = () => {
    if (performance.now() - askedAt >= YOUNG) offer();
  };
  if (form.hasAttribute("data-suggest")) {
    setInterval(renew, YOUNG / 8);
    document.addEventListener("visibilitychange", renew);
    offer();
  }
  form.hidden = false;
  for (const shown of document.querySelectorAll(`[data-with="${form.id}"]`)) shown.hidden = false;
};

if (window.PublicKeyCredential && navigator.credentials) {
  for (const form of document.querySelectorAll("form[data-passkey]")) prepare(form);
} else {
  for (const note of document.querySelectorAll("[data-without-passkeys]")) note.hidden = false;
}
