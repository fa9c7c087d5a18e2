// A page that makes the requests around the ceremonies itself, as apps did that
// were written before there was an SDK. It keeps a token that comes in a header.
import { create, get } from "./npm/hanko-webauthn/dist/main/hanko-webauthn.js";
import { api } from "./page.js";

let token = "";

async function send(method, path, body) {
	const headers = body === undefined ? {} : { "Content-Type": "application/json" };
	if (token) headers.Authorization = "Bearer " + token;
	const response = await fetch(api + path, {
		method, headers, credentials: "include", body: body === undefined ? undefined : JSON.stringify(body),
	});
	token = response.headers.get("X-Auth-Token") ?? token;
	const text = await response.text();
	const answer = text ? JSON.parse(text) : null;
	if (!response.ok) throw { code: `${response.status} ${answer.message}` };
	return answer;
}

window.send = send;
window.register = async () =>
	send("POST", "/webauthn/registration/finalize",
		await create(await send("POST", "/webauthn/registration/initialize")));
window.signIn = async (ceremony, body) =>
	send("POST", `/webauthn/${ceremony}/finalize`,
		await get(await send("POST", `/webauthn/${ceremony}/initialize`, body)));
window.forget = () => { token = ""; };
window.ready = true;
