// Shows <hanko-auth> or <hanko-profile>, as the parameter element says.
import { register } from "./npm/hanko-elements/dist/elements.js";
import { api, parameters } from "./page.js";

({ hanko: window.hanko } = await register(api));
const element = document.createElement(parameters.get("element"));
if (parameters.has("experimental")) {
	element.setAttribute("experimental", parameters.get("experimental"));
}
document.querySelector("main").append(element);
window.ready = true;
