// The console's one script: security keys, the drawer of proofs, and the keyboard.
// Pages work without it, except where a browser must compute something.

const policy = window.trustedTypes?.createPolicy("strongroom", {
  // Only pages of this server come here, which escape everything themselves.
  createHTML: (page) => page,
});

function parse(page) {
  return new DOMParser().parseFromString(policy ? policy.createHTML(page) : page, "text/html");
}

// -- security keys ------------------------------------------------------------------------------

async function withKey(form) {
  const options = JSON.parse(form.dataset.options);
  const makes = form.dataset.webauthn === "create";
  const publicKey = makes
    ? PublicKeyCredential.parseCreationOptionsFromJSON(options)
    : PublicKeyCredential.parseRequestOptionsFromJSON(options);
  const credential = makes
    ? await navigator.credentials.create({ publicKey })
    : await navigator.credentials.get({ publicKey });
  form.elements.answer.value = JSON.stringify(credential.toJSON());
}

function say(form, words) {
  let place = form.querySelector("[role=alert]");
  if (!place) {
    place = document.createElement("p");
    place.setAttribute("role", "alert");
    place.className = "state bad";
    form.append(place);
  }
  place.textContent = words;
}

for (const form of document.querySelectorAll("form[data-webauthn]")) {
  form.addEventListener("submit", async (event) => {
    if (form.elements.answer.value) return;
    // Where a code does as well, only the key's own button asks the key.
    if ("choice" in form.dataset && !event.submitter?.matches("[data-key]")) return;
    event.preventDefault();
    try {
      await withKey(form);
      form.submit();
    } catch (problem) {
      say(form, problem.name === "NotAllowedError"
        ? "The security key was not used: it was cancelled, or took too long."
        : `The security key could not be used: ${problem.message}`);
    }
  });
}

// -- the drawer ---------------------------------------------------------------------------------

const drawer = document.querySelector("dialog.drawer");

document.addEventListener("click", async (event) => {
  const link = event.target.closest("a[data-drawer]");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  const answer = await fetch(link.href, { headers: { accept: "text/html" } });
  const found = parse(await answer.text()).querySelector("[data-drawer-content]");
  if (!answer.ok || !found) {
    location.assign(link.href);
    return;
  }
  const close = document.createElement("button");
  close.textContent = "Close";
  close.addEventListener("click", () => drawer.close());
  drawer.replaceChildren(close, document.adoptNode(found));
  drawer.showModal();
});
drawer.addEventListener("click", (event) => {
  if (event.target === drawer) drawer.close();
});

// -- the keyboard: g and a letter goes to a page ------------------------------------------------

let going = false;
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || drawer.open) return;
  if (event.target.closest("input, select, textarea")) return;
  if (event.key === "/") {
    const search = document.querySelector("input[type=search]");
    if (search) {
      event.preventDefault();
      search.focus();
    }
  }
  if (going) {
    document.querySelector(`nav a[data-key="${CSS.escape(event.key)}"]`)?.click();
  }
  going = event.key === "g" && !going;
});

// An error that came back with the page is what to read first.
document.querySelector(".errors")?.focus();
