// What only a script can do for Doorward's pages: passkeys, times in the
// visitor's zone, a passcode that submits itself. The pages work without it,
// passkeys excepted; their buttons stay hidden until it runs.
//
// It has no words of its own. All that it says stands in data attributes, in
// the language of the page.

const webauthn = navigator.credentials && window.PublicKeyCredential;

// ---- passkeys ----

// A Refusal is an answer of the server other than success. Its slug is the
// stable end of the problem's type, RFC 9457.
class Refusal extends Error {
	constructor(status, type) {
		super(`refused with ${status}`);
		this.name = "Refusal";
		this.status = status;
		this.slug = String(type ?? "").split("#").pop();
	}
}

async function post(url, body) {
	const response = await fetch(url, {
		method: "POST",
		headers: {
			"Content-Type": "application/json",
			Accept: "application/json",
			"Doorward-Session": "cookie", // rather than a token that a script could read
		},
		body: JSON.stringify(body),
		credentials: "same-origin",
		cache: "no-store",
		redirect: "error",
	});
	const answer = await response.json().catch(() => ({}));
	if (!response.ok) throw new Refusal(response.status, answer.type);
	return answer;
}

// A Ceremony has its options ready before anybody clicks: Safari lets a page
// call WebAuthn in answer to a click only, and by the time a request has been
// answered it may no longer count as one.
class Ceremony {
	#url;
	#expired;
	#options = null;
	#goodUntil;
	#timer;

	// expired is called when options in stock were about to run out.
	constructor(url, expired) {
		this.#url = url;
		this.#expired = expired;
	}

	// options returns those in stock, or else fetches some. Callers at the same
	// time share a request.
	options() {
		// Timers stand still while a computer sleeps.
		if (Date.now() > this.#goodUntil) this.drop();
		this.#options ??= this.#fetch().catch((error) => {
			this.drop();
			throw error;
		});
		return this.#options;
	}

	drop() {
		clearTimeout(this.#timer);
		this.#options = null;
		this.#goodUntil = Infinity;
	}

	// finalize spends the options, whatever the answer: the server takes a
	// challenge once.
	async finalize(credential) {
		this.drop();
		return post(`${this.#url}/finalize`, encodeCredential(credential));
	}

	async #fetch() {
		const { publicKey } = await post(`${this.#url}/initialize`, {});
		const lifetime = Math.max((publicKey.timeout ?? 300_000) * 0.8, 10_000);
		this.#goodUntil = Date.now() + lifetime;
		clearTimeout(this.#timer);
		this.#timer = setTimeout(() => {
			this.drop();
			this.#expired();
		}, lifetime);
		return publicKey;
	}
}

// signInWithPasskey offers passkeys in the autofill of the address field, and
// with a button.
async function signInWithPasskey(box) {
	if (!box) return;
	const button = box.querySelector("button");
	const form = document.getElementById("login");
	const ceremony = new Ceremony(box.dataset.ceremony, () => whenVisible(restart));
	const conditional = webauthn.isConditionalMediationAvailable?.().catch(() => false);
	let autofill = { abort() {}, done: Promise.resolve() };
	let busy = false;

	async function prove(request) {
		const options = await ceremony.options();
		const credential = await navigator.credentials.get({
			publicKey: decodeRequest(options),
			...request,
		});
		try {
			await ceremony.finalize(credential);
		} catch (error) {
			// The passkey was removed here but is still on the device: the
			// browser may stop offering it.
			if (error.slug === "unknown_passkey") {
				await signal("signalUnknownCredential", {
					rpId: options.rpId ?? location.hostname,
					credentialId: credential.id,
				});
			}
			error.chosen = true;
			throw error;
		}
		location.replace(form.elements.return.value || "/");
		await new Promise(() => {}); // nothing here may start while the page leaves
	}

	async function startAutofill() {
		if (!(await conditional)) {
			await ceremony.options().catch(() => {}); // in stock for the button
			return;
		}
		if (busy) return;
		const controller = new AbortController();
		autofill = {
			abort: () => controller.abort(),
			done: prove({ mediation: "conditional", signal: controller.signal }).catch((error) => {
				// Only what the visitor chose from the list is worth a word. To
				// start again after anything else could go round in circles.
				if (!error.chosen || busy) return;
				show(box, error);
				startAutofill();
			}),
		};
	}

	async function restart() {
		if (busy) return;
		autofill.abort(); // a browser has one WebAuthn request at a time
		await autofill.done;
		await startAutofill();
	}

	button.addEventListener("click", async () => {
		if (busy) return;
		setBusy((busy = true));
		show(box, null);
		autofill.abort();
		await autofill.done;
		try {
			await prove({});
		} catch (error) {
			show(box, error);
		}
		ceremony.drop();
		setBusy((busy = false));
		startAutofill();
	});

	function setBusy(on) {
		button.setAttribute("aria-busy", on);
	}

	box.hidden = false;
	startAutofill();
}

