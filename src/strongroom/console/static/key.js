// A security key, asked on behalf of a terminal on this computer.
// Anybody can write what stands behind the #: it is read strictly, and shown as text alone.

const page = document.querySelector("[data-key-page]");
const form = page.querySelector("form");
const part = (name) => page.querySelector(`[data-${name}]`);

const PURPOSES = new Map([
  ["login", "to log in"],
  ["step-up", "to go on with what wants a fresh factor"],
  ["change", "to change your factors"],
]);
const FIELDS = "challenge,for,host,keys,port,state,v,who";
const TRANSPORTS = new Set(["usb", "nfc", "ble", "internal", "hybrid", "cable", "smart-card"]);
const LONGEST = 65536;
const MOST_KEYS = 64;
const TEXT = /^[A-Za-z0-9_-]{16,1400}$/;
const STATE = /^[A-Za-z0-9_-]{43}$/;
const NAME = /^[\p{L}\p{N}_ .@+:/-]{0,64}$/u;

let asked = null;

function decoded(text) {
  if (text.length > LONGEST || !/^[A-Za-z0-9_-]+$/.test(text)) throw new TypeError("not ours");
  const raw = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
  const bytes = Uint8Array.from(raw, (c) => c.charCodeAt(0));
  return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
}

function isKey(each) {
  return Array.isArray(each) && each.length >= 1 && each.length <= 1 + TRANSPORTS.size
    && typeof each[0] === "string" && TEXT.test(each[0])
    && each.slice(1).every((transport) => TRANSPORTS.has(transport));
}

// Returns what is asked for, or throws for anything that our command did not write.
function read(text) {
  const said = decoded(text);
  const fits = said !== null && typeof said === "object" && !Array.isArray(said)
    && Object.keys(said).sort().join() === FIELDS
    && said.v === 1
    && PURPOSES.has(said.for)
    && typeof said.who === "string" && NAME.test(said.who)
    && Number.isInteger(said.port) && said.port >= 1024 && said.port <= 65535
    && typeof said.state === "string" && STATE.test(said.state)
    && typeof said.challenge === "string" && TEXT.test(said.challenge)
    && said.host === page.dataset.host
    && Array.isArray(said.keys) && said.keys.length >= 1 && said.keys.length <= MOST_KEYS
    && said.keys.every(isKey);
  if (!fits) throw new TypeError("not ours");
  return said;
}

// The code that the terminal shows too: over all that it asks for.
async function codeOf(text) {
  const digest = new Uint8Array(
    await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text)),
  );
  const bits = [...digest.slice(0, 5)].map((byte) => byte.toString(2).padStart(8, "0")).join("");
  const letters = bits.match(/.{5}/g).map(
    (five) => "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"[parseInt(five, 2)],
  );
  return `${letters.slice(0, 4).join("")}-${letters.slice(4).join("")}`;
}

function say(words) {
  let place = page.querySelector("[role=alert]");
  if (!place) {
    place = document.createElement("p");
    place.setAttribute("role", "alert");
    place.className = "state bad";
    form.append(place);
  }
  place.textContent = words;
}

async function show() {
  const text = location.hash.slice(1);
  if (!text) return;
  history.replaceState(null, "", location.pathname); // not to stay in the history
  asked = null;
  part("asked").hidden = true;
  part("nothing").hidden = false;
  let said;
  let code;
  try {
    said = read(text);
    code = await codeOf(text);
  } catch {
    part("nothing").textContent =
      "This address was not made by strongroom on this server, or not all of it was opened.";
    return;
  }
  part("purpose").textContent = PURPOSES.get(said.for);
  part("who").textContent = said.who;
  part("as").hidden = said.who === "";
  part("code").textContent = code;
  part("port").textContent = String(said.port);
  part("nothing").hidden = true;
  part("asked").hidden = false;
  asked = said;
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  if (asked === null) return;
  const { challenge, host, keys, port, state } = asked;
  try {
    const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON({
      challenge,
      rpId: host,
      allowCredentials: keys.map(([id, ...transports]) => (
        { id, type: "public-key", transports })),
      userVerification: "required",
      timeout: 300000,
    });
    const credential = await navigator.credentials.get({ publicKey });
    form.elements.answer.value = JSON.stringify(credential.toJSON());
  } catch (problem) {
    say(problem.name === "NotAllowedError"
      ? "The security key was not used: it was cancelled, or took too long."
      : `The security key could not be used: ${problem.message}`);
    return;
  }
  form.elements.state.value = state;
  form.action = `http://127.0.0.1:${port}/key`;
  asked = null;
  part("asked").hidden = true;
  part("nothing").textContent = "Your terminal was sent what it asked for. Go back to it.";
  part("nothing").hidden = false;
  form.submit();
});

addEventListener("hashchange", show);
show();
