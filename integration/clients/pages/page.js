// What all pages have: where the API is, a record of the events that the clients
// announce on the document, and a way to make a call and tell what came of it.
export const parameters = new URLSearchParams(location.search);
export const api = parameters.get("api");

window.heard = [];
for (const type of [
	"hanko-session-created", "hanko-session-expired", "hanko-user-logged-out",
	"hanko-user-deleted", "hanko-auth-flow-completed",
]) {
	document.addEventListener(type, (e) => heard.push({ type: type.replace("hanko-", ""), detail: e.detail }));
}

window.outcome = async (call) => {
	try {
		return { Value: (await call()) ?? null };
	} catch (e) {
		return { Error: e.code || String(e), RetryAfter: e.retryAfter ?? 0 };
	}
};