// addPasskey makes a passkey for the account that is signed in.
function addPasskey(box) {
	if (!box) return;
	const button = box.querySelector("button");
	const prefetch = () => ceremony.options().catch(() => {}); // told after a click
	const ceremony = new Ceremony(box.dataset.ceremony, () => whenVisible(() => busy || prefetch()));
	let busy = false;

	button.addEventListener("click", async () => {
		if (busy) return;
		busy = true;
		button.setAttribute("aria-busy", true);
		show(box, null);
		try {
			const publicKey = decodeCreation(await ceremony.options());
			await ceremony.finalize(await navigator.credentials.create({ publicKey }));
			location.replace(box.dataset.done || "/");
			return;
		} catch (error) {
			if (error.status === 401 || error.slug === "fresh_sign_in_required") {
				location.assign(box.dataset.prove);
				return;
			}
			show(box, error);
		}
		busy = false;
		button.setAttribute("aria-busy", false);
		ceremony.drop();
		prefetch();
	});

	box.hidden = false;
	prefetch();
}

// updatePasskeyManager tells the browser which passkeys the account still has,
// and what it is called if it is there at all, so that it offers no others.
async function updatePasskeyManager(box) {
	if (!box) return;
	const { rpId, userHandle: userId, credentialIds, name, displayName } = box.dataset;
	await signal("signalAllAcceptedCredentials", {
		rpId,
		userId,
		allAcceptedCredentialIds: credentialIds.split(" ").filter(Boolean),
	});
	if (name !== undefined) {
		await signal("signalCurrentUserDetails", { rpId, userId, name, displayName });
	}
}

// signal is a courtesy: browsers that cannot, or will not, lose nothing.
async function signal(method, details) {
	try {
		await webauthn[method]?.(details);
	} catch {}
}

// tellAboutPasskeys lets the server know whether an offer to make a passkey
// would fall on fertile ground.
async function tellAboutPasskeys(form) {
	const able = await webauthn?.isUserVerifyingPlatformAuthenticatorAvailable?.().catch(() => false);
	if (form && able) form.elements.passkeys.value = "1";
}

// show says in the box what went wrong; null takes it back.
function show(box, error) {
	const problem = box.querySelector("[role=alert]");
	problem.textContent = error ? sentence(box.dataset, error) : "";
	problem.hidden = !problem.textContent;
}

function sentence(text, error) {
	if (error instanceof Refusal) {
		if (error.slug === "unknown_passkey") return text.textUnknown;
		if (error.status === 429) return text.textBusy;
		if (error.status >= 500) return text.textAway;
		return text.textFailed;
	}
	switch (error.name) {
		case "AbortError":
			return "";
		case "NotAllowedError": // cancelled, timed out, or no passkey: browsers do not say
			return text.textCancelled;
		case "InvalidStateError":
			return text.textExists;
	}
	return text.textFailed;
}

// whenVisible spares the server the tabs that nobody looks at.
function whenVisible(act) {
	if (document.visibilityState === "visible") return act();
	document.addEventListener("visibilitychange", () => whenVisible(act), { once: true });
}

// ---- JSON and bytes, for browsers from before WebAuthn level 3 ----

function decodeRequest(options) {
	if (webauthn.parseRequestOptionsFromJSON) return webauthn.parseRequestOptionsFromJSON(options);
	return {
		...options,
		challenge: toBytes(options.challenge),
		allowCredentials: options.allowCredentials?.map(decodeDescriptor),
	};
}

function decodeCreation(options) {
	if (webauthn.parseCreationOptionsFromJSON) return webauthn.parseCreationOptionsFromJSON(options);
	return {
		...options,
		challenge: toBytes(options.challenge),
		user: { ...options.user, id: toBytes(options.user.id) },
		excludeCredentials: options.excludeCredentials?.map(decodeDescriptor),
	};
}

function decodeDescriptor(descriptor) {
	return { ...descriptor, id: toBytes(descriptor.id) };
}

function encodeCredential(credential) {
	if (credential.toJSON) return credential.toJSON();
	const { id, type, authenticatorAttachment, response: from } = credential;
	const response = { clientDataJSON: toText(from.clientDataJSON) };
	for (const name of ["attestationObject", "authenticatorData", "signature", "userHandle"]) {
		if (from[name]) response[name] = toText(from[name]);
	}
	if (from.getTransports) response.transports = from.getTransports();
	return {
		id,
		rawId: id,
		type,
		authenticatorAttachment,
		response,
		clientExtensionResults: credential.getClientExtensionResults(),
	};
}

function toBytes(base64url) {
	const binary = atob(base64url.replaceAll("-", "+").replaceAll("_", "/"));
	return Uint8Array.from(binary, (c) => c.charCodeAt(0));
}

function toText(buffer) {
	const binary = String.fromCharCode(...new Uint8Array(buffer));
	return btoa(binary).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

// ---- forms and times ----

// submitWholePasscode takes a passcode however it was pasted, and submits it
// when it is whole. After a wrong one it waits to be told.
function submitWholePasscode(form) {
	if (!form) return;
	const { digits, auto } = form.dataset;
	const field = form.elements.passcode;
	let submitted = false;

	field.addEventListener("input", (event) => {
		if (event.isComposing) return;
		const typed = field.value.replace(/\D/g, "");
		if (typed !== field.value) field.value = typed;
		if (auto !== undefined && !submitted && typed.length === Number(digits)) form.requestSubmit();
	});
	// A second submission would find the passcode used, and hide the success of
	// the first.
	form.addEventListener("submit", (event) => {
		if (submitted) event.preventDefault();
		submitted = true;
	});
}

// showLocalTimes rewrites the times of the page, which the server gives in
// UTC, for the zone and the region of the visitor.
function showLocalTimes() {
	const language = document.documentElement.lang;
	const locale = navigator.languages.find((l) => l.split("-")[0] === language) ?? language;
	const minute = new Intl.DateTimeFormat(locale, { dateStyle: "medium", timeStyle: "short" });
	const day = new Intl.DateTimeFormat(locale, { dateStyle: "medium" });
	for (const time of document.querySelectorAll("time[datetime]")) {
		const format = time.dataset.day === undefined ? minute : day;
		time.textContent = format.format(new Date(time.dateTime));
	}
}

// ---- what this page has of it ----

showLocalTimes();
submitWholePasscode(document.getElementById("passcode-form"));
tellAboutPasskeys(document.getElementById("login"));
if (webauthn) {
	signInWithPasskey(document.getElementById("passkey-sign-in"));
	addPasskey(document.getElementById("passkey-add"));
	updatePasskeyManager(document.getElementById("passkey-signals"));
}

// A page that comes back from the history has used its options, or submitted
// its form: begin anew.
addEventListener("pageshow", (event) => {
	if (event.persisted) location.reload();
});
